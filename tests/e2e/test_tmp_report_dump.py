"""A report of the demo workbook, from the request to the downloaded file."""

from __future__ import annotations

import asyncio
import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Deployment

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

DEMO = Path(__file__).parents[1] / "data" / "demo.xlsx"


async def report_of(deployment: Deployment, **wanted: Any) -> list[dict[str, str]]:
    """Ask for a CSV report, wait for it, download it; return its rows."""
    body = {"name": "Demo", "file_format": "csv"} | wanted
    accepted = await deployment.api.post("/v1/emissions/reports", json=body)
    assert accepted.status_code == 202, accepted.text
    while True:
        report = await deployment.get(accepted.headers["location"])
        if report["status"] != "generating":
            break
        await asyncio.sleep(0.05)
    assert report["status"] == "completed", report
    answer = await deployment.api.get(report["download_url"])
    __import__("pathlib").Path("/tmp/demo_report.csv").write_bytes(answer.content)
    assert len(answer.content) == report["size_bytes"]
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


async def test_a_report_tells_the_figures_of_the_api_to_the_last_digit(
    deployment: Deployment,
) -> None:
    file_id = await deployment.upload(DEMO.read_bytes(), "demo.xlsx", region="GB")
    await deployment.finished(file_id)
    rows = await report_of(
        deployment, report_type="detailed", group_by=["scope"], criteria={"file_id": file_id}
    )
    summary = (await deployment.get("/v1/emissions", file_id=file_id))["summary"]
    [total] = [row for row in rows if row["record"] == "total"]
    assert float(total["kg_co2e"]) == summary["total_kg_co2e"]
    assert float(total["biogenic_kg_co2"]) == summary["biogenic_kg_co2"]
    assert int(total["emissions"]) == summary["count"]
    groups = {row["scope"]: float(row["kg_co2e"]) for row in rows if row["record"] == "group"}
    for part in summary["by_scope"]:
        if part["scope"] is not None:
            assert groups[str(part["scope"])] == part["kg_co2e"]
    shown = {row["emission_id"]: row for row in rows if row["record"] == "emission"}
    figures = await deployment.all("/v1/emissions", "results", file_id=file_id)
    assert set(shown) == {figure["id"] for figure in figures}
    for figure in figures:
        row = shown[figure["id"]]
        kg = row["kg_co2e"] or row["biogenic_kg_co2"]
        assert float(kg) == figure["emission_kg_co2e"]
        assert (row["sheet"], int(row["row"])) == (figure["sheet"], figure["row"])
        assert row["formula"]
        assert row["factor_name"]
    kg = sum((Decimal(row["kg_co2e"] or 0) for row in shown.values()), Decimal())
    assert kg == Decimal(total["kg_co2e"])
