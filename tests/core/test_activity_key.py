"""The identity of an activity."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from core.activity_key import activity_key
from core.records import Basis, Dimension

DIESEL: dict[str, Any] = {
    "name": "Diesel", "type": "Fuel", "description": None, "dimension": Dimension.VOLUME,
    "basis": None, "currency": None, "region": "GB", "year": 2024,
}  # fmt: skip


def test_the_key_is_the_hash_of_the_folded_fields() -> None:
    fields = "1\x1fdiesel\x1ffuel\x1f\x1fvolume\x1f\x1f\x1fGB\x1f2024"
    assert activity_key(**DIESEL) == hashlib.sha256(fields.encode()).hexdigest()


@pytest.mark.parametrize("name", ["diesel", " DIESEL ", "Ｄiesel", "diesel\u00a0"])
def test_capitals_width_and_blanks_do_not_matter(name: str) -> None:
    assert activity_key(**{**DIESEL, "name": name}) == activity_key(**DIESEL)


def test_runs_of_white_space_are_one() -> None:
    a = activity_key(**{**DIESEL, "name": "Red  diesel\n(bulk)"})
    assert a == activity_key(**{**DIESEL, "name": "red diesel (bulk)"})


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "Diesel 2"), ("type", None), ("description", "van"), ("dimension", Dimension.MASS),
     ("basis", Basis.NET), ("currency", "EUR"), ("region", "DE"), ("region", None),
     ("year", 2023), ("year", None)],
)  # fmt: skip
def test_every_other_field_matters(field: str, value: object) -> None:
    assert activity_key(**{**DIESEL, field: value}) != activity_key(**DIESEL)


def test_texts_cannot_slide_from_one_field_into_the_next() -> None:
    one = activity_key(**{**DIESEL, "name": "a\x1fb", "type": "c"})
    other = activity_key(**{**DIESEL, "name": "a", "type": "b\x1fc"})
    assert one != other
