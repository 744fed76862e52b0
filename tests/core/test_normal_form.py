"""Texts of strangers are normalized in a time that grows with their length and no faster."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import pytest

from core.normal_form import _HIDDEN, MOST_MARKS, normal

ROOT = Path(__file__).parents[2]
# What a person chose, at most 1,024 characters; to drop some of it would weaken it.
PASSWORDS = {"core/password_policy.py", "runtime/passwords.py"}


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0f73\u0f75", "\uff9e\u0301", "\u0f81"])
def test_a_run_of_marks_without_end_is_cut(form: str, marks: str) -> None:
    found = normal(form, "Diesel a" + marks * 16_000 + "b, Berlin e" + marks * 9_000)
    assert "b, Berlin " in found
    marked = [c for c in unicodedata.normalize("NFKD", found) if unicodedata.combining(c)]
    assert 2 * MOST_MARKS <= len(marked) <= 4 * MOST_MARKS


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize(
    "text",
    ["", "Diesel " * 20, "Büro in Zürich, Straße 4 – Kältemittel " * 9, "e\u0301\u0323" * 99,
     "ﾃﾞｨｰｾﾞﾙ" * 99, "བཱི" * 99, "a" + "\u0323\u0301" * (MOST_MARKS // 2) + "b" * 99],
)  # fmt: skip
def test_texts_of_any_language_are_normalized_as_always(form: str, text: str) -> None:
    assert normal(form, text) == unicodedata.normalize(form, text)


def test_every_sign_that_becomes_a_mark_when_taken_apart_is_known() -> None:
    hidden = {
        sign
        for sign in map(chr, range(sys.maxunicode + 1))
        if not unicodedata.combining(sign)
        and unicodedata.combining(unicodedata.normalize("NFKD", sign)[0])
    }
    assert hidden == {sign for sign in map(chr, range(sys.maxunicode)) if _HIDDEN.match(sign)}


def test_nothing_that_reads_texts_of_strangers_normalizes_by_itself() -> None:
    found = {
        str(path.relative_to(ROOT))
        for package in ("api", "core", "activities", "db", "workflows")
        for path in (ROOT / package).rglob("*.py")
        if "unicodedata.normalize" in path.read_text("utf-8")
    }
    assert found <= {"core/normal_form.py", *PASSWORDS}
