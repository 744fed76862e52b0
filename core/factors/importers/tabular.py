"""CSV files that people bring: decoding, delimiter, header; and cells read with their faults."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.factors.importers.result import Fault, decimal_number, refuse, tidy
from core.regions import parse_region
from core.units import Unit, UnitProblem, parse_unit

FIRST_YEAR, LAST_YEAR = 1990, 2100
LARGEST_KG = 1e9  # CO2e per unit; the strongest gas has 25,200 per kg
_GLOBAL = frozenset({"", "global", "world", "worldwide", "glo", "row", "not-supplied"})


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV as texts. `rows` are (row number in the file, column → text)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    delimiter: str

    def decimal_comma(self, column: str) -> bool:
        """Tell whether a column's figures are written 0,177.

        Only where `;` or a tab stands between the columns: "1,234" is ambiguous, and with `,` it
        is far more often a thousand.
        """
        written = [texts.get(column, "") for _, texts in self.rows]
        commas = any("," in text for text in written)
        points = any(re.fullmatch(r"-?\d*\.\d+", text) for text in written)
        return self.delimiter != "," and commas and not points


def read_table(content: bytes, source: str) -> Table:
    """Read a CSV in UTF-8 with `,`, `;` or tabs between the columns.

    Raises core.errors.FileRejected when it is not one.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(source, "it is not in UTF-8; save it as “CSV UTF-8”") from error
    if "\0" in text:
        raise refuse(source, "it is not a text file")
    heading = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(",;\t", key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    columns: tuple[str, ...] = ()
    line = 0
    try:
        for number, cells in enumerate(reader, start=1):
            line = number
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = tuple(tidy(cell) for cell in cells)
                continue
            if len(cells) > len(columns):
                raise refuse(source, f"row {number} has more cells than the header; quote texts")
            padded = [*cells, *[""] * (len(columns) - len(cells))]
            rows.append((number, dict(zip(columns, map(tidy, padded), strict=True))))
    except csv.Error as error:
        raise refuse(source, f"row {line + 1} cannot be read as CSV; check its quotes") from error
    if not columns or not rows:
        raise refuse(source, "it has no rows below a header")
    return Table(columns, tuple(rows), delimiter)


@dataclass(slots=True)
class Cells:
    """One row's cells; what cannot be read is added to `faults` and read as None."""

    row: int
    texts: dict[str, str]
    faults: list[Fault] = field(default_factory=list)

    def fault(self, column: str, problem: str) -> None:
        """Note what is wrong with a cell, and the remedy."""
        self.faults.append(Fault(self.row, column, problem))

    def text(self, column: str) -> str:
        """Return a cell, "" when it is blank or there is no such column."""
        return self.texts.get(column, "")

    def required(self, column: str, remedy: str) -> str:
        """Return a cell that must not be blank."""
        found = self.text(column)
        if not found:
            self.fault(column, f"is blank; {remedy}")
        return found

    def choice(self, column: str, allowed: Sequence[str]) -> str:
        """Return a cell that is blank or one of a few words."""
        found = self.text(column).lower()
        if found and found not in allowed:
            self.fault(column, f"is not known; use one of {', '.join(allowed)}")
            return ""
        return found

    def figure(self, column: str, *, comma: bool) -> float | None:
        """Return a finite number that is not negative; blank is a fault."""
        written = self.required(column, "give kg CO2e per unit, for example 0.177")
        if not written:
            return None
        found = decimal_number(written, comma=comma)
        if found is None or not math.isfinite(found):
            self.fault(column, "is not a number; write it like 0.177, without unit or thousands")
            return None
        if found > LARGEST_KG:
            self.fault(column, f"is more than {LARGEST_KG:g} kg CO2e per unit; check the unit")
            return None
        if found < 0:
            self.fault(column, "is negative; removals and avoided emissions are no factors here")
            return None
        return found

    def whole(self, column: str, low: int, high: int) -> int | None:
        """Return a whole number between two bounds, None for blank."""
        written = self.text(column)
        if not written:
            return None
        if not re.fullmatch(r"\d{1,4}", written) or not low <= int(written) <= high:
            self.fault(column, f"is not a whole number from {low} to {high}")
            return None
        return int(written)

    def year(self, column: str) -> int | None:
        """Return a year, None for blank."""
        return self.whole(column, FIRST_YEAR, LAST_YEAR)

    def region(self, column: str) -> str | None:
        """Return an ISO code; None is global."""
        written = self.text(column)
        if written.lower() in _GLOBAL:
            return None
        found = parse_region(written)
        if isinstance(found, str):
            return found
        self.fault(column, "is no country or region; use ISO codes (GB, US-CA), blank for global")
        return None

    def unit(self, column: str, region: str | None) -> Unit | None:
        """Return the unit of the denominator."""
        found = parse_unit(self.text(column), region=region)
        if isinstance(found, UnitProblem):
            self.fault(column, f"{found.code}: {found.message}")
            return None
        if found.currency and found.code != found.currency:
            self.fault(column, f"use {found.currency}: kg CO2e per single unit of money")
            return None
        return found
