"""Reports of what nobody would upload in earnest: pages stay pages, sheets stay sheets."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pypdfium2
import pytest
from sqlalchemy import Engine, insert, text
from sqlmodel import Session

from activities.report import GenerateReports
from core.reporting import GroupBy, ReportFormat
from db.ids import uuid7
from db.models import Emission, Project
from db.queries.emissions import EmissionFilter
from runtime.adapters.renderer_csv import CsvRenderer
from runtime.adapters.renderer_excel import ExcelRenderer
from runtime.adapters.renderer_pdf import PdfRenderer
from runtime.adapters.storage_local import LocalStorage
from tests.activities.making_reports import made, pages, squeezed
from tests.activities.test_report import add, done, emission
from tests.factories import Uploader

pytestmark = pytest.mark.timeout(240)
PDF, EXCEL, CSV = ReportFormat.PDF, ReportFormat.EXCEL, ReportFormat.CSV
LONG = "W" * 10_000
RTL = "דוח פליטות ‮evil‬ تقرير الانبعاثات"
CONTROL = "a\x01b\x0bc\x1fd\x7f\u200b\u2028e\ufffef"


@pytest.fixture
def generate(worker_engine: Engine, storage: LocalStorage, tmp_path: Path) -> GenerateReports:
    renderers = {CSV: CsvRenderer(), EXCEL: ExcelRenderer(), PDF: PdfRenderer()}
    return GenerateReports(worker_engine, storage, renderers, work_dir=tmp_path / "work")


def outside(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield (page, character) of what is printed beyond the paper's edge."""
    for number, page in enumerate(pypdfium2.PdfDocument(data), start=1):
        width, height = page.get_size()
        shown = page.get_textpage()
        for index in range(shown.count_chars()):
            left, bottom, right, top = shown.get_charbox(index)
            if left < -1 or bottom < -1 or right > width + 1 or top > height + 1:
                yield number, shown.get_text_range(index, 1)


def called(uploader: Uploader, name: str) -> None:
    with Session(uploader.engine) as session:
        session.execute(text("UPDATE organizations SET name = :n"), {"n": name})
        session.commit()


@pytest.mark.parametrize("name", [LONG, RTL, CONTROL, "ab cd " * 1_700], ids=str.__len__)
def test_pages_hold_names_of_any_length_and_direction(
    uploader: Uploader, generate: GenerateReports, run: Any, name: str
) -> None:
    called(uploader, name)
    project = add(uploader, Project, name=name)
    for number in range(3):
        file = done(uploader, f"{number} {name}"[:250], project_id=project)
        for row in range(2, 6):
            emission(
                uploader, file, row, 10.0 * row, project_id=project, activity_type=name,
                category=f"{row} {name}", activity_name=f"{row} {name}", region=f"{number} {name}",
                activity_description=name, unit=name[:40],
            )  # fmt: skip
    values = {"name": name, "description": name, "by": tuple(GroupBy)}
    data = made(uploader, generate, run, PDF, **values)
    found = pages(data)
    assert len(found) <= 25
    assert list(outside(data)) == []
    assert "0.420" in found[0]  # 3 × (20 + 30 + 40 + 50) kg, on the cover
    assert "Data quality" in " ".join(found)
    book = openpyxl.load_workbook(io.BytesIO(made(uploader, generate, run, EXCEL, **values)))
    assert book["Summary"]["A1"].value
    table = made(uploader, generate, run, CSV, **values).decode("utf-8-sig")
    [total] = [r for r in csv.DictReader(io.StringIO(table, "")) if r["record"] == "total"]
    assert total["kg_co2e"] == "420"


def test_four_hundred_groups_are_listed_and_no_more(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    file = done(uploader)
    with Session(uploader.engine) as session:
        session.execute(
            insert(Emission),
            [
                {"organization_id": uploader.organization_id, "id": uuid7(), "scope": 1,
                 "file_id": file.file_id, "row_number": row, "activity_name": "Diesel",
                 "activity_type": f"type {row:04}", "unit": "litre", "volume": 1.0,
                 "calculated_emission": 1000.0, "activity_on": dt.date(2024, 1, 1)}
                for row in range(1, 451)
            ],
        )  # fmt: skip
        session.commit()
    data = made(uploader, generate, run, PDF, by=(GroupBy.TYPE,), details=False)
    shown = squeezed(pages(data))
    assert "type040011.00.2%" in shown
    assert "type0401" not in shown
    assert "50moregroupsarenotlisted" in shown
    book = openpyxl.load_workbook(
        io.BytesIO(made(uploader, generate, run, EXCEL, by=(GroupBy.TYPE,), details=False)),
        data_only=True,
    )
    rows = list(book["Breakdown"].iter_rows(values_only=True, max_col=3))
    assert (rows[450][0], rows[451]) == ("type 0450", ("Total", 450, 450_000))


@pytest.mark.parametrize(
    ("kilograms", "total"), [((), "0.0000"), ((0.0, 0.0), "0.0000"), ((-5000.0, 2000.0), "-3.00")],
)  # fmt: skip
def test_nothing_noughts_and_credits_make_a_report_of_a_single_day(
    uploader: Uploader, generate: GenerateReports, run: Any, kilograms: tuple[float, ...],
    total: str,
) -> None:  # fmt: skip
    day = dt.date(2024, 2, 29)
    file = done(uploader)
    for row, kg in enumerate(kilograms, start=2):
        emission(uploader, file, row, kg, activity_on=day, region="GB", activity_name=f"Row {row}")
    wanted = EmissionFilter(date_from=day, date_to=day)
    data = made(uploader, generate, run, PDF, wanted=wanted)
    found = pages(data)
    assert total in found[0]
    assert "2024-02-29 to 2024-02-29" in found[0]
    assert not re.search(r"\b(nan|inf|infinity)\b", " ".join(found), re.IGNORECASE)
    assert list(outside(data)) == []
    book = openpyxl.load_workbook(
        io.BytesIO(made(uploader, generate, run, EXCEL, wanted=wanted)), data_only=True
    )
    sums = [
        tuple(value for value in row[1:] if value is not None)
        for sheet in ("Summary", "By scope and category", "Breakdown")
        for row in book[sheet].iter_rows(values_only=True) if row[0] == "Total"
    ]  # fmt: skip
    assert set(sums) == {(len(kilograms), sum(kilograms), 0)}


def test_figures_go_on_on_the_next_sheet_and_stay_in_every_sum(
    uploader: Uploader, worker_engine: Engine, storage: LocalStorage, tmp_path: Path, run: Any
) -> None:
    file = done(uploader)
    for row in range(2, 12):
        emission(uploader, file, row, 2.0**row, activity_on=dt.date(2024, 1, 1))
    generate = GenerateReports(
        worker_engine, storage, {EXCEL: ExcelRenderer(sheet_rows=5)}, work_dir=tmp_path
    )
    data = made(uploader, generate, run, EXCEL)
    book = openpyxl.load_workbook(io.BytesIO(data))
    shown = [s for s in book.sheetnames if s.startswith("Emissions")]
    assert shown == ["Emissions", "Emissions 2", "Emissions 3"]  # 4 + 4 + 2 rows
    listed = [
        dict(zip([c.value for c in book[s][1]], row, strict=True))["kg_co2e"]
        for s in shown for row in book[s].iter_rows(min_row=2, values_only=True)
    ]  # fmt: skip
    assert sorted(listed) == [2.0**row for row in range(2, 12)]
    formula = next(
        cell.value for row in book["Summary"].iter_rows() for cell in row
        if cell.data_type == "f" and "SUMIFS" in cell.value
    )  # fmt: skip
    assert all(f"'{sheet}'!" in formula for sheet in shown)


def test_words_that_a_condition_confuses_are_summed_as_values(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    file = done(uploader)
    names = ("Fuels", "fuels", "01", "1", "TRUE", "a*", ">5", "Waste")
    for row, name in enumerate(names, start=2):
        emission(uploader, file, row, 2.0**row, category=name)
    book = openpyxl.load_workbook(io.BytesIO(made(uploader, generate, run, EXCEL)))
    sheet = book["By scope and category"]
    found = {row[0].value: row[2] for row in sheet.iter_rows(max_col=3) if row[0].value in names}
    assert {name for name, cell in found.items() if cell.data_type == "f"} == {"Waste"}
    assert [found[name].value for name in names[:-1]] == [2.0**row for row in range(2, 9)]
