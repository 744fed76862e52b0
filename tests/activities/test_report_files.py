"""What a report says of its files: rows that are no activity, and bytes that count twice."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import Session

from activities.report import GenerateReports
from core.contracts import FileRef
from core.keys import report_key
from core.overview import Line, by_year, period_in_words
from core.overview import foreign as foreign_sum
from core.permissions import Reach
from core.records import NO_ACTIVITY
from core.reporting import Duplicates, ReportFormat, Totals
from db.engine import tenant_session
from db.ids import uuid7
from db.models import Decision, EmissionFactor
from db.queries import report_files
from db.queries.emissions import EmissionFilter
from db.queries.report_duplicates import duplicates
from db.queries.report_fallbacks import fallbacks
from runtime.adapters.renderer_pdf import percent, tonnes_of, without_gaps
from tests.activities.making_reports import Workbook, ask, made, pages, squeezed, stored
from tests.activities.test_report import add, done, emission, row_of
from tests.activities.test_report_formats import generate
from tests.factories import Uploader

__all__ = ["generate"]  # the fixture

pytestmark = pytest.mark.timeout(240)


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
        scope = (session, organization_id, Reach(), EmissionFilter())
        found = report_files.waiting(*scope, report_files.contributing(*scope))
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
    for label, count in (("calculated", 2), ("waiting", 1), ("rejected", 2), ("no activity", 4)):
        place = next(n for n, cell in enumerate(summary) if cell.startswith(f"… {label}"))
        assert summary[place + 1] == str(count)
    told = [cell for cell in summary if cell not in ("None", "Total", "Factors")]
    assert sum(cell.startswith(warning) for cell in told) == 1
    assert not any(rows in cell for cell in told)  # once, in cells of their own

    ref = ask(uploader, ReportFormat.PDF, details=False)
    assert run(generate.generate_report, ref).status == "completed"
    key = report_key(ref.organization_id, ref.report_id, ReportFormat.PDF)
    shown = squeezed(pages(stored(uploader, key)))
    assert squeezed([warning]) in shown
    assert squeezed([rows]) in shown.replace("9rows=", "9=")
    assert "Of9rowsin4files,1waitsforaperson'sdecisionand2wererejected" in shown.replace("’", "'")
    assert row_of(uploader, ref).contents == {
        "rows": {
            "total": 9, "calculated": 2, "in_review": 1, "rejected": 6, "no_activity": 4,
        },
        "duplicates": {
            "files": 2, "figures": 5, "kg_co2e": 218.0, "warning": again(uploader).warning(),
        },
        "for_review": {"figures": 0, "kg_co2e": 0.0},
        "undated": None,
    }  # fmt: skip


def test_the_codes_of_no_activity_are_those_of_rows_without_data() -> None:
    from core.validation import _KINDS

    unreadable = {"cell_too_large", "bad_character"}
    assert {code for code, _ in _KINDS.values()} - unreadable == set(NO_ACTIVITY)


def test_what_rests_on_another_countrys_factor_is_summed_by_what_was_used(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    """150 + 40 of GB and 5 of DE rest on US factors; 7 named no place; 1 rests on nothing else."""
    file = done(uploader, "spend.xlsx")
    foreign = [
        (decided(uploader, file, place, used, "price"), kg)
        for place, used, kg in (("GB", "US", 150e3), ("GB", "US", 40e3), ("DE", "US", 5e3))
    ]
    unplaced = (decided(uploader, file, "not stated", "GB", "year"), 7e3)
    for row, (decision, kg) in enumerate([*foreign, unplaced, (None, 1e3)], start=2):
        emission(uploader, file, row, kg, decision_id=decision)
    organization_id = uploader.organization_id
    with tenant_session(uploader.engine, organization_id) as session:
        found = fallbacks(session, organization_id, Reach(), EmissionFilter())
    lines = {(one.kind, one.asked, one.used): one.totals.kg_co2e for one in found}
    assert lines["region", "GB", "US"] == 190_000
    assert lines["region", "DE", "US"] == 5000
    assert lines["region", "not stated", "GB"] == 7000
    assert found[0].totals.kg_co2e == max(lines.values())
    assert foreign_sum(found).kg_co2e == 195_000
    data = made(uploader, generate, run, ReportFormat.PDF, wanted=EmissionFilter(
        file_id=file.file_id))  # fmt: skip
    shown = squeezed(pages(data))
    assert "195.0tCO2erestonanotherplace'sfactor" in shown.replace("’", "'")
    assert "file=spend.xlsx" in shown
    assert str(file.file_id) not in squeezed(pages(data)[:1])


def decided(uploader: Uploader, file: FileRef, asked: str, used: str, kind: str) -> UUID:
    """Add a decision that took another place than was asked for, and something else beside."""
    chosen = [
        {"kind": "region", "requested": asked, "used": used},
        {"kind": kind, "requested": "2024", "used": "2022"},
    ]
    own = add(
        uploader, EmissionFactor, source_id=uuid7().hex, name="Legal services", category="Services",
        unit="GBP", dimension="money", value_per_unit=0.1, activity_kind="spend",
    )  # fmt: skip
    return add(
        uploader, Decision, emission_factor_id=own, file_id=file.file_id, activity_key=uuid7().hex,
        activity={},
        row_count=1, volume_total=1.0, outcome="flagged", method="offline", confidence=0.8,
        candidates=[], reasons=[], fallbacks=chosen,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (None, None, "the figures state no dates"),
        (dt.date(2024, 1, 15), dt.date(2025, 6, 1), "January 2024 to June 2025"),
        (dt.date(2024, 3, 1), dt.date(2024, 3, 31), "March 2024"),
        (dt.date(2024, 1, 1), dt.date(2024, 12, 31), "2024"),
        (dt.date(2024, 1, 1), dt.date(2025, 12, 31), "2024 to 2025"),
    ],
)
def test_a_period_is_told_to_the_month(
    first: dt.date | None, last: dt.date | None, words: str
) -> None:
    assert period_in_words(first, last) == words


def test_years_are_the_sums_of_their_months_and_what_has_no_date_comes_last() -> None:
    months = [("no date", 1), ("2025-02", 10), ("2024", 4), ("2024-11", 3), ("2025-01", 20)]
    lines = [Line(label, Totals(1, Decimal(kg), Decimal())) for label, kg in months]
    years = [(line.label, line.totals.kg_co2e) for line in by_year(lines)]
    assert years == [("2024", 7), ("2025", 30), ("no date", 1)]


@pytest.mark.parametrize(
    ("whole", "kg", "shown"),
    [
        (229_630, 229_630, "229.6"),
        (229_630, 10, "< 0.1"),
        (229_630, -10, "> -0.1"),
        (1_229_630, 1_229_630, "1,229.6"),
        (8_837, 8_837, "8.84"),
        (3_970, 885, "0.89"),  # half up: 3.08 and 0.89 are 3.97
        (3_970, -885, "-0.89"),
        (10**300, 10**300, f"{10**297:,}.0"),
        (300, 300, "0.3000"),
        (0, 0, "0.0000"),
    ],
)
def test_tonnes_never_have_three_decimals(whole: int, kg: int, shown: str) -> None:
    assert tonnes_of(Totals(1, Decimal(whole), Decimal()))(Decimal(kg)) == shown


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (0.5, "50.0%"), (0.0, "0.0%"), (0.0004, "< 0.1%"), (-0.0004, "> -0.1%"),
        (-0.25, "-25.0%"), (None, "–"),
    ],
)  # fmt: skip
def test_a_small_share_keeps_its_sign(part: float | None, shown: str) -> None:
    assert percent(part) == shown


def test_a_year_without_months_stands_where_it_belongs() -> None:
    months = without_gaps(["2024", "2023-12", "2024-02", "2021"])
    assert months == ["2021", "2023-12", "2024", "2024-01", "2024-02"]
    far = without_gaps(["2024", "1924-01", "2024-03"])
    assert far == ["1924-01", "2024", "2024-03"]
    assert without_gaps(["2025", "2024"]) == ["2024", "2025"]
