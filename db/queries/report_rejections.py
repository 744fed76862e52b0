"""The rows of a report's files that have no figure: each, and how many for which reason."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, String, and_, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import Session

from core.overview import Rejection
from core.records import NO_ACTIVITY
from core.reporting import MOST_ISSUES, Cell
from db.models import File, RowIssue
from db.queries.report_figures import FETCHED_ROWS

FILE: Any = File
ISSUE: Any = RowIssue

MOST_REASONS = 20


def rejections(session: Session, organization_id: UUID, files: list[Any]) -> list[Rejection]:
    """Return why rows were rejected, the most frequent reasons first; a row may have several.

    `files` are conditions on them: db.queries.report_files.contributing.

    Rows that are no activity (blank lines, totals, notes) lost nothing and are not among them.
    """
    row = (ISSUE.code, ISSUE.file_id, ISSUE.sheet, ISSUE.row_number, ISSUE.column_number)
    found = (
        select(*row, func.min(ISSUE.message).label("message"))
        .where(
            ISSUE.organization_id == organization_id,
            ISSUE.severity == "rejected",
            ISSUE.code.not_in(NO_ACTIVITY),
            ISSUE.file_id.in_(select(FILE.id).where(*files)),
        )
        .group_by(*row)
        .subquery("found")
    )
    order = aggregate_order_by(FILE.filename, found.c.message, FILE.filename)
    reasons = session.execute(
        select(
            found.c.code,
            func.count(),
            func.min(found.c.message),
            func.array_agg(order, type_=ARRAY(String))[1],
        )
        .join(FILE, and_(FILE.organization_id == organization_id, FILE.id == found.c.file_id))
        .group_by(found.c.code)
        .order_by(func.count().desc(), found.c.code)
        .limit(MOST_REASONS)
    )
    return [Rejection(*reason) for reason in reasons]


def rejected_rows(
    session: Session, organization_id: UUID, files: list[Any]
) -> Generator[tuple[Cell, ...], None, None]:
    """Yield the rejected rows of the files, cells as ISSUE_COLUMNS."""
    query = (
        select(
            FILE.filename, ISSUE.sheet, ISSUE.row_number, ISSUE.column_name, ISSUE.code,
            ISSUE.message, ISSUE.value_text,
        )
        .join(FILE, and_(FILE.organization_id == organization_id, FILE.id == ISSUE.file_id))
        .where(
            ISSUE.organization_id == organization_id,
            ISSUE.severity == "rejected",
            *files,
        )
        .order_by(ISSUE.file_id, ISSUE.row_number, ISSUE.id)
        .limit(MOST_ISSUES)
        .execution_options(yield_per=FETCHED_ROWS)
    )  # fmt: skip
    with session.execute(query) as rows:
        for row in rows:
            yield tuple(row)
