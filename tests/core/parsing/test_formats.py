"""JSON, Parquet, old and open workbooks, packed texts: each becomes rows or says why not."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.errors import FileRejected
from core.parsing.kinds import Content
from core.parsing.parse import parse_file
from core.parsing.report import ParseOptions, ParseReport, RowKind
from core.validation import ValidationContext, validate_part
from tests.core.parsing.books import ods, xls

ROWS: list[list[str | float]] = [
    ["Activity", "Quantity", "Unit"],
    ["Diesel", 1234.5, "litres"],
    ["Strom für Büro", 7.0, "kWh"],
]
CSV = "Activity;Quantity;Unit\nDiesel;1.234,5;litres\nStrom für Büro;7;kWh\n"


def packed(content: bytes, level: int = 9) -> bytes:
    return gzip.compress(content, level, mtime=0)  # a test's name must not depend on the time


def parsed(
    tmp_path: Path, content: bytes, name: str, **options: Any
) -> tuple[ParseReport, list[dict[str, Any]]]:
    source = tmp_path / "upload"
    source.write_bytes(content)
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    report = parse_file(source, out, ParseOptions(filename=name, **options))
    assert sorted(p.name for p in out.iterdir()) == [part.name for part in report.parts]
    rows = [row for part in report.parts for row in pq.read_table(out / part.name).to_pylist()]
    assert len(rows) == report.rows_total == sum(report.rows_by_kind.values())
    return report, rows


def refused(tmp_path: Path, content: bytes, name: str) -> str:
    with pytest.raises(FileRejected) as raised:
        parsed(tmp_path, content, name)
    return raised.value.code


def volumes(tmp_path: Path, report: ParseReport, **options: Any) -> list[float]:
    context = ValidationContext.of(report, ParseOptions(**options))
    found: list[float] = []
    for part in report.parts:
        typed, issues = validate_part(pq.read_table(tmp_path / "out" / part.name), context)
        assert not [issue for issue in issues if issue.severity == "rejected"]
        found += typed.column("volume").to_pylist()
    return found


def parquet(table: pa.Table, tmp_path: Path) -> bytes:
    path = tmp_path / "table.parquet"
    pq.write_table(table, path)
    return path.read_bytes()


OBJECTS = b'[{"Activity": "Diesel", "Quantity": 1234.5, "Unit": "litres"},\n {"Activity": "X"}]'


@pytest.mark.parametrize(
    ("name", "content", "detected"),
    [
        ("a.xls", xls(ROWS), Content.XLS),
        ("a.ods", ods(ROWS), Content.ODS),
        ("a.json", json.dumps([dict(zip(ROWS[0], r, strict=True)) for r in ROWS[1:]]).encode(),
         Content.JSON),
        ("a.jsonl", b"\n".join(json.dumps(dict(zip(ROWS[0], r, strict=True))).encode()
                               for r in ROWS[1:]), Content.JSONL),
        ("a.csv.gz", packed(CSV.encode()), Content.CSV),
        ("A.TSV.GZ", packed(CSV.replace(";", "\t").encode("utf-16")), Content.CSV),
    ],
)  # fmt: skip
def test_the_same_table_is_read_from_every_format(
    tmp_path: Path, name: str, content: bytes, detected: Content
) -> None:
    report, rows = parsed(tmp_path, content, name)
    assert report.detected_type is detected
    assert [row["activity_name"] for row in rows] == ["Diesel", "Strom für Büro"]
    assert [row["unit"] for row in rows] == ["litres", "kWh"]
    assert volumes(tmp_path, report) == [1234.5, 7.0]


def test_rows_of_workbooks_are_numbered_as_programs_show_them(tmp_path: Path) -> None:
    above: list[list[str | float]] = [["Energy 2024"], ["", ""], *ROWS]
    for name, content in (("a.xls", xls(above)), ("a.ods", ods(above))):
        report, rows = parsed(tmp_path, content, name)
        assert (report.tables[0].header_row, [r["row_number"] for r in rows]) == (3, [4, 5]), name
        assert [r["typed"] for r in rows] == [["volume"], ["volume"]], name


def test_numbers_of_json_keep_their_digits_and_decimal_point(tmp_path: Path) -> None:
    content = (
        b'[{"Activity": "Diesel", "Quantity": 1.250, "Unit": "l"},'
        b' {"Activity": "Diesel", "Quantity": 12345678901234567890.10, "Unit": "l"},'
        b' {"Activity": "Diesel", "Quantity": 1.5E2, "Unit": "l"}]'
    )
    report, rows = parsed(tmp_path, content, "a.json", region="DE")
    texts = [row["volume"] for row in rows]
    assert texts == ["1.250", "12345678901234567890.10", "1.5E2"]
    assert [row["typed"] for row in rows] == [["volume"]] * 3
    context = ValidationContext.of(report, ParseOptions(region="DE"))
    typed, issues = validate_part(pq.read_table(tmp_path / "out" / "part-00000.parquet"), context)
    # 12,345,678,901,234,567,890 litres are more than there are
    assert [issue.code for issue in issues] == ["quantity_too_large"]
    assert typed.column("volume").to_pylist() == [1.25, 150.0]


def test_nested_values_get_dotted_names_and_lists_stay_json(tmp_path: Path) -> None:
    content = json.dumps(
        [
            {"activity": {"name": "Diesel", "tags": ["a", 1.50, None]}, "usage": {"quantity": 5}},
            {"usage": {"quantity": 6, "unit": "litres"}, "activity": {"name": "Petrol"}},
        ]
    ).encode()
    report, rows = parsed(tmp_path, content, "a.json", mapping={"usage.quantity": "volume"})
    headings = [column.heading for column in report.tables[0].columns]
    assert headings == ["activity.name", "activity.tags", "usage.quantity", "usage.unit"]
    assert rows[0]["cells"] == ["Diesel", '["a", 1.5, null]', "5"]
    assert rows[1]["cells"] == ["Petrol", "", "6", "litres"]


def test_lines_of_json_are_numbered_by_line_and_blank_ones_counted(tmp_path: Path) -> None:
    content = b'{"Activity": "Diesel", "Quantity": 5, "Unit": "l"}\r\n\r\n' * 2
    report, rows = parsed(tmp_path, content, "a.ndjson")
    assert [row["row_number"] for row in rows] == [1, 2, 3]
    assert report.rows_by_kind == {RowKind.DATA: 2, RowKind.BLANK: 1}
    assert parsed(tmp_path, content, "a.json")[0].detected_type is Content.JSONL


def test_a_row_of_json_that_looks_like_a_heading_is_no_heading(tmp_path: Path) -> None:
    content = b'[{"a": "x", "qty": 5}, {"a": "Activity", "qty": "Quantity"}]'
    report, rows = parsed(tmp_path, content, "a.json", mapping={"a": "activity_name"})
    assert report.tables[0].header_row == 0
    assert [row["activity_name"] for row in rows] == ["x", "Activity"]


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"[]", "a.json", "no_rows"),
        (b"[1, 2]", "a.json", "type_mismatch"),  # it does not begin as an array of objects
        (b'[{"a": 1}, 2]', "a.json", "json_not_objects"),
        (b'{"a": 1}\n[2]\n', "a.jsonl", "json_not_objects"),
        (b'[{"a": 1}', "a.json", "json_damaged"),
        (b'[{"a": 1},]', "a.json", "json_damaged"),
        (b'[{"a": 1}] x', "a.json", "json_damaged"),
        (b'[{"a": NaN}]', "a.json", "json_damaged"),
        (b'{"a": {\n"b": 1}}', "a.json", "json_damaged"),
        (b'[{"a": ' + b"[" * 100_000, "a.json", "json_damaged"),
        (b'[{"a": "' + b"x" * 6_000_000 + b'"}]', "a.json", "json_damaged"),
        (b'[{"a": 1, "a": 2}]', "a.json", "json_duplicate_name"),
        (b'[{"a.b": 1, "a": {"b": 2}}]', "a.json", "json_duplicate_name"),
        (json.dumps([{f"n{i}": 1 for i in range(501)}]).encode(), "a.json", "too_many_columns"),
        (OBJECTS, "a.csv", "type_mismatch"),
        (OBJECTS, "a.jsonl", "type_mismatch"),
        (CSV.encode(), "a.json", "type_mismatch"),
        (CSV.encode(), "a.csv.gz", "type_mismatch"),
        (packed(CSV.encode()), "a.csv", "not_text"),
        (packed(CSV.encode()), "a.xlsx", "type_not_supported"),
        (packed(packed(CSV.encode())), "a.csv.gz", "type_not_supported"),
        (packed(xls(ROWS)), "a.csv.gz", "type_mismatch"),
        (packed(CSV.encode())[:-5], "a.csv.gz", "gzip_damaged"),
        (packed(CSV.encode()) + b"rest", "a.csv.gz", "gzip_damaged"),
        (packed(b""), "a.csv.gz", "file_empty"),
        (packed(b"a,b\n" * 10_000_000, 1), "a.csv.gz", "zip_bomb"),
        (xls(ROWS, extra="_VBA_PROJECT_CUR"), "a.xls", "macros"),
        (xls(ROWS, extra="EncryptedPackage"), "a.xls", "encrypted"),
        (xls(ROWS, "WordDocument"), "a.xls", "type_not_supported"),
        (xls(ROWS)[:1500], "a.xls", "workbook_damaged"),
        (ods(ROWS, add={"Basic/Standard/Module1.xml": b"<a/>"}), "a.ods", "macros"),
        (ods(ROWS), "a.xlsx", "type_mismatch"),
        (b"PAR1" + bytes(100) + b"PAR1", "a.parquet", "parquet_damaged"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes, name: str, code: str) -> None:
    assert refused(tmp_path, content, name) == code


def test_several_packed_members_are_one_text(tmp_path: Path) -> None:
    head, _, tail = CSV.partition("\nStrom")
    content = packed(head.encode()) + packed(("\nStrom" + tail).encode()) + bytes(64)
    assert parsed(tmp_path, content, "a.csv.gz")[0].rows_total == 2


def test_repeated_cells_of_opendocument_are_counted_before_they_are_opened(tmp_path: Path) -> None:
    cell = '<table:table-cell office:value-type="float" office:value="1"'
    wide = f'{cell} table:number-columns-repeated="16384"/>'
    tall = '<table:table-row table:number-rows-repeated="1048576">'
    assert refused(
        tmp_path, ods([], body=f"{tall}{wide}</table:table-row>"), "a.ods"
    ) == "workbook_too_large"  # fmt: skip
    assert refused(
        tmp_path, ods([], body=f"{tall}{cell * 1}/>{cell}/></table:table-row>" * 7), "a.ods"
    ) == "workbook_too_large"  # fmt: skip


def test_typed_columns_of_parquet_are_read_exactly(tmp_path: Path) -> None:
    day, time = dt.date(2024, 3, 4), dt.datetime(2024, 3, 5, 23, 30, tzinfo=dt.UTC)
    table = pa.table(
        {
            "Activity": pa.array(["Diesel", "Petrol", None]).dictionary_encode(),
            "Quantity": pa.array([Decimal("1.250"), Decimal("7.000"), None], pa.decimal128(12, 3)),
            "Unit": ["litres", "litres", None],
            "Date": pa.array([day, None, None]),
            "At": pa.array([time, None, None], pa.timestamp("ns", "Europe/Berlin")),
            "Small": pa.array([0.1, 2.0, None], pa.float32()),
            "Where": pa.array([{"site": "A", "tags": ["x"]}, None, None]),
            "Blob": pa.array([b"\xff", None, None]),
            "Paid": [True, False, None],
        }
    )
    report, rows = parsed(tmp_path, parquet(table, tmp_path), "a.parquet", region="DE")
    # 23:30 in London is half past midnight of the next day in Berlin
    assert rows[0]["cells"] == [
        "Diesel", "1.250", "litres", "2024-03-04", "2024-03-06 00:30:00", "0.1", "A", '["x"]',
        "TRUE",
    ]  # fmt: skip
    assert [row["row_number"] for row in rows] == [1, 2]  # the last one holds nothing
    assert any("Blob" in note for note in report.notes)
    assert [column.heading for column in report.tables[0].columns][6:8] == [
        "Where.site", "Where.tags",
    ]  # fmt: skip
    assert volumes(tmp_path, report, region="DE") == [1.25, 7.0]


def test_a_dictionary_of_one_long_text_is_bounded_by_its_rows(tmp_path: Path) -> None:
    long = pa.array(["x" * 40_000]).dictionary_encode().dictionary
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), long)
    table = pa.table({"Activity": column, "Quantity": [1] * 300, "Unit": ["kWh"] * 300})
    report, _ = parsed(tmp_path, parquet(table, tmp_path), "a.parquet")
    assert report.rows_by_kind == {RowKind.CELL_TOO_LARGE: 300}


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=5)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def _names(value: Any) -> set[str]:
    if isinstance(value, list):
        return {name for item in value for name in _names(item)}
    if isinstance(value, dict):
        return set(value) | {name for item in value.values() for name in _names(item)}
    return set()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=4), _VALUES, max_size=4), max_size=8))
def test_every_object_of_any_json_is_a_row(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, Any]]
) -> None:
    first = {"Activity": "Diesel", "Quantity": 5, "Unit": "l"}
    last = {"Activity": "Petrol", "Quantity": 6, "Unit": "l"}
    content = json.dumps([first, *objects, last]).encode()
    first_names = {"Activity", "Quantity", "Unit"}
    # A NUL in a name is refused as in any heading, and "a.b" beside {"a": {"b": …}} is twice named.
    assume(not any("\x00" in name or "." in name for name in _names(objects)))
    assume(first_names.isdisjoint(_names(objects)))
    report, rows = parsed(tmp_path_factory.mktemp("json"), content, "a.json")
    assert report.rows_total == len(objects) + 2
    assert [row["row_number"] for row in rows] == list(range(1, len(objects) + 3))
