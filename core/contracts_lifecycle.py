"""Payloads of what comes before and after processing: retries, deletions, retention."""

from __future__ import annotations

from uuid import UUID

from core.contracts import FileProgress, FileStatus, Payload, Stage

PURGE_EXPIRED = "PurgeExpired"
PURGE_WORKFLOW_ID = "purge-expired"


class ResumeResult(Payload):
    """Where a retried file goes on, and what earlier runs left for it.

    `superseded`: the file has ended, or a later run counts; there is nothing to do.
    """

    superseded: bool = False
    status: FileStatus = FileStatus.UPLOADED
    start: Stage = Stage.SCAN
    parts: int = 0
    rows: int = 0
    rejected: int = 0
    activities: int = 0
    progress: FileProgress = FileProgress()
    attempt: int = 1


class SettleInput(Payload):
    """How long a cancellation must have waited before it is asked for again."""

    older_than_s: int = 10


class SettleResult(Payload):
    """How many deletions were carried out to their end, how many files stopped or could not."""

    deletions: int = 0
    rows_marked: int = 0
    cancelled: int = 0
    failed: int = 0  # files that wait for their next turn, or were given up
    lost: int = 0  # files that were in work and whose workflow is gone
    attempt: int = 1

    def plus(self, other: SettleResult) -> SettleResult:
        """Return the sums."""
        names = ("deletions", "rows_marked", "cancelled", "failed", "lost")
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return self.model_copy(update=sums)


class PurgeResult(Payload):
    """What was purged, of one organization or in sum: rows for good, objects from the store."""

    organizations: int = 0  # of which something went
    files: int = 0
    emissions: int = 0
    rows: int = 0  # of all tables
    objects: int = 0
    orphans: int = 0  # objects that no row knew
    missing: int = 0  # rows whose object is not there; reported and kept
    held: int = 0  # objects that the store does not let go of; tried again the next night
    failed: int = 0  # steps that will fail however often they are tried
    attempt: int = 1

    def plus(self, other: PurgeResult) -> PurgeResult:
        """Return the sums."""
        names = (
            "organizations", "files", "emissions", "rows", "objects", "orphans", "missing", "held",
            "failed",
        )  # fmt: skip
        return PurgeResult(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def markdown(self) -> str:
        """Say what was done, for the Web UI."""
        counts = self.model_dump(exclude={"attempt"})
        return " · ".join(f"{name} {count}" for name, count in counts.items())


class PurgeInput(Payload):
    """Where a purge goes on: after this organization, with what was done before it."""

    after: UUID | None = None
    done: PurgeResult = PurgeResult()


class OrganizationPage(Payload):
    """The next organizations, in the order of their ids."""

    organization_ids: tuple[UUID, ...] = ()


class OrganizationRef(Payload):
    """Names one organization."""

    organization_id: UUID
