"""Resume: where a retried file goes on, by what earlier runs left in database and store."""

from __future__ import annotations

from sqlalchemy import Engine
from temporalio import activity

from activities.heartbeat import beating
from activities.parse import read_report
from core.contracts import FileRef, FileStatus, Stage
from core.contracts_lifecycle import ResumeResult
from core.errors import NotFound
from core.keys import typed_prefix
from core.ports import Storage
from core.resuming import earlier, is_done, restarted, resume_point
from db.engine import tenant_session
from db.queries import lifecycle, pipeline

ENDED = (FileStatus.COMPLETED.value, FileStatus.FAILED.value)


class ResumeFile:
    """Trusts a stage that completed only as far as its results are there."""

    def __init__(self, engine: Engine, storage: Storage) -> None:
        self.engine = engine
        self.storage = storage

    @activity.defn(name="resume_file")
    def resume_file(self, ref: FileRef) -> ResumeResult:
        """Say at which stage this run starts, with the counts of those before it.

        Raises NotFound for a file that was deleted meanwhile.
        """
        attempt = activity.info().attempt
        with beating():
            with tenant_session(self.engine, ref.organization_id) as session:
                found = lifecycle.run_of(session, ref.organization_id, ref.file_id)
            if found is None:
                raise NotFound("the file was deleted")
            if found.run != ref.run or found.status in ENDED:
                return ResumeResult(
                    superseded=True, status=FileStatus(found.status), attempt=attempt
                )
            parts, rows, there = self.stored(ref)
            start = earlier(resume_point(found.progress), there)
            # A file that failed before decisions were kept has none, whatever its progress says.
            known = found.progress.progress.activities_to_match
            if is_done(Stage.MATCH, start) and found.decisions != known:
                start = Stage.MATCH
            progress = restarted(found.progress, start, ref.run)
            with tenant_session(self.engine, ref.organization_id) as session:
                pipeline.save_progress(session, ref.organization_id, ref.file_id, progress)
                session.commit()
        return ResumeResult(
            start=start,
            parts=parts,
            rows=rows,
            rejected=found.rejected,
            activities=known,
            progress=progress,
            attempt=attempt,
        )

    def stored(self, ref: FileRef) -> tuple[int, int, Stage]:
        """Return (parts, rows, the first stage whose results are not in the store)."""
        try:
            report = read_report(self.storage, ref)
        except NotFound:
            return 0, 0, Stage.PARSE
        parts = len(report.parts)
        typed = sum(1 for _ in self.storage.list(typed_prefix(ref.organization_id, ref.file_id)))
        return parts, report.rows_total, Stage.FINISH if typed == parts else Stage.VALIDATE
