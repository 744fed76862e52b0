"""Who waits for whom: nobody for the pages of another, no transaction for any pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pypdfium2
import pytest
from sqlalchemy import Engine, insert, text
from sqlmodel import Session

from activities.report import GenerateReports
from activities.turns import Turns
from core.contracts import WAITING
from core.errors import ReportTooLarge
from core.reporting import GroupBy, ReportFormat
from db.ids import uuid7
from db.models import Emission
from runtime.adapters import renderer_excel
from runtime.adapters.renderer_csv import CsvRenderer
from runtime.adapters.renderer_pdf import PdfRenderer
from runtime.adapters.storage_local import LocalStorage
from runtime.layout_child import lay_out
from tests.activities.making_reports import Workbook, ask, made, pages
from tests.activities.test_report import done, emission
from tests.factories import Uploader

pytestmark = pytest.mark.timeout(240)
CSV, EXCEL, PDF = ReportFormat.CSV, ReportFormat.EXCEL, ReportFormat.PDF


def test_an_organization_has_its_share_and_the_others_have_theirs() -> None:
    turns, alpha, beta = Turns(2), uuid4(), uuid4()
    with turns.taken(alpha) as first, turns.taken(alpha) as second:
        with turns.taken(alpha) as third, turns.taken(beta) as other:
            assert (first, second, third, other) == (True, True, False, True)
        with turns.taken(alpha) as third:
            assert not third  # one that waits gives nothing back
    assert not turns.running
    with turns.taken(alpha) as again:
        assert again


def test_a_report_beyond_the_share_of_its_organization_waits_and_has_not_begun(
    uploader: Uploader, worker_engine: Engine, storage: LocalStorage, tmp_path: Path, run: Any
) -> None:
    turns = Turns(1)
    generate = GenerateReports(
        worker_engine, storage, {CSV: CsvRenderer()}, work_dir=tmp_path, turns=turns
    )
    plain = ask(uploader, CSV)
    ref = plain.model_copy(update={"may_wait": True})
    with turns.taken(uploader.organization_id):
        assert run(generate.generate_report, ref).status == WAITING
        with Session(uploader.engine) as session:
            began = session.scalar(text("SELECT generation_started_at FROM reports"))
        assert began is None
        # The workflow of an older release knows no waiting.
        assert run(generate.generate_report, plain).status == "completed"
    assert not turns.running


def test_no_transaction_is_open_while_pages_are_laid_out(
    uploader: Uploader, worker_engine: Engine, admin_engine: Engine, storage: LocalStorage,
    tmp_path: Path, run: Any,
) -> None:  # fmt: skip
    emission(uploader, done(uploader), 2, 8850.0)
    seen: list[Any] = []

    def look(page: str, scratch: Path) -> bytes:
        with admin_engine.connect() as connection:
            seen.extend(connection.execute(text(
                "SELECT state, xact_start FROM pg_stat_activity"
                " WHERE usename = 'tonnage_worker' AND datname = current_database()"
            )))  # fmt: skip
        return lay_out(page, scratch)

    generate = GenerateReports(
        worker_engine, storage, {CSV: CsvRenderer(), PDF: PdfRenderer(look)}, work_dir=tmp_path
    )
    found = pages(made(uploader, generate, run, PDF))
    assert "8.85 t CO2e" in found[0]
    assert seen  # its connection is there, in the pool
    assert {(row.state, row.xact_start) for row in seen} == {("idle", None)}


def test_no_transaction_is_open_while_the_sums_of_a_workbook_are_written(
    uploader: Uploader, worker_engine: Engine, admin_engine: Engine, storage: LocalStorage,
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    emission(uploader, done(uploader), 2, 8850.0)
    summary, seen = renderer_excel.Writing.summary, []

    def look(writing: renderer_excel.Writing, sheet: Any, issues: int) -> None:
        with admin_engine.connect() as connection:
            seen.extend(connection.execute(text(
                "SELECT state, xact_start FROM pg_stat_activity"
                " WHERE usename = 'tonnage_worker' AND datname = current_database()"
            )))  # fmt: skip
        summary(writing, sheet, issues)

    monkeypatch.setattr(renderer_excel.Writing, "summary", look)
    renderers = {EXCEL: renderer_excel.ExcelRenderer()}
    generate = GenerateReports(worker_engine, storage, renderers, work_dir=tmp_path)
    data = made(uploader, generate, run, EXCEL, by=(GroupBy.CATEGORY,))
    assert Workbook(data).values["Breakdown"]["B2"].value == 1
    assert {(row.state, row.xact_start) for row in seen} == {("idle", None)}


def long_words(uploader: Uploader) -> None:
    """Add what stopped every report of every tenant: 400 figures, words of 190 letters."""
    file = done(uploader)
    words = [f"{row:05}{'W' * 185}" for row in range(400)]
    with Session(uploader.engine) as session:
        session.execute(
            insert(Emission),
            [
                {"organization_id": uploader.organization_id, "id": uuid7(), "scope": 1,
                 "file_id": file.file_id, "row_number": row,
                 "activity_name": f"Diesel {word}"[:190], "activity_type": word,
                 "activity_description": word, "unit": "litre", "volume": 1.0,
                 "calculated_emission": 1000.0}
                for row, word in enumerate(words, start=2)
            ],
        )  # fmt: skip
        session.commit()


def test_long_words_are_cut_and_laid_out_within_the_limits_of_a_child(
    uploader: Uploader, worker_engine: Engine, storage: LocalStorage, tmp_path: Path, run: Any
) -> None:
    long_words(uploader)

    def limited(page: str, scratch: Path) -> bytes:
        return lay_out(
            page, scratch, cpu_s=20
        )  # 27 on an idle machine, when every letter was tried

    generate = GenerateReports(
        worker_engine, storage, {CSV: CsvRenderer(), PDF: PdfRenderer(limited)}, work_dir=tmp_path
    )
    data = made(uploader, generate, run, PDF, by=(GroupBy.TYPE,))
    shown = "".join(pages(data))
    assert f"00399{'W' * 114}…" in "".join(shown.split())
    assert "W" * 120 not in "".join(shown.split())
    assert len(pypdfium2.PdfDocument(data)) < 100


def test_pages_beyond_the_limits_end_the_attempt_and_leave_no_object(
    uploader: Uploader, worker_engine: Engine, storage: LocalStorage, tmp_path: Path, run: Any
) -> None:
    long_words(uploader)

    def limited(page: str, scratch: Path) -> bytes:
        return lay_out(page, scratch, cpu_s=1)

    generate = GenerateReports(
        worker_engine, storage, {CSV: CsvRenderer(), PDF: PdfRenderer(limited)}, work_dir=tmp_path
    )
    with pytest.raises(ReportTooLarge):
        run(generate.generate_report, ask(uploader, PDF, by=(GroupBy.TYPE,)))
    assert list(storage.root.rglob("*.pdf")) == []
    assert list(tmp_path.rglob("tonnage-pdf-*")) == []
