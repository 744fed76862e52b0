"""The layout of a GHG Protocol inventory, the base year, and why rows are in no figure."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from activities.report import GenerateReports
from core.reporting import ReportFormat, ReportLayout
from db.queries.emissions import EmissionFilter
from tests.activities.making_reports import Workbook, made, pages, squeezed
from tests.activities.test_report import done, emission
from tests.activities.test_report_formats import generate, ledger
from tests.factories import Uploader

__all__ = ["generate", "ledger"]  # the fixtures

pytestmark = pytest.mark.timeout(240)
OF_2024 = EmissionFilter(date_from=dt.date(2024, 1, 1), date_to=dt.date(2024, 12, 31))


def test_the_inventory_layout_names_all_fifteen_categories_and_the_base_year(
    uploader: Uploader, generate: GenerateReports, ledger: None, run: Any
) -> None:
    with Session(uploader.engine) as session:
        session.execute(text("UPDATE organizations SET base_year = 2023"))
        session.commit()
    file = done(uploader, "2023.csv")
    emission(uploader, file, 2, 1000.0, activity_on=dt.date(2023, 7, 1))
    july = dt.date(2024, 7, 1)
    emission(uploader, file, 3, 70.0, scope=None, biogenic=True, activity_on=july)
    data = made(
        uploader, generate, run, ReportFormat.PDF, layout=ReportLayout.GHG_INVENTORY,
        wanted=OF_2024,
    )  # fmt: skip
    found = pages(data)
    inventory = next(page for page in found[1:] if "Greenhouse gas inventory" in page)
    assert found.index(inventory) == 1  # right after the cover
    for number in range(1, 16):
        assert f"Scope 3.{number}:" in inventory
    assert inventory.count("not reported") >= 14
    # Scope 1 of 2024 is 0.1 + 0.2 kg against 1,000 kg: 0.0003 − 1 = −99.97 %
    assert "Scope11.00<0.01-100.0%" in squeezed([inventory])
    # 0.1 + 0.2 + 8,850 kg have a date of 2024; 70 kg of biogenic CO2 are in no total: 8.8503 − 1
    assert "Total1.008.85+785.0%" in squeezed([inventory])
    assert "biogenicCO210.07(CO2)" in squeezed([inventory])
    assert "Totalofthescopes38.85100.0%" in squeezed([inventory])


def test_a_scope_of_the_base_year_alone_is_compared_too(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    with Session(uploader.engine) as session:
        session.execute(text("UPDATE organizations SET base_year = 2023"))
        session.commit()
    file = done(uploader)
    emission(uploader, file, 2, 3000.0, scope=3, activity_on=dt.date(2023, 7, 1))
    emission(uploader, file, 3, 1000.0, scope=1, activity_on=dt.date(2023, 7, 1))
    emission(uploader, file, 4, 500.0, scope=1, activity_on=dt.date(2024, 7, 1))
    emission(uploader, file, 5, 250.0, scope=2, activity_on=dt.date(2024, 7, 1))
    data = made(uploader, generate, run, ReportFormat.PDF, wanted=OF_2024)
    shown = squeezed(pages(data))
    # 500 / 1,000 − 1 = −50 %; (500 + 250) / (3,000 + 1,000) − 1 = −81.25 %
    assert "Scope11.00000.5000-50.0%Scope2notreported0.2500–Scope33.0000notreported–" in shown
    assert "Total4.00000.7500-81.2%" in shown


def test_every_format_of_the_inventory_tells_nothing_reported_from_nothing_emitted(
    uploader: Uploader, generate: GenerateReports, ledger: None, run: Any
) -> None:
    file = done(uploader, "zero.csv")
    emission(uploader, file, 2, 0.0, scope=3, scope3_category=5)
    emission(uploader, file, 3, 0.25, scope=3, scope3_category=5)

    def written(kind: ReportFormat, **values: Any) -> bytes:
        return made(uploader, generate, run, kind, layout=ReportLayout.GHG_INVENTORY, **values)

    for details in (False, True):
        table = written(ReportFormat.CSV, details=details).decode("utf-8-sig")
        lines = [row for row in csv.DictReader(io.StringIO(table)) if row["record"] == "inventory"]
        sums = {row["name"]: (row["emissions"], row["kg_co2e"]) for row in lines}
        assert len([name for name in sums if name.startswith("Scope 3.")]) == 15
        assert sums["Scope 3.5: Waste generated in operations"] == ("2", "0.25")
        assert sums["Scope 3.6: Business travel"] == ("", "")
        assert sums["Scope 1: direct emissions"] == ("2", "0.3")
        assert sum(Decimal(kg or 0) for _, kg in sums.values()) == Decimal("8838.051")
    sheet = Workbook(written(ReportFormat.EXCEL)).values["By scope and category"]
    shown = {row[0]: row[1:3] for row in sheet.iter_rows(max_row=20, max_col=3, values_only=True)}
    assert shown["Scope 3.5: Waste generated in operations"] == (2, 0.25)
    assert shown["Scope 3.6: Business travel"] == ("not reported", None)
    assert "Scope3.6:Businesstravelnotreported" in squeezed(pages(written(ReportFormat.PDF)))
    plain = made(uploader, generate, run, ReportFormat.CSV).decode("utf-8-sig")
    assert "inventory" not in plain


def test_the_reasons_of_rejected_rows_are_counted_by_row_and_without_what_is_no_activity(
    uploader: Uploader, generate: GenerateReports, run: Any
) -> None:
    file = done(uploader, rows_total=5, rows_rejected=5, rows_no_activity=1)
    deleted = done(uploader, "deleted.csv")
    issues = [
        (file, 2, "unit_unknown", "Write a unit such as kWh.", "rejected"),
        (file, 3, "unit_unknown", "Write a unit such as kWh.", "rejected"),
        (file, 3, "unit_unknown", "Write a unit such as kWh.", "rejected"),  # of another column
        (file, 3, "quantity_missing", "Write a <b>number</b>.", "rejected"),
        (file, 4, "row_total", "A sum of other rows.", "rejected"),
        (file, 5, "year_assumed", "Taken from the date.", "warning"),
        (deleted, 2, "unit_missing", "Name a unit.", "rejected"),
    ]
    with Session(uploader.engine) as session:
        for of, row, code, message, severity in issues:
            session.execute(
                text(
                    "INSERT INTO row_issues (organization_id, file_id, part, row_number, code,"
                    " severity, message) VALUES (:o, :f, 0, :r, :c, :s, :m)"
                ),
                {"o": of.organization_id, "f": of.file_id, "r": row, "c": code, "m": message,
                 "s": severity},
            )  # fmt: skip
        session.execute(
            text("UPDATE files SET deleted_at = now() WHERE id = :f"), {"f": deleted.file_id}
        )
        session.commit()
    shown = squeezed(pages(made(uploader, generate, run, ReportFormat.PDF)))
    assert (
        "ReasonForexamplerowsunitunknownWriteaunitsuchaskWh.2quantitymissingWritea<b>number</b>.1"
        "Confidenceofthematches"
    ) in shown
