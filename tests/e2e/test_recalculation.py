"""Other releases, a review and memory through the whole system, on real figures."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.e2e.conftest import Deployment

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

# DESNZ, natural gas, kWh gross CV: 0.1829 (2024) and 0.18296 (2025) kg CO2e
GAS = b"activity,quantity,unit,country,year\nNatural gas,10000,kWh,UK,2025\n"
RELEASES_2024 = ["desnz-2024", "epa-hub-2025", "epa-supply-chain-1.3"]
PATH = "/v1/emissions/recalculations"


async def until(deployment: Deployment, recalculation: str, status: str) -> Any:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        found = await deployment.get(f"{PATH}/{recalculation}")
        if found["status"] == status:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"not {status}: {found}")


async def test_figures_against_another_release_are_tried_committed_and_the_old_ones_kept(
    deployment: Deployment,
) -> None:
    file_id = await deployment.upload(GAS, "gas.csv", region="GB")
    await deployment.finished(file_id)
    (before,) = await deployment.all("/v1/emissions", "results", file_id=file_id)
    assert before["emission_kg_co2e"] == pytest.approx(1829.6, rel=1e-12)

    asked = await deployment.api.post(
        PATH, json={"releases": RELEASES_2024, "file_ids": [file_id], "reason": "the year before"}
    )
    assert asked.status_code == 202, asked.text
    recalculation = asked.json()["recalculation_id"]
    await until(deployment, recalculation, "previewed")
    (row,) = await deployment.all(f"{PATH}/{recalculation}/rows", "rows")
    assert row["reason"]["code"] == "older_release"
    (still,) = await deployment.all("/v1/emissions", "results", file_id=file_id)
    assert still == before

    done = await deployment.api.post(f"{PATH}/{recalculation}/commit")
    assert done.status_code == 202, done.text
    await until(deployment, recalculation, "committed")
    (after,) = await deployment.all("/v1/emissions", "results", file_id=file_id)
    assert after["emission_kg_co2e"] == pytest.approx(1829.0, rel=1e-12)
    shown = await deployment.get(f"/v1/emissions/{after['id']}")
    assert [r["emission_kg_co2e"] for r in shown["revisions"]] == [before["emission_kg_co2e"]]
    verified = await deployment.api.post(f"/v1/emissions/{after['id']}/verify")
    assert verified.status_code == 200, verified.text


async def test_what_a_person_chose_decides_the_next_upload_and_says_so(
    deployment: Deployment,
) -> None:
    # "Blue widget fuel" is no word of the lexicon: it waits for a person.
    first = b"activity,quantity,unit,country,year\nBlue widget fuel,100,litres,UK,2025\n"
    file_id = await deployment.upload(first, "widget.csv", region="GB")
    await deployment.finished(file_id)
    (review,) = await deployment.all("/v1/emissions/reviews", "reviews", file_id=file_id)
    found = await deployment.get("/v1/emission-factors", q="1_101_1011_8_1", release="desnz-2025")
    diesel = next(f for f in found["emission_factors"] if f["category"] == "Fuels")
    resolved = await deployment.api.post(
        f"/v1/emissions/reviews/{review['id']}",
        json={"action": "choose", "emission_factor_id": diesel["id"], "reason": "as delivered"},
    )
    assert resolved.status_code in (200, 202), resolved.text

    later = b"activity,quantity,unit,country,year\nBLUE  widget fuel,50,litres,UK,2024\n"
    next_id = await deployment.upload(later, "widget-next.csv", region="GB")
    detail = await deployment.finished(next_id)
    assert detail["rows"]["calculated"] == 1
    (figure,) = await deployment.all("/v1/emissions", "results", file_id=next_id)
    # 50 l × 2.57082 kg/l
    assert figure["emission_kg_co2e"] == pytest.approx(128.541, rel=1e-12)
    shown = await deployment.get(f"/v1/emissions/{figure['id']}")
    assert "remembered_decision" in str(shown)
