"""Purge: what was deleted long ago, or is older than its organization keeps, goes for good."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Engine
from sqlmodel import Session
from temporalio import activity

from activities.heartbeat import beating
from activities.objects import let_go
from core.contracts import Payload
from core.contracts_lifecycle import (
    OrganizationPage,
    OrganizationRef,
    PurgeInput,
    PurgeResult,
)
from core.ports import Storage
from db.queries import audit, leftovers, purge

log = logging.getLogger("tonnage.retention")

RETENTION = audit.Actor(user_id=None, kind="retention")
BATCH_ROWS = 5_000
BATCH_OBJECTS = 200
PAGE = 200
NAMED = 100  # ids an audit event names; the rest is counted


class PurgeExpired:
    """Works as platform, one organization at a time; every batch is a transaction of its own."""

    def __init__(
        self,
        platform_engine: Engine,
        storage: Storage,
        *,
        purge_after_days: int,
        batch_rows: int = BATCH_ROWS,
    ) -> None:
        self.engine = platform_engine
        self.storage = storage
        self.purge_after_days = purge_after_days
        self.batch_rows = batch_rows

    @activity.defn(name="list_organizations")
    def list_organizations(self, request: PurgeInput) -> OrganizationPage:
        """Return the next organizations, by id."""
        with Session(self.engine) as session:
            found = purge.organizations_after(session, request.after, PAGE)
        return OrganizationPage(organization_ids=tuple(found))

    @activity.defn(name="purge_organization")
    def purge_organization(self, ref: OrganizationRef) -> PurgeResult:
        """Remove the rows of one organization whose time has come; note what went.

        Broken off, the next attempt goes on with what is left, and the counts with what the last
        heartbeat said.
        """
        run = Run(self.engine, self.batch_rows, Counter(last_counts()))
        with beating(details=lambda: [dict(run.gone)]):
            with Session(self.engine) as session:
                terms = purge.terms_of(session, ref.organization_id, self.purge_after_days)
            if terms is None:
                return PurgeResult(attempt=activity.info().attempt)
            run.everything(terms)
            if run.gone:
                with Session(self.engine) as session:
                    audit.record(
                        session, ref.organization_id, RETENTION, action="retention.purged",
                        object_type="organization", object_id=ref.organization_id,
                        after={
                            "rows": dict(run.gone),
                            "files": [str(f) for f in run.files[:NAMED]],
                            "keep_days": terms.keep_days,
                            "purge_after_days": terms.purge_days,
                        },
                    )  # fmt: skip
                    session.commit()
        return PurgeResult(
            organizations=1 if run.gone else 0,
            files=run.gone["files"],
            emissions=run.gone["emissions"],
            rows=run.gone.total(),
            attempt=activity.info().attempt,
        )

    @activity.defn(name="purge_logins")
    def purge_logins(self, _: Payload) -> PurgeResult:
        """Remove sessions, one-time tokens and counters of guesses that are over. They belong to
        no organization, so the log tells of them and no audit trail."""
        run = Run(self.engine, self.batch_rows, Counter(last_counts()))
        with beating(details=lambda: [dict(run.gone)]):
            for table in leftovers.OF_LOGIN:
                run.drain(table, partial(self.ended_logins, table))
        if run.gone:
            log.info("purged login state: %s", dict(run.gone))
        return PurgeResult(rows=run.gone.total(), attempt=activity.info().attempt)

    def ended_logins(self, table: str, session: Session) -> int:
        """Remove a batch of login state."""
        return leftovers.purge_logins(session, table, self.purge_after_days, self.batch_rows)

    @activity.defn(name="delete_doomed_objects")
    def delete_doomed_objects(self, _: Payload) -> PurgeResult:
        """Let the store go of objects whose rows are gone. A store that is away is an error:
        what it still holds stays noted. One object that it holds keeps no other."""
        objects, held = 0, list[UUID]()
        with beating():
            while True:
                with Session(self.engine) as session:
                    batch = purge.doomed(session, BATCH_OBJECTS, held)
                    if not batch:
                        break
                    by_tenant: dict[UUID, list[UUID]] = {}
                    for row in batch:
                        count, all_gone = self.remove(row.key)
                        objects += count
                        if all_gone:
                            by_tenant.setdefault(row.organization_id, []).append(row.id)
                        else:
                            held.append(row.id)
                    for organization_id, ids in by_tenant.items():
                        purge.forget_doomed(session, organization_id, ids)
                    session.commit()
        if held:
            log.warning("the store does not let go of %d objects or folders", len(held))
        return PurgeResult(objects=objects, held=len(held), attempt=activity.info().attempt)

    def remove(self, key: str) -> tuple[int, bool]:
        """Remove an object, or all below a prefix; return how many went, and whether all did."""
        if not key.endswith("/"):
            there = self.storage.exists(key)
            gone = let_go(self.storage, key)
            return int(there and gone), gone
        count, whole = 0, True
        for listed in self.storage.list(key):
            gone = let_go(self.storage, listed.key)
            count, whole = count + gone, whole and gone
        return count, whole


class Run:
    """The purge of one organization's rows, batch by batch."""

    def __init__(self, engine: Engine, batch_rows: int, gone: Counter[str]) -> None:
        self.engine = engine
        self.batch_rows = batch_rows
        self.gone = gone
        self.files: list[UUID] = []

    def everything(self, terms: purge.Terms) -> None:
        """Remove all whose time has come, children before parents."""
        self.hide_expired(terms)
        self.purge_files(terms)
        self.purge_recalculations(terms)
        for table in ("emissions", "reviews"):
            self.drain(table, partial(self.deleted, terms, table))
        self.drain("reports", lambda s: purge.purge_reports(s, terms, self.batch_rows))
        self.drain("model_answers", lambda s: purge.purge_model_answers(s, terms, self.batch_rows))
        for table in leftovers.OF_ORGANIZATION:
            self.drain(table, partial(self.ended, terms, table))

    def hide_expired(self, terms: purge.Terms) -> None:
        """Take files that are too old out of every list at once; they are due from then on."""
        while True:
            with Session(self.engine) as session:
                expired = purge.expire_files(session, terms, self.batch_rows)
                session.commit()
            if not expired:
                return

    def purge_files(self, terms: purge.Terms) -> None:
        """Remove deleted files whose time has come, with all that hangs on them."""
        skipped: set[UUID] = set()
        while True:
            with Session(self.engine) as session:
                due = purge.due_files(session, terms, self.batch_rows + len(skipped))
            todo = [file_id for file_id in due if file_id not in skipped]
            if not todo:
                return
            for file_id in todo:
                for table in purge.OF_FILE:
                    self.drain(table, partial(self.of_file, terms, file_id, table))
                with Session(self.engine) as session:
                    gone = purge.purge_file(session, terms.organization_id, file_id)
                    session.commit()
                if gone:
                    self.gone["files"] += 1
                    self.files.append(file_id)
                else:
                    skipped.add(file_id)

    def purge_recalculations(self, terms: purge.Terms) -> None:
        """Remove recalculations that were deleted or are too old, with their rows."""
        skipped: set[UUID] = set()
        scope = terms.organization_id
        while True:
            with Session(self.engine) as session:
                due = purge.due_recalculations(session, terms, PAGE + len(skipped))
            todo = [found for found in due if found not in skipped]
            if not todo:
                return
            for one in todo:
                for table in ("recalculation_rows", "recalculation_decisions"):
                    self.drain(table, partial(self.of_recalculation, terms, one, table))
                with Session(self.engine) as session:
                    gone = purge.purge_recalculation(session, scope, one)
                    session.commit()
                self.gone["recalculations"] += gone
                if not gone:
                    skipped.add(one)

    def deleted(self, terms: purge.Terms, table: str, session: Session) -> int:
        """Remove a batch of what was deleted by itself."""
        return purge.purge_deleted(session, terms, table, self.batch_rows)

    def ended(self, terms: purge.Terms, table: str, session: Session) -> int:
        """Remove a batch of what is left of something that has ended."""
        return leftovers.purge_ended(session, terms, table, self.batch_rows)

    def of_file(self, terms: purge.Terms, file_id: UUID, table: str, session: Session) -> int:
        """Remove a batch of a file's rows."""
        scope = (session, terms.organization_id, file_id)
        return purge.purge_rows_of_file(*scope, table, self.batch_rows)

    def of_recalculation(self, terms: purge.Terms, one: UUID, table: str, session: Session) -> int:
        """Remove a batch of a recalculation's rows."""
        scope = (session, terms.organization_id, one)
        return purge.purge_rows_of_recalculation(*scope, table, self.batch_rows)

    def drain(self, name: str, batch: Callable[[Session], int]) -> None:
        """Run a batch after the other, each in its transaction, until one finds nothing."""
        while True:
            with Session(self.engine) as session:
                gone = batch(session)
                session.commit()
            if not gone:
                return
            self.gone[name] += gone


def last_counts() -> dict[str, int]:
    """Return what an earlier attempt had removed when it last gave a sign of life."""
    details: Any = activity.info().heartbeat_details
    return dict(details[0]) if details else {}
