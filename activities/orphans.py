"""Orphans: objects that no row knows go, rows whose object is missing are reported."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from uuid import UUID

from sqlalchemy import Engine
from sqlmodel import Session
from temporalio import activity

from activities.heartbeat import beating
from activities.objects import let_go
from core.contracts_lifecycle import OrganizationRef, PurgeResult
from core.keys import OBJECT_KINDS, trace
from core.ports import ListedObject, Storage
from db.queries import audit, purge

log = logging.getLogger(__name__)

RETENTION = audit.Actor(user_id=None, kind="retention")
# An upload puts its object before its row; a day is far longer than any request lasts.
OLD = dt.timedelta(days=1)
BATCH = 1_000
NAMED = 100


class SweepObjects:
    """Compares store and database both ways, one organization at a time."""

    def __init__(self, platform_engine: Engine, storage: Storage) -> None:
        self.engine = platform_engine
        self.storage = storage

    @activity.defn(name="sweep_objects")
    def sweep_objects(self, ref: OrganizationRef) -> PurgeResult:
        """Remove old objects without a row; report living files without their object."""
        with beating():
            orphans, held = self.remove_orphans(ref.organization_id)
            missing = self.missing_uploads(ref.organization_id)
            if orphans or missing:
                self.report(ref.organization_id, orphans, missing)
        return PurgeResult(
            orphans=orphans, missing=len(missing), held=held, attempt=activity.info().attempt
        )

    def remove_orphans(self, organization_id: UUID) -> tuple[int, int]:
        """Remove objects of ours whose file or report is gone; what we do not know we leave.

        Returns how many went, and how many the store does not let go of.
        """
        before = dt.datetime.now(dt.UTC) - OLD
        old = (o for o in self.storage.list(f"{organization_id}/") if o.modified_at < before)
        removed = held = 0
        for batch in batches(old, BATCH):
            traced = [(o, found) for o in batch if (found := trace(o.key)) is not None]
            for table in sorted(set(OBJECT_KINDS.values())):
                of_table = [(o, t.id) for o, t in traced if t.table == table]
                ids = sorted({row_id for _, row_id in of_table})
                with Session(self.engine) as session:
                    known = purge.known(session, organization_id, table, ids)
                for listed, row_id in of_table:
                    if row_id not in known:
                        gone = let_go(self.storage, listed.key)
                        removed, held = removed + gone, held + (not gone)
        return removed, held

    def missing_uploads(self, organization_id: UUID) -> list[UUID]:
        """Return living files whose object is not in the store; never repaired by deleting."""
        missing: list[UUID] = []
        after: UUID | None = None
        while True:
            with Session(self.engine) as session:
                page = purge.expected_uploads(session, organization_id, after, BATCH)
            if not page:
                return missing
            for row in page:
                if not self.storage.exists(self.storage.key(row.object_storage_path)):
                    missing.append(row.id)
            after = page[-1].id

    def report(self, organization_id: UUID, orphans: int, missing: list[UUID]) -> None:
        """Note both in the audit trail, and what is missing in the log as well."""
        if missing:
            log.warning(
                "organization %s: %d files have no object in the store", organization_id,
                len(missing),
            )  # fmt: skip
        with Session(self.engine) as session:
            audit.record(
                session, organization_id, RETENTION, action="retention.objects_compared",
                object_type="organization", object_id=organization_id,
                after={
                    "orphans_deleted": orphans,
                    "missing": len(missing),
                    "files_without_object": [str(file_id) for file_id in missing[:NAMED]],
                },
            )  # fmt: skip
            session.commit()


def batches(found: Iterable[ListedObject], size: int) -> Iterator[list[ListedObject]]:
    """Yield lists of up to `size`."""
    iterator = iter(found)
    while batch := list(islice(iterator, size)):
        yield batch
