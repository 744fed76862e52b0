"""Report: one snapshot of the figures, streamed through a renderer into object storage."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine, text
from temporalio import activity

from activities.events import report_completed, start
from activities.heartbeat import beating
from activities.objects import scratch
from activities.report_content import BIOGENIC, KG, Written, content_of
from activities.turns import Turns
from core.contracts import WAITING, FailReportInput, ReportRef, ReportResult
from core.errors import Misconfigured, NotFound, Unavailable
from core.keys import annex_key, report_key
from core.ports import Deliveries, ReportRenderer, Storage, StoredObject
from core.reporting import MEDIA_TYPES, Cell, ReportContent, ReportFormat, ReportStatus
from db.engine import TenantSession, snapshot, tenant_session
from db.models import Report
from db.queries import audit
from db.queries import reports as queries

log = logging.getLogger(__name__)

PIPELINE = audit.Actor(user_id=None, kind="pipeline")
DELETED = "deleted"
CANCELLED = "cancelled"  # the problem of a workflow that was told to stop
REMOVAL_ATTEMPTS = 6  # half a minute
LISTED = 300  # figures in the pages of a PDF; all of them are in its annex


class GenerateReports:
    """Generates reports; the only writer of a report's final status."""

    def __init__(
        self,
        engine: Engine,
        storage: Storage,
        renderers: Mapping[ReportFormat, ReportRenderer],
        *,
        work_dir: Path,
        deliveries: Deliveries | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.engine = engine
        self.storage = storage
        self.renderers = renderers
        self.work_dir = work_dir
        self.deliveries = deliveries
        self.turns = turns

    @activity.defn(name="generate_report")
    def generate_report(self, ref: ReportRef) -> ReportResult:
        """Render and publish one report. A report that was deleted meanwhile leaves nothing.

        "waiting" when the organization has its share of this process; ask again later.
        """
        if self.turns is None or not ref.may_wait:
            return self.generate(ref)
        with self.turns.taken(ref.organization_id) as mine:
            return self.generate(ref) if mine else ReportResult(status=WAITING)

    def generate(self, ref: ReportRef) -> ReportResult:
        """Render and publish one report, whose turn it is."""
        report = self.begin(ref)
        if report is None or report.status != ReportStatus.GENERATING:
            return self.ended(report, 0)
        written = Written()
        with (
            beating(details=lambda: (written.progress(),)),
            scratch(self.work_dir) as directory,
        ):
            target = directory / "report"
            self.render(report, target, written)
            key = report_key(ref.organization_id, ref.report_id, report.file_format or "")
            with target.open("rb") as source:
                stored = self.storage.put(
                    key, source, content_type=self.renderer(report).content_type
                )
            if (annex := annex_of(target)).exists():
                with annex.open("rb") as source:
                    self.storage.put(
                        annex_key(ref.organization_id, ref.report_id),
                        source,
                        content_type=MEDIA_TYPES[ReportFormat.CSV],
                    )
            return self.publish(ref, stored, written)

    def begin(self, ref: ReportRef) -> Report | None:
        """Note that the work has begun; None when the report was deleted."""
        with tenant_session(self.engine, ref.organization_id) as session:
            try:
                report = queries.get_report(session, ref.organization_id, ref.report_id)
            except NotFound:
                return None
            queries.mark_started(session, ref.organization_id, ref.report_id)
            session.commit()
        return report

    def renderer(self, report: Report) -> ReportRenderer:
        """Return the adapter of the report's format. Raises Misconfigured."""
        found = next((r for f, r in self.renderers.items() if f == report.file_format), None)
        if found is None:
            raise Misconfigured(f"no renderer for {report.file_format} is installed")
        return found

    def render(self, report: Report, target: Path, written: Written) -> None:
        """Write the report to a local file from one read-only snapshot."""
        with tenant_session(self.engine, report.organization_id) as session, ExitStack() as opened:
            snapshot(session)
            session.execute(text("SET TRANSACTION READ ONLY"))
            renderer = self.renderer(report)
            content = content_of(
                session, report, written, opened, wants_overview=renderer.wants_overview
            )
            if report.file_format == ReportFormat.PDF and content.with_details:
                content = self.with_annex(content, annex_of(target))
            with target.open("wb") as sink:
                renderer.render(replace(content, all_read=session.rollback), sink)
        written.reconcile(content)

    def with_annex(self, content: ReportContent, path: Path) -> ReportContent:
        """Write every figure to the CSV beside a PDF; return what goes into the pages."""
        largest = Largest(LISTED)
        groups = list(content.groups)
        whole = replace(content, groups=groups, details=largest.through(content.details))
        with path.open("wb") as sink:
            self.renderers[ReportFormat.CSV].render(whole, sink)
        return replace(content, groups=groups, details=largest.rows())

    def publish(self, ref: ReportRef, stored: StoredObject, written: Written) -> ReportResult:
        """Complete the report, unless it was deleted or given up while it was rendered."""
        organization_id, report_id, rows = ref.organization_id, ref.report_id, written.rows
        with tenant_session(self.engine, organization_id) as session:
            try:
                report = queries.get_report(session, organization_id, report_id, lock=True)
            except NotFound:
                self.remove(ref)
                return self.ended(None, rows)
            if report.status == ReportStatus.FAILED:
                self.remove(ref)
                return self.ended(report, rows)
            queries.complete_report(
                session, organization_id, report_id, path=stored.url,
                size_bytes=stored.size_bytes, totals=written.totals, contents=written.contents,
            )  # fmt: skip
            after = {"rows": rows, "size_bytes": stored.size_bytes, "sha256": stored.sha256}
            note(session, ref, "report.completed", after)
            events = report_completed(session, report, rows, stored.size_bytes)
            session.commit()
        start(self.deliveries, events)
        return ReportResult(
            status=ReportStatus.COMPLETED, rows=rows, size_bytes=stored.size_bytes,
            attempt=activity.info().attempt,
        )  # fmt: skip

    @staticmethod
    def ended(report: Report | None, rows: int) -> ReportResult:
        """Return how a report had ended before."""
        return ReportResult(
            status=report.status or "" if report else DELETED,
            rows=rows,
            size_bytes=report.file_size if report else None,
            attempt=activity.info().attempt,
        )

    @activity.defn(name="fail_report")
    def fail_report(self, request: FailReportInput) -> ReportResult:
        """End a report as failed: the reason stays, the object does not.

        One that was completed although the answer was lost stays complete.
        """
        if activity.info().attempt < REMOVAL_ATTEMPTS:
            return self.end_failed(request, self.remove)
        # A store that stays away must not keep the report from ending. No link leads to what may
        # be left then, and it goes when the report is deleted or purged.
        result = self.end_failed(request, lambda _: None)
        if result.status in (ReportStatus.FAILED, DELETED):
            try:
                self.remove(request)
            except Unavailable as error:
                log.warning("report %s may have left an object: %s", request.report_id, error)
        return result

    def end_failed(
        self, request: FailReportInput, remove: Callable[[ReportRef], None]
    ) -> ReportResult:
        """Note that a report failed, unless it has ended or belongs to a later run."""
        organization_id, report_id = request.organization_id, request.report_id
        with tenant_session(self.engine, organization_id) as session:
            try:
                report = queries.get_report(session, organization_id, report_id, lock=True)
            except NotFound:
                remove(request)
                return self.ended(None, 0)
            if report.status == ReportStatus.COMPLETED:
                return self.ended(report, 0)
            remove(request)  # a cancelled one has failed before its worker heard of it
            # Whoever cancels a report says so in its row first: it was retried since.
            retried = request.problem.code == CANCELLED and report.generation_started_at is None
            if report.status != ReportStatus.GENERATING or retried:
                return self.ended(report, 0)
            queries.fail_report(session, organization_id, report_id, request.problem.message)
            note(session, request, "report.failed", {"code": request.problem.code})
            session.commit()
        return ReportResult(status=ReportStatus.FAILED, attempt=activity.info().attempt)

    def remove(self, ref: ReportRef) -> None:
        """Remove what a report may have left in storage: its file, and the annex of a PDF."""
        for file_format in ReportFormat:
            self.storage.delete(report_key(ref.organization_id, ref.report_id, file_format))


def annex_of(target: Path) -> Path:
    """Return where the table beside a report is written."""
    return target.with_suffix(".annex")


class Largest:
    """Keeps the largest figures of those that go through."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept: list[tuple[float, int, tuple[Cell, ...]]] = []

    def through(self, rows: Iterable[tuple[Cell, ...]]) -> Iterator[tuple[Cell, ...]]:
        """Pass rows on."""
        for number, row in enumerate(rows):
            kg = row[KG] if row[KG] is not None else row[BIOGENIC]
            entry = (abs(kg) if isinstance(kg, float) else 0.0, -number, row)
            if len(self.kept) < self.most:
                heapq.heappush(self.kept, entry)
            elif entry > self.kept[0]:  # the number never repeats, so rows are not compared
                heapq.heapreplace(self.kept, entry)
            yield row

    def rows(self) -> list[tuple[Cell, ...]]:
        """Return what was kept, largest first; equal ones in their order."""
        return [row for _, _, row in sorted(self.kept, reverse=True)]


def note(session: TenantSession, ref: ReportRef, action: str, after: dict[str, object]) -> None:
    """Add the end of a report to the audit trail."""
    audit.record(
        session, ref.organization_id, PIPELINE,
        action=action, object_type="report", object_id=ref.report_id, after=after,
    )  # fmt: skip
