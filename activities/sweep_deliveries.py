"""Sweep: start deliveries whose event was committed and that nobody works on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import Engine
from sqlmodel import Session
from temporalio import activity

from core.contracts_webhooks import DeliveryRef, SweepDeliveriesInput, SweepDeliveriesResult
from core.ports import Pipeline
from db.queries import webhook_events


class SweepDeliveries:
    """Looks over all tenants, as platform, but only at ids."""

    def __init__(self, platform_engine: Engine, pipeline: Pipeline) -> None:
        self.platform_engine = platform_engine
        self.pipeline = pipeline

    @activity.defn(name="start_deliveries")
    async def start_deliveries(self, request: SweepDeliveriesInput) -> SweepDeliveriesResult:
        """Start what is overdue; a delivery that is being worked on is not begun twice."""
        waiting = await asyncio.to_thread(self.overdue, request.older_than_s)
        for ref in waiting:
            activity.heartbeat()
            await self.pipeline.start_delivery(ref)
        return SweepDeliveriesResult(started=len(waiting))

    def overdue(self, older_than_s: int) -> Sequence[DeliveryRef]:
        """Return the deliveries that nobody works on."""
        with Session(self.platform_engine) as session:
            return webhook_events.overdue(session, older_than_s)
