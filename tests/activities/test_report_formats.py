"""The same report as CSV, Excel and PDF: one truth in three dresses, and hostile text in each."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pypdfium2
import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from activities.report import GenerateReports
from core.contracts import ReportRef
from core.keys import annex_key, report_key
from core.permissions import Reach
from core.reporting import ReportFormat
from db.engine import tenant_session
from db.models import EmissionFactor
from db.queries import emissions, report_rejections
from db.queries.emissions import EmissionFilter
from runtime.adapters import renderer_excel
from runtime.adapters.renderer_csv import CsvRenderer
from runtime.adapters.renderer_excel import ExcelRenderer
from runtime.adapters.renderer_pdf import PdfRenderer
from runtime.adapters.storage_local import LocalStorage
from tests.activities.making_reports import Workbook, ask, made, pages, squeezed, stored
from tests.activities.test_report import add, done, emission
from tests.factories import Uploader

pytestmark = pytest.mark.timeout(240)
FORMATS = tuple(ReportFormat)
# What a tenant may write into any text there is.
HOSTILE = (
    '=HYPERLINK("http://evil","x")<script>alert(1)</script>{{7*7}}<img src="file:///etc/passwd">'
)


@pytest.fixture
def generate(worker_engine: Engine, storage: LocalStorage, tmp_path: Path) -> GenerateReports:
    renderers = {
        ReportFormat.CSV: CsvRenderer(),
        ReportFormat.EXCEL: ExcelRenderer(),
        ReportFormat.PDF: PdfRenderer(),
    }
    return GenerateReports(worker_engine, storage, renderers, work_dir=tmp_path / "work")


@pytest.fixture
def ledger(uploader: Uploader) -> None:
    """0.1 + 0.2 + 8850 + 1e-3 and a credit of −12.5 count; 500 is biogenic. Total 8837.801."""
    own = add(
        uploader, EmissionFactor, source_id="own-1", name="Green tariff", category="Electricity",
        unit="kWh", dimension="energy", value_per_unit=0.001, activity_kind="electricity",
    )  # fmt: skip
    file = done(uploader, rows_total=9, rows_calculated=6, rows_in_review=1, rows_rejected=2)
    add_rejected(uploader, file)
    emission(uploader, file, 2, 0.1, activity_on=dt.date(2024, 3, 1))
    emission(uploader, file, 3, 0.2, activity_year=2024, confidence_score=0.62)
    emission(uploader, file, 4, 8850.0, scope=2, category=None, activity_on=dt.date(2024, 5, 2))
    emission(uploader, file, 5, 0.001, scope=2, category="Electricity", emission_factor_id=own)
    emission(uploader, file, 6, -12.5, scope=3, scope3_category=1, activity_name="Credit note")
    emission(uploader, file, 7, 500.0, scope=None, biogenic=True)


def add_rejected(uploader: Uploader, file: Any) -> None:
    with Session(uploader.engine) as session:
        for row in (8, 9):
            session.execute(
                text(
                    "INSERT INTO row_issues (organization_id, file_id, part, row_number, code,"
                    " severity, message, value_text) VALUES (:o, :f, 0, :r, 'unit_missing',"
                    " 'rejected', 'Name a unit.', :v)"
                ),
                {"o": file.organization_id, "f": file.file_id, "r": row, "v": HOSTILE},
            )
        session.commit()


def test_all_formats_and_the_api_agree_on_every_total(
    uploader: Uploader, generate: GenerateReports, ledger: None, run: Any
) -> None:
    whole, biogenic = "8837.801", "500"
    with tenant_session(uploader.engine, uploader.organization_id) as session:
        summary = emissions.summarize(session, uploader.organization_id, Reach(), EmissionFilter())
    assert (summary.total_kg_co2e, summary.biogenic_kg_co2) == (8837.801, 500.0)

    table = made(uploader, generate, run, ReportFormat.CSV).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    [total] = [row for row in rows if row["record"] == "total"]
    assert (total["kg_co2e"], total["biogenic_kg_co2"]) == (whole, biogenic)

    shown = squeezed(pages(made(uploader, generate, run, ReportFormat.PDF)))
    assert f"Total{whole}{biogenic}" in shown
    assert "Scope10.30" in shown
    assert "Scope28850.0010" in shown
    assert "Scope3-12.50" in shown

    book = Workbook(made(uploader, generate, run, ReportFormat.EXCEL))
    formulas = book.formulas()
    assert len(formulas) > 20
    for sheet, place, formula in formulas:
        cached = Decimal(repr(book.values[sheet][place].value))
        assert book.worked_out(sheet, formula) == cached, (sheet, place, formula)
    shown = [
        [cell.value for cell in row if cell.value is not None]
        for sheet in ("Summary", "By scope and category", "Breakdown")
        for row in book.values[sheet].iter_rows()
        if row[0].value == "Total"
    ]
    totals = {(row[0], row[2], row[3]) for row in shown}
    assert totals == {("Total", 8837.801, 500)}


def test_the_pages_say_what_is_not_in_the_figures_and_how_sure_they_are(
    uploader: Uploader, generate: GenerateReports, ledger: None, run: Any
) -> None:
    shown = squeezed(pages(made(uploader, generate, run, ReportFormat.PDF)))
    assert "Of9rowsinthisfile,1waitsforaperson'sdecisionand2wererejected" in shown.replace("’", "'")
    assert "9rows=6calculated+1inreview+2rejected" in shown
    assert "bytheorganization'sownfactors(supplier,contractorgrid)1<0.01" in shown
    assert "0.6to0.751<0.01" in shown


def test_a_pdf_is_tagged_titled_outlined_and_numbered(
    uploader: Uploader, generate: GenerateReports, ledger: None, run: Any
) -> None:
    data = made(uploader, generate, run, ReportFormat.PDF)
    document = pypdfium2.PdfDocument(data)
    titles = [entry.get_title() for entry in document.get_toc()]
    assert {"Summary", "Where it comes from", "Method", "Data quality", "Figures"} <= set(titles)
    assert document.get_metadata_value("Title") == "Year 2024 – Harbour & Hill"
    assert document.is_tagged()
    last = len(document)
    assert f"{last} / {last}" in pages(data)[-1]


def test_the_details_of_a_pdf_end_in_an_annex_with_every_figure(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    file = done(uploader)
    for row in range(2, 312):  # 310 figures of 1 … 310 kg, the smallest first
        emission(uploader, file, row, float(row - 1), activity_name=f"Row {row}")
    ref = ask(uploader, ReportFormat.PDF)
    run(generate.generate_report, ref)
    data = stored(uploader, report_key(ref.organization_id, ref.report_id, "pdf"))
    shown = pages(data)
    details = "".join(shown[next(i for i, p in enumerate(shown) if "largest of" in p) :])
    assert "The 300 largest of 310 figures" in re.sub(r"\s+", " ", details)
    listed = re.findall(r"Row (\d+)\s", details)
    assert [int(row) for row in listed] == list(range(311, 11, -1))
    annex = stored(uploader, annex_key(ref.organization_id, ref.report_id)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(annex)))
    assert sum(row["record"] == "emission" for row in rows) == 310
    [total] = [row for row in rows if row["record"] == "total"]
    assert total["kg_co2e"] == "48205"  # 310 × 311 / 2


def test_a_report_that_is_given_up_leaves_no_annex(
    uploader: Uploader, generate: GenerateReports, ledger: None, run: Any
) -> None:
    from core.contracts import FailReportInput, Problem

    ref = ask(uploader, ReportFormat.PDF)
    uploader.storage.put(annex_key(ref.organization_id, ref.report_id), io.BytesIO(b"half"))
    problem = Problem(code="cancelled", message="Cancelled.")
    run(generate.fail_report, FailReportInput(**ref.model_dump(), problem=problem))
    assert not uploader.storage.exists(annex_key(ref.organization_id, ref.report_id))


DELETED = "UPDATE reports SET deleted_at = now() WHERE id = :id"
CANCELLED = "UPDATE reports SET status = 'failed' WHERE id = :id"


def changed(uploader: Uploader, ref: ReportRef, statement: str) -> None:
    with Session(uploader.engine) as session:
        session.execute(text(statement), {"id": ref.report_id})
        session.commit()


@pytest.mark.parametrize(("statement", "status"), [(DELETED, "deleted"), (CANCELLED, "failed")])
def test_what_ends_while_its_pages_are_laid_out_leaves_neither_file_nor_annex(
    uploader: Uploader, worker_engine: Engine, storage: LocalStorage, tmp_path: Path,
    ledger: None, run: Any, statement: str, status: str,
) -> None:  # fmt: skip
    ref = ask(uploader, ReportFormat.PDF)

    class Ending(PdfRenderer):
        def render(self, content: Any, target: Any) -> None:
            changed(uploader, ref, statement)
            list(content.groups), list(content.details)
            target.write(b"%PDF-1.7")

    renderers = {ReportFormat.CSV: CsvRenderer(), ReportFormat.PDF: Ending()}
    generate = GenerateReports(worker_engine, storage, renderers, work_dir=tmp_path)
    assert run(generate.generate_report, ref).status == status
    assert list(storage.list(f"{ref.organization_id}/reports/")) == []


@pytest.mark.parametrize("statement", [DELETED, CANCELLED])
def test_giving_up_what_was_deleted_or_cancelled_removes_what_an_attempt_has_stored(
    uploader: Uploader, generate: GenerateReports, run: Any, statement: str
) -> None:
    from core.contracts import FailReportInput, Problem

    ref = ask(uploader, ReportFormat.PDF)
    for kind in ("pdf", "csv"):  # stored, then told to stop before it could publish
        uploader.storage.put(report_key(ref.organization_id, ref.report_id, kind), io.BytesIO(b"x"))
    changed(uploader, ref, statement)
    problem = Problem(code="cancelled", message="Cancelled.")
    run(generate.fail_report, FailReportInput(**ref.model_dump(), problem=problem))
    assert list(uploader.storage.list(f"{ref.organization_id}/reports/")) == []


def test_hostile_text_is_text_in_every_format(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    file = done(uploader, HOSTILE[:60].replace("/", "_"))
    emission(
        uploader, file, 2, 1.5, activity_name=HOSTILE, category=HOSTILE, activity_type=HOSTILE,
        region="GB", activity_description="\x0b\x1f control",
    )  # fmt: skip
    add_rejected(uploader, file)
    values = {"name": HOSTILE, "description": HOSTILE}
    shown = squeezed(pages(made(uploader, generate, run, ReportFormat.PDF, **values)))
    assert "<script>alert(1)</script>{{7*7}}" in shown
    assert "root:" not in shown
    data = made(uploader, generate, run, ReportFormat.EXCEL, **values)
    book = openpyxl.load_workbook(io.BytesIO(data))
    cells = [c for sheet in book for row in sheet.iter_rows() for c in row if c.value == HOSTILE]
    assert len(cells) >= 6
    assert {c.data_type for c in cells} == {"s"}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = " ".join(archive.namelist())
    assert "external" not in names.lower()


class Looking(io.BytesIO):
    """A sink that looks around before it takes the first byte."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__()
        self.look = look

    def write(self, data: Any) -> int:
        if not self.tell():
            self.look()
        return super().write(data)


@pytest.mark.parametrize("renderer", [ExcelRenderer(), PdfRenderer()])
def test_no_transaction_lies_idle_while_pages_are_laid_out_or_a_workbook_is_packed(
    uploader: Uploader, worker_engine: Engine, admin_engine: Engine, storage: LocalStorage,
    tmp_path: Path, ledger: None, run: Any, renderer: Any,
) -> None:  # fmt: skip
    seen: list[int] = []

    def look() -> None:
        with admin_engine.connect() as connection:
            waiting = connection.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tonnage_worker'"
                    " AND datname = current_database() AND xact_start IS NOT NULL"
                )
            )
        seen.append(waiting or 0)

    class Watched:
        content_type, wants_overview = renderer.content_type, True

        def render(self, content: Any, target: Any) -> None:
            sink = Looking(look)
            look()
            renderer.render(content, sink)
            target.write(sink.getvalue())

    kind = ReportFormat.PDF if isinstance(renderer, PdfRenderer) else ReportFormat.EXCEL
    renderers = {ReportFormat.CSV: CsvRenderer(), kind: Watched()}
    generate = GenerateReports(worker_engine, storage, renderers, work_dir=tmp_path)
    made(uploader, generate, run, kind)
    assert (seen[0], seen[1]) == (1, 0)


@pytest.mark.parametrize("wanted", FORMATS)
def test_a_report_without_a_single_figure_is_a_report(
    uploader: Uploader, generate: GenerateReports, run: Any, wanted: ReportFormat
) -> None:
    data = made(uploader, generate, run, wanted)
    assert len(data) > 100
    if wanted is ReportFormat.PDF:
        assert "No figure meets the criteria" in " ".join(pages(data))


def test_a_workbook_has_frozen_headers_filters_and_numbers_as_numbers(
    uploader: Uploader, generate: GenerateReports, ledger: None, run: Any
) -> None:
    book = openpyxl.load_workbook(io.BytesIO(made(uploader, generate, run, ReportFormat.EXCEL)))
    names = ["Summary", "By scope and category", "Breakdown", "Emissions", "Factors"]
    names += ["Reviews", "Issues"]
    assert book.sheetnames == names
    for name in names:
        assert book[name].freeze_panes == "A2"
        assert (book[name].auto_filter.ref is not None) == (name in names[3:])
    heads = {name: [cell.value for cell in book[name][1]] for name in names[1:]}
    assert heads["By scope and category"] == [
        "Scope and category", "Figures", "kg CO2e", "Biogenic kg CO2",
    ]  # fmt: skip
    assert heads["Breakdown"][:2] == ["Scope", "Category"]
    assert {"Factor ID", "kg CO2e per unit", "GWP set", "Licence"} <= set(heads["Factors"])
    assert heads["Issues"][:4] == ["File name", "Sheet", "Row", "Column name"]
    assert {"kg_co2e", "factor_kg_co2e_per_unit", "emission_id"} <= set(heads["Emissions"])
    header = [cell.value for cell in book["Emissions"][1]]
    first = dict(zip(header, (cell for cell in book["Emissions"][2]), strict=True))
    assert (first["kg_co2e"].data_type, first["kg_co2e"].value) == ("n", 0.1)
    assert first["date"].value.isoformat() == "2024-03-01T00:00:00"
    assert first["kg_co2e"].number_format == "#,##0.000"
    issues = [[cell.value for cell in row] for row in book["Issues"].iter_rows(min_row=2)]
    assert [row[2:6] for row in issues] == [
        [8, None, "unit_missing", "Name a unit."],
        [9, None, "unit_missing", "Name a unit."],
    ]


def test_a_workbook_says_so_when_it_lists_not_all_issues(
    uploader: Uploader, generate: GenerateReports, ledger: None, run: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def summary() -> dict[Any, Any]:
        book = openpyxl.load_workbook(io.BytesIO(made(uploader, generate, run, ReportFormat.EXCEL)))
        return dict(book["Summary"].iter_rows(values_only=True, max_col=2))

    label = "… Issues lists no more than the first"
    assert label not in summary()
    for module in (renderer_excel, report_rejections):
        monkeypatch.setattr(module, "MOST_ISSUES", 1)
    assert summary()[label] == 1
