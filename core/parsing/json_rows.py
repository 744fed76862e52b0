"""JSON → rows, streaming: an array of objects, or an object a line.

The file is read twice: first for the names, since the last object may bring one of its own. What
lies deeper becomes a column with a dotted name; a list stays the JSON text that it was. Numbers
keep the digits they are written with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

from core.errors import FileRejected
from core.parsing import limits
from core.parsing.kinds import Content
from core.parsing.tables import Row

_CHUNK_CHARACTERS = 1 << 20
_BLANKS = re.compile(r"[ \t\r\n]*")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


class _Number(str):
    """The digits of a number, as written."""

    __slots__ = ()


class _TwiceNamed(Exception):
    """An object gives two values for one name."""


def read_rows(path: Path, encoding: str, content: Content) -> Iterator[Row]:
    """Yield the names as row 0, then every object: its place in the array, or its line.

    Raises FileRejected: json_damaged, json_not_objects, json_duplicate_name, too_many_columns.
    """
    names: dict[str, int] = {}
    for number, cells in _records(path, encoding, content):
        for name in cells:
            if name not in names:
                names[name] = len(names)
        if len(names) > limits.RECORD_COLUMNS:
            raise FileRejected(
                f"Record {number} brings the file to more than {limits.RECORD_COLUMNS} different "
                "names. Leave out those that hold no activity.",
                code="too_many_columns",
            )
    yield Row(0, list(names))
    for number, cells in _records(path, encoding, content):
        row = [""] * (names[next(reversed(cells))] + 1 if cells else 0)
        typed = []
        for name, text in cells.items():
            at = names[name]
            if at >= len(row):
                row += [""] * (at + 1 - len(row))
            if type(text) is _Number:
                typed.append(at)
            row[at] = str(text)
        yield Row(number, row, tuple(typed))


def _records(path: Path, encoding: str, content: Content) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(encoding=encoding, newline="") as source:
        values = _elements(source) if content is Content.JSON else _lines(source)
        number = 0
        try:
            for number, value in values:
                if value is not None and not isinstance(value, dict):
                    raise FileRejected(
                        f"Record {number} is not an object. Write each activity as "
                        '{"name": value, …}.',
                        code="json_not_objects",
                    )
                cells: dict[str, str] = {}
                if value:
                    _flatten(value, "", cells)
                yield number, cells
        except _TwiceNamed as error:
            raise FileRejected(
                f"Soon after record {number} one object names the same thing twice. Keep one.",
                code="json_duplicate_name",
            ) from error
        except (ValueError, RecursionError) as error:
            raise _damaged(number) from error


def _damaged(number: int) -> FileRejected:
    return FileRejected(
        f"After record {number} the file is not JSON as we read it: an array of objects, or one "
        f"object a line, each of at most {limits.OBJECT_CHARACTERS // 10**6} million characters.",
        code="json_damaged",
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceNamed
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and infinity are not JSON")


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object,
        parse_float=_Number,
        parse_int=_Number,
        parse_constant=_refuse_constant,
    )


def _lines(source: TextIO) -> Iterator[tuple[int, Any]]:
    """Yield each line's value with its number; None for a blank line. Raises ValueError."""
    decode = _decoder().decode
    number = 0
    while line := source.readline(limits.OBJECT_CHARACTERS + 1):
        number += 1
        if len(line) > limits.OBJECT_CHARACTERS:
            raise ValueError("the line is too long")
        yield number, decode(line) if line.strip() else None


def _elements(source: TextIO) -> Iterator[tuple[int, Any]]:
    """Yield the elements of the array that is the file. Raises ValueError."""
    text = _Text(source)
    text.take("[")
    number = 0
    if text.peek() != "]":
        while True:
            number += 1
            yield number, text.value()
            if text.peek() != ",":
                break
            text.take(",")
    text.take("]")
    if text.peek():
        raise ValueError("something follows the array")


class _Text:
    """A JSON text of which only a part is in memory."""

    def __init__(self, source: TextIO) -> None:
        self._source = source
        self._decode = _decoder().raw_decode
        self._buffer = ""
        self._at = 0
        self._ended = False

    def _fill(self) -> None:
        more = self._source.read(_CHUNK_CHARACTERS)
        self._ended = not more
        self._buffer = self._buffer[self._at :] + more
        self._at = 0

    def peek(self) -> str:
        """Return the next character that is no blank, "" at the end."""
        while True:
            found = _BLANKS.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if self._ended:
                return ""
            self._fill()

    def take(self, mark: str) -> None:
        """Step over a sign that must come now."""
        if self.peek() != mark:
            raise ValueError("another sign was expected")
        self._at += 1

    def value(self) -> Any:
        """Read one value, fetching more of the text until it is whole."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError:
                if self._ended or len(self._buffer) - self._at > limits.OBJECT_CHARACTERS:
                    raise
            else:
                # A number at the very end may go on in the next piece.
                if end < len(self._buffer) or self._ended:
                    self._at = end
                    return value
            self._fill()


def _flatten(value: dict[str, Any], prefix: str, into: dict[str, str]) -> None:
    for key, inner in value.items():
        name = _text(prefix + key)
        if isinstance(inner, dict):
            _flatten(inner, f"{name}.", into)
        elif name in into:
            raise _TwiceNamed  # {"a.b": 1, "a": {"b": 2}}
        elif type(inner) is _Number:
            into[name] = inner
        else:
            into[name] = _cell(inner)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return "" if value is None else _as_json(value)


def _text(text: str) -> str:
    """Half of a pair of \\u escapes is no character and cannot be stored."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def _as_json(value: Any) -> str:
    if type(value) is _Number:
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_as_json, value))}]"
    if isinstance(value, dict):
        inner = (f"{_as_json(str(key))}: {_as_json(item)}" for key, item in value.items())
        return "{" + ", ".join(inner) + "}"
    return json.dumps(_text(value) if isinstance(value, str) else value, ensure_ascii=False)
