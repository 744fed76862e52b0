"""Names of activities, from one to the next along idx_emission_texts_name.

A name costs one look-up, however many rows have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from core.permissions import Reach
from db.queries.emission_filter import beginning

_NEXT = """(SELECT lower(t.activity_name) AS folded, t.activity_name AS name
    FROM tenant_emission_texts t WHERE t.organization_id = :organization_id
    AND lower(t.activity_name) LIKE lower(:beginning) {conditions}
    ORDER BY lower(t.activity_name) USING ~<~, t.activity_name USING ~<~ LIMIT 1)"""
_AFTER = """AND ROW(lower(t.activity_name), t.activity_name)
    OPERATOR(pg_catalog.~>~) ROW(names.folded, names.name)"""
_NAMES = """WITH RECURSIVE names AS ({first} UNION ALL SELECT later.* FROM names
    CROSS JOIN LATERAL {next} AS later) SELECT name FROM names LIMIT :limit"""


def names_from(
    session: Session, organization_id: UUID, reach: Reach, typed: str, limit: int
) -> Sequence[str]:
    """Return the first names that begin as typed, in any case, of what a membership may see."""
    within = "" if reach.projects is None else "AND t.project_id = ANY(:projects)"
    query = _NAMES.format(
        first=_NEXT.format(conditions=within), next=_NEXT.format(conditions=f"{within} {_AFTER}")
    )
    values = {
        "organization_id": organization_id,
        "beginning": beginning(typed),
        "limit": limit,
    }
    if reach.projects is not None:
        values["projects"] = list(reach.projects)
    return session.scalars(text(query), values).all()
