"""From table rows to answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from api.schemas.common import AuditEntry, HistoryEntry, ScopeTotal
from api.schemas.emissions import (
    DecidedBy,
    EmissionDetail,
    EmissionItem,
    EmissionSummary,
    FactorDetail,
    LinkedTotals,
    MatchDetail,
    Revision,
    SourceFile,
    TypeTotal,
)
from api.schemas.files import FileDetail, FileItem, RowCounts, RowIssueItem
from api.schemas.reports import (
    ReportDetail,
    ReportItem,
    ReportPermissions,
    ReportProgressAnswer,
    ReportSnapshot,
)
from api.schemas.reviews import RememberedItem, ReviewDetail, ReviewItem
from core.contracts import ReportProgress
from core.keys import annex_key
from core.permissions import Reach
from core.ports import Storage
from core.reporting import (
    EXTENSIONS,
    MEDIA_TYPES,
    ReportFormat,
    ReportStatus,
    ReportType,
    Totals,
    shows_details,
)
from db.models import (
    AuditEvent,
    Emission,
    EmissionFactor,
    EmissionRevision,
    File,
    FileEvent,
    Report,
    RowIssue,
)
from db.queries.emissions import Explained, Summary
from db.queries.files import ScopeTotal as ScopeRow
from db.queries.memory import MemoryRow
from db.queries.reports import criteria_of, shown_by
from db.queries.reviews import ByPerson, OpenReview

# Only what was looked at, or what a deployment chose not to look at, leaves the house again.
DOWNLOADABLE = frozenset({"clean", "unscanned"})


def file_item(file: File, reach: Reach) -> FileItem:
    """Return an upload as lists show it.

    Of what an upload is a duplicate may lie in a project that a limited membership does not see.
    """
    return FileItem.model_validate(
        {
            **{name: getattr(file, name, None) for name in FileItem.model_fields},
            "duplicate_of": file.duplicate_of if reach.projects is None else None,
            "size_bytes": file.file_size,
            "rows": RowCounts(
                total=file.rows_total,
                calculated=file.rows_calculated,
                in_review=file.rows_in_review,
                rejected=file.rows_rejected,
                no_activity=file.rows_no_activity,
            ),
        }
    )


def file_detail(
    file: File,
    reach: Reach,
    *,
    totals: Sequence[ScopeRow],
    history: Sequence[FileEvent],
    events: Sequence[AuditEvent],
    storage: Storage,
    expires_s: int,
) -> FileDetail:
    """Return an upload with all that is known of it."""
    own = ("sha256", "processing_job_id", "scan_state", "region", "reporting_year", "upstream",
           "mapping", "recognized")  # fmt: skip
    return FileDetail.model_validate(
        {
            **dict(file_item(file, reach)),
            **{name: getattr(file, name) for name in own},
            "totals_by_scope": [ScopeTotal.model_validate(total) for total in totals],
            "download_url": download_url(file, storage, expires_s),
            "history": [HistoryEntry.model_validate(entry) for entry in history],
            "audit": [AuditEntry.model_validate(event) for event in events],
        }
    )


def download_url(file: File, storage: Storage, expires_s: int) -> str | None:
    """Return a short-lived link to the upload; None until it was found harmless."""
    if file.scan_state not in DOWNLOADABLE:
        return None
    return storage.signed_url(
        storage.key(file.object_storage_path),
        filename=file.filename,
        content_type=file.mime_type or "application/octet-stream",
        expires_s=expires_s,
    )


def issue_item(issue: RowIssue) -> RowIssueItem:
    """Return a row issue."""
    return RowIssueItem(
        sheet=issue.sheet,
        row=issue.row_number,
        column=issue.column_name,
        code=issue.code,
        severity=issue.severity,
        message=issue.message,
        value=issue.value_text,
    )


def figure_of(row: Emission | EmissionRevision) -> dict[str, float]:
    """Return a figure as kg CO2e and, of biogenic rows, as what stands in no total.

    One of both is 0, so that the rows of a list add up to the totals of its summary.
    """
    outside, kg = row.biogenic, row.calculated_emission
    return {"emission_kg_co2e": 0.0 if outside else kg, "biogenic_kg_co2": kg if outside else 0.0}


def emission_item(emission: Emission) -> EmissionItem:
    """Return a figure as lists show it."""
    return EmissionItem.model_validate(
        {
            **{name: getattr(emission, name, None) for name in EmissionItem.model_fields},
            "row": emission.row_number,
            "date": emission.activity_on,
            "year": emission.activity_year,
            **figure_of(emission),
            "upstream_kg_co2e": emission.upstream_emission,
            "outside_of_scopes_kg_co2": emission.outside_of_scopes_emission,
            "confidence": emission.confidence_score,
        }
    )


def summary_answer(summary: Summary) -> EmissionSummary:
    """Return the sums of a filter."""
    return EmissionSummary(
        count=summary.count,
        total_kg_co2e=summary.total_kg_co2e,
        biogenic_kg_co2=summary.biogenic_kg_co2,
        by_scope=[
            ScopeTotal(
                scope=part.key,
                count=part.count,
                kg_co2e=part.kg_co2e,
                biogenic_kg_co2=0.0 if part.key else summary.biogenic_kg_co2,
            )
            for part in summary.by_scope
        ],
        by_type=[
            TypeTotal(type=part.key, count=part.count, kg_co2e=part.kg_co2e)
            for part in summary.by_type
        ],
        types=summary.types,
        linked=LinkedTotals(
            upstream_kg_co2e=summary.upstream_kg_co2e,
            outside_of_scopes_kg_co2=summary.outside_of_scopes_kg_co2,
        ),
    )


def factor_detail(factor: EmissionFactor) -> FactorDetail:
    """Return a factor as an explanation cites it."""
    return FactorDetail.model_validate(
        {
            **{name: getattr(factor, name, None) for name in FactorDetail.model_fields},
            "value_kg_co2e_per_unit": factor.value_per_unit,
        }
    )


def emission_detail(
    found: Explained,
    *,
    history: Sequence[FileEvent],
    events: Sequence[AuditEvent],
    revisions: Sequence[tuple[EmissionRevision, str | None]],
    decided_by: ByPerson | None,
) -> EmissionDetail:
    """Return a figure with everything that explains it."""
    return EmissionDetail.model_validate(
        {
            **dict(emission_item(found.emission)),
            "source_file": SourceFile.model_validate(found.file),
            "factor": factor_detail(found.factor) if found.factor else None,
            "match": MatchDetail.model_validate(found.decision) if found.decision else None,
            "decided_by": None if decided_by is None else DecidedBy.model_validate(decided_by),
            "revisions": [revision_of(row, name) for row, name in revisions],
            "calculation": found.emission.calculation,
            "history": [HistoryEntry.model_validate(entry) for entry in history],
            "audit": [AuditEntry.model_validate(event) for event in events],
        }
    )


def revision_of(row: EmissionRevision, name: str | None) -> Revision:
    """Return a figure that a row had before."""
    return Revision.model_validate(
        {
            **{field: getattr(row, field, None) for field in Revision.model_fields},
            **figure_of(row),
            "confidence": row.confidence_score,
            "replaced_by_name": name,
        }
    )


def remembered_item(row: MemoryRow) -> RememberedItem:
    """Return a remembered decision with its factor's and its author's names."""
    return RememberedItem.model_validate(
        {
            **{field: getattr(row.memory, field, None) for field in RememberedItem.model_fields},
            "emission_factor_name": row.factor_name,
            "decided_by_name": row.decided_by_name,
            "used": row.used,
            "last_used_at": row.last_used_at,
        }
    )


def review_item(waiting: OpenReview) -> ReviewItem:
    """Return an activity that waits, with its candidates."""
    review, decision = waiting.review, waiting.decision
    return ReviewItem.model_validate(
        {
            **{name: getattr(review, name, None) for name in ReviewItem.model_fields},
            "filename": waiting.filename,
            "rows": review.row_count,
            "kg_co2e_at_risk": review.kg_at_risk,
            "emission_factor_id": review.emission_factor_id or decision.emission_factor_id,
            **{
                name: getattr(decision, name)
                for name in (
                    "activity", "confidence", "candidates", "fallbacks",
                )
            },
        }
    )  # fmt: skip


def review_detail(waiting: OpenReview, events: Sequence[AuditEvent]) -> ReviewDetail:
    """Return a review with who decided it and when it was applied."""
    entries = [AuditEntry.model_validate(event) for event in events]
    return ReviewDetail.model_validate({**dict(review_item(waiting)), "audit": entries})


def report_item(report: Report) -> ReportItem:
    """Return a report as lists show it."""
    return ReportItem.model_validate(
        {
            **{name: getattr(report, name, None) for name in ReportItem.model_fields},
            "size_bytes": report.file_size,
        }
    )


def report_detail(
    report: Report,
    *,
    now: Totals | None,
    progress: ReportProgress | None,
    estimated_completion: dt.datetime | None,
    may_delete: bool,
    events: Sequence[AuditEvent],
    storage: Storage,
    expires_s: int,
) -> ReportDetail:
    """Return a report with all that is known of it."""
    asked = criteria_of(report)
    completed = report.status == ReportStatus.COMPLETED
    contents = (report.contents if completed else None) or {}
    return ReportDetail.model_validate(
        {
            **dict(report_item(report)),
            "criteria": dict(asked.criteria),
            "group_by": list(asked.group_by),
            "include_details": asked.include_details,
            "layout": asked.layout,
            "annex_url": annex_url(report, storage, expires_s),
            "progress": report_progress(report, progress),
            "snapshot": report_snapshot(report, now),
            "rows": contents.get("rows"),
            "duplicates": contents.get("duplicates"),
            "for_review": contents.get("for_review"),
            "undated": contents.get("undated"),
            "estimated_completion": estimated_completion,
            "download_url": report_url(report, storage, expires_s),
            "permissions": ReportPermissions(delete=may_delete),
            "audit": [AuditEntry.model_validate(event) for event in events],
        }
    )


def report_snapshot(report: Report, now: Totals | None) -> ReportSnapshot | None:
    """Return whether a report still shows what its criteria let through; None if nobody knows."""
    shown = shown_by(report)
    if shown is None or now is None:
        return None
    return ReportSnapshot(
        outdated=shown != now, figures_shown=shown.count, figures_now=now.count,
        kg_co2e_shown=float(shown.kg_co2e), kg_co2e_now=float(now.kg_co2e),
    )  # fmt: skip


def report_progress(report: Report, progress: ReportProgress | None) -> ReportProgressAnswer:
    """Return how far a report is; a share is said only while rows are written."""
    if report.status == ReportStatus.COMPLETED:
        return ReportProgressAnswer(rows_written=None, rows_total=None, percent=100.0)
    if progress is None:
        return ReportProgressAnswer(rows_written=None, rows_total=None, percent=0.0)
    share = progress.rows_written / progress.rows_total if progress.rows_total else 0.0
    return ReportProgressAnswer(
        rows_written=progress.rows_written,
        rows_total=progress.rows_total,
        percent=min(round(100 * share, 1), 99.0),  # the last step is the store's
    )


def report_url(report: Report, storage: Storage, expires_s: int) -> str | None:
    """Return a short-lived link to a completed report."""
    if report.status != ReportStatus.COMPLETED or not report.object_storage_path:
        return None
    file_format = ReportFormat(report.file_format or "")
    return storage.signed_url(
        storage.key(report.object_storage_path),
        filename=f"{saved_as(report)}.{EXTENSIONS[file_format]}",
        content_type=MEDIA_TYPES[file_format],
        expires_s=expires_s,
    )


def annex_url(report: Report, storage: Storage, expires_s: int) -> str | None:
    """Return a short-lived link to the table beside a completed PDF; None when it has none."""
    kind, asked = ReportType(report.report_type or ""), criteria_of(report)
    listed = shows_details(kind, asked.include_details)
    if report.status != ReportStatus.COMPLETED or report.file_format != ReportFormat.PDF:
        return None
    if not listed or not report.object_storage_path:
        return None
    return storage.signed_url(
        annex_key(report.organization_id, report.id),
        filename=f"{saved_as(report)} (figures).csv",
        content_type=MEDIA_TYPES[ReportFormat.CSV],
        expires_s=expires_s,
    )


def saved_as(report: Report) -> str:
    """Return a name that every file system takes."""
    kept = "".join(c for c in report.name if c.isprintable() and c not in '/\\:*?"<>|')
    return kept[:150].strip(" .") or "report"
