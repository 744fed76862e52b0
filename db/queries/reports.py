"""Reports: their rows, and the criteria they are frozen with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import func, insert, select, text, update
from sqlmodel import Session

from core.errors import NotFound
from core.permissions import Reach
from core.reporting import (
    GroupBy,
    ReportFormat,
    ReportLayout,
    ReportStatus,
    ReportType,
    Totals,
)
from db.models import Report
from db.queries import paging
from db.queries.emissions import EmissionFilter

REPORT: Any = Report
FILTER = TypeAdapter(EmissionFilter)
BY_AGE = paging.Sort("created_at", REPORT.created_at, paging.Kind.TIME, descending=True)
LOST_AFTER_S = 3600  # far longer than a report takes


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a report shows; fixed when it is asked for, kept in reports.query_criteria."""

    criteria: Mapping[str, Any]  # as it was sent
    wanted: EmissionFilter  # as it was understood
    reach: Reach  # what the person who asked may see
    group_by: tuple[GroupBy, ...]
    include_details: bool
    rows_expected: int  # when it was asked for; for the estimate only
    estimated_completion: dt.datetime
    layout: ReportLayout = ReportLayout.STANDARD

    def in_words(self) -> list[tuple[str, str]]:
        """Return what was chosen, as (filter, value)."""
        shown = FILTER.dump_python(self.wanted, mode="json")
        found = [(name, _words(value)) for name, value in shown.items() if value not in (None, [])]
        if self.reach.projects is not None:
            found.append(("projects", ", ".join(sorted(map(str, self.reach.projects))) or "none"))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what is stored."""
        projects = self.reach.projects
        if self.wanted.project_id is not None:
            own = self.wanted.project_id
            projects = frozenset({own} if self.reach.includes(own) else ())
        return {
            "criteria": dict(self.criteria),
            "filter": FILTER.dump_python(self.wanted, mode="json"),
            "projects": None if projects is None else sorted(map(str, projects)),
            "group_by": [by.value for by in self.group_by],
            "include_details": self.include_details,
            "rows_expected": self.rows_expected,
            "estimated_completion": self.estimated_completion.isoformat(),
            "layout": self.layout.value,
        }


def criteria_of(report: Report) -> Criteria:
    """Read what a report was frozen with."""
    stored = report.query_criteria
    projects = stored["projects"]
    return Criteria(
        criteria=stored["criteria"],
        wanted=FILTER.validate_python(stored["filter"]),
        reach=Reach(None if projects is None else frozenset(map(UUID, projects))),
        group_by=tuple(GroupBy(by) for by in stored["group_by"]),
        include_details=stored["include_details"],
        rows_expected=stored["rows_expected"],
        estimated_completion=dt.datetime.fromisoformat(stored["estimated_completion"]),
        layout=ReportLayout(stored.get("layout", ReportLayout.STANDARD)),  # older rows have none
    )


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@dataclass(frozen=True, slots=True)
class NewReport:
    """A report that is asked for."""

    id: UUID
    user_id: UUID
    name: str
    description: str | None
    report_type: ReportType
    file_format: ReportFormat
    criteria: Criteria


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which reports are wanted. Times bound created_at: from included, to excluded."""

    status: ReportStatus | None = None
    report_type: ReportType | None = None
    created_from: dt.datetime | None = None
    created_to: dt.datetime | None = None


def add_report(session: Session, organization_id: UUID, new: NewReport) -> None:
    """Add a report that nobody has begun: generation_started_at is null until a worker has."""
    session.execute(
        insert(REPORT).values(
            organization_id=organization_id,
            id=new.id,
            user_id=new.user_id,
            name=new.name,
            description=new.description,
            report_type=new.report_type.value,
            file_format=new.file_format.value,
            query_criteria=new.criteria.to_json(),
            status=ReportStatus.GENERATING.value,
            generation_started_at=None,
        )
    )


def visible(organization_id: UUID, reach: Reach) -> list[Any]:
    """Return the conditions under which a membership sees a report.

    A report shows figures of projects; who may not see all of them does not see the report.
    """
    found = [REPORT.organization_id == organization_id, REPORT.deleted_at.is_(None)]
    if reach.projects is not None:
        shown = REPORT.query_criteria["projects"]
        found.append(func.jsonb_typeof(shown) == "array")
        found.append(shown.contained_by(sorted(map(str, reach.projects))))
    return found


def _conditions(organization_id: UUID, reach: Reach, wanted: ReportFilter) -> list[Any]:
    found = visible(organization_id, reach)
    if wanted.status is not None:
        found.append(REPORT.status == wanted.status.value)
    if wanted.report_type is not None:
        found.append(REPORT.report_type == wanted.report_type.value)
    if wanted.created_from is not None:
        found.append(REPORT.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        found.append(REPORT.created_at < wanted.created_to)
    return found


def list_reports(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: ReportFilter,
    request: paging.PageRequest,
) -> paging.Page[Report]:
    """Return a page of reports, newest first."""
    rows = session.scalars(
        select(REPORT)
        .where(*_conditions(organization_id, reach, wanted), *paging.after(request, REPORT.id))
        .order_by(*paging.order_by(request.sort, REPORT.id))
        .limit(request.limit + 1)
    ).all()
    return paging.cut(rows, request, request.sort.name)


def count_reports(
    session: Session, organization_id: UUID, reach: Reach, wanted: ReportFilter
) -> int:
    """Count reports."""
    found = _conditions(organization_id, reach, wanted)
    return session.scalar(select(func.count()).select_from(REPORT).where(*found)) or 0


def find_report(
    session: Session, organization_id: UUID, report_id: UUID, reach: Reach, *, lock: bool = False
) -> Report | None:
    """Return a report that a membership may see, locked against its worker if asked."""
    query = select(REPORT).where(*visible(organization_id, reach), REPORT.id == report_id)
    found: Report | None = session.scalars(query.with_for_update() if lock else query).one_or_none()
    return found


def get_report(
    session: Session, organization_id: UUID, report_id: UUID, *, lock: bool = False
) -> Report:
    """Return a living report for its worker. Raises NotFound."""
    found = find_report(session, organization_id, report_id, Reach(), lock=lock)
    if found is None:
        raise NotFound("the report was deleted, or never was")
    return found


def _change(session: Session, organization_id: UUID, report_id: UUID, **values: Any) -> None:
    session.execute(
        update(REPORT)
        .where(REPORT.organization_id == organization_id, REPORT.id == report_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def mark_started(session: Session, organization_id: UUID, report_id: UUID) -> None:
    """Note that a worker has begun; a later attempt keeps the first time."""
    started = func.coalesce(REPORT.generation_started_at, func.now())
    _change(session, organization_id, report_id, generation_started_at=started)


def complete_report(
    session: Session,
    organization_id: UUID,
    report_id: UUID,
    *,
    path: str,
    size_bytes: int,
    totals: Totals,
    contents: Mapping[str, object],
) -> None:
    """Publish a report; its totals tell later whether the figures are still the same."""
    _change(
        session, organization_id, report_id,
        status=ReportStatus.COMPLETED.value, object_storage_path=path, file_size=size_bytes,
        generation_completed_at=func.now(), error_message=None, figures=totals.count,
        kg_co2e=totals.kg_co2e, biogenic_kg_co2=totals.biogenic_kg_co2, contents=dict(contents),
    )  # fmt: skip


def shown_by(report: Report) -> Totals | None:
    """Return the totals that a completed report shows; None when that was not kept yet."""
    if report.figures is None or report.kg_co2e is None or report.biogenic_kg_co2 is None:
        return None
    return Totals(report.figures, report.kg_co2e, report.biogenic_kg_co2)


def fail_report(session: Session, organization_id: UUID, report_id: UUID, message: str) -> None:
    """End a report as failed, with a sentence for people."""
    _change(
        session, organization_id, report_id,
        status=ReportStatus.FAILED.value, error_message=message, object_storage_path=None,
        file_size=None, generation_started_at=func.coalesce(
            REPORT.generation_started_at, func.now()
        ),
        generation_completed_at=func.now(),
    )  # fmt: skip


def reopen_report(
    session: Session, organization_id: UUID, report_id: UUID, criteria: Criteria
) -> None:
    """Let a failed report be generated once more, under the criteria it was frozen with.

    Without a start of generation the sweep finds it, should nobody start its workflow.
    """
    _change(
        session, organization_id, report_id,
        status=ReportStatus.GENERATING.value, query_criteria=criteria.to_json(),
        generation_started_at=None, generation_completed_at=None, error_message=None,
    )  # fmt: skip


def delete_report(session: Session, organization_id: UUID, report_id: UUID) -> None:
    """Soft-delete a report whose object is gone."""
    _change(
        session, organization_id, report_id,
        deleted_at=func.now(), object_storage_path=None, file_size=None,
    )  # fmt: skip


def moment_and_organization(session: Session, organization_id: UUID) -> tuple[dt.datetime, str]:
    """Return when this transaction began, in UTC, and the organization's name."""
    row = session.execute(
        text("SELECT now() AS moment, name FROM organizations WHERE id = :id"),
        {"id": organization_id},
    ).one()
    return row.moment.astimezone(dt.UTC), row.name


def orphaned_reports(session: Session, older_than_s: int, limit: int = 500) -> Sequence[Any]:
    """Return the reports that nobody may be working on: (organization_id, id, name, file_format,
    organization_name). As platform.

    Never begun; or begun so long ago that the workflow may have ended without a word, terminated or
    forgotten. Starting one that is being worked on does nothing.
    """
    return session.execute(
        text(
            "SELECT r.organization_id, r.id, r.name, r.file_format, o.name AS organization_name"
            " FROM reports r JOIN organizations o ON o.id = r.organization_id"
            " WHERE r.status = 'generating' AND r.deleted_at IS NULL"
            " AND r.created_at < now() - make_interval(secs => :age)"
            " AND coalesce(r.generation_started_at < now() - make_interval(secs => :lost), true)"
            " ORDER BY coalesce(r.generation_started_at, r.created_at) LIMIT :limit"
        ),
        {"age": older_than_s, "limit": limit, "lost": LOST_AFTER_S},
    ).all()
