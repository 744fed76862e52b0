"""What a report says of its files: rows that are no activity, and bytes that count twice."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from activities.report import GenerateReports
from core.permissions import Reach
from core.records import NO_ACTIVITY
from core.reporting import Duplicates, ReportFormat
from db.engine import tenant_session
from db.queries import report_overview
from db.queries.emissions import EmissionFilter
from db.queries.report_duplicates import duplicates
from runtime.adapters.renderer_csv import CsvRenderer
from runtime.adapters.renderer_excel import ExcelRenderer
from runtime.adapters.renderer_pdf import PdfRenderer
from runtime.adapters.storage_local import LocalStorage
from tests.activities.test_report import done, emission, row_of
from tests.activities.test_report_formats import Workbook, ask, made
from tests.factories import Uploader

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def generate(worker_engine: Engine, storage: LocalStorage, tmp_path: Path) -> GenerateReports:
    renderers = {
        ReportFormat.CSV: CsvRenderer(),
        ReportFormat.EXCEL: ExcelRenderer(),
        ReportFormat.PDF: PdfRenderer(),
    }
    return GenerateReports(worker_engine, storage, renderers, work_dir=tmp_path / "work")


@pytest.fixture
def copies(uploader: Uploader) -> None:
    """demo.xlsx three times, 100 and 7 kg, the last time also 4 kg; and another file of 1 kg."""
    first = done(uploader, "demo.xlsx", rows_total=9, rows_calculated=2, rows_in_review=1,
                 rows_rejected=6, rows_no_activity=4)  # fmt: skip
    sha256 = uploader.file(first).sha256
    same: dict[str, Any] = {"sha256": sha256, "duplicate_of": first.file_id}
    second, third = done(uploader, "demo.xlsx", **same), done(uploader, "copy.xlsx", **same)
    for file in (first, second, third):
        emission(uploader, file, 2, 100.0)
        emission(uploader, file, 3, 7.0, scope=3)
    emission(uploader, third, 4, 4.0, scope=2)
    emission(uploader, done(uploader, "other.xlsx"), 2, 1.0)


def again(uploader: Uploader, **wanted: Any) -> Duplicates:
    organization_id = uploader.organization_id
    with tenant_session(uploader.engine, organization_id) as session:
        return duplicates(session, organization_id, Reach(), EmissionFilter(**wanted))


def test_copies_of_the_same_bytes_are_added_up_beyond_the_first(
    uploader: Uploader, copies: None
) -> None:
    found = again(uploader)
    assert (found.files, found.figures, found.kg_co2e) == (2, 5, 218)  # 2 × 107 + 4
    found = again(uploader, scope=(3,))
    assert (found.files, found.figures, found.kg_co2e) == (2, 2, 14)


def test_a_copy_whose_first_is_in_no_figure_of_the_report_counts_once(
    uploader: Uploader, copies: None
) -> None:
    assert again(uploader, scope=(2,)) == Duplicates()
    assert again(uploader, scope=(2,)).warning() is None


def test_a_deleted_copy_counts_nowhere(uploader: Uploader, copies: None) -> None:
    with Session(uploader.engine) as session:
        session.execute(text("UPDATE files SET deleted_at = now() WHERE filename = 'copy.xlsx'"))
        session.commit()
    assert (again(uploader).files, again(uploader).kg_co2e) == (1, 107)


def test_rows_that_are_no_activity_are_told_apart_from_rejected_ones(
    uploader: Uploader, copies: None
) -> None:
    organization_id = uploader.organization_id
    with tenant_session(uploader.engine, organization_id) as session:
        found = report_overview.waiting(session, organization_id, Reach(), EmissionFilter())
    assert (found.rows, found.rejected, found.no_activity) == (9, 6, 4)


def test_every_format_and_the_reports_row_warn_of_copies_and_split_the_rejected(
    uploader: Uploader, generate: GenerateReports, copies: None, run: Any
) -> None:
    warning = "2 files hold the same bytes as another one of this report: 5 figures and 0.2 t CO2e"
    rows = "9 = 2 calculated + 1 in review + 2 rejected + 4 no activity"
    table = list(csv.DictReader(io.StringIO(
        made(uploader, generate, run, ReportFormat.CSV).decode("utf-8-sig"))))  # fmt: skip
    notes = [row["name"] for row in table if row["record"] == "note"]
    assert any(note.startswith(f"Warning: {warning}") for note in notes)
    assert any(rows in note for note in notes)

    book = Workbook(made(uploader, generate, run, ReportFormat.EXCEL))
    summary = [str(cell.value) for row in book.values["Summary"] for cell in row]
    assert any(cell.startswith(warning) for cell in summary)
    assert any(rows in cell for cell in summary)

    ref = ask(uploader, ReportFormat.PDF, details=False)
    assert run(generate.generate_report, ref).status == "completed"
    assert row_of(uploader, ref).contents == {
        "rows": {
            "total": 9, "calculated": 2, "in_review": 1, "rejected": 6, "no_activity": 4,
        },
        "duplicates": {
            "files": 2, "figures": 5, "kg_co2e": 218.0, "warning": again(uploader).warning(),
        },
    }  # fmt: skip


def test_the_codes_of_no_activity_are_those_of_rows_without_data() -> None:
    from core.validation import _KINDS

    unreadable = {"cell_too_large", "bad_character"}
    assert {code for code, _ in _KINDS.values()} - unreadable == set(NO_ACTIVITY)
