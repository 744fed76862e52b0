"""A file → Parquet parts of raw rows, and a report of what was recognized and why."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.errors import FileRejected
from core.parsing import json_rows, limits, parquet_rows
from core.parsing.columns import mapped_columns
from core.parsing.delimited import read_rows
from core.parsing.headings import fold_heading
from core.parsing.kinds import PACKED, WORKBOOKS, Content, extension_of
from core.parsing.packed import unpack
from core.parsing.parts import PartWriter
from core.parsing.recognized import kept
from core.parsing.report import ParseOptions, ParseReport, TableReport
from core.parsing.sheet import SheetParser, no_header
from core.parsing.sniff import detect_dialect, detect_type
from core.parsing.structure import check_structure, unpacked_name
from core.parsing.workbook import Workbook

_SUMMARY = re.compile(
    r"\b(?:summary|total|totals|overview|dashboard|pivot|ubersicht|zusammenfassung|gesamt|summe|"
    r"synthese|recapitulatif|resumen)\b"
)


def parse_file(source: Path, out_dir: Path, options: ParseOptions) -> ParseReport:
    """Read a file of any Content and write its rows to `out_dir` as Parquet (RAW_SCHEMA).

    Text may come packed. Every row from below a header to the last non-empty one is written, and
    counted. Run it in a child process: a hostile workbook may kill it. Raises FileRejected with a
    code per reason (structure.py's and the readers', and no_header, no_quantity_column, no_rows,
    too_many_tables, mapping_unknown_column, too_many_rows).
    """
    if detect_type(source) == "gzip":
        return _parse_packed(source, out_dir, options)
    verdict = check_structure(source, options.filename)
    if not verdict.ok:
        raise FileRejected(verdict.message, code=verdict.code)
    writer = PartWriter(out_dir, rows_per_part=options.rows_per_part, max_rows=options.max_rows)
    notes: list[str] = []
    encoding, delimiter = verdict.encoding, None
    detected = Content(verdict.detected_type)
    if detected in WORKBOOKS:
        tables = _parse_workbook(source, options, writer, notes)
    elif detected is Content.CSV:
        assert encoding is not None
        dialect = detect_dialect(source, encoding)
        delimiter = dialect.delimiter
        rows = read_rows(source, encoding, dialect)
        tables = SheetParser("", options, writer, notes).parse(rows)
    else:
        if detected is Content.PARQUET:
            rows = parquet_rows.read_rows(source, notes)
        else:
            assert encoding is not None
            rows = json_rows.read_rows(source, encoding, detected)
        tables = SheetParser("", options, writer, notes).parse(rows, named=True)
    if verdict.hidden_rows:
        notes.append(f"{verdict.hidden_rows} hidden or filtered rows were read like others.")
    _check_mapping(tables, options)
    parts = writer.finish()
    report = ParseReport(
        detected_type=detected,
        encoding=encoding,
        delimiter=delimiter,
        rows_total=writer.rows_total,
        rows_by_kind=dict(writer.kinds),
        parts=parts,
        tables=tuple(tables),
        notes=tuple(notes),
    )
    return kept(report)


def _parse_packed(source: Path, out_dir: Path, options: ParseOptions) -> ParseReport:
    if extension_of(options.filename) not in (*PACKED, ""):
        verdict = check_structure(source, options.filename)
        raise FileRejected(verdict.message, code=verdict.code)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix="unpacked-") as directory:
        inner = Path(directory) / "text"
        unpack(source, inner)
        if detect_type(inner) == "gzip":
            raise FileRejected("Only texts may come packed, once.", code="type_not_supported")
        renamed = options.model_copy(update={"filename": unpacked_name(options.filename)})
        return parse_file(inner, out_dir, renamed)


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
            parser = SheetParser(name, options, writer, notes, sheet.merges, before=tables)
            tables += parser.parse(rows)
        except FileRejected as error:
            if error.code not in ("no_header", "no_quantity_column", "no_rows"):
                raise
            refusals.append(error)
            notes.append(f'Sheet "{name[:60]}" was left out: {error.message}')
    notes += _sums_of_sheets(tables)
    notes += [f'Sheet "{name[:60]}" is hidden and was left out.' for name in book.hidden_sheets]
    if not tables:
        # The sheet that came nearest to a table says best what is missing.
        order = ("no_quantity_column", "no_rows", "no_header")
        raise min(refusals, key=lambda e: order.index(e.code), default=no_header())
    return tables


def _sums_of_sheets(tables: Sequence[TableReport]) -> list[str]:
    """Return which sheets seem to add up the others, by their names."""
    names = list(dict.fromkeys(table.sheet for table in tables))
    return [
        f'Sheet "{name[:60]}" was read like the others. If it adds them up, all counts twice: hide '
        "it or delete it."
        for name in names
        if len(names) > 1 and _SUMMARY.search(fold_heading(name))
    ]


def _check_sheet_names(names: Sequence[str]) -> None:
    """Rows are told apart by sheet and number: no program writes a name twice, or a long one."""
    longest = max(map(len, names), default=0)
    if len(set(names)) < len(names) or longest > limits.SHEET_NAME_CHARACTERS:
        raise FileRejected(
            "Two sheets have the same name, or one a name that is too long. Rename them.",
            code="sheet_names",
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
