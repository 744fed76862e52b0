"""Which column holds what: by the uploader's mapping, by name, and by content.

Names propose, contents decide: a column called "Amount" that holds words is no amount, one called
"Type" that says the same in every row tells nothing. Every choice carries its reason. Ledgers:
the activity is what was bought (account, purpose, commodity), its type the coarser heading, the
description the service or narrative. Supplier names and document numbers are left out: they would
make every line an activity of its own. A narrative that is mostly reference numbers likewise.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from core.numbers import split_quantity
from core.parsing.headings import Heading, fields_of, fold_heading, is_comment, read_heading
from core.parsing.profiles import Profile, profiles_of
from core.parsing.report import IGNORE, ColumnReport
from core.parsing.rows import letter_of
from core.records import Field

_TEXT_FIELDS = (Field.ACTIVITY_NAME, Field.ACTIVITY_TYPE, Field.ACTIVITY_DESCRIPTION)
_FEWEST = 0.3  # below this a guess is not used
_SEVERAL_CODES = 4  # different ones: so many codes of two letters are of places
_SURE = 0.7  # a heading of this confidence is not passed over without a word
_CONTENTS = {
    Field.VOLUME: "numbers", Field.AMOUNT: "numbers", Field.UNIT: "units that are known",
    Field.CURRENCY: "currencies", Field.DATE: "dates", Field.YEAR: "years",
    Field.REGION: "regions that are known",
}  # fmt: skip

_SIDES = (
    frozenset("sh"), frozenset({"soll", "haben"}), frozenset("dc"), frozenset({"dr", "cr"}),
    frozenset({"debit", "credit"}), frozenset({"debe", "haber"}), frozenset({"débit", "crédit"}),
)  # fmt: skip
_COUNTRY_HEADINGS = frozenset({"country", "country code", "country name", "land", "landercode",
                               "pays", "code pays", "pais", "codigo pais"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Guess:
    score: float
    index: int
    field: Field
    why: str


def _content_factor(field: Field, seen: Profile) -> float:
    """Return how far the contents bear out a name, 0 to 1."""
    if not seen.count:
        return 0.8 if field not in _TEXT_FIELDS else 0.4  # an empty sample proves nothing
    if field in (Field.VOLUME, Field.AMOUNT):
        return 1.0 if seen.number >= 0.5 else 0.5 if seen.number else 0.0
    if field is Field.UNIT:
        return max(seen.unit, 0.75 if seen.number < 0.2 else 0.0)
    if field is Field.CURRENCY:
        return seen.currency
    if field is Field.DATE:
        # Under a sure name some dates are better than none: the other rows get a warning.
        return seen.date if seen.date >= 0.5 else 0.35 if seen.date >= 0.2 else 0.0
    if field is Field.YEAR:
        dated = seen.date if seen.serial < 0.5 else 0.0  # numbers of days are no years
        return max(seen.year, 0.9 * dated) if max(seen.year, dated) >= 0.5 else 0.0
    if field is Field.REGION:
        return seen.region if seen.region >= 0.3 else 0.0
    if seen.number > 0.5 or (field is Field.ACTIVITY_TYPE and seen.accounting):
        return 0.0
    factor = 1.0 if seen.filled >= 0.05 else 0.2
    if seen.count >= 20 and seen.distinct == 1:
        factor *= 0.3  # the same in every row tells nothing
    if seen.reference > 0.4:
        factor *= 0.6
    return factor


def _by_name(index: int, heading: Heading, seen: Profile) -> list[_Guess]:
    guesses = []
    for field, by_name in fields_of(heading).items():
        factor = _content_factor(field, seen)
        if field is Field.REGION and heading.words in _COUNTRY_HEADINGS:
            # Names in a language that we do not read must not give way to a default country.
            factor = max(factor, 0.4)
        # Of two equally good names, the column that says more: more words, more rows.
        more = 0.01 * min(seen.words, 3) / 3 + 0.01 * seen.filled if field in _TEXT_FIELDS else 0
        score = min(1.0, by_name * factor + more)
        if score >= _FEWEST:
            note = "" if factor >= 0.99 else "; contents bear it out in part"
            guesses.append(_Guess(score, index, field, f'heading "{heading.text[:60]}"{note}'))
    return guesses


def _by_content(index: int, seen: Profile) -> list[_Guess]:
    """Guess from contents alone; always below a name that fits."""
    if seen.count < 3:
        return []
    # Numbers of five digits may be days, and "No" may be Norway: without a name they are neither.
    places = seen.region if seen.place >= 0.5 or seen.distinct >= _SEVERAL_CODES else 0.0
    guesses = []
    for field, share, at_least in (
        (Field.CURRENCY, seen.money, 0.95),
        (Field.UNIT, seen.unit if seen.money >= seen.currency else 0.0, 0.9),
        (Field.DATE, seen.date if seen.serial < 0.5 else 0.0, 0.95),
        (Field.REGION, places, 0.95),
    ):
        if share < at_least or seen.year >= 0.9 or seen.accounting:
            continue
        if field is not Field.DATE and seen.number > 0.1:
            continue
        guesses.append(_Guess(0.45 * share, index, field, f"{share:.0%} of the values are such"))
        break
    return guesses


def assign(
    headings: Sequence[str],
    sample: Sequence[Sequence[str]],
    mapping: Mapping[str, str],
    *,
    profiles: Sequence[Profile] | None = None,
    why: str = "named in the upload's mapping",
    apart: Collection[int] = (),
    measured: bool = False,
) -> tuple[ColumnReport, ...]:
    """Decide the field of every column.

    `sample` is some rows below the header, each at most as long as `headings`; `mapping` is column
    heading or letter → field or "ignore", and is obeyed (`why` says whose it is). Every field goes
    to one column at most. Columns `apart` hold figures that are read otherwise; of a `measured`
    table the unit is known from elsewhere.
    """
    profiles = profiles or profiles_of(headings, sample)
    mapped = mapped_columns(headings, mapping)
    taken: dict[int, _Guess] = {
        index: _Guess(1.0, index, Field(field), why)
        for index, field in mapped.items()
        if field != IGNORE
    }
    mapped |= dict.fromkeys(apart, IGNORE)
    guesses: list[_Guess] = []
    for index, text in enumerate(headings):
        if index not in mapped:
            guesses += _by_name(index, read_heading(text), profiles[index])
            guesses += _by_content(index, profiles[index])
    _choose(guesses, taken, headings)
    if not measured:
        _settle_unit(guesses, taken, headings, sample)
        _settle_amounts(taken, headings, sample)
    _settle_quantity(taken, headings)
    _settle_number(taken, profiles, set(mapped))
    _settle_name(taken, headings, profiles, set(mapped))
    fields = {guess.field for guess in taken.values()}
    return tuple(
        _report(index, text, taken.get(index))
        if index in taken or index in mapped
        else _report(index, text, None, why_not(text, profiles[index], fields))
        for index, text in enumerate(headings)
    )


def mapped_columns(headings: Sequence[str], mapping: Mapping[str, str]) -> dict[int, str]:
    """Return column index → field, for those that the mapping names by heading or letter."""
    found: dict[int, str] = {}
    folded = [fold_heading(text) for text in headings]
    letters = [letter_of(index) for index in range(len(headings))]
    for key, field in mapping.items():
        if key in headings:
            found[list(headings).index(key)] = field
        elif fold_heading(key) in folded and fold_heading(key):
            found[folded.index(fold_heading(key))] = field
        elif key.strip().upper() in letters:
            found[letters.index(key.strip().upper())] = field
    return found


def _choose(
    guesses: list[_Guess],
    taken: dict[int, _Guess],
    headings: Sequence[str],
) -> None:
    """Give away fields, best guess first; a column that loses one may still win another."""
    fields = {guess.field for guess in taken.values()}
    # A day says more than a year alone, and a filled column more than an empty one.
    order = sorted(guesses, key=lambda g: (-round(g.score, 4), g.index))
    for guess in order:
        if guess.index in taken or guess.field in fields:
            continue
        if guess.field is Field.AMOUNT and _is_quantity(guess, taken, fields, headings, guesses):
            continue
        taken[guess.index] = guess
        fields.add(guess.field)


def _is_quantity(
    guess: _Guess,
    taken: Mapping[int, _Guess],
    fields: set[Field],
    headings: Sequence[str],
    guesses: Sequence[_Guess],
) -> bool:
    """Tell whether "Amount", "Value" or "Total" is the quantity of a table with units."""
    if guess.score > 0.75 or Field.VOLUME in fields:
        return False
    has_unit = Field.UNIT in fields or any(g.field is Field.UNIT for g in guesses)
    if read_heading(headings[guess.index]).unit_text:
        return True
    other_volume = any(
        g.field is Field.VOLUME and g.index != guess.index and g.index not in taken for g in guesses
    )
    return has_unit and not other_volume


def _settle_unit(
    guesses: Sequence[_Guess],
    taken: dict[int, _Guess],
    headings: Sequence[str],
    sample: Sequence[Sequence[str]],
) -> None:
    """Of quantities without any unit, and others whose heading states theirs, take the latter.

    The mileage that a fuel card notes beside its litres is what the vehicle's clock said.
    """
    volume = next((g for g in taken.values() if g.field is Field.VOLUME), None)
    if volume is None or volume.score == 1.0 or any(g.field is Field.UNIT for g in guesses):
        return
    cells = (row[volume.index] for row in sample if volume.index < len(row))
    if read_heading(headings[volume.index]).unit_text or any(map(split_quantity, cells)):
        return
    others = [
        guess
        for guess in guesses
        if guess.field is Field.VOLUME and read_heading(headings[guess.index]).unit_text
        and guess.index not in taken
    ]  # fmt: skip
    if others:
        del taken[volume.index]
        best = max(others, key=lambda guess: (guess.score, -guess.index))
        taken[best.index] = best


def _settle_amounts(
    taken: dict[int, _Guess], headings: Sequence[str], sample: Sequence[Sequence[str]]
) -> None:
    """Of two amounts in a table without any unit, the second is money too, and no quantity."""
    by_field = {guess.field: guess for guess in taken.values()}
    volume = by_field.get(Field.VOLUME)
    if volume is None or Field.AMOUNT not in by_field or Field.UNIT in by_field:
        return
    heading = read_heading(headings[volume.index])
    cells = (row[volume.index] for row in sample if volume.index < len(row))
    named = fields_of(heading)
    is_open = named.get(Field.AMOUNT, 0) >= named.get(Field.VOLUME, 0) > 0
    if (
        volume.score < 1.0
        and is_open
        and not heading.unit_text
        and not any(map(split_quantity, cells))
    ):
        del taken[volume.index]


def _settle_quantity(taken: dict[int, _Guess], headings: Sequence[str]) -> None:
    """In a table without any unit, "Amount" is money, not a quantity."""
    by_field = {guess.field: guess for guess in taken.values()}
    volume = by_field.get(Field.VOLUME)
    if volume is None or Field.AMOUNT in by_field or Field.UNIT in by_field or volume.score == 1.0:
        return
    heading = read_heading(headings[volume.index])
    if heading.unit_text is None and Field.AMOUNT in fields_of(heading):
        why = f"{volume.why}; no column of units, so it is money"
        taken[volume.index] = _Guess(volume.score, volume.index, Field.AMOUNT, why)


def _settle_number(taken: dict[int, _Guess], profiles: Sequence[Profile], mapped: set[int]) -> None:
    """Beside a column of units, the only column of numbers is the quantity, whatever its name."""
    fields = {guess.field for guess in taken.values()}
    if Field.UNIT not in fields or Field.VOLUME in fields or Field.AMOUNT in fields:
        return
    free = [
        index
        for index, seen in enumerate(profiles)
        if index not in taken and index not in mapped and seen.number >= 0.9 and seen.year < 0.9
    ]
    if len(free) == 1:
        why = "the only column of numbers beside the units"
        taken[free[0]] = _Guess(0.4, free[0], Field.VOLUME, why)


def _settle_name(
    taken: dict[int, _Guess],
    headings: Sequence[str],
    profiles: Sequence[Profile],
    mapped: set[int],
) -> None:
    """A table always has an activity: the fullest telling column, remarks last of all."""
    by_field = {guess.field: guess for guess in taken.values()}
    if Field.ACTIVITY_NAME in by_field:
        return
    described = [
        by_field[field].index
        for field in (Field.ACTIVITY_DESCRIPTION, Field.ACTIVITY_TYPE)
        if field in by_field and by_field[field].index not in mapped
    ]
    free = [
        index
        for index, seen in enumerate(profiles)
        if index not in taken and index not in mapped and seen.count and seen.number < 0.2
        and seen.reference < 0.5 and seen.date < 0.5
    ]  # fmt: skip
    best = _best_name(described, free, headings, profiles)
    if best is None:
        return
    if best in taken:
        found = taken[best]
        why = f"{found.why}; there is no better column for the name"
        taken[best] = _Guess(found.score, best, Field.ACTIVITY_NAME, why)
    else:
        why = "the column of words that says most"
        taken[best] = _Guess(0.4, best, Field.ACTIVITY_NAME, why)


def _best_name(
    described: Sequence[int],
    free: Sequence[int],
    headings: Sequence[str],
    profiles: Sequence[Profile],
) -> int | None:
    """Choose among the columns of words: a filled one first, then one that is no remark."""
    # A name that most rows lack costs those rows; empty lines below a table count for no column.
    enough = 0.5 * max((seen.filled for seen in profiles), default=0)

    def rank(index: int) -> tuple[bool, bool, int, int]:
        seen, heading = profiles[index], headings[index]
        last = is_comment(heading) or seen.accounting or (index in free and is_other(heading))
        # Those that a heading announced keep their order; the others go by what they tell.
        order = (0, described.index(index)) if index in described else (1, -seen.distinct)
        return seen.filled <= enough, last, *order

    return min([*described, *free], key=rank, default=None)


def tells_credits(texts: Collection[str]) -> bool:
    """Tell whether a column says of each amount if it is a debit or a credit."""
    found = {text.strip().casefold().rstrip(".") for text in texts} - {""}
    return len(found) == 2 and any(found <= pair for pair in _SIDES)


def is_other(heading: str) -> bool:
    """Tell whether a heading announces who, where or a number, and not what."""
    return bool(
        re.search(r"meter|\bmp[ar]n\b|zahler|compteur|contador|supplier|vendor|payee|kreditor|lieferant|fournisseur|proveedor|\bid\b|\bref|"
                  r"\b(?:site|standort|location|lieu|ubicacion|office|building|gebaude|filiale|"
                  r"niederlassung|zeitraum|period)\b", fold_heading(heading))
    )  # fmt: skip


def why_not(text: str, seen: Profile, fields: Collection[Field]) -> str:
    """Return why a column with a sure heading of a field that no column got was left; or ""."""
    named = fields_of(read_heading(text))
    best = max(named, key=lambda field: named[field], default=None)
    if best not in _CONTENTS or named[best] < _SURE or best in fields or not seen.count:
        return ""
    share = {Field.UNIT: seen.unit, Field.CURRENCY: seen.currency, Field.DATE: seen.date,
             Field.YEAR: seen.year, Field.REGION: seen.region}.get(best, seen.number)  # fmt: skip
    if best in (Field.VOLUME, Field.AMOUNT) and share >= 0.5:
        return ""  # it lost to other figures, not for what it holds
    return (
        f'heading "{" ".join(text.split())[:60]}", but only {round(share * seen.count)} of '
        f"{seen.count} cells are {_CONTENTS[best]}"
    )


def _report(index: int, heading: str, guess: _Guess | None, why: str = "") -> ColumnReport:
    return ColumnReport(
        index=index,
        letter=letter_of(index),
        heading=" ".join(heading.split())[:200],
        field=guess.field if guess else None,
        confidence=round(guess.score, 3) if guess else 0.0,
        why=guess.why if guess else why or "not needed for the footprint",
    )
