"""Rows that are typed together come out as they do one by one."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.alike import plain_numbers
from core.errors import FileRejected
from core.numbers import Convention, read_number
from core.parsing.parse import parse_file
from core.parsing.raw_schema import RAW_SCHEMA
from core.parsing.report import ParseOptions
from core.readings import TypedRow
from core.records import Field, RowIssue, Severity
from core.row_reader import RowReader
from core.validation import TYPED_SCHEMA, ValidationContext, validate_part
from tests.core.parsing.test_blocks import csv_files

HEADINGS = "Activity;Type;Description;Quantity;Unit;Region;Date;Year;Amount;Currency"
VALUES: tuple[tuple[str, ...], ...] = (
    ("Diesel", "Electricity", "Home office", "", "Taxi", " Diesel ", "x" * 601),
    ("Fuel", "", "Travel", "y" * 601),
    ("", "to the site", "working from home", "a third"),
    ("12.5", "1.260", "1,260", "12,5", "1,234.56", "1.234,56", "", "-", "-3", "0", "12 kWh", "007",
     "0.125", "€ 5", "abc", "999999999999999999999", "100"),
    ("litres", "kWh", "h", "gallons", "", "$", "EUR", "nothing", "km"),
    ("GB", "DE", "US", "", "nowhere", "CH"),
    ("2024-01-31", "03/04/2024", "Jan 2024", "", "soon", "2023"),
    ("2024", "", "FY24", "never"),
    ("10", "", "1.500", "1,500", "-20.10", "£ 3", "12,5"),
    ("EUR", "", "GBP", "$", "thalers"),
)  # fmt: skip


def one_by_one(
    table: pa.Table, context: ValidationContext
) -> tuple[list[TypedRow], list[RowIssue]]:
    """Read each row of data by itself, as core.row_reader alone does."""
    texts = [
        pc.fill_null(pc.utf8_trim_whitespace(table.column(str(field))), "").to_pylist()
        for field in Field
    ]
    typed: list[TypedRow] = []
    found: list[RowIssue] = []
    readers: dict[int, tuple[RowReader, list[RowIssue]]] = {}
    for at, row in enumerate(table.select(RAW_SCHEMA.names[:4]).to_pylist()):
        if row["kind"] != "data":
            continue
        of = context.report.table(row["sheet"], row["row_number"])
        if id(of) not in readers:
            issues: list[RowIssue] = []
            readers[id(of)] = RowReader(of, context.region, context.year, issues), issues
        reader, issues = readers[id(of)]
        held = table.column("typed")[at].as_py()
        cells = [column[at] for column in texts]
        read = reader.read(row["row_number"], row["column_number"], held, cells)
        typed += [read] if read else []
        found += issues
        issues.clear()
    return typed, found


def check_same(table: pa.Table, context: ValidationContext) -> None:
    typed, issues = validate_part(table, context)
    assert typed.schema.equals(TYPED_SCHEMA)
    expected, problems = one_by_one(table, context)
    rows = [tuple(row.values()) for row in typed.to_pylist()]
    assert rows == [(*row[:-1], list(row.flags)) for row in expected]
    places = table.select(["sheet", "row_number", "kind"]).to_pylist()
    other = {(p["sheet"], p["row_number"]) for p in places if p["kind"] != "data"}
    assert [i for i in issues if (i.sheet, i.row_number) not in other] == problems
    order = {(p["sheet"], p["row_number"]): at for at, p in enumerate(places)}
    found = [order[i.sheet, i.row_number] for i in issues]
    assert found == sorted(found)
    assert sum(i.severity is Severity.REJECTED for i in issues) == table.num_rows - typed.num_rows


def parsed(source: Path, folder: Path, options: ParseOptions) -> tuple[pa.Table, ValidationContext]:
    folder.mkdir(exist_ok=True)
    report = parse_file(source, folder, options)
    tables = [pq.read_table(folder / part.name) for part in report.parts]
    return pa.concat_tables(tables).combine_chunks(), ValidationContext.of(report, options)


@given(
    seed=st.integers(0, 1 << 32),
    odd=st.sampled_from([0.0, 0.03, 0.5]),
    region=st.sampled_from([None, "GB", "DE"]),
    year=st.sampled_from([None, 2024]),
    sign=st.sampled_from([None, ".", ","]),
)
@settings(max_examples=40, deadline=None)
def test_typed_rows_and_issues_are_those_of_single_rows(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    odd: float,
    region: str | None,
    year: int | None,
    sign: str | None,
) -> None:
    dice = random.Random(seed)
    lines = [HEADINGS]
    for _ in range(300):
        cells = [values[0] if dice.random() >= odd else dice.choice(values) for values in VALUES]
        if not odd:
            cells[3] = dice.choice(VALUES[3][:6])
        lines.append(";".join(cells))
        if dice.random() < odd / 20:
            lines += ["Total;;;99", ""]
    folder = tmp_path_factory.mktemp("alike")
    (folder / "t.csv").write_text("\n".join(lines))
    options = ParseOptions(filename="t.csv", region=region, reporting_year=year,
                           decimal_separator=sign)  # fmt: skip
    check_same(*parsed(folder / "t.csv", folder / "parts", options))


@pytest.mark.parametrize("source", csv_files(), ids=lambda path: path.name)
def test_a_real_file_is_typed_as_row_by_row(source: Path, tmp_path: Path) -> None:
    for region in (None, "GB"):
        options = ParseOptions(filename="t.csv", region=region)
        try:
            read = parsed(source, tmp_path / str(region), options)
        except FileRejected as rejected:
            pytest.skip(f"no table of activities: {rejected.code}")
        check_same(*read)


def test_a_workbook_is_typed_as_row_by_row(tmp_path: Path) -> None:
    demo = Path(__file__).resolve().parents[1] / "data" / "demo.xlsx"
    check_same(*parsed(demo, tmp_path / "parts", ParseOptions(filename="t.xlsx", region="GB")))


@given(st.text(alphabet="0123456789.,-", min_size=1, max_size=14))
@settings(max_examples=1_500, deadline=None)
def test_a_plain_number_is_what_the_reader_of_numbers_makes_of_it(text: str) -> None:
    columns = {name: pa.nulls(1, RAW_SCHEMA.field(name).type) for name in RAW_SCHEMA.names}
    columns["volume"] = pa.array([text])
    numbers = plain_numbers(pa.table(columns), pc.equal(pa.array([1]), 1).to_numpy(False))
    if not numbers.plain[0]:
        return
    signs = [sign for sign, rows in numbers.either.items() if rows[0]]
    for convention, sign in ((Convention.POINT, "."), (Convention.COMMA, ",")):
        if signs in ([], [sign]):
            assert read_number(text, convention) == numbers.values[0]
    if signs:
        assert read_number(text, Convention.POINT) != read_number(text, Convention.COMMA)
