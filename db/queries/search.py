"""Full text as people type it into a search box, in the organization's language."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, cast, func, select
from sqlalchemy.dialects.postgresql import REGCONFIG
from sqlmodel import Session

from db.models import Organization

ORGANIZATION: Any = Organization


def searchable(typed: str) -> str:
    """Return what was typed without runs of minus signs: each is a NOT to PostgreSQL, and a few
    dozen within one another are more than its parser takes."""
    return re.sub(r"-[\s(\-\"]*(?=-)", "", typed)


def search_query(organization_id: UUID, words: str) -> ColumnElement[Any]:
    """Return the tsquery of a search box in the organization's language."""
    language = (
        select(cast(ORGANIZATION.search_language, REGCONFIG))
        .where(ORGANIZATION.id == organization_id)
        .scalar_subquery()
    )
    return func.websearch_to_tsquery(language, searchable(words))


def language_of(session: Session, organization_id: UUID) -> str:
    """Return the organization's language.

    Asked for beforehand, so that the planner knows the tsquery and can tell rare from frequent.
    """
    found = session.scalar(
        select(ORGANIZATION.search_language).where(ORGANIZATION.id == organization_id)
    )
    return found or "simple"


def query_in(language: str, words: str) -> ColumnElement[Any]:
    """Return the tsquery of a search box in a language that is known."""
    return func.websearch_to_tsquery(cast(language, REGCONFIG), searchable(words))
