"""The demo workbook through the whole system, against figures worked out by hand."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from core.calculation import verify
from tests.e2e.conftest import Deployment

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

DATA = Path(__file__).parents[1] / "data"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def expected_rows() -> list[dict[str, str]]:
    with (DATA / "demo_expected.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
async def demo(deployment: Deployment) -> dict[str, Any]:
    """The workbook, processed once, with everything the API says of it."""
    file_id = await deployment.upload((DATA / "demo.xlsx").read_bytes(), "demo.xlsx", region="GB")
    detail = await deployment.finished(file_id)
    emissions = await deployment.all("/v1/emissions", "results", file_id=file_id)
    return {
        "file": detail,
        "emissions": [await deployment.get(f"/v1/emissions/{e['id']}") for e in emissions],
        "summary": (await deployment.get("/v1/emissions", file_id=file_id))["summary"],
        "reviews": await deployment.all("/v1/emissions/reviews", "reviews", file_id=file_id),
        "issues": await deployment.all(
            f"/v1/files/{file_id}/issues", "issues", severity="rejected"
        ),
        "annotated": {
            media: (
                await deployment.api.get(f"/v1/files/{file_id}/issues", headers={"Accept": media})
            ).content
            for media in ("text/csv", XLSX)
        },
    }


async def test_every_row_is_accounted_for(demo: dict[str, Any]) -> None:
    outcomes = [row["outcome"] for row in expected_rows()]
    assert demo["file"]["status"] == "completed"
    assert demo["file"]["rows"] == {
        "total": len(outcomes),
        "calculated": outcomes.count("calculated"),
        "in_review": outcomes.count("review"),
        "rejected": outcomes.count("rejected"),
        "no_activity": 2,  # a blank line, and the total below the purchase ledger
    }


async def test_every_figure_is_the_one_worked_out_by_hand(demo: dict[str, Any]) -> None:
    figures = {(e["sheet"], e["row"]): e for e in demo["emissions"]}
    wanted = [row for row in expected_rows() if row["outcome"] == "calculated"]
    assert len(figures) == len(wanted)
    for row in wanted:
        figure = figures[row["sheet"], int(row["row"])]
        where = f"{row['sheet']} row {row['row']}: {figure['activity_name']}"
        assert figure["factor"]["source_id"] == row["factor"], where
        kg = eval(row["arithmetic"], {"__builtins__": {}})
        # Spend goes through the published averages, rounded to five digits; the rest is exact.
        spend = "292.655" in row["arithmetic"]
        assert figure["emission_kg_co2e"] == pytest.approx(kg, rel=1e-4 if spend else 1e-12), where


async def test_the_totals_are_the_sums_of_the_figures(demo: dict[str, Any]) -> None:
    total = sum(e["emission_kg_co2e"] for e in demo["emissions"])
    assert demo["summary"]["count"] == len(demo["emissions"])
    assert demo["summary"]["total_kg_co2e"] == pytest.approx(total, rel=1e-12)
    by_scope = {s["scope"]: s["kg_co2e"] for s in demo["summary"]["by_scope"]}
    # scope 2: (50,000 + 6,400) kWh x 0.177 + 22,000 kWh heat x 0.17529
    assert by_scope[2] == pytest.approx(56400 * 0.177 + 22000 * 0.17529, rel=1e-12)


async def test_what_cannot_be_matched_waits_with_its_reason(demo: dict[str, Any]) -> None:
    held = {r["activity"]["name"]: r["reason_code"] for r in demo["reviews"]
            if r["emission_factor_id"] is None}  # fmt: skip
    assert held == {
        "Strom Büro Kassel": "region_unavailable",
        "Electricity": "unit_mismatch",
        "12 laptops": "no_candidate",
    }


async def test_rejected_rows_name_row_column_and_remedy(demo: dict[str, Any]) -> None:
    found = {(i["row"], i["column"], i["code"]) for i in demo["issues"]}
    assert found == {
        (22, None, "row_blank"),
        (45, "Consumption", "number_invalid"),
        (46, "UoM", "unit_unknown"),
        (20, None, "row_total"),
    }
    for issue in demo["issues"]:
        assert f"Row {issue['row']}" in issue["message"]


async def test_every_figure_can_be_recomputed_to_the_same_digits(demo: dict[str, Any]) -> None:
    for figure in demo["emissions"]:
        assert verify(figure["calculation"]).same, figure["activity_name"]
        assert figure["calculation"]["emission_kg"] == figure["emission_kg_co2e"]


async def test_the_annotated_download_is_the_workbook_with_its_outcomes(
    demo: dict[str, Any],
) -> None:
    text = demo["annotated"]["text/csv"].decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    below = [line for line in lines if line["outcome"] != "skipped"]
    # rows in = rows out, each with the outcome that was worked out by hand
    wanted = {(row["sheet"], int(row["row"])): row["outcome"] for row in expected_rows()}
    found = {(line["sheet"], int(line["row"])): line["outcome"] for line in below}
    assert len(below) == len(found) == demo["file"]["rows"]["total"]
    assert found == {at: o.replace("review", "in_review") for at, o in wanted.items()}
    outcomes = Counter(line["outcome"] for line in below)
    assert demo["file"]["rows"] == {"total": len(below), "no_activity": 2, **outcomes}
    kg = sum(float(line["kg_co2e"] or 0) for line in lines)
    assert kg == pytest.approx(demo["summary"]["total_kg_co2e"], rel=1e-12)
    biogenic = sum(float(line["biogenic_kg_co2"] or 0) for line in lines)
    assert biogenic == pytest.approx(demo["summary"]["biogenic_kg_co2"], rel=1e-12)
    factors = {(e["sheet"], e["row"]): e["factor"]["source_id"] for e in demo["emissions"]}
    assert factors == {
        (line["sheet"], int(line["row"])): line["factor_source_id"]
        for line in lines if line["outcome"] == "calculated"
    }  # fmt: skip
    reasons = {line["code"] for line in below if line["outcome"] == "in_review"}
    assert reasons == {"region_unavailable", "unit_mismatch", "no_candidate"}


async def test_the_annotated_workbook_holds_the_cells_of_the_upload(demo: dict[str, Any]) -> None:
    upload = openpyxl.load_workbook(DATA / "demo.xlsx", data_only=True)
    annotated = openpyxl.load_workbook(io.BytesIO(demo["annotated"][XLSX]))
    for sheet in annotated:
        header, *lines = sheet.iter_rows(values_only=True)
        first = header.index("factor_source_id") + 1
        for line in lines:
            written = [cell.value for cell in upload[sheet.title][line[1]]]
            for mine, theirs in zip(line[first:], written, strict=False):
                if isinstance(theirs, str) and theirs.strip():
                    assert str(mine).strip() == theirs.strip()
                elif isinstance(mine, int | float) and not isinstance(theirs, dt.datetime):
                    assert mine == theirs


async def test_the_history_names_every_stage(demo: dict[str, Any]) -> None:
    started = [h["stage"] for h in demo["file"]["history"] if h["kind"] == "started"]
    assert started == ["scan", "parse", "validate", "match", "calculate", "finish"]
    assert demo["file"]["history"][-1]["kind"] == "completed"
    assert [a["action"] for a in demo["file"]["audit"]][-1] == "file.completed"


async def test_the_same_workbook_again_gives_the_same_figures(
    deployment: Deployment, demo: dict[str, Any]
) -> None:
    file_id = await deployment.upload((DATA / "demo.xlsx").read_bytes(), "demo.xlsx", region="GB")
    await deployment.finished(file_id)
    again = await deployment.all("/v1/emissions", "results", file_id=file_id)
    first = {(e["sheet"], e["row"]): e["emission_kg_co2e"] for e in demo["emissions"]}
    assert {(e["sheet"], e["row"]): e["emission_kg_co2e"] for e in again} == first
