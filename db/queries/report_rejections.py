"""The rows of a report's files that could not be read: each, and how many for which reason."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlmodel import Session

from core.overview import Rejection
from core.permissions import Reach
from core.records import NO_ACTIVITY
from core.reporting import MOST_ISSUES, Cell
from db.models import File, RowIssue
from db.queries.emissions import EmissionFilter
from db.queries.report_figures import FETCHED_ROWS
from db.queries.report_overview import files_concerned

FILE: Any = File
ISSUE: Any = RowIssue

MOST_REASONS = 20


def rejections(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> list[Rejection]:
    """Return why rows were rejected, the most frequent reasons first; a row may have several.

    Rows that are no activity (blank lines, totals, notes) lost nothing and are not among them.
    """
    files = select(FILE.id).where(*files_concerned(organization_id, reach, wanted))
    row = (ISSUE.code, ISSUE.file_id, ISSUE.sheet, ISSUE.row_number, ISSUE.column_number)
    found = (
        select(*row, func.min(ISSUE.message).label("message"))
        .where(
            ISSUE.organization_id == organization_id,
            ISSUE.severity == "rejected",
            ISSUE.code.not_in(NO_ACTIVITY),
            ISSUE.file_id.in_(files),
        )
        .group_by(*row)
        .subquery("found")
    )
    reasons = session.execute(
        select(found.c.code, func.count(), func.min(found.c.message))
        .group_by(found.c.code)
        .order_by(func.count().desc(), found.c.code)
        .limit(MOST_REASONS)
    )
    return [Rejection(code, rows, example) for code, rows, example in reasons]


def rejected_rows(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> Generator[tuple[Cell, ...], None, None]:
    """Yield the rejected rows of the files concerned, cells as ISSUE_COLUMNS."""
    query = (
        select(
            FILE.filename, ISSUE.sheet, ISSUE.row_number, ISSUE.column_name, ISSUE.code,
            ISSUE.message, ISSUE.value_text,
        )
        .join(FILE, and_(FILE.organization_id == organization_id, FILE.id == ISSUE.file_id))
        .where(
            ISSUE.organization_id == organization_id,
            ISSUE.severity == "rejected",
            *files_concerned(organization_id, reach, wanted),
        )
        .order_by(ISSUE.file_id, ISSUE.row_number, ISSUE.id)
        .limit(MOST_ISSUES)
        .execution_options(yield_per=FETCHED_ROWS)
    )  # fmt: skip
    with session.execute(query) as rows:
        for row in rows:
            yield tuple(row)
