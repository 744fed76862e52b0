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


# A minus leaves out what it touches, at the beginning or after a blank: "gas - boiler" has none.
_EXCLUDES = r"(?<!\S)-(?=[\w\"])"
_SYNTAX = re.compile(rf"\"|\bor\b|{_EXCLUDES}", re.IGNORECASE)
# PostgreSQL takes one for NOT wherever a word may begin.
_OTHER_MINUS = re.compile(rf"(?!{_EXCLUDES})(?:(?<![^\s!&|()\"-])-)")
_NOT_NOT = re.compile(r"-[\s(\-\"]*(?=-)")


def tsquery(language: Any, typed: str) -> ColumnElement[Any]:
    """Return what was typed as a tsquery: words, `"a phrase"`, `or`, `-without`.

    Without any of these it is read just as the text of a figure is, so that whatever a figure is
    called finds it: the other function takes "&" and brackets for the ends of words.
    """
    if _SYNTAX.search(typed) is None:
        return func.plainto_tsquery(language, typed)
    return func.websearch_to_tsquery(language, searchable(typed))


def searchable(typed: str) -> str:
    """Return what was typed without the minus signs that exclude nothing, and without runs of
    others: each is a NOT to PostgreSQL, and a few dozen within one another are more than its parser
    takes."""
    return _NOT_NOT.sub("", _OTHER_MINUS.sub(" ", typed))


def search_query(organization_id: UUID, words: str) -> ColumnElement[Any]:
    """Return the tsquery of a search box in the organization's language."""
    language = (
        select(cast(ORGANIZATION.search_language, REGCONFIG))
        .where(ORGANIZATION.id == organization_id)
        .scalar_subquery()
    )
    return tsquery(language, words)


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
    return tsquery(cast(language, REGCONFIG), words)
