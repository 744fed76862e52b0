"""Parsing and validating: every row becomes a typed row or an issue, also the second time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine

from activities.objects import read_table
from activities.parse import ParseFile
from activities.validate import ValidatePart
from core.contracts import FileRef, PartRef
from core.errors import NotFound
from core.keys import activities_key, typed_part_key
from core.validation import rows_of
from runtime.parse_child import run_parse
from tests.activities.test_files_at_hand import read_back
from tests.core.parsing.test_every_row import HEADINGS, as_text, lines
from tests.factories import Uploader

CSV = b"""activity,quantity,unit,country,year
Diesel,"1,200",litres,UK,2025
Diesel,1.2,m3,UK,2025
Petrol,ten,litres,UK,2025
Gas,100,furlongs,UK,2025
Total,"1,311",,,
"""


@pytest.fixture
def parse(worker_engine: Engine, tmp_path: Path, uploader: Uploader) -> ParseFile:
    runner = partial(run_parse, timeout_s=60, memory_mb=1024)
    return ParseFile(worker_engine, uploader.storage, runner, work_dir=tmp_path / "work")


@pytest.fixture
def validate(worker_engine: Engine, uploader: Uploader) -> ValidatePart:
    return ValidatePart(worker_engine, uploader.storage)


def part(ref: FileRef, number: int = 0) -> PartRef:
    return PartRef(**ref.model_dump(), part=number)


def test_rows_are_typed_or_rejected_and_counted_the_same_the_second_time(
    uploader: Uploader, parse: ParseFile, validate: ValidatePart, run: Callable[..., Any]
) -> None:
    ref = uploader.upload(CSV)
    for _ in range(2):
        parsed = run(parse.parse_file, ref)
        assert (parsed.parts, parsed.rows, parsed.problem) == (1, 5, None)
        result = run(validate.validate_part, part(ref))
        assert (result.rows, result.valid, result.rejected) == (5, 2, 3)
    issues = uploader.rows(
        "SELECT row_number, code, severity FROM row_issues WHERE file_id = :file_id"
        " AND severity = 'rejected' ORDER BY row_number",
        ref,
    )
    assert [(i.row_number, i.code) for i in issues] == [
        (4, "number_invalid"),
        (5, "unit_unknown"),
        (6, "row_total"),
    ]
    recognized = uploader.file(ref).recognized
    fields = {c["heading"]: c["field"] for c in recognized["tables"][0]["columns"]}
    assert fields["quantity"] == "volume"


def test_rows_of_one_activity_in_two_units_are_one_distinct_activity(
    uploader: Uploader, parse: ParseFile, validate: ValidatePart, run: Callable[..., Any]
) -> None:
    ref = uploader.upload(CSV)
    run(parse.parse_file, ref)
    run(validate.validate_part, part(ref))
    assert run(validate.collect_activities, ref).activities == 1
    key = activities_key(ref.organization_id, ref.file_id)
    (activity,) = read_table(uploader.storage, key).to_pylist()
    assert activity["row_count"] == 2
    # 1,200 l + 1.2 m3 = 2,400 l
    assert activity["volume_total"] == pytest.approx(2400, rel=1e-12)
    typed = read_table(uploader.storage, typed_part_key(ref.organization_id, ref.file_id, 0))
    assert [r.volume for r in rows_of(typed)] == [1200.0, 1.2]


def workbook_bomb() -> bytes:
    """Return a 1.7 KB workbook whose two cells span 17 billion (calamine would abort)."""
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        '<row r="1"><c r="A1"><v>1</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
    )
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.spreadsheetml.sheet.main+xml"/></Types>'
    )
    book = (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r='
        '"http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
        '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}"><Relationship Id="rId1" '
            f'Type="{kind}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr("xl/workbook.xml", book)
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}"><Relationship Id="rId1" '
            f'Type="{kind}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        )
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("header only", b"activity,quantity,unit\n"),
        ("no quantity", b"activity,note\nDiesel,x\nPetrol,y\n"),
        ("bomb", workbook_bomb()),
        ("truncated workbook", workbook_bomb()[:900]),
    ],
)
def test_a_file_that_cannot_be_parsed_is_a_result_and_the_worker_goes_on(
    uploader: Uploader, parse: ParseFile, run: Callable[..., Any], name: str, data: bytes
) -> None:
    ref = uploader.upload(data, "list.xlsx" if data[:2] == b"PK" else "list.csv")
    result = run(parse.parse_file, ref)
    assert result.problem is not None, name
    assert result.problem.code not in ("", "internal_error")
    assert run(parse.parse_file, uploader.upload(CSV)).problem is None


def test_a_deleted_file_is_not_written_to(
    uploader: Uploader, parse: ParseFile, validate: ValidatePart, run: Callable[..., Any]
) -> None:
    from sqlalchemy import text
    from sqlmodel import Session

    ref = uploader.upload(CSV)
    run(parse.parse_file, ref)
    with Session(uploader.engine) as session:
        session.execute(
            text("UPDATE files SET deleted_at = now() WHERE id = :file_id"), ref.model_dump()
        )
        session.commit()
    with pytest.raises(NotFound):
        run(validate.validate_part, part(ref))


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=lines)
def test_every_row_of_any_table_has_one_outcome_in_the_database(
    body: list[list[str]], uploader: Uploader, parse: ParseFile, validate: ValidatePart,
    run: Callable[..., Any],
) -> None:  # fmt: skip
    first = ["Diesel", "5", "litres", uuid4().hex]  # no upload is the same as another
    ref = uploader.upload(as_text([HEADINGS, first, *body]))
    parsed = run(parse.parse_file, ref)
    if parsed.problem:
        assert parsed.problem.code == "not_text"
        return
    results = [run(validate.validate_part, part(ref, n)) for n in range(parsed.parts)]
    valid = sum(result.valid for result in results)
    assert valid + sum(result.rejected for result in results) == parsed.rows
    read_back(uploader, ref, parsed.rows, valid, parsed.parts)
