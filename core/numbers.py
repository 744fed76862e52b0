"""Numbers as people write them → doubles, without guessing at the decimal convention.

"1.260" is 1.26 or 1,260. The convention is decided for a whole column from those of its values
that fit one way only (`decide_convention`), then by the region of the row; what still fits both
ways is `number_ambiguous`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from core.money import ISO_4217, country_of
from core.short_cache import short_cache


class Convention(StrEnum):
    """Which sign separates the decimals in a column."""

    POINT = "point"  # 1,234.5
    COMMA = "comma"  # 1.234,5
    BY_REGION = "by_region"  # the values do not decide, or contradict each other


@dataclass(frozen=True, slots=True)
class NumberProblem:
    """Why a text is no number."""

    code: Literal["number_invalid", "number_ambiguous", "number_missing"]
    message: str


MISSING = NumberProblem("number_missing", "No quantity is given; fill it in, 0 included.")
INVALID = NumberProblem(
    "number_invalid", "This is not a number; write digits only, e.g. 1234.5, without formula or %."
)
AMBIGUOUS = NumberProblem(
    "number_ambiguous",
    "This reads as thousands or as decimals; give the region, or set decimal_separator "
    'in the mapping ("." or ",").',
)

# domain.md §2 names the first line; the others follow Unicode CLDR 46, root numbering of each.
_COMMA_LIST = (
    "DE AT FR ES IT NL BE PT PL SE DK NO FI "
    "CZ SK HU RO BG HR SI RS BA ME MK AL GR CY LT LV EE LU IS TR RU UA BY KZ GE AM AZ MD "
    "BR AR CL CO UY PY BO EC VE CR ID VN MA DZ TN GL FO RE GP MQ"
)
_POINT_LIST = (
    "GB US IE AU NZ IN JP CN HK TW KR SG MY TH PH IL MX GT HN NI PA PR DO SV PE PK BD LK NP "
    "NG KE GH UG TZ ZW EG MT GG JE IM CH LI AE SA QA KW BH OM"
)
_COMMA_REGIONS = frozenset(_COMMA_LIST.split())
_POINT_REGIONS = frozenset(_POINT_LIST.split())

_CLEAN = str.maketrans(
    dict.fromkeys("\u00a0\u2007\u2008\u2009\u200a\u202f\u3000\t", " ")
    | dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'")
    | dict.fromkeys("\u2212\u2012\u2013\u2014\ufe63\uff0d", "-")
    | dict.fromkeys("\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c")
    | {chr(zero + i): str(i) for zero in (0xFF10, 0x0660, 0x06F0) for i in range(10)}
    | {"\uff0c": ",", "\uff0e": ".", "\uff08": "(", "\uff09": ")"}
)
_ABSENT = frozenset({"", "-", "--", "n/a", "na", "n.a.", "null", "none", "k.a.", "nil", "s/o"})
_MONEY_SIGN = (
    r"(?:(?:US|AU|CA|NZ|HK|SG|NT|MX|A|C|S|R)?\$|[€£¥₹₩₽₺₴₪฿₫₦₱₲₡₵₨]|zł|Kč|kr\.?|Fr\.|CHF|"
    r"[A-Z]{3}(?![A-Za-z]))"
)
# Spreadsheets write the sign of the currency before the bracket, and nothing as "$ -".
_NOTHING = re.compile(rf"{_MONEY_SIGN}\s*--?|--?\s*{_MONEY_SIGN}")
_SHAPE = re.compile(
    rf"(?:(?P<money0>{_MONEY_SIGN})\s*(?=\())?(?P<open>\()?\s*(?P<sign>[+-])?\s*(?P<money1>{_MONEY_SIGN})?\s*(?P<sign2>[+-])?\s*"
    r"(?P<body>(?:[0-9]|[.,](?=[0-9]))(?:[0-9.,']|\ (?=[0-9]))*)"
    r"(?P<exponent>[eE][+-]?[0-9]{1,3})?"
    rf"\s*(?P<trail>--?)?\s*(?P<money2>{_MONEY_SIGN})?\s*(?P<close>\))?"
)
_SPACED = re.compile(r"([0-9]{1,3}(?:[ '][0-9]{3})+)(?:[.,]([0-9]*))?")
# The second form is Indian: 12,34,567.
_GROUPED = re.compile(
    r"[0-9]{1,3}(?:([.,])[0-9]{3})(?:\1[0-9]{3})*|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}"
)
_QUANTITY_AND_UNIT = re.compile(r"(?P<number>.*[0-9)])\s*(?P<unit>[^\W\d_][^=]{0,40}|[€£$])")


_LONGEST = 200  # characters of a number and its unit


def region_convention(region: str | None) -> Convention:
    """Return the convention of a region, BY_REGION where it is unknown or in two minds."""
    country = country_of(region)
    if country in _COMMA_REGIONS:
        return Convention.COMMA
    return Convention.POINT if country in _POINT_REGIONS else Convention.BY_REGION


@dataclass(frozen=True, slots=True)
class _Body:
    """The digits of a number: read already, or with one separator that could be either."""

    text: str  # as float() takes it; the ambiguous one read as decimals
    evidence: Convention | None = None  # the convention this text proves
    ambiguous: str = ""  # the separator, when it could also group thousands


@short_cache(65_536)
def _read_body(body: str, scientific: bool) -> _Body | None:
    spaced = _SPACED.fullmatch(body)
    if spaced:
        proof = None
        if spaced.group(2):
            proof = Convention.COMMA if "," in body else Convention.POINT
        whole = re.sub(r"[ ']", "", spaced.group(1))
        return _Body(f"{whole}.{spaced.group(2) or '0'}", proof)
    if " " in body or "'" in body:
        return None
    points, commas = body.count("."), body.count(",")
    if not points and not commas:
        return _Body(body)
    if points and commas:
        decimal = "." if body.rfind(".") > body.rfind(",") else ","
        whole, _, fraction = body.rpartition(decimal)
        if decimal in whole or not _GROUPED.fullmatch(whole):
            return None
        text = re.sub(r"[.,]", "", whole) + "." + (fraction or "0")
        return _Body(text, Convention.POINT if decimal == "." else Convention.COMMA)
    separator = "." if points else ","
    if points + commas > 1:
        if not _GROUPED.fullmatch(body):
            return None
        proof = Convention.COMMA if separator == "." else Convention.POINT
        return _Body(body.replace(separator, ""), proof)
    whole, _, fraction = body.partition(separator)
    text = f"{whole or '0'}.{fraction or '0'}"
    if _GROUPED.fullmatch(body) and not whole.startswith("0") and not scientific:
        return _Body(text, None, separator)
    return _Body(text, Convention.POINT if separator == "." else Convention.COMMA)


def _take_apart(text: str) -> tuple[_Body, str, bool] | NumberProblem:
    """Return digits, exponent and whether negative."""
    cleaned = text.translate(_CLEAN).strip()
    if cleaned.casefold() in _ABSENT or (len(cleaned) < 10 and _NOTHING.fullmatch(cleaned)):
        return MISSING
    shape = _SHAPE.fullmatch(cleaned) if len(cleaned) <= 64 else None
    if shape is None:
        return INVALID
    trail = shape["trail"]
    if trail and shape["body"][-1] in ".,":
        trail = None  # "50,-" and "50.–" are prices without cents, and no credit
    minus = [part for part in (shape["sign"], shape["sign2"], trail) if part]
    brackets = bool(shape["open"]), bool(shape["close"])
    if len(minus) > 1 or brackets[0] != brackets[1] or (brackets[0] and minus) or trail == "--":
        return INVALID
    codes = [code for code in (shape["money0"], shape["money1"], shape["money2"]) if code]
    if len(codes) > 1 or any(len(c) == 3 and c.isalpha() and c not in ISO_4217 for c in codes):
        return INVALID
    body = _read_body(shape["body"], bool(shape["exponent"]))
    if body is None:
        return INVALID
    return body, shape["exponent"] or "", brackets[0] or minus == ["-"]


@short_cache(65_536)
def evidence(text: str) -> Convention | None:
    """Return the convention that this one value proves, None when it proves neither.

    "1.234,5 kWh" proves as much as "1.234,5" does.
    """
    if "," not in text and "." not in text:
        return None
    parts = _take_apart(text)
    if parts is INVALID and (split := split_quantity(text)) is not None:
        parts = _take_apart(split[0])
    return None if isinstance(parts, NumberProblem) else parts[0].evidence


def decide_convention(texts: Iterable[str], *, region: str | None = None) -> Convention:
    """Decide the decimal convention of a column from all its values.

    `region` is that of every row, when there is one; it decides only where no value does. Values
    that contradict each other leave the decision to the region of each row.
    """
    return convention_of(Counter(filter(None, map(evidence, texts))), region=region)


def convention_of(seen: Counter[Convention], *, region: str | None = None) -> Convention:
    """Decide as `decide_convention` does, from how often each convention was proved."""
    if seen[Convention.POINT] and seen[Convention.COMMA]:
        return Convention.BY_REGION
    if seen[Convention.POINT]:
        return Convention.POINT
    if seen[Convention.COMMA]:
        return Convention.COMMA
    return region_convention(region)


@short_cache(262_144)
def read_number(
    text: str | None, convention: Convention = Convention.BY_REGION, *, region: str | None = None
) -> float | NumberProblem:
    """Read one number; finite, or a problem.

    `region` is that of the row, and decides what the column's `convention` leaves open. Percent,
    formulas, NaN and infinity are `number_invalid`. Currency signs and codes are passed over.
    """
    parts = _take_apart(text or "")
    if isinstance(parts, NumberProblem):
        return parts
    body, exponent, negative = parts
    digits = body.text
    if body.ambiguous:
        decided = convention
        if decided is Convention.BY_REGION:
            decided = region_convention(region)
        if decided is Convention.BY_REGION:
            return AMBIGUOUS
        if (decided is Convention.POINT) != (body.ambiguous == "."):
            digits = digits.replace(".", "")
    value = float(digits + exponent)
    if not math.isfinite(value):
        return INVALID
    return -value if negative and value else value


def split_quantity(text: str) -> tuple[str, str] | None:
    """Split "1,200 kWh" into number and unit texts; None when there is nothing behind the digits.

    Does not judge either part.
    """
    written = text.translate(_CLEAN).strip()
    match = _QUANTITY_AND_UNIT.fullmatch(written) if len(written) <= _LONGEST else None
    return (match["number"].strip(), match["unit"].strip()) if match else None
