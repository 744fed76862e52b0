"""Replay: run today's workflow code over a recorded history and say where they part."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.json_format import ParseError
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from core.errors import InvalidInput
from workflows.apply_review import ApplyReview
from workflows.deliver_webhook import DeliverWebhook
from workflows.generate_report import GenerateReport
from workflows.process_file import ProcessFile
from workflows.purge_expired import PurgeExpired
from workflows.recalculate import CommitRecalculation, PreviewRecalculation
from workflows.sweep_deliveries import SweepDeliveries
from workflows.sweep_uploads import SweepUploads

WORKFLOWS = (
    ApplyReview,
    ProcessFile,
    SweepUploads,
    PurgeExpired,
    GenerateReport,
    PreviewRecalculation,
    CommitRecalculation,
    DeliverWebhook,
    SweepDeliveries,
)


async def replay(path: Path) -> Exception | None:
    """Return None when the history replays, else what broke it.

    `path` holds the JSON of `temporal workflow show -o json`. Raises InvalidInput when it does not.
    """
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)
    try:
        history = WorkflowHistory.from_json(path.stem, path.read_text())
    except (ValueError, TypeError, KeyError, AttributeError, ParseError) as error:
        raise InvalidInput(f"{path.name} is no history of a workflow") from error
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    return result.replay_failure
