"""Passwords that may be set, and those that are tried first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.password_policy import LONGEST_BYTES, Weakness, weakness_of

KNOWN = ("grace.hopper@harbour-hill.example", "Grace", "Hopper", "Harbour & Hill Ltd")


@pytest.mark.parametrize(
    "password",
    [
        "a pass phrase of several words",
        "neon giraffe paints quietly",
        "830174629501847",  # fifteen random digits are 50 bits
        "Grace likes green gherkins",  # a name among other words is no name alone
        "ἄνδρα μοι ἔννεπε μοῦσα",
        "七転び八起き、人生は楽しいものですよね",
        "x9$Lq2!vTz8@Wm4",
    ],
)
def test_a_long_password_of_ones_own_is_taken(password: str) -> None:
    assert weakness_of(password, KNOWN) is None


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "P@ssw0rd-P@ssw0rd",
        "Password123456789",
        "aaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "123456789012345",
        "abcdefghijklmnop",
        "qwertyuiopasdfgh",
        "qwertzuiop123456",
        "1q2w3e4r5t6y7u8i",
        "correct horse battery staple",
        "Welcome2026!Welcome2026",
        "P@ssw0rd.P@ssw0rd.1980",
        "grace.hopper@harbour-hill.example",
        "GraceHopper20261125",
        "HarbourHillLtd2026!",
        "tonnage-tonnage-2026",
        "hoppergrace!!!!!!!!",
        "letmeinletmeinplease",
    ],
)
def test_what_is_tried_first_is_refused_however_long(password: str) -> None:
    assert weakness_of(password, KNOWN) is Weakness.GUESSABLE


def test_fifteen_characters_are_enough_and_fourteen_are_not() -> None:
    assert weakness_of("neon giraffe pa") is None
    assert weakness_of("neon giraffe p") is Weakness.TOO_SHORT


def test_length_counts_after_normalization() -> None:
    # the ligature ﬁ is two letters; a composed é is one, a decomposed one is no more
    assert weakness_of("neon giraﬀe pa") is None
    assert weakness_of("ne\u0301on giraff p") is Weakness.TOO_SHORT


def test_a_password_of_more_bytes_than_are_hashed_is_refused_and_never_cut() -> None:
    longest = "neon giraffe " * 78  # 1014 bytes
    assert len(longest) <= LONGEST_BYTES
    assert weakness_of(longest) is None
    assert weakness_of("\ufdfa neon giraffe" * 64) is Weakness.TOO_LONG  # U+FDFA becomes 18 letters


@given(st.text(max_size=300), st.lists(st.text(max_size=40), max_size=5))
def test_no_text_breaks_the_policy(password: str, known: list[str]) -> None:
    try:
        (password + "".join(known)).encode()
    except UnicodeEncodeError:  # bodies with lone surrogates are refused before
        return
    assert weakness_of(password, known) in (None, *Weakness)
