"""A file → Parquet parts of raw rows, and a report of what was recognized and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from core.errors import FileRejected
from core.money import currency_in
from core.parsing import limits
from core.parsing.columns import assign, mapped_columns
from core.parsing.delimited import read_rows
from core.parsing.evidence import Evidence
from core.parsing.headings import read_heading
from core.parsing.parts import PartWriter
from core.parsing.report import ColumnReport, ParseOptions, ParseReport, RowKind, TableReport
from core.parsing.sniff import detect_dialect, detect_encoding
from core.parsing.structure import check_structure
from core.parsing.tables import (
    SEARCH_ROWS,
    Header,
    Merge,
    Row,
    RowClassifier,
    duplicate_headings,
    find_header,
)
from core.parsing.workbook import Workbook
from core.records import Field

_SAMPLE_ROWS = 1_000  # below the header, to judge columns by


def parse_file(source: Path, out_dir: Path, options: ParseOptions) -> ParseReport:
    """Read a CSV or XLSX file and write its rows to `out_dir` as Parquet (RAW_SCHEMA).

    Every row from below a header to the last non-empty one is written, and counted. Run it in a
    child process: a hostile workbook may kill it. Raises FileRejected with a code per reason
    (structure.py's, and no_header, no_quantity_column, no_rows, mapping_unknown_column,
    too_many_rows, too_many_columns, cell_too_large).
    """
    verdict = check_structure(source, options.filename)
    if not verdict.ok:
        raise FileRejected(verdict.message, code=verdict.code)
    writer = PartWriter(out_dir, rows_per_part=options.rows_per_part, max_rows=options.max_rows)
    notes: list[str] = []
    encoding = delimiter = None
    detected: Literal["csv", "xlsx"] = "xlsx" if verdict.detected_type == "xlsx" else "csv"
    if detected == "xlsx":
        tables = _parse_workbook(source, options, writer, notes)
    else:
        encoding = detect_encoding(source)
        dialect = detect_dialect(source, encoding)
        delimiter = dialect.delimiter
        rows = read_rows(source, encoding, dialect)
        tables = [_SheetParser("", options, writer, notes).parse(rows)]
    if verdict.hidden_rows:
        notes.append(f"{verdict.hidden_rows} hidden or filtered rows were read like others.")
    _check_mapping(tables, options)
    parts = writer.finish()
    return ParseReport(
        detected_type=detected,
        encoding=encoding,
        delimiter=delimiter,
        rows_total=writer.rows_total,
        rows_by_kind=dict(writer.kinds),
        parts=parts,
        tables=tuple(tables),
        notes=tuple(notes),
    )


def _parse_workbook(
    source: Path, options: ParseOptions, writer: PartWriter, notes: list[str]
) -> list[TableReport]:
    """Read every visible sheet that holds a table with quantities; name the others in the notes."""
    book = Workbook(source)
    tables: list[TableReport] = []
    refusals: list[FileRejected] = []
    _check_sheet_names(book.sheet_names)
    for name in book.sheet_names:
        sheet, rows = book.open_sheet(name)
        try:
            tables.append(_SheetParser(name, options, writer, notes, sheet.merges).parse(rows))
        except FileRejected as error:
            if error.code not in ("no_header", "no_quantity_column", "no_rows"):
                raise
            refusals.append(error)
            notes.append(f'Sheet "{name[:60]}" was left out: {error.message}')
    notes += [f'Sheet "{name[:60]}" is hidden and was left out.' for name in book.hidden_sheets]
    if not tables:
        # The sheet that came nearest to a table says best what is missing.
        order = ("no_quantity_column", "no_rows", "no_header")
        raise min(refusals, key=lambda e: order.index(e.code), default=_no_header())
    return tables


def _check_sheet_names(names: Sequence[str]) -> None:
    """Rows are told apart by sheet and number: no program writes a name twice, or a long one."""
    longest = max(map(len, names), default=0)
    if len(set(names)) < len(names) or longest > limits.SHEET_NAME_CHARACTERS:
        raise FileRejected(
            "Two sheets have the same name, or one a name that is too long. Rename them.",
            code="sheet_names",
        )


def _no_header() -> FileRejected:
    return FileRejected(
        f"No row of headings was found in the first {SEARCH_ROWS} rows. Give the columns names "
        "such as Activity, Quantity, Unit.",
        code="no_header",
    )


def _check_mapping(tables: Sequence[TableReport], options: ParseOptions) -> None:
    """A mapping that names a column nobody has is a mistake, not a wish."""
    for number, (key, field) in enumerate(options.mapping.items(), 1):
        if not any(mapped_columns([c.heading for c in t.columns], {key: field}) for t in tables):
            raise FileRejected(
                f"The mapping names a column that the file does not have: its entry {number}, for "
                f"{field}. Use a heading or a column letter.",
                code="mapping_unknown_column",
            )


class _SheetParser:
    """One sheet on its way: finds the table, then streams its rows to the writer."""

    def __init__(
        self,
        name: str,
        options: ParseOptions,
        writer: PartWriter,
        notes: list[str],
        merges: Sequence[Merge] = (),
    ) -> None:
        self._name = name
        self._options = options
        self._writer = writer
        self._notes = notes
        self._merges = merges
        self._rows = 0

    def parse(self, rows: Iterator[Row]) -> TableReport:
        """Stream one sheet. Raises FileRejected: no_header, no_quantity_column, no_rows."""
        head = list(islice(rows, SEARCH_ROWS + _SAMPLE_ROWS))
        header = find_header(head, self._options.mapping, self._merges)
        if header is None:
            raise _no_header()
        if any("\x00" in heading for heading in header.headings):
            raise FileRejected(
                "A heading holds a NUL character, which is no text. Remove it.",
                code="bad_character",
            )
        below = head[header.at + header.lines :]
        columns = assign(header.headings, [row.cells for row in below], self._options.mapping)
        fields = {column.field: column.index for column in columns if column.field}
        self._check_columns(header, columns, fields)
        if not any(any(map(str.strip, row.cells)) for row in below):
            raise FileRejected("There are no rows below the headings.", code="no_rows")
        lines = [row.cells for row in head[header.at : header.at + header.lines]]
        self._stream(chain(below, rows), RowClassifier(lines, fields), fields)
        return self._report(head, header, columns)

    def _check_columns(
        self, header: Header, columns: Sequence[ColumnReport], fields: dict[Field, int]
    ) -> None:
        if Field.VOLUME not in fields and Field.AMOUNT not in fields:
            raise FileRejected(
                "No column of quantities was found: neither amounts with a unit nor money. Name "
                "one Quantity or Amount, or say in the mapping which column it is.",
                code="no_quantity_column",
            )
        where = f'Sheet "{self._name[:60]}": ' if self._name else ""
        self._notes += [where + note for note in duplicate_headings(header.headings)]
        others = [
            column.letter
            for column in columns
            if column.field is None and read_heading(column.heading).unit_text
            and column.heading and Field.VOLUME in fields and Field.UNIT not in fields
        ]  # fmt: skip
        if others:
            self._notes.append(
                f"{where}Columns {', '.join(others)} also carry a unit and were not read; put "
                "each quantity on a row of its own, or map the column that counts."
            )

    def _stream(
        self, rows: Iterator[Row], classifier: RowClassifier, fields: dict[Field, int]
    ) -> None:
        self._writer.begin(self._name, fields)
        evidence = self._evidence = Evidence(fields, self._options.region)
        blanks: list[int] = []
        add, data, blank = self._writer.add, RowKind.DATA, RowKind.BLANK
        for row in rows:
            kind = classifier.kind(row.cells)
            if kind is blank:
                blanks.append(row.number)  # counted only when something follows
                if len(blanks) > self._options.max_rows:
                    raise FileRejected("The file has too many empty rows.", code="too_many_rows")
                continue
            for number in blanks:
                add(Row(number, []), blank)
            self._rows += 1 + len(blanks)
            blanks.clear()
            add(row, kind)
            if kind is data:
                evidence.see(row)

    def _report(
        self, head: Sequence[Row], header: Header, columns: tuple[ColumnReport, ...]
    ) -> TableReport:
        options, evidence = self._options, self._evidence
        above = head[: header.at]
        unit, unit_why, currency, currency_why = _whole_column(columns, header, options)
        if currency is None:
            currency = _currency_above(above, options.region)
            currency_why = "stated above the table" if currency else None
        return TableReport(
            sheet=self._name,
            header_row=head[header.at + header.lines - 1].number,
            header_lines=header.lines,
            preamble_lines=sum(1 for row in above if any(map(str.strip, row.cells))),
            columns=columns,
            unit_text=unit,
            unit_why=unit_why,
            currency_text=currency,
            currency_why=currency_why,
            decimals=evidence.decimals(options),
            date_order=evidence.date_order(options),
            us_states=evidence.us_states(),
            rows=self._rows,
        )


_MONEY_LINE = re.compile(
    r"amount|value|figure|currency|spend|betr[aä]g|werte|w[aä]hrung|montant|devise|importe|moneda",
    re.IGNORECASE,
)


def _currency_above(above: Sequence[Row], region: str | None) -> str | None:
    """Return the one currency that lines such as "All amounts in EUR" name above a table."""
    found = set()
    for row in above:
        text = " ".join(row.cells)
        if _MONEY_LINE.search(text):
            currency = currency_in(text, region=region)
            found |= {currency} if isinstance(currency, str) else set()
    return found.pop() if len(found) == 1 else None


def _whole_column(
    columns: Sequence[ColumnReport], header: Header, options: ParseOptions
) -> tuple[str | None, str | None, str | None, str | None]:
    """Return unit and currency that hold for a whole table, each with its reason."""
    unit, unit_why = options.unit, "given with the upload" if options.unit else None
    currency, currency_why = options.currency, "given with the upload" if options.currency else None
    for column in columns:
        heading = read_heading(header.headings[column.index])
        why = f'heading "{column.heading[:60]}"'
        if column.field is Field.VOLUME and not options.unit:
            carried = heading.unit_text or heading.currency_text
            if carried:
                unit, unit_why = carried, why
        if column.field is Field.AMOUNT and not options.currency and heading.currency_text:
            currency, currency_why = heading.currency_text, why
    return unit, unit_why, currency, currency_why
