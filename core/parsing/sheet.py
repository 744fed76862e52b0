"""One sheet on its way to the parts: finds its tables, then streams their rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from core.errors import FileRejected
from core.parsing import limits
from core.parsing.block import Block
from core.parsing.evidence import Evidence
from core.parsing.feed import Feed
from core.parsing.filling import Filling
from core.parsing.parts import PartWriter
from core.parsing.plan import Plan, make_plan
from core.parsing.report import OutsideRow, ParseOptions, RowKind, TableReport
from core.parsing.sums import ROWS_BELOW, RecentRows
from core.parsing.tables import (
    SEARCH_ROWS,
    Doubts,
    Header,
    Merge,
    Row,
    RowClassifier,
    find_header,
    heads,
    no_headings,
    starts_table,
    unread_tables,
)
from core.parsing.wide import Wide
from core.records import Field

_SAMPLE_ROWS = 1_000  # below the header, to judge columns by
_FEWEST_ROWS = 200  # that are worth being taken together
_MOST_TITLES = 100  # lines above a table that are looked at
_ABOVE_COLUMNS = 50  # of such a line
_OUTSIDE_CHARACTERS = 200


def too_many_tables() -> FileRejected:
    """Return the reason for a file of very many tables."""
    return FileRejected(
        f"The file holds more than {limits.TABLES} tables, or {limits.TABLE_COLUMNS} columns in "
        "all of them. Put rows with the same headings into one table, or split the file.",
        code="too_many_tables",
    )


def no_header() -> FileRejected:
    """Return the reason for a sheet without a table."""
    return FileRejected(
        f"No row of headings was found in the first {SEARCH_ROWS} rows. Give the columns names "
        "such as Activity, Quantity, Unit.",
        code="no_header",
    )


class SheetParser:
    """Reads one sheet; several tables may stand on it one below the other."""

    def __init__(
        self,
        name: str,
        options: ParseOptions,
        writer: PartWriter,
        notes: list[str],
        merges: Sequence[Merge] = (),
        *,
        before: Sequence[TableReport] = (),
    ) -> None:
        self._name = name
        self._options = options
        self._writer = writer
        self._notes = notes
        self._merges = merges
        self._rows = 0
        self._tables = len(before)  # of the whole file, and their columns
        self._columns = sum(len(table.columns) for table in before)
        self._named = False
        self._titles: list[Row] = []  # lines of one text since the last row of data

    def parse(self, rows: Iterator[Row | Block], *, named: bool = False) -> list[TableReport]:
        """Stream one sheet; `named` says that its first row is the names of the columns.

        Raises FileRejected: no_header, no_quantity_column, no_rows, too_many_tables.
        """
        self._named = named  # of records: no row among them begins another table
        feed = Feed(rows)
        head = list(islice(feed, SEARCH_ROWS + _SAMPLE_ROWS))
        header = Header(0, 1, heads(head[0].cells)) if named else self._header(head)
        if header is None:
            raise no_header()
        if named and len(head) == 1:
            raise FileRejected("There are no rows below the headings.", code="no_rows")
        self._refuse_nul(header)
        tables: list[TableReport] = []
        above = head[: header.at]
        where = f'Sheet "{self._name[:60]}": ' if self._name else ""
        self._notes += [
            f"{where}Row {number} may head another table; what stands above the headings in row "
            f"{head[header.at].number} was not read. Put each table on a sheet of its own."
            for number in unread_tables(above)[:5]
        ]
        plan = self._plan(head, header, above)
        while True:
            below = head[header.at + header.lines :]
            if not tables and not any(any(map(str.strip, row.cells)) for row in below):
                raise FileRejected("There are no rows below the headings.", code="no_rows")
            self._notes += [note for note in plan.notes if note not in self._notes]
            evidence = Evidence(plan.fields, plan.options.region)
            feed.put_back(below)
            following = self._stream(feed, head, plan, evidence)
            self._writer.seal()
            tables.append(self._report(head, above, plan, evidence))
            if following is None:
                return tables
            head, header, plan = following
            above = self._titles

    def _header(self, head: Sequence[Row]) -> Header | None:
        options = self._options
        found = find_header(head, options.mapping, self._merges, options.remembered)
        return found or no_headings(head, options.mapping)

    def _refuse_nul(self, header: Header) -> None:
        if any("\x00" in heading for heading in header.headings):
            raise FileRejected(
                "A heading holds a NUL character, which is no text. Remove it.",
                code="bad_character",
            )

    def _plan(self, head: Sequence[Row], header: Header, above: Sequence[Row]) -> Plan:
        columns = self._columns + len(header.headings)
        if self._tables >= limits.TABLES or columns > limits.TABLE_COLUMNS:
            raise too_many_tables()
        below = head[header.at + header.lines :]
        short = [_short(row) for row in above]
        lines = [row.cells for row in head[header.at : header.at + header.lines]]
        plan = make_plan(header, below[:_SAMPLE_ROWS], short, self._name, self._options, lines)
        self._tables, self._columns = self._tables + 1, columns
        return plan

    def _stream(
        self, rows: Feed, head: Sequence[Row], plan: Plan, evidence: Evidence
    ) -> tuple[list[Row], Header, Plan] | None:
        """Write the rows of a table; return the next one, when another begins below it."""
        header, filler = plan.header, plan.filler
        lines = [row.cells for row in head[header.at : header.at + header.lines]]
        figures = [figure.index for figure in filler.figures] if isinstance(filler, Wide) else ()
        blocks = filler if isinstance(filler, Filling) else None
        classifier = RowClassifier(lines, plan.own_fields, figures=figures,
                                   titled=blocks is not None and blocks.titled)  # fmt: skip
        width = len(header.headings) if filler else None
        self._writer.begin(self._name, plan.fields, evidence=evidence, width=width)
        recent = RecentRows(classifier.number_columns)
        add, take = self._adder(plan), _Taker(rows, classifier, self._writer, recent)
        blanks: list[int] = []
        data, blank, self._rows, self._titles = RowKind.DATA, RowKind.BLANK, 0, []
        between = False  # since the last row of data stood a blank line, a title or a total
        while True:
            if not between and filler is None and (taken := take.data()):
                self._rows += taken
                self._titles.clear()
            row = next(rows, None)
            if row is None:
                return None
            kind = classifier.kind(row.cells)
            if kind is blank:
                blanks.append(row.number)  # counted only when something follows
                between = True
                if len(blanks) > self._options.max_rows:
                    raise FileRejected("The file has too many empty rows.", code="too_many_rows")
                continue
            for number in blanks:
                add(Row(number, []), blank)
            blanks.clear()
            if kind is data:
                if (
                    between
                    and not self._named
                    and starts_table(row)
                    and (found := self._next(row, rows))
                ):
                    return found
                if classifier.reads_as_sum(row.cells) and _is_sum(row, rows, classifier, recent):
                    kind = RowKind.TOTAL
                else:
                    between = False
                    self._titles.clear()
                    recent.add(row.cells)
            else:
                between = True
                if kind is RowKind.NOTE:
                    del self._titles[: 1 - _MOST_TITLES]
                    self._titles.append(row)
                    if blocks:
                        blocks.begin_block(next(filter(str.strip, row.cells)))
                elif blocks and kind is RowKind.REPEATED_HEADER:
                    blocks.repeat_headings()
            add(row, kind)

    def _adder(self, plan: Plan) -> Callable[[Row, RowKind], None]:
        """Return what writes a row, filled in or taken apart where the plan says so."""
        write, filler, data = self._writer.add, plan.filler, RowKind.DATA

        def add(row: Row, kind: RowKind) -> None:
            if filler is None or kind is not data:
                write(row, kind)
                self._rows += 1
                return
            for part in filler.expand(row):
                write(part, kind)
                self._rows += 1

        return add

    def _next(self, row: Row, queue: Feed) -> tuple[list[Row], Header, Plan] | None:
        """Return the table that begins with `row`, None when there is none after all."""
        head = [row, *islice(queue, 3)]
        header = find_header(head, self._options.mapping, (), self._options.remembered)
        try:
            if header is not None and header.at == 0 and len(head) > header.lines:
                self._refuse_nul(header)
                queue.put_back(head[header.lines :])
                head[header.lines :] = _own_rows(queue, head[: header.lines])
                return head, header, self._plan(head, header, self._titles)
        except FileRejected as error:
            if error.code != "no_quantity_column":
                raise
        queue.put_back(head[1:])
        return None

    def _report(
        self, head: Sequence[Row], above: Sequence[Row], plan: Plan, evidence: Evidence
    ) -> TableReport:
        header, options = plan.header, plan.options
        lines = head[header.at : header.at + header.lines]
        return TableReport(
            sheet=self._name,
            header_row=lines[-1].number if lines else 0,
            header_lines=header.lines,
            preamble_lines=sum(1 for row in above if any(map(str.strip, row.cells))),
            columns=plan.columns,
            unit_text=plan.unit[0],
            unit_why=plan.unit[1],
            currency_text=plan.currency[0],
            currency_why=plan.currency[1],
            quantity_scale=plan.quantity_scale,
            money_scale=plan.money_scale,
            decimals=evidence.decimals(options),
            date_order=evidence.date_order(options),
            us_states=evidence.us_states(plan.heading_of(Field.REGION)),
            rows=self._rows,
            signature=plan.signature,
            remembered_id=plan.remembered.id if plan.remembered else None,
            outside=(
                *(_outside(row) for row in head[: header.at] if any(map(str.strip, row.cells))),
                *(_outside(row, heading=True) for row in lines),
            ),
        )


class _Taker:
    """Takes what is certainly data from a block, so that no row of it is looked at alone."""

    def __init__(
        self, rows: Feed, classifier: RowClassifier, writer: PartWriter, recent: RecentRows
    ) -> None:
        self._rows, self._classifier, self._writer = rows, classifier, writer
        self._recent = recent
        self._block: Block | None = None
        self._doubts = Doubts([], [])

    def data(self) -> int:
        """Write rows up to the next that is no data, and return how many."""
        found = self._rows.block()
        if found is None:
            return 0
        block, at = found
        if block is not self._block:
            self._block, self._doubts = block, self._classifier.doubts(block)
        others = self._doubts.others
        next_doubt = bisect_left(others, at)
        stop = others[next_doubt] if next_doubt < len(others) else len(block)
        if stop - at < _FEWEST_ROWS:
            return 0
        stop = self._next_sum(block, at, stop)
        if stop > at:
            self._writer.add_data(block.slice(at, stop))
            self._rows.skip_to(stop)
        return stop - at

    def _next_sum(self, block: Block, at: int, stop: int) -> int:
        """Return where the rows end that add up to the next, and take note of them."""
        sums = self._doubts.sums
        for place in range(bisect_left(sums, (at, [])), len(sums)):
            index, cells = sums[place]
            if index >= stop:
                break
            self._note(block, at, index)
            at = index
            below = block.slice(index + 1, min(index + 1 + ROWS_BELOW, stop))
            if len(below) < ROWS_BELOW and stop == len(block):
                return index  # the next block may hold more of its parts
            if self._recent.add_up_to(cells, self._classifier.parts(below.cells().to_pylist())):
                return index
        self._note(block, at, stop)
        return stop

    def _note(self, block: Block, at: int, stop: int) -> None:
        if stop > at:
            self._recent.add(block.slice(at, stop))


def _is_sum(row: Row, rows: Feed, classifier: RowClassifier, recent: RecentRows) -> bool:
    """Tell whether a row named as a sum adds up the rows above it, or below."""
    below = list(islice(rows, ROWS_BELOW))
    rows.put_back(below)
    return recent.add_up_to(row.cells, classifier.parts(row.cells for row in below))


def _short(row: Row) -> Row:
    """Return as much of a line above a table as is searched for what it says."""
    cells = row.cells[:_ABOVE_COLUMNS]
    return row._replace(cells=[cell[: limits.HEADING_CHARACTERS] for cell in cells])


def _own_rows(rows: Feed, lines: Sequence[Row] = ()) -> list[Row]:
    """Return rows to judge a table by: none that may head another one, nor what is below it.

    The last row may repeat its own headings, of which `lines` are the lines.

    So that no row is looked at for more than two tables, however many there are.
    """
    found: list[Row] = []
    own = [line.cells for line in lines]
    for row in islice(rows, _SAMPLE_ROWS):
        if starts_table(row):
            found += [row] if row.cells in own else []  # repeated, which tells of blocks
            rows.put_back([row])
            break
        found.append(row)
    return found


def _outside(row: Row, *, heading: bool = False) -> OutsideRow:
    cells = row.cells[: limits.RECORD_COLUMNS]
    texts = tuple(cell[:_OUTSIDE_CHARACTERS].replace("\x00", "\ufffd") for cell in cells)
    return OutsideRow(number=row.number, cells=texts, heading=heading)
