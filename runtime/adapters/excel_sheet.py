"""Rows of a sheet as Excel stores them, written in one piece each.

XlsxWriter looks at every cell: at least seven times the work for tables of a million equal rows.
It also takes a text from `<r>` to `</r>` for markup of its own; here a text is a text.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any
from xml.sax.saxutils import escape

from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from core.reporting import Cell

CELL_UNITS = 32_767  # UTF-16 units that a cell holds
CUT = "…"
# XML knows neither control characters nor these two; Excel reads _x0041_ as an A.
NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
EXCEL_ESCAPE = re.compile("_(?=x[0-9a-fA-F]{4}_)")
EPOCH = dt.date(1899, 12, 30).toordinal()  # so that Excel's leap day of 1900 is none
FIRST_DAY = dt.date(1900, 3, 1)
SHORT = 120  # what is longer is hardly the same twice

WORDS = {
    "kg_co2e": "kg CO2e", "kg_co2e_per_unit": "kg CO2e per unit", "gwp_set": "GWP set",
    "estimated_kg_co2e": "Estimated kg CO2e",
}  # fmt: skip

Writer = Callable[[Any], str]  # a value to what stands between `<c r="A1"` and the next cell


class Sheet(Worksheet):  # type: ignore[misc]
    """A sheet whose texts are never markup, and which takes whole rows."""

    def write_rows(self, rows: Iterable[Sequence[Cell]], writers: Sequence[Writer]) -> int:
        """Write rows below the header, and nothing after them; return how many there were."""
        self._write_single_row(1)
        places = [(f'<c r="{xl_col_to_name(place)}', write) for place, write in enumerate(writers)]
        write_out, number = self.row_data_fh.write, 1
        for number, row in enumerate(rows, start=2):
            parts = [f'<row r="{number}">']
            for value, (begin, write) in zip(row, places, strict=True):
                if value is not None:
                    parts.append(f'{begin}{number}"{write(value)}')
            parts.append("</row>")
            write_out("".join(parts))
        self.dim_rowmax = number - 1
        return number - 1

    def _xml_number_element(self, number: float, attributes: Sequence[Any] = ()) -> None:
        """Write every digit: sixteen, as XlsxWriter does, are one too few for some floats."""
        shown = "".join(f' {key}="{self._escape_attributes(value)}"' for key, value in attributes)
        self.fh.write(f"<c{shown}><v>{number!r}</v></c>")

    def _xml_rich_inline_string(self, string: str, attributes: Sequence[Any] = ()) -> None:
        self._xml_inline_string(string, False, attributes)


def heading(name: str) -> str:
    """Return what people call a column."""
    words = name.removesuffix("_id").replace("_", " ") + (" ID" if name.endswith("_id") else "")
    return WORDS.get(name) or words[:1].upper() + words[1:]


def text(value: Any) -> str:
    """Return a text as a cell takes it: what XML does not know is replaced, what is longer than
    Excel takes is cut and says so."""
    found = str(value)
    if "\r" in found:
        found = found.replace("\r\n", "\n").replace("\r", "\n")
    if NO_XML.search(found):
        found = NO_XML.sub("\ufffd", found)
    if len(found) > CELL_UNITS // 2 and units(found) > CELL_UNITS:
        cut = found.encode("utf-16-le")[: 2 * (CELL_UNITS - 1)]
        found = cut.decode("utf-16-le", "ignore") + CUT
    return found


def units(value: str) -> int:
    """Return how long Excel thinks a text is."""
    return len(value.encode("utf-16-le")) // 2


def text_cell(value: str) -> str:
    """Write a text, whatever it begins with."""
    return short_text(value) if len(value) <= SHORT else fresh_text(value)


def fresh_text(value: str) -> str:
    """Write a text without remembering it."""
    kept = escape(EXCEL_ESCAPE.sub("_x005F_", text(value)))
    space = ' xml:space="preserve"' if kept[:1].isspace() or kept[-1:].isspace() else ""
    return f' t="inlineStr"><is><t{space}>{kept}</t></is></c>'


short_text = lru_cache(maxsize=8192)(fresh_text)


def number_cells(style: int) -> Writer:
    """Return how numbers are written: with every stored digit."""
    opened = f' s="{style}"><v>'

    def write(value: Any) -> str:
        if not isfinite(value):
            return fresh_text(repr(value))
        return f"{opened}{float(value)!r}</v></c>"

    return write


def integer_cells(style: int) -> Writer:
    """Return how integers are written."""
    opened = f' s="{style}"><v>'
    return lambda value: f"{opened}{value}</v></c>"


def date_cells(style: int) -> Writer:
    """Return how days are written; one before Excel's first is a text."""

    @lru_cache(maxsize=4096)
    def write(value: dt.date) -> str:
        if value < FIRST_DAY:
            return fresh_text(value.isoformat())
        return f' s="{style}"><v>{value.toordinal() - EPOCH}</v></c>'

    return write
