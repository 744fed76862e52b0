"""The files of a report: which its figures are from, what became of their rows, what waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlmodel import Session

from core.contracts import FileStatus
from core.overview import NOTHING, Waiting
from core.permissions import Reach
from core.records import Outcome
from core.reporting import Totals
from db.models import Decision, File, Review
from db.queries.emission_sums import files_with_figures
from db.queries.emission_sums import undated as figures_undated
from db.queries.emissions import EmissionFilter
from db.queries.report_figures import among

FILE: Any = File
REVIEW: Any = Review
DECISION: Any = Decision

OPEN = (REVIEW.status == "open", REVIEW.deleted_at.is_(None))
FLAGGED = DECISION.outcome == Outcome.FLAGGED.value


def files_concerned(organization_id: UUID, reach: Reach, wanted: EmissionFilter) -> list[Any]:
    """Return the WHERE of the files that a report could draw from."""
    found = [
        FILE.organization_id == organization_id,
        FILE.status == FileStatus.COMPLETED.value,
        FILE.deleted_at.is_(None),
    ]
    if reach.projects is not None:
        found.append(FILE.project_id.in_(reach.projects))
    if wanted.project_id is not None:
        found.append(FILE.project_id == wanted.project_id)
    if wanted.file_id is not None:
        found.append(FILE.id == wanted.file_id)
    return found


def contributing(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> list[Any]:
    """Return the WHERE of the files that a report's figures are from.

    Criteria that name nothing but files and projects let through whole files: one whose rows all
    wait for a person is among them too. Other criteria cannot be asked of rows without a figure.
    """
    found = files_concerned(organization_id, reach, wanted)
    if whole_files(wanted):
        return found
    ids = files_with_figures(session, organization_id, reach, wanted)
    return [*found, among(FILE.id, ids)]


def whole_files(wanted: EmissionFilter) -> bool:
    """Tell whether a filter names nothing but a file and a project."""
    return replace(wanted, file_id=None, project_id=None) == EmissionFilter()


def waiting(
    session: Session,
    organization_id: UUID,
    reach: Reach,
    wanted: EmissionFilter,
    files: list[Any],
    flagged: Totals = NOTHING,
) -> Waiting:
    """Return what became of the rows of `files`, and what is in no figure for want of a person or
    of a date; `flagged` are the sums of the figures that are listed for review."""
    rows = session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(FILE.rows_total), 0),
            func.coalesce(func.sum(FILE.rows_calculated), 0),
            func.coalesce(func.sum(FILE.rows_in_review), 0),
            func.coalesce(func.sum(FILE.rows_rejected), 0),
            func.coalesce(func.sum(FILE.rows_no_activity), 0),
        ).where(*files)
    ).one()
    scope = (session, organization_id, reach, wanted)
    dated = wanted.date_from is not None or wanted.date_to is not None
    elsewhere = 0 if whole_files(wanted) else in_review(*scope) - int(rows[3])
    return Waiting(
        files=rows[0],
        rows=rows[1],
        calculated=rows[2],
        in_review=rows[3],
        rejected=rows[4],
        no_activity=rows[5],
        kg_in_review=held_kg(session, organization_id, files),
        elsewhere=elsewhere,
        flagged=flagged,
        undated=figures_undated(*scope) if dated else None,
    )


def in_review(session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter) -> int:
    """Count the rows without a figure that wait for a person, in all files within reach."""
    rows = func.coalesce(func.sum(FILE.rows_in_review), 0)
    found = files_concerned(organization_id, reach, wanted)
    return int(session.execute(select(rows).where(*found)).scalar_one())


def held_kg(session: Session, organization_id: UUID, files: list[Any]) -> float:
    """Return what waits without a figure, by the best candidates; credits count as amounts."""
    kg = session.execute(
        select(func.coalesce(func.sum(REVIEW.kg_at_risk), 0.0))
        .select_from(REVIEW)
        .join(
            DECISION,
            and_(DECISION.organization_id == organization_id, DECISION.id == REVIEW.decision_id),
        )
        .where(
            REVIEW.organization_id == organization_id,
            *OPEN,
            ~FLAGGED,
            REVIEW.file_id.in_(select(FILE.id).where(*files)),
        )
    ).scalar_one()
    return float(kg)


def listed(session: Session, organization_id: UUID, files: list[Any]) -> list[UUID]:
    """Return the decisions of `files` that are used and listed for review."""
    return [
        row[0]
        for row in session.execute(
            select(REVIEW.decision_id)
            .join(
                DECISION,
                and_(
                    DECISION.organization_id == organization_id, DECISION.id == REVIEW.decision_id
                ),
            )
            .where(
                REVIEW.organization_id == organization_id,
                *OPEN,
                FLAGGED,
                REVIEW.file_id.in_(select(FILE.id).where(*files)),
            )
        )
    ]
