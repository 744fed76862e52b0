"""Every recorded history replays with today's code: files under way survive a deployment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from core import contracts
from runtime.replay import replay
from workflows import options

HISTORIES = sorted((Path(__file__).parents[1] / "histories").glob("*.json"))

pytestmark = pytest.mark.anyio


def test_every_way_a_file_can_end_is_recorded() -> None:
    names = {path.stem.removeprefix("process_file.") for path in HISTORIES}
    assert {"completed", "failed", "infected", "rejected", "retried"} <= names
    assert {"cancelled_while_matching", "cancelled_while_calculating", "resumed"} <= names


def test_every_way_a_report_can_end_is_recorded() -> None:
    names = {path.stem for path in HISTORIES}
    ways = ("completed", "retried", "failed", "cancelled", "deleted", "away", "waited")
    assert {f"generate_report.{way}" for way in ways} <= names


def test_every_way_a_resolution_can_end_is_recorded() -> None:
    names = {path.stem for path in HISTORIES}
    assert {f"apply_review.{way}" for way in ("completed", "retried", "failed")} <= names


def test_every_way_a_recalculation_can_end_is_recorded() -> None:
    names = {path.stem for path in HISTORIES}
    ways = ("completed", "retried", "failed", "cancelled")
    assert {f"commit_recalculation.{way}" for way in ways} <= names
    assert {f"preview_recalculation.{way}" for way in (*ways, "stopped")} <= names


def test_a_purge_is_recorded_as_it_was_and_as_it_is() -> None:
    names = {path.stem for path in HISTORIES}
    assert {"purge_expired.retried", "purge_expired.with_logins"} <= names


def test_every_way_a_delivery_can_end_is_recorded_and_what_sweeps() -> None:
    names = {path.stem for path in HISTORIES}
    ways = ("delivered", "retried", "failed", "given_up", "cancelled")
    assert {f"deliver_webhook.{way}" for way in ways} <= names
    assert {"sweep_deliveries.completed", "sweep_uploads.completed"} <= names


@pytest.mark.parametrize("path", HISTORIES, ids=lambda p: p.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    assert await replay(path) is None


@workflow.defn(name=contracts.PROCESS_FILE)
class Reordered:
    """A careless change: it parses before it scans."""

    @workflow.run
    async def run(self, request: contracts.ProcessFileInput) -> contracts.ProcessFileResult:
        ref = contracts.FileRef(organization_id=request.organization_id, file_id=request.file_id)
        await options.call(options.PARSE_FILE, ref, contracts.ParseResult, "parse first")
        raise AssertionError("never reached in a replay of another order")


async def test_a_changed_order_is_caught() -> None:
    path = next(p for p in HISTORIES if p.stem == "process_file.completed")
    replayer = Replayer(workflows=[Reordered], data_converter=pydantic_data_converter)
    history = WorkflowHistory.from_json("x", path.read_text())
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert "Nondeterminism" in repr(result.replay_failure) or "TMPRL1100" in str(
        result.replay_failure
    )


@pytest.mark.parametrize("path", HISTORIES, ids=lambda p: p.stem)
def test_a_history_names_no_machine(path: Path) -> None:
    assert re.findall(r"\d+@[\w-]+|File \\\"", path.read_text()) == []
