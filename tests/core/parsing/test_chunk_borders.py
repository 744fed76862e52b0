"""Characters of several bytes on the border of two pieces: read in pieces, and whole again."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from core.parsing.sniff import detect_encoding
from tests.core.parsing.test_parse import parse

# What Python's text layer, the first look at an upload and our own readers take at once.
BORDERS = (8_192, 65_536, 1 << 18, 1 << 20)
CHARACTERS = {"é": 2, "€": 3, "𝄞": 4}  # bytes in UTF-8
HEADING, TAIL = "Activity,Quantity,Unit\n", ",1,litres\nDiesel,2,litres\n"
FILLER = f"Filler {'x' * 900},1,litres\n"
PLACES = [
    pytest.param(border, character, inside, id=f"{border}-{length}-{inside}")
    for border in BORDERS
    for character, length in CHARACTERS.items()
    for inside in range(length)
]


def table(border: int, character: str, inside: int, encoding: str = "utf-8") -> tuple[bytes, str]:
    """Return a table with a character of which `inside` bytes lie before the border, and the name
    that it is part of."""
    head, filler, one = (text.encode(encoding) for text in (HEADING, FILLER, "x"))
    room = border - inside - len(head)
    lines = filler * (room // len(filler))
    name = "x" * ((room - len(lines)) // len(one)) + character * 3
    return head + lines + (name + TAIL).encode(encoding), name


@pytest.mark.parametrize(("border", "character", "inside"), PLACES)
def test_a_character_of_utf_8_is_whole(
    tmp_path: Path, border: int, character: str, inside: int
) -> None:
    content, name = table(border, character, inside)
    assert content[border - inside :].startswith(character.encode())
    found = parse(tmp_path, content)
    assert found.report.encoding == "utf-8"
    assert found.data("activity_name")[-2:] == [(name,), ("Diesel",)]


@pytest.mark.parametrize(("border", "character", "inside"), PLACES)
def test_a_first_look_that_ends_within_a_character_knows_the_encoding(
    tmp_path: Path, border: int, character: str, inside: int
) -> None:
    path = tmp_path / "head"
    path.write_bytes(table(border, character, inside)[0][:border])
    assert detect_encoding(path, whole=False) == "utf-8"


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("inside", [0, 2])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_pair_of_utf_16_is_whole(tmp_path: Path, border: int, inside: int, encoding: str) -> None:
    content, name = table(border, "𝄞", inside, encoding)
    found = parse(tmp_path, content)
    assert found.report.encoding == encoding
    assert found.data("activity_name")[-2:] == [(name,), ("Diesel",)]


@pytest.mark.parametrize(("border", "character", "inside"), PLACES)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_a_character_of_json_is_whole(
    tmp_path: Path, border: int, character: str, inside: int, name: str
) -> None:
    lines = name == "a.jsonl"
    opening, between, closing = ("", "\n", "\n") if lines else ("[", ",", "]")
    content = opening.encode()
    filler = json.dumps({"Activity": "x" * 900, "Quantity": 1, "Unit": "l"}) + between
    start = '{"Quantity": 1, "Unit": "l", "Activity": "'
    room = border - inside - len(content) - len(start)
    content += filler.encode() * (room // len(filler))
    activity = "x" * (border - inside - len(content) - len(start)) + character * 3
    content += f'{start}{activity}"}}{closing}'.encode()
    assert content[border - inside :].startswith(character.encode())
    found = parse(tmp_path, content, name)
    assert found.data("activity_name")[-1] == (activity,)


@pytest.mark.parametrize("inside", range(3))
def test_a_character_of_a_packed_text_is_whole(tmp_path: Path, inside: int) -> None:
    content, name = table(1 << 18, "€", inside)
    found = parse(tmp_path, gzip.compress(content, mtime=0), "a.csv.gz")
    assert found.data("activity_name")[-2:] == [(name,), ("Diesel",)]
