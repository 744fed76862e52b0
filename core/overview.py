"""A report at a glance: every sum a board or an auditor asks for, from one pass over the figures.

Sums are exact decimals of the stored digits, so that any table here, the rows of a workbook and the
API's summary agree to the last of them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from core import exact
from core.reporting import NO_SCOPE, OUTSIDE_SCOPES, Totals
from core.scopes import CATEGORIES

NOTHING = Totals(0, Decimal(), Decimal())

# What tables may be summed by. `band` is the first of BANDS whose floor its confidence reaches;
# `contract` marks electricity that was calculated with a factor of the organization's own.
KEYS = (
    "scope", "scope3_category", "category", "activity_type", "month", "region", "project",
    "project_id", "file_name", "file_id", "method", "release", "gwp_set", "band", "contract",
)  # fmt: skip
BANDS = ((0.9, "0.9 and above"), (0.75, "0.75 to 0.9"), (0.6, "0.6 to 0.75"), (0.0, "below 0.6"))
SCOPES = {"1": "Scope 1", "2": "Scope 2", "3": "Scope 3", NO_SCOPE: "Not assigned"}
OUTSIDE = "Outside of scopes (biogenic CO2)"
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
DECIDED_BY = {
    "offline": "the ranker of this system, by calibrated confidence",
    "model": "a language model, choosing among the ranker's candidates",
    "fallback": "the ranker of this system, as the language model was away",
    "memory": "an earlier decision of the organization",
    "review": "a person, on this very activity",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: what it is called, and its sums."""

    label: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Contributor:
    """An activity with what all its figures add up to."""

    name: str
    scope: str
    category: str
    totals: Totals


def weight(kg: Decimal) -> str:
    """Write kg in a sentence: as tonnes from one on."""
    return f"{kg / 1000:,.1f} t" if abs(kg) >= 1000 else f"{kg:,.1f} kg"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What became of the rows of the files that figures are from; what may change or is missing.

    What is listed for review (little confidence, a fuel without its burning) is in the figures all
    the same.
    """

    files: int = 0
    rows: int = 0
    calculated: int = 0
    in_review: int = 0
    rejected: int = 0
    no_activity: int = 0  # of the rejected: blank lines, totals, headings, notes
    kg_in_review: float = 0.0  # by the best candidates; credits count as amounts
    elsewhere: int = 0  # rows in review of files that have no figure under the criteria
    flagged: Totals = NOTHING  # figures of the report that are listed for review, as amounts
    undated: Totals | None = None  # have no date, so that a period leaves them out; None: no period

    @property
    def lost(self) -> int:
        """Return the rejected rows where something is missing."""
        return self.rejected - self.no_activity

    def without_date(self) -> str | None:
        """Return a sentence on what a period leaves out; None when nothing is left out."""
        if self.undated is None or not self.undated.count:
            return None
        count, kg = self.undated.count, self.undated.kg_co2e
        figures = "1 figure has" if count == 1 else f"{count:,} figures have"
        biogenic = self.undated.biogenic_kg_co2
        beside = f" and {weight(biogenic)} of biogenic CO2" if biogenic else ""
        return (
            f"{figures} neither a date nor a year and {'is' if count == 1 else 'are'} not in this "
            f"period: {weight(kg)} CO2e{beside} under the other criteria."
        )


@dataclass(frozen=True, slots=True)
class Release:
    """A factor release, or another source, that figures were calculated with."""

    name: str
    title: str
    publisher: str
    licence: str
    gwp_set: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Fallback:
    """What rests on something else than what was asked for."""

    kind: str
    asked: str
    used: str
    totals: Totals

    def is_foreign(self) -> bool:
        """Tell whether a country's activities were calculated with another place's factor."""
        return self.kind == "region" and self.asked != "not stated"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A reason for which rows of the files concerned are in no figure."""

    code: str
    rows: int
    example: str  # what one of them was told, with the remedy
    file: str = ""  # whose row the example is


@dataclass(frozen=True, slots=True)
class Change:
    """A scope in the base year and in this report; None is "not reported"."""

    label: str
    then: Totals | None
    now: Totals | None

    @property
    def percent(self) -> float | None:
        """Return by how much it changed, or None where there is nothing to compare with."""
        if self.then is None or self.now is None or not self.then.kg_co2e:
            return None
        return float((self.now.kg_co2e / self.then.kg_co2e - 1) * 100)


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the figures: for whom, of when, by which rules."""

    organization: str
    title: str
    description: str | None
    moment: dt.datetime
    criteria: Sequence[tuple[str, str]]
    period: str
    review_below: float
    hold_below: float
    base_year: int | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything a renderer shows besides the breakdown that was asked for and the details."""

    frame: Frame
    totals: Totals
    by_scope: Sequence[Line]  # the scopes with figures; outside of scopes last
    electricity: Sequence[Line]  # scope 2 by grid averages, and by own factors
    inventory: Sequence[Line]  # scopes 1 and 2, then the fifteen categories, with empty ones
    by_category: Sequence[Line]
    by_type: Sequence[Line]
    by_month: Sequence[Line]
    by_region: Sequence[Line]
    by_project: Sequence[Line]
    by_file: Sequence[Line]
    by_band: Sequence[Line]
    by_method: Sequence[Line]
    contributors: Sequence[Contributor]
    releases: Sequence[Release]
    fallbacks: Sequence[Fallback]
    waiting: Waiting
    rejections: Sequence[Rejection] = ()  # the most frequent first
    upstream_kg: float = 0.0  # linked to the figures, and in no sum of the report
    outside_kg: float = 0.0  # biogenic CO2 of fuels and grids, likewise
    base_year: Sequence[Line] = ()  # by scope, when the organization has one with figures

    @property
    def figures_in_scopes(self) -> int:
        """Return how many figures the total is made of: all but biogenic CO2."""
        return sum(line.totals.count for line in self.by_scope if line.label != OUTSIDE)

    def changes(self) -> list[Change]:
        """Compare each scope with the base year's, and the totals."""
        then = {line.label: line.totals for line in self.base_year}
        now = {line.label: line.totals for line in self.by_scope}
        both = [label for label in SCOPES.values() if label in then or label in now]
        found = [Change(label, then.get(label), now.get(label)) for label in both]
        return [*found, Change("Total", summed(self.base_year), self.totals)]


@dataclass(slots=True)
class Sums:
    """Sums by some of KEYS."""

    names: tuple[str, ...]
    found: dict[tuple[str | None, ...], Totals] = field(default_factory=dict)

    def lines(self, nothing: str = "not stated") -> list[Line]:
        """Return the lines, largest first; what has no value is called `nothing`.

        A second name is an id: it is told where several have the same first name.
        """
        named = sorted(self.found.items(), key=lambda item: item[0][0] or nothing, reverse=True)
        ranked = sorted(named, key=lambda item: rank(item[1]), reverse=True)
        alike = Counter(key[0] or nothing for key in self.found)

        def label(name: str | None, *ids: str | None) -> str:
            shown = name or nothing
            return f"{shown} ({ids[0]})" if ids and ids[0] and alike[shown] > 1 else shown

        return [Line(label(*key), totals) for key, totals in ranked]


def plus(left: Totals, right: Totals) -> Totals:
    """Return the exact sum of two sums."""
    return Totals(
        left.count + right.count,
        exact.add(left.kg_co2e, right.kg_co2e),
        exact.add(left.biogenic_kg_co2, right.biogenic_kg_co2),
    )


def rank(totals: Totals) -> tuple[Decimal, Decimal, int]:
    """Return by what lines are put in order."""
    return abs(totals.kg_co2e), abs(totals.biogenic_kg_co2), totals.count


def period_in_words(first_on: dt.date | None, last_on: dt.date | None) -> str:
    """Write a period that figures tell of: to the month, as many dates are known no better."""
    if first_on is None or last_on is None:
        return "the figures state no dates"
    if (first_on.month, last_on.month) == (1, 12):
        first, last = str(first_on.year), str(last_on.year)
    else:
        first, last = (f"{MONTHS[day.month - 1]} {day.year}" for day in (first_on, last_on))
    return first if first == last else f"{first} to {last}"


def by_year(months: Iterable[Line]) -> list[Line]:
    """Return the sums of years from those of months; what has no date stays by itself."""
    years: dict[str, Totals] = {}
    for line in months:
        label = line.label[:4] if line.label[:4].isdigit() else line.label
        years[label] = plus(years.get(label, NOTHING), line.totals)
    order = sorted(years, key=lambda label: (not label.isdigit(), label))
    return [Line(label, years[label]) for label in order]


def summed(lines: Iterable[Line]) -> Totals:
    """Return the exact sum of lines."""
    total = NOTHING
    for line in lines:
        total = plus(total, line.totals)
    return total


def foreign(fallbacks: Iterable[Fallback]) -> Totals:
    """Return the sum of what rests on another place's factor."""
    return summed(Line(one.kind, one.totals) for one in fallbacks if one.is_foreign())


def cut(lines: Sequence[Line], most: int) -> list[Line]:
    """Return the first lines, and the others as one."""
    if len(lines) <= most:
        return list(lines)
    rest = summed(lines[most - 1 :])
    return [*lines[: most - 1], Line(f"{len(lines) - most + 1:,} others", rest)]


def scope_lines(by_scope: Mapping[tuple[str | None, ...], Totals]) -> list[Line]:
    """Return the scopes in their order."""
    found = {key[0]: totals for key, totals in by_scope.items()}
    lines = [Line(label, found[key]) for key, label in SCOPES.items() if key in found]
    if OUTSIDE_SCOPES in found:
        lines.append(Line(OUTSIDE, found[OUTSIDE_SCOPES]))
    return lines


def inventory_lines(by_category: Mapping[tuple[str | None, ...], Totals]) -> list[Line]:
    """Return the layout of a GHG Protocol inventory: scopes 1 and 2, then each category of scope 3.

    `by_category` is keyed by (scope, scope 3 category). Empty lines stay: that nothing was counted
    is said, not left out.
    """

    def of(scope: str) -> Totals:
        total = NOTHING
        for key, totals in by_category.items():
            if key[0] == scope:
                total = plus(total, totals)
        return total

    lines = [Line("Scope 1: direct emissions", of("1"))]
    lines.append(Line("Scope 2: purchased electricity, steam, heat and cooling", of("2")))
    for number, name in CATEGORIES.items():
        totals = by_category.get(("3", str(number)), NOTHING)
        lines.append(Line(f"Scope 3.{number}: {name}", totals))
    for key, label in ((("3", None), "Scope 3: no category named"),):
        if key in by_category:
            lines.append(Line(label, by_category[key]))
    for scope, label in (
        (NO_SCOPE, "Not assigned to a scope"),
        (OUTSIDE_SCOPES, "Outside of scopes: biogenic CO2"),
    ):
        if (totals := of(scope)).count:
            lines.append(Line(label, totals))
    return lines


def electricity_lines(found: Mapping[tuple[str | None, ...], Totals]) -> list[Line]:
    """Return scope 2 by grid averages and by own factors apart; `found` by (scope, contract)."""
    location = found.get(("2", None), NOTHING)
    contract = found.get(("2", "yes"), NOTHING)
    return [
        Line("by grid averages and published factors (location-based)", location),
        Line("by the organization's own factors (supplier, contract or grid)", contract),
    ]


def month_lines(found: Mapping[tuple[str | None, ...], Totals]) -> list[Line]:
    """Return months in order; rows that only say a year stand under it, undated ones last."""
    keys = sorted(found, key=lambda key: (key[0] is None, key[0] or ""))
    return [Line(key[0] or "no date", found[key]) for key in keys]


def band_lines(found: Mapping[tuple[str | None, ...], Totals]) -> list[Line]:
    """Return the confidence bands, highest first, empty ones too."""
    named = [Line(label, found.get((str(floor),), NOTHING)) for floor, label in BANDS]
    unknown = found.get((None,))
    return [*named, Line("not stated", unknown)] if unknown else named


def share(part: Totals, whole: Totals) -> float | None:
    """Return a line's part of the total kg CO2e, 0 to 1; None when there is no total to share."""
    return float(part.kg_co2e / whole.kg_co2e) if whole.kg_co2e > 0 else None
