"""What is typed into a search box, as PostgreSQL understands it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sqlalchemy import Engine, cast, func, select
from sqlalchemy.dialects.postgresql import REGCONFIG

from db.queries.search import query_in

# What asks for more than words; a name that has it is not found by itself.
ASKS = re.compile(r"\"|\bor\b|(?<!\S)-(?=\w)", re.IGNORECASE)
PARTS = st.sampled_from(
    ["Natural gas", "head office boiler", "Öl", "électricité", "diesel", "R-410A", "B7", "12,000",
     "the", "x", "a.b", "AT&T", "&amp;", "amazon.com/a&b", "me@firm.example", "<b>", "3/4", "-5",
     " ", "  ", " - ", "-", "--", " -", "- ", "/", " & ", "(", ")", "|", "!", ":", "*", "'", "\\",
     "+", ",", ". ", "%", "\t", "–", "🚚"]
)  # fmt: skip
NAMES = st.one_of(
    st.lists(PARTS, min_size=1, max_size=8).map("".join),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=40),
)


def matches(connection: Any, language: str, text: str, typed: str) -> bool:
    """Return whether a search finds a text."""
    vector = func.to_tsvector(cast(language, REGCONFIG), text)
    return bool(connection.scalar(select(vector.op("@@")(query_in(language, typed)))))


def words(connection: Any, language: str, text: str) -> int:
    """Return how many words a text can be found by."""
    return int(
        connection.scalar(select(func.length(func.to_tsvector(cast(language, REGCONFIG), text))))
    )


@pytest.mark.parametrize("language", ["english", "german", "simple"])
@limits(max_examples=300)
@given(name=NAMES)
def test_whatever_an_activity_is_called_finds_it(
    platform_engine: Engine, language: str, name: str
) -> None:
    assume(not ASKS.search(name))
    with platform_engine.connect() as connection:
        assume(words(connection, language, name))
        assert matches(connection, language, f"{name} fuel", name)


TEXT = "Natural gas - head office boiler"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (TEXT, True),
        ("natural gas - boiler", True),
        ("natural gas -- boiler", True),
        ("natural gas-boiler", False),  # one word, which is not there
        ("natural (-boiler)", True),  # no blank before the minus
        ("natural gas -boiler", False),
        ("natural -gas", False),
        ("-gas", False),
        ("-diesel", True),
        ("natural -diesel", True),
        ('natural -"head office"', False),
        ('natural -"office head"', True),
        ('"natural gas" - boiler', True),
        ("diesel or - boiler", True),
        ("diesel or -boiler", False),
        ('-"-"-"-" natural', True),
        ("diesel -coal", False),
    ],
)
def test_a_minus_leaves_out_only_what_it_touches(
    platform_engine: Engine, typed: str, found: bool
) -> None:
    with platform_engine.connect() as connection:
        assert matches(connection, "english", TEXT, typed) is found
