"""What a report says of its own figures: how sure they are, which rows are missing, which dates."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import Session

from activities.report import GenerateReports
from core.contracts import FileRef
from core.keys import report_key
from core.reporting import ReportFormat
from db.ids import uuid7
from db.models import Decision, EmissionFactor, Review
from db.queries.emissions import EmissionFilter
from tests.activities.making_reports import Workbook, ask, made, pages, squeezed, stored
from tests.activities.test_report import add, done, emission, row_of
from tests.activities.test_report_formats import generate
from tests.factories import Uploader

__all__ = ["generate"]  # the fixture

pytestmark = pytest.mark.timeout(240)
OF_2024 = EmissionFilter(date_from=dt.date(2024, 1, 1), date_to=dt.date(2024, 12, 31))
CRITERIA = (
    EmissionFilter(scope=(1,)),
    EmissionFilter(scope=(1,), date_from=dt.date(2024, 3, 5), date_to=dt.date(2024, 11, 7)),
    EmissionFilter(q="diesel"),
    EmissionFilter(name="die", date_from=dt.date(2024, 1, 1)),
    EmissionFilter(min_confidence=0.85),
)


@pytest.fixture
def two_files(uploader: Uploader) -> tuple[FileRef, FileRef]:
    """Scope 1 and sure of 2024; scope 3, unsure of 2025, with rows that wait."""
    sure = done(uploader, "fuel.csv", rows_total=3, rows_calculated=1, rows_rejected=2)
    unsure = done(uploader, "spend.csv", rows_total=70, rows_calculated=40, rows_in_review=30)
    emission(uploader, sure, 2, 2000.0, activity_on=dt.date(2024, 5, 2))
    flag = flagged(uploader, unsure)
    for row in (2, 3):
        emission(
            uploader, unsure, row, 500.0, scope=3, activity_name="Legal", decision_id=flag,
            confidence_score=0.62, activity_on=dt.date(2025, 5, 2),
        )  # fmt: skip
    return sure, unsure


def flagged(uploader: Uploader, file: FileRef, status: str = "open") -> UUID:
    """Add a decision of little confidence that is listed for review; return its id."""
    factor = add(
        uploader, EmissionFactor, source_id=uuid7().hex, name="Legal services", category="Services",
        unit="GBP", dimension="money", value_per_unit=0.1, activity_kind="spend",
    )  # fmt: skip
    decision = add(
        uploader, Decision, emission_factor_id=factor, file_id=file.file_id,
        activity_key=uuid7().hex, activity={}, row_count=2, volume_total=1.0, outcome="flagged",
        method="offline", confidence=0.62, candidates=[], reasons=[], fallbacks=[],
    )  # fmt: skip
    add(
        uploader, Review, file_id=file.file_id, decision_id=decision, row_count=2,
        reason_code="low_confidence", reason="Unsure.", kg_at_risk=1000.0, status=status,
    )  # fmt: skip
    return decision


def csv_notes(data: bytes) -> list[str]:
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    return [row["name"] for row in rows if row["record"] == "note"]


def in_summary(data: bytes) -> dict[Any, Any]:
    rows = Workbook(data).values["Summary"].iter_rows(values_only=True, max_col=2)
    return {row[0]: row[1] for row in rows}


@pytest.mark.parametrize("wanted", CRITERIA)
def test_a_report_speaks_of_its_own_figures_and_of_the_rows_of_their_files_only(
    uploader: Uploader, generate: GenerateReports, two_files: Any, run: Any, wanted: EmissionFilter
) -> None:
    shown = squeezed(pages(made(uploader, generate, run, ReportFormat.PDF, wanted=wanted)))
    assert "Of3rowsinthisfile,2wererejected.Theyhavenofigure" in shown
    assert "3rows=1calculated+0inreview+2rejected+0noactivity" in shown
    assert "listedforreview(" not in shown
    assert "hold30morerowsthatwaitforaperson" in shown
    notes = csv_notes(made(uploader, generate, run, ReportFormat.CSV, wanted=wanted))
    assert any("3 = 1 calculated + 0 in review + 2 rejected + 0 no" in note for note in notes)
    assert any("30 of their rows wait for a person" in note for note in notes)
    assert not any("for review" in note for note in notes)
    found = in_summary(made(uploader, generate, run, ReportFormat.EXCEL, wanted=wanted))
    assert found["Rows of the files that these figures are from"] == 3
    assert found["Figures listed for review: see Reviews"] == 0
    assert found["Rows waiting for a person in files without a figure here"] == 30


def test_what_is_listed_for_review_is_counted_in_the_figures_that_meet_the_criteria(
    uploader: Uploader, generate: GenerateReports, two_files: Any, run: Any
) -> None:
    settled = flagged(uploader, two_files[0], "chosen")
    emission(uploader, two_files[0], 3, 64.0, scope=3, decision_id=settled)
    ref = ask(uploader, ReportFormat.PDF, wanted=EmissionFilter(scope=(3,)))
    assert run(generate.generate_report, ref).status == "completed"
    key = report_key(ref.organization_id, ref.report_id, ReportFormat.PDF)
    shown = squeezed(pages(stored(uploader, key)))
    assert (
        "2ofthefigures,1.00tCO2ewithcreditsasamounts,arelistedforreview(matchedwithlittleconfidence,orknowninpartonly)"
        in shown
    )
    kept = row_of(uploader, ref).contents
    assert kept["for_review"] == {"figures": 2, "kg_co2e": 1000.0}
    assert kept["rows"]["total"] == 73
    notes = csv_notes(
        made(uploader, generate, run, ReportFormat.CSV, wanted=EmissionFilter(scope=(3,)))
    )
    assert any("2 of these figures, 1000 kg CO2e with credits" in note for note in notes)


def test_an_empty_report_warns_of_nothing_that_is_not_in_it(
    uploader: Uploader, generate: GenerateReports, two_files: Any, run: Any
) -> None:
    nothing = EmissionFilter(scope=(2,))
    shown = squeezed(pages(made(uploader, generate, run, ReportFormat.PDF, wanted=nothing)))
    assert "Nofiguremeetsthecriteria" in shown
    assert "rejected;" not in shown
    assert "0rows=0calculated+0inreview+0rejected+0noactivity" in shown


def test_a_file_whose_rows_all_wait_is_told_of_where_no_criteria_could_leave_it_out(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    file = done(uploader, rows_total=5, rows_in_review=5)
    wanted = EmissionFilter(file_id=file.file_id)
    shown = squeezed(pages(made(uploader, generate, run, ReportFormat.PDF, wanted=wanted)))
    assert "Of5rowsinthisfile,5waitforaperson" in shown


@pytest.mark.parametrize(
    "words", [{}, {"q": "diesel"}, {"name": "die", "scope": (1,)}, {"min_confidence": 0.5}]
)
def test_figures_without_a_date_that_a_period_leaves_out_are_counted_in_every_format(
    uploader: Uploader, generate: GenerateReports, run: Any, words: dict[str, Any]
) -> None:
    file = done(uploader, rows_total=5, rows_calculated=5)
    emission(uploader, file, 2, 30.0, activity_on=dt.date(2024, 5, 2))
    emission(uploader, file, 3, 4.0, activity_year=2024)
    emission(uploader, file, 4, 1500.5)
    emission(uploader, file, 5, 100.25)
    emission(uploader, file, 6, 9.0, activity_on=dt.date(2023, 5, 2))
    emission(uploader, file, 7, 9.0, activity_name="Coal", scope=3, confidence_score=0.3)
    # 1,500.5 + 100.25 = 1,600.75; coal is within the criteria where these name nothing else
    count, kg, words_kg = (2, 1600.75, "1.6 t") if words else (3, 1609.75, "1.6 t")
    sentence = (
        f"{count} figures have neither a date nor a year and are not in this period: {words_kg} "
        "CO2e under the other criteria."
    )
    wanted = EmissionFilter(date_from=OF_2024.date_from, date_to=OF_2024.date_to, **words)
    ref = ask(uploader, ReportFormat.PDF, wanted=wanted)
    assert run(generate.generate_report, ref).status == "completed"
    key = report_key(ref.organization_id, ref.report_id, ReportFormat.PDF)
    assert squeezed([sentence]) in squeezed(pages(stored(uploader, key)))
    assert row_of(uploader, ref).contents["undated"] == {
        "figures": count, "kg_co2e": kg, "biogenic_kg_co2": 0.0, "warning": sentence,
    }  # fmt: skip
    notes = csv_notes(made(uploader, generate, run, ReportFormat.CSV, wanted=wanted))
    assert f"Warning: {sentence}" in notes
    found = in_summary(made(uploader, generate, run, ReportFormat.EXCEL, wanted=wanted))
    assert found["Warning"] == sentence


def test_a_report_of_all_dates_leaves_no_figure_out(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    emission(uploader, done(uploader), 2, 30.0)
    ref = ask(uploader, ReportFormat.CSV)
    assert run(generate.generate_report, ref).status == "completed"
    assert row_of(uploader, ref).contents["undated"] is None


def test_an_example_of_why_rows_have_no_figure_names_its_file_where_there_are_several(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    files = [done(uploader, name, rows_total=1, rows_rejected=1) for name in ("b.csv", "a.csv")]
    with Session(uploader.engine) as session:
        for file in files:
            session.execute(
                text(
                    "INSERT INTO row_issues (organization_id, file_id, part, row_number, code,"
                    " severity, message) VALUES (:o, :f, 0, 13, 'factor_refused', 'rejected',"
                    " 'Row 13: a person decided that no emission factor fits.')"
                ),
                {"o": file.organization_id, "f": file.file_id},
            )
        session.commit()
    shown = squeezed(pages(made(uploader, generate, run, ReportFormat.PDF)))
    assert "Whyrowshavenofigure" in shown
    assert "a.csv:Row13:apersondecidedthatnoemissionfactorfits.2" in shown
    assert "beread" not in shown


def test_the_workbook_lists_what_waits_and_the_figures_that_may_change(
    uploader: Uploader, generate: GenerateReports, two_files: Any, run: Any
) -> None:
    file = two_files[1]
    held = add(
        uploader, Decision, file_id=file.file_id, activity_key=uuid7().hex,
        activity={"name": "=Strange"}, row_count=30, volume_total=1.0, outcome="held",
        method="offline", confidence=0.3, candidates=[], reasons=[], fallbacks=[],
    )  # fmt: skip
    add(
        uploader, Review, file_id=file.file_id, decision_id=held, row_count=30,
        reason_code="no_candidate", reason="Nothing fits.", kg_at_risk=12.5,
    )  # fmt: skip
    flagged(uploader, two_files[0])  # has no figure
    emission(uploader, file, 9, 7.0, scope=1)  # makes the file one of scope 1's
    columns = ("File name", "Name", "State", "Rows", "Figures", "kg CO2e", "Estimated kg CO2e")

    def listed(wanted: EmissionFilter) -> list[tuple[Any, ...]]:
        data = made(uploader, generate, run, ReportFormat.EXCEL, wanted=wanted)
        head, *rows = Workbook(data).values["Reviews"].iter_rows(values_only=True)
        assert head[:7] == columns
        return [row[:7] for row in rows]

    waits = ("spend.csv", "=Strange", "waits for a person, in no figure", 30, 0, None, 12.5)
    unsure = ("spend.csv", None, "in the figures, listed for review", 2, 2, 1000, None)
    assert listed(EmissionFilter()) == [waits, unsure]
    assert listed(EmissionFilter(scope=(1,))) == [waits]
    assert listed(EmissionFilter(scope=(2,))) == []
