"""Words of a search that no figure has, and the nearest ones that some do.

Needs similarity() of pg_trgm, which not every server ships: it is looked for with every search, so
that it works from the moment somebody installs the extension, and without it words are taken as
they are. There is no index to make: names are stepped through one by one (db.queries.names), and
only when a word is in no figure at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from core.permissions import Reach
from db.queries.names import names_from
from db.queries.search import language_of

SHORTEST = 4  # fewer letters have too few trigrams to tell words apart
MOST_WORDS = 5
MOST_NAMES = 3000  # stepping through them takes tenths of a second
NEAR = 0.4  # of similarity(): diezel and diesel; coal and coats are further apart
_WORD = re.compile(rf"(?<![\w-])[^\W\d_]{{{SHORTEST},}}(?!\w)")  # and none that is excluded

_AVAILABLE = "SELECT to_regprocedure('similarity(text, text)') IS NOT NULL"
_UNKNOWN = """
SELECT typed.word FROM unnest(CAST(:words AS text[])) WITH ORDINALITY AS typed (word, place)
WHERE numnode(plainto_tsquery(CAST(:language AS regconfig), typed.word)) > 0 AND NOT EXISTS (
    SELECT FROM tenant_emission_texts t WHERE t.organization_id = :organization_id
    AND (CAST(:projects AS uuid[]) IS NULL OR t.project_id = ANY(:projects))
    AND t.search_vector @@ plainto_tsquery(CAST(:language AS regconfig), typed.word))
ORDER BY typed.place"""
_NEAREST = """
SELECT DISTINCT ON (typed.word) typed.word, known.word AS nearest
FROM unnest(CAST(:words AS text[])) AS typed (word)
JOIN (SELECT DISTINCT lower(part) AS word FROM unnest(CAST(:names AS text[])) AS name,
      regexp_split_to_table(name, '[^[:alnum:]]+') AS part) known
    ON similarity(typed.word, known.word) >= CAST(:near AS real)
ORDER BY typed.word, similarity(typed.word, known.word) DESC, known.word"""


def corrected(session: Session, organization_id: UUID, reach: Reach, typed: str) -> str | None:
    """Return a search with its unknown words replaced by near ones; None when it stays as it is.

    Only words that the member may see are offered.
    """
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(typed)))[:MOST_WORDS]
    if not words or not session.execute(text(_AVAILABLE)).scalar_one():
        return None
    unknown = _unknown(session, organization_id, reach, words)
    if not unknown:
        return None
    names = names_from(session, organization_id, reach, "", MOST_NAMES)
    rows = session.execute(text(_NEAREST), {"words": unknown, "names": names, "near": NEAR})
    nearest = {row.word: row.nearest for row in rows}
    found = _WORD.sub(lambda match: nearest.get(match[0].lower(), match[0]), typed)
    return None if found == typed else found


def _unknown(
    session: Session, organization_id: UUID, reach: Reach, words: Sequence[str]
) -> list[str]:
    rows = session.execute(
        text(_UNKNOWN),
        {
            "organization_id": organization_id,
            "projects": None if reach.projects is None else list(reach.projects),
            "language": language_of(session, organization_id),
            "words": list(words),
        },
    )
    return list(rows.scalars())
