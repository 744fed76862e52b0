"""What the lines above a table, its block's title and its sheet's name say of the whole of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from core.money import currency_in
from core.money_scale import Scale, scale_of_line, unscaled
from core.parsing.headings import fields_of, read_heading
from core.parsing.rows import Row
from core.parsing.wide import names_supply
from core.records import Dimension, Field
from core.units import Unit, parse_unit

_MONEY_LINE = re.compile(
    r"amount|value|figure|currency|spend|betr[aä]g|werte|w[aä]hrung|montant|devise|importe|moneda",
    re.IGNORECASE,
)
_UNIT_LINE = re.compile(
    r"\b(?:units?|consumption|figures|values|quantit\w+|usage|readings?|all data|einheit\w*|"
    r"verbrauch\w*|werte|angaben|mengen?|unit[eé]s?|consommation|quantit[eé]s|valeurs|unidad\w*|"
    r"consumo|cantidad\w*|valores)\b",
    re.IGNORECASE,
)
_UNIT = re.compile(r"(?:\bin|\ben|:|\(|\[)\s*([^\s()\[\]:,;]{1,12})")
_YEAR = re.compile(r"(?<![\d./\-])(?:19[789]|20)\d\d(?:\.0)?(?![\d./\-])")
_FISCAL_YEAR = re.compile(
    r"(?<![\d./\-])((?:19[789]|20)\d\d)\s?[/\-–]\s?((?:19[789]|20)?\d\d)(?![\d./\-])"
)
_WHEN_MADE = re.compile(
    r"generated|printed|created|exported|issued|run date|as (?:at|of)|erstellt|gedruckt|stand\b|"
    r"version|copyright|©|imprim|g[eé]n[eé]r|creado|impreso",
    re.IGNORECASE,
)
_PLAIN_SHEET = re.compile(
    r"(?:sheet|tabelle|feuil(?:le)?|hoja|blatt|data|daten|table|export|report|results?|activity|"
    r"activities)\s*\d*",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{3}")  # "Account: 12345" names no activity
_TITLE_CHARACTERS = 120
_LINE_CHARACTERS = 200  # of a statement about all amounts


def texts_of(row: Row) -> list[str]:
    """Return the filled cells of a row."""
    return [cell.strip() for cell in row.cells if cell.strip()]


def currency_above(above: Iterable[Row], region: str | None) -> str | None:
    """Return the one currency that lines such as "All amounts in EUR" name above a table."""
    found = set()
    for row in above:
        text = " ".join(row.cells)
        if _MONEY_LINE.search(text):
            currency = currency_in(unscaled(text), region=region)
            found |= {currency} if isinstance(currency, str) else set()
    return found.pop() if len(found) == 1 else None


def scale_above(above: Iterable[Row]) -> Scale:
    """Return in what the amounts of a table are counted: "All figures in £'000"."""
    found: set[Scale] = set()
    for row in above:
        line = " ".join(texts_of(row))
        if len(line) <= _LINE_CHARACTERS and (_MONEY_LINE.search(line) or len(line.split()) <= 4):
            found |= {scale_of_line(line)} - {""}
    return found.pop() if len(found) == 1 else ""


def unit_above(above: Iterable[Row]) -> str | None:
    """Return the one unit that lines such as "Consumption in kWh" or "Unit: kWh" name."""
    found = {}
    for row in above:
        texts = texts_of(row)
        if not texts or not _UNIT_LINE.search(texts[0]):
            continue
        named = _UNIT.findall(" ".join(texts)) + (texts[1:2] if len(texts) == 2 else [])
        for text in named:
            unit = parse_unit(text)
            if isinstance(unit, Unit) and unit.dimension is not Dimension.MONEY:
                found[unit.code] = text
    return next(iter(found.values())) if len(found) == 1 else None


def year_above(above: Iterable[Row], sheet: str) -> str:
    """Return the one year that the lines above a table, or else its sheet, are about."""
    lines = [" ".join(texts_of(row)) for row in above]
    for texts in ([line for line in lines if not _WHEN_MADE.search(line)], [sheet]):
        years = {match[0][:4] for text in texts for match in _YEAR.finditer(text)}
        if len(years) == 1:
            return years.pop()
    return ""


def fiscal_year_above(above: Iterable[Row], sheet: str) -> tuple[str, str] | None:
    """Return the two years of the one financial year that the lines above a table are about."""
    lines = [" ".join(texts_of(row)) for row in above]
    for texts in ([line for line in lines if not _WHEN_MADE.search(line)], [sheet]):
        found = {
            (first, first[: 4 - len(second)] + second)
            for text in texts
            for first, second in _FISCAL_YEAR.findall(text)
        }
        if len(found) == 1:
            first, second = found.pop()
            return (first, second) if int(second) == int(first) + 1 else None
    return None


def title_above(above: Sequence[Row], sheet: str) -> str:
    """Return what the lines above a table, or its sheet's name, say is listed there; "" for none.

    A line "Fuel: Diesel" says it best, then a title that names a fuel or supply, then the sheet.
    """
    titles = []
    for row in reversed(above):
        texts = texts_of(row)
        if len(texts) == 1 and ":" in texts[0]:
            texts = [part.strip() for part in texts[0].split(":", 1)]
        if len(texts) == 2 and _WORD.search(texts[1]) and _is_key(texts[0]):
            return texts[1][:_TITLE_CHARACTERS]
        if len(texts) <= 2:
            titles.append(" ".join(texts_of(row)))
    if not _PLAIN_SHEET.fullmatch(sheet.strip()):
        titles.append(sheet)
    return next((t[:_TITLE_CHARACTERS] for t in titles if names_supply(t)), "")


def line_above(above: Sequence[Row]) -> str:
    """Return the last line above a table where it is one text, or a key and its value."""
    for row in reversed(above):
        if texts := texts_of(row):
            return " ".join(texts)[:_TITLE_CHARACTERS] if len(texts) <= 2 else ""
    return ""


def _is_key(text: str) -> bool:
    named = fields_of(read_heading(text))
    return named.get(Field.ACTIVITY_NAME, 0) >= 0.7 or named.get(Field.ACTIVITY_TYPE, 0) >= 0.9
