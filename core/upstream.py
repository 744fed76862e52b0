"""Figures that belong beside a figure and never inside it.

A publisher such as DESNZ gives, next to the factor of a fuel, the ones of what came before it
(well-to-tank, losses of the grid) and of the biogenic CO2 that stands outside of all scopes. They
are told apart by their heading; what follows below the heading, the unit and the basis are the
same. Upstream figures are calculated when the upload asks for them; biogenic CO2 always.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from core.records import EmissionFactor


class LinkKind(StrEnum):
    """What a linked figure is about."""

    WELL_TO_TANK = "well_to_tank"
    LOSSES = "transmission_losses"
    WELL_TO_TANK_OF_LOSSES = "well_to_tank_of_losses"
    OUTSIDE_OF_SCOPES = "outside_of_scopes"


# Heading of a factor → headings of what is linked to it (DESNZ flat file, levels 1 and 2; the
# second level is compared without "WTT- " and "Managed ", None: any).
_WTT, _OUTSIDE = LinkKind.WELL_TO_TANK, LinkKind.OUTSIDE_OF_SCOPES
_ROAD = ((_WTT, "WTT- pass vehs & travel- land", None),
         (_WTT, "WTT- delivery vehs & freight", None))  # fmt: skip
_LINKED: Mapping[str, tuple[tuple[LinkKind, str, str | None], ...]] = {
    "Fuels": ((_WTT, "WTT- fuels", None),
              (_OUTSIDE, "Outside of scopes", "forecourt fuels containing biofuel")),
    "Bioenergy": ((_WTT, "WTT- bioenergy", None), (_OUTSIDE, "Outside of scopes", None)),
    "UK electricity": (
        (LinkKind.LOSSES, "Transmission and distribution", "t&d- uk electricity"),
        (_WTT, "WTT- UK electricity", "uk electricity (generation)"),
        (LinkKind.WELL_TO_TANK_OF_LOSSES, "WTT- UK electricity", "uk electricity (t&d)"),
        (_OUTSIDE, "Outside of scopes", "electricity generated"),
    ),
    "Heat and steam": ((_WTT, "WTT- heat and steam", None),),
    "Passenger vehicles": _ROAD,
    "Delivery vehicles": _ROAD,
    "Managed assets- vehicles": _ROAD,
    "Business travel- land": _ROAD,
    "Freighting goods": ((_WTT, "WTT- delivery vehs & freight", None),),
    "Business travel- air": ((_WTT, "WTT- business travel- air", None),),
    "Business travel- sea": ((_WTT, "WTT- business travel- sea", None),),
    "UK electricity for EVs": ((LinkKind.LOSSES, "UK electricity T&D for EVs", None),),
}  # fmt: skip
# District heat loses 5 % on its way; its rows have another last level than the heat itself.
_DISTRICT = (
    (LinkKind.LOSSES, "Transmission and distribution", "Distribution - district heat & steam"),
    (LinkKind.WELL_TO_TANK_OF_LOSSES, "WTT- heat and steam",
     "WTT- district heat & steam distribution"),
)  # fmt: skip
# A battery vehicle's well-to-tank stands beside its electricity; a hybrid's beside its fuel, once.
_BATTERY = "Battery Electric Vehicle"
_HEADINGS = frozenset(
    heading for links in (*_LINKED.values(), _DISTRICT) for _, heading, _ in links
)
# Kinds of factor (EmissionFactor.activity_kind) that only ever stand beside another.
LINKED_KINDS = (
    "well_to_tank",
    "transmission_losses",
    "transmission_losses_ev",
    "biogenic_co2",
)

_Key = tuple[str, str, tuple[str, ...], str, object]


@dataclass(frozen=True, slots=True)
class LinkedFactor:
    """A factor that belongs beside another one, and as what."""

    kind: LinkKind
    factor: EmissionFactor


@dataclass(frozen=True, slots=True)
class LinkedFigure:
    """What stands beside a row's figure: `emission_kg` = the row's quantity × `value_per_unit`."""

    kind: str
    release: str
    source_id: str
    name: str
    value_per_unit: float  # kg CO2e per `unit`
    unit: str
    source: str
    source_row: str
    emission_kg: float
    scope: int | None  # None: outside of all scopes
    scope3_category: int | None
    reason: str

    @property
    def is_upstream(self) -> bool:
        """Tell whether it is of scope 3 and not outside of all scopes."""
        return self.kind != LinkKind.OUTSIDE_OF_SCOPES

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


class LinkIndex:
    """Finds what is linked to a factor within its own release."""

    def __init__(self, factors: Iterable[EmissionFactor]) -> None:
        """`factors` may be any; those under a linked heading are kept."""
        self._found: dict[_Key, list[EmissionFactor]] = defaultdict(list)
        self._by_heading: dict[tuple[str, str, str], list[EmissionFactor]] = defaultdict(list)
        for factor in factors:
            if len(factor.levels) > 1 and factor.levels[0] in _HEADINGS:
                heading, below = factor.levels[:2]
                self._found[_key(factor, heading)].append(factor)
                self._by_heading[factor.release, heading, below].append(factor)

    def links(self, factor: EmissionFactor, *, upstream: bool) -> tuple[LinkedFactor, ...]:
        """Return what is linked to `factor`; without `upstream` only what is outside of scopes."""
        if len(factor.levels) < 2:
            return ()
        found = []
        for kind, heading, below in _LINKED.get(factor.levels[0], ()):
            if kind is not _OUTSIDE and not upstream:
                continue
            found += [LinkedFactor(kind, f) for f in self._found[_key(factor, heading, below)]]
        if upstream and factor.levels[2:3] == ("District heat and steam",):
            for kind, heading, below in _DISTRICT:
                rows = self._by_heading[factor.release, heading, below]
                found += [LinkedFactor(kind, f) for f in rows if f.unit == factor.unit]
        if upstream and factor.levels[3:4] == (_BATTERY,):
            for kind, heading, below in _ROAD:
                rows = self._found[_key(factor, heading, below)]
                found += [LinkedFactor(kind, f) for f in rows]
        return tuple(found)


def _key(factor: EmissionFactor, heading: str, below: str | None = None) -> _Key:
    """Everything of a factor but its heading: the second level in its common spelling."""
    second = below or factor.levels[1].removeprefix("WTT- ").removeprefix("Managed ").lower()
    rest = tuple(level.lower() for level in factor.levels[2:] if level != factor.unit)
    return (
        factor.release,
        heading,
        (second.replace("hgvs", "hgv"), *rest),
        factor.unit,
        factor.basis,
    )


def linked_figures(
    linked: Sequence[LinkedFactor],
    quantity: float,
    scope: int | None,
    scope3_category: int | None,
) -> tuple[LinkedFigure, ...]:
    """Return the figures beside a figure of `quantity` in the factors' unit.

    `scope` and `scope3_category` are those of the figure itself: what comes before an
    organization's own fuel or energy is category 3, what comes before a purchased journey or
    haulage belongs to the category of that (GHG Protocol, Scope 3 Standard, table 5.4).
    """
    figures = []
    for link in linked:
        factor = link.factor
        if link.kind is _OUTSIDE:
            scope_of_link, category = None, None
            reason = "Biogenic CO2, outside of scopes: reported apart, in no total."
        elif scope == 3 and scope3_category is not None:
            scope_of_link, category = 3, scope3_category
            reason = f"Before a purchased service: of its category, {category}."
        else:
            scope_of_link, category = 3, 3
            reason = "Before the organization's own fuel or energy: scope 3 category 3."
        figures.append(
            LinkedFigure(
                kind=link.kind.value, release=factor.release, source_id=factor.source_id,
                name=factor.name, value_per_unit=factor.value_per_unit, unit=factor.unit,
                source=factor.source, source_row=factor.source_row,
                emission_kg=quantity * factor.value_per_unit, scope=scope_of_link,
                scope3_category=category, reason=reason,
            )
        )  # fmt: skip
    return tuple(figures)


def linked_from_json(stored: Iterable[Mapping[str, Any]]) -> tuple[LinkedFigure, ...]:
    """Read back what `LinkedFigure.to_json` wrote."""
    return tuple(LinkedFigure(**{**one, **_floats_of(one)}) for one in stored)


def _floats_of(one: Mapping[str, Any]) -> dict[str, float]:
    # JSONB gives large whole numbers back as integers
    return {name: float(one[name]) for name in ("value_per_unit", "emission_kg")}


def sum_of(figures: Iterable[LinkedFigure], *, upstream: bool) -> float | None:
    """Return the kg of the upstream figures, or of the others; None when there are none."""
    found = [f.emission_kg for f in figures if f.is_upstream is upstream]
    return sum(found) if found else None
