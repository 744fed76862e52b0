"""Starting deliveries of webhooks: from the API, the sweep, and right after a commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from core.contracts_webhooks import DELIVER_WEBHOOK, DeliveryRef, delivery_workflow_id
from core.errors import Unavailable
from workflows import options

log = logging.getLogger(__name__)

RPC_TIMEOUT = timedelta(seconds=3)


async def start_delivery(client: Client, ref: DeliveryRef) -> str:
    """Start the workflow of a delivery; one that runs is joined. Raises Unavailable.

    One that has ended may run again: it finds in the database whether there is anything to do.
    """
    job_id = delivery_workflow_id(ref)
    organization_id = str(ref.organization_id)
    try:
        await client.start_workflow(
            DELIVER_WEBHOOK,
            ref,
            id=job_id,
            task_queue=options.WEBHOOKS_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            priority=Priority(fairness_key=organization_id),
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(options.ORGANIZATION_ID, organization_id),
                    SearchAttributePair(options.STAGE, "webhook"),
                ]
            ),
            static_summary="deliver a webhook",
            static_details=f"Webhook `{ref.webhook_id}` of organization `{organization_id}`",
            rpc_timeout=RPC_TIMEOUT,
        )
    except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client cannot connect
        raise Unavailable("Temporal is away; the webhook is delivered later") from error
    return job_id


class DeliveryStarter:
    """core.ports.Deliveries: starts from worker threads what was just committed.

    Nobody waits for it, and nothing depends on it: what gets lost here the sweep finds.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()

    def start(self, refs: Sequence[DeliveryRef]) -> None:
        """Start deliveries of events that are committed."""
        for ref in refs:
            asyncio.run_coroutine_threadsafe(self._start(ref), self._loop)

    async def _start(self, ref: DeliveryRef) -> None:
        try:
            await start_delivery(self._client, ref)
        except (Unavailable, TemporalError) as error:
            log.info("delivery %s waits for the sweep: %s", ref.event_id, type(error).__name__)
