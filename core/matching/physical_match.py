"""Activities in physical units → the factor whose facets fit best."""

from __future__ import annotations

from collections.abc import Iterable

from core.factors.editions import covers
from core.matching.candidates import KEY_FACET, SEGMENT, Entry, LibraryIndex
from core.matching.confidence import physical_confidence, text_confidence
from core.matching.conventions import ALTERNATES, LOCAL_KINDS, conventions, edition_at_hand
from core.matching.decide import (
    LOW_CONFIDENCE,
    NO_CANDIDATE,
    REGION_MISSING,
    REGION_UNAVAILABLE,
    UNIT_MISMATCH,
    Scored,
    decided,
    held,
)
from core.matching.own import overlap
from core.matching.physical import Fit, fit, locally_bound, owner_of
from core.matching.places import egrid_subregion, stay_country
from core.matching.reading import Reading
from core.matching.remedies import region_remedy, unit_remedy
from core.matching.text import content_stems
from core.records import Decision, Dimension, EmissionFactor, Fallback, Thresholds
from core.units import convert, unit

_FAMILIES = ("product", "mode", "gas", "material")
# What is counted in a unit of its own and named by no key facet.
_COUNTED = {"hotel": Dimension.ROOM_NIGHT, "kind": Dimension.WORK_HOUR}
_SAME_FIGURE = 0.01  # figures within 1 % are one figure: km and mile rows, equal gases
_ENOUGH_WORDS = 0.75
_AMERICAS = frozenset({"US", "CA", "MX", "PR"})


def match_physical(
    index: LibraryIndex, reading: Reading, thresholds: Thresholds, keep: int
) -> Decision:
    """Decide one activity."""
    query = reading.query
    owner = owner_of(reading)
    region, place = _region(reading)
    scored: list[tuple[Scored, Fit]] = []
    refused: set[str] = set()  # kinds of the factors that are of another country
    for entry in _entries(index, reading):
        if not index.editions.current(entry.factor, query.year):
            continue
        found = fit(reading, entry.factor, entry.family, entry.facets, owner)
        if found is None:
            continue
        if not _region_fits(found, entry, region, index):
            refused.add(entry.factor.activity_kind)
            continue
        _year(found, entry.factor, query.year)
        scored.append((Scored(entry.factor, found.score, found.signals), found))
    if not scored:
        return _nothing(index, reading, thresholds, keep, refused, region)
    scored.sort(key=lambda pair: (-pair[0].score, pair[0].factor.source_id))
    best, how = scored[0]
    notes = _notes(best.factor, region, reading)
    confidence = physical_confidence(reading, how, _gap(scored), notes)
    rules = conventions(reading, best.factor, owner)
    if (unpinned := edition_at_hand(best.factor, query.year, index.releases)) is not None:
        rules.append(unpinned)
    return decided(
        query, [s for s, _ in scored[:keep]], confidence, thresholds, rules,
        _fallbacks(reading, best.factor, region, place),
    )  # fmt: skip


def _entries(index: LibraryIndex, reading: Reading) -> Iterable[Entry]:
    dimension = reading.query.dimension
    seen: set[int] = set()
    if dimension is Dimension.ROOM_NIGHT:
        return index.named(dimension, "hotel", ("",), frozenset())
    if dimension is Dimension.WORK_HOUR:
        return index.named(dimension, "homeworking", ("",), frozenset())
    found: list[Entry] = []
    upstream = frozenset(reading.facets.get("upstream", ()))
    for facet in _FAMILIES:
        values = list(reading.facets.get(facet, ()))
        for value in values[:1]:
            values += [v for v in ALTERNATES.get(value, {}) if v not in values]
        if reading.facets.get("segment"):
            values += [value + SEGMENT for value in values]
        for entry in index.named(dimension, facet, values, upstream):
            if KEY_FACET.get(entry.family) == facet and id(entry) not in seen:
                seen.add(id(entry))
                found.append(entry)
    return found


def _region(reading: Reading) -> tuple[str | None, str | None]:
    """Return the region that counts, finer than the given one where the words say so, and the
    words. A hotel's is where it stands, not where the company is."""
    query = reading.query
    if query.dimension is Dimension.ROOM_NIGHT:
        place = next(
            (
                c
                for t in (query.name, query.description)
                if (c := stay_country(t or "", query.region))
            ),
            None,
        )
        return (place or query.region), None
    if query.region and query.region.startswith("US"):
        found = egrid_subregion(query.region, reading.text, reading.text)
        if found is not None:
            return f"US-{found[0]}", found[1]
        return "US", None
    return (query.region[:2] if query.region else None), None


def _region_fits(found: Fit, entry: Entry, region: str | None, index: LibraryIndex) -> bool:
    factor = entry.factor
    if factor.region is None:
        # Global figures: the one that a publisher of the country prints.
        home = index.home.get(factor.release)
        found.add("region", 1.0 if region and home == region[:2] else 0.0)
        return True
    if locally_bound(factor):
        if region is None:
            return False
        if factor.region == region:
            found.add("region", 4.0)
            return True
        # A subregion whose figure is missing takes its country's average.
        return factor.region == region[:2] and _add(found, "region", 2.0)
    if region is None:
        found.add("region", 0.0)
        return True
    if factor.region.startswith("US") and region[:2] not in _AMERICAS:
        return False  # units, fuels and waste practice differ: no proxy for Europe
    # More than any attribute: a figure of the country itself goes before a closer foreign one.
    if factor.region[:2] == region[:2]:
        found.add("region", 8.0)
    else:
        found.add("region", 0.0)
    return True


def _add(found: Fit, name: str, value: float) -> bool:
    found.add(name, value)
    return True


def _year(found: Fit, factor: EmissionFactor, year: int | None) -> None:
    """The activity's year, else the nearest earlier, else the nearest later."""
    if year is None:
        found.add("year", 0.001 * (factor.data_year - 2000))
        return
    if covers(factor, year):
        found.add("year", 0.0)
        return
    gap = year - factor.data_year
    found.add("year", -0.03 * gap if gap >= 0 else 0.05 * gap - 0.4)


def _gap(scored: list[tuple[Scored, Fit]]) -> float | None:
    """Return the lead of the best over the best factor with another figure, in like units."""
    best = scored[0][0]
    for other, _ in scored[1:40]:
        a, b = best.factor, other.factor
        same = a.unit == b.unit
        factor = 1.0 if same else convert(1.0, unit(a.unit), unit(b.unit)).factor
        mine, theirs = a.value_per_unit, b.value_per_unit * factor
        if abs(mine - theirs) > _SAME_FIGURE * max(abs(mine), abs(theirs)):
            return best.score - other.score
    return None


def _notes(factor: EmissionFactor, region: str | None, reading: Reading) -> tuple[str, ...]:
    notes = []
    if region is None and factor.region is not None:
        notes.append("region_missing")
    elif factor.region and region and factor.region[:2] != region[:2]:
        notes.append("proxy")
    if len(reading.facets.get("product", ())) > 1 and factor.activity_kind == "fuel":
        notes.append("two_products")
    return tuple(notes)


def _fallbacks(
    reading: Reading, factor: EmissionFactor, region: str | None, place: str | None
) -> list[Fallback]:
    query, found = reading.query, []
    asked = region or query.region
    if factor.region and (asked is None or factor.region[:2] != asked[:2]):
        found.append(Fallback("region", asked or "not stated", factor.region))
    elif factor.region and asked and len(asked) > 2 and factor.activity_kind == "electricity":
        if factor.region != asked:
            found.append(Fallback("region", asked, factor.region))
        elif place and query.region != factor.region:
            found.append(Fallback("subregion", f"{query.region or 'US'}, {place}", factor.region))
    if query.year is None or not covers(factor, query.year):
        found.append(Fallback("year", str(query.year or "not stated"), str(factor.data_year)))
    unsaid = reading.basis is None and query.dimension is Dimension.ENERGY
    if unsaid and factor.basis is not None:
        found.append(Fallback("basis", "not stated", factor.basis.value))
    return found


def _nothing(
    index: LibraryIndex,
    reading: Reading,
    thresholds: Thresholds,
    keep: int,
    refused: set[str],
    region: str | None,
) -> Decision:
    """Say why no factor fits, or match by words alone where the lexicon knows nothing."""
    query = reading.query
    if refused and region is None:
        return held(
            query, REGION_MISSING,
            "The figure depends on the country, and none is given; please give the region.",
        )  # fmt: skip
    if refused:
        # Beside a grid's figure nothing is near: another fuel is no electricity.
        local = bool(refused & LOCAL_KINDS)
        words = [] if local else _worded(index, reading, region)
        near = [] if local else _near(index, reading, words, region)[:keep]
        sentence = region_remedy(region or "", refused, near=bool(near))
        return held(query, REGION_UNAVAILABLE, sentence, near)
    named = [(f, v) for f in _FAMILIES for v in reading.facets.get(f, ())[:1]]
    known = {d for f, v in named for d in index.dimensions_of(f, v)}
    if not index.in_dimension(query.dimension):
        counted = known | {d for f, d in _COUNTED.items() if reading.facets.get(f)}
        what = query.dimension.value.replace("_", " ")
        return held(
            query, NO_CANDIDATE,
            unit_remedy(reading, counted) if counted
            else f"No factor is measured per {what}; please give a weight, a distance, an energy "
            "or an amount of money.",
        )  # fmt: skip
    if known and query.dimension not in known:
        return held(query, UNIT_MISMATCH, unit_remedy(reading, known))
    return _by_words(index, reading, thresholds, keep, bool(named), region)


def _by_words(
    index: LibraryIndex,
    reading: Reading,
    thresholds: Thresholds,
    keep: int,
    named: bool,
    region: str | None,
) -> Decision:
    query = reading.query
    ranked = _worded(index, reading, region)
    if ranked and not named and ranked[0].signals["words"] >= _ENOUGH_WORDS:
        confidence = text_confidence(ranked[0].signals["words"], own=False)
        fallbacks = _fallbacks(reading, ranked[0].factor, region, None)
        return decided(query, ranked[:keep], confidence, thresholds, [], fallbacks)
    near = _near(index, reading, ranked, region)[:keep]
    if reading.first("product") == "solar_own":
        return held(
            query, NO_CANDIDATE,
            "Power of your own making takes no grid's factor. Sun and wind: reject it, there is "
            "nothing to count; otherwise give the fuel that was burned for it, in its own row.",
            near,
        )  # fmt: skip
    if named:
        return held(
            query, NO_CANDIDATE,
            "The library has no factor for this thing in this way; please choose or give one.",
            near,
        )  # fmt: skip
    return held(
        query, LOW_CONFIDENCE,
        "The words do not say clearly what was used; please choose a factor.", near,
    )  # fmt: skip


def _usable(index: LibraryIndex, reading: Reading, entry: Entry, region: str | None) -> bool:
    if entry.facets.get("upstream") and not reading.facets.get("upstream"):
        return False
    home = (entry.factor.region or "")[:2] == (region or "")[:2]
    return (home or not locally_bound(entry.factor)) and index.editions.current(
        entry.factor, reading.query.year
    )


def _worded(index: LibraryIndex, reading: Reading, region: str | None) -> list[Scored]:
    """Return the factors that share words with the activity's name, best first."""
    query = reading.query
    stems = frozenset(content_stems(query.name, expand=False))
    ranked = [
        Scored(entry.factor, 5 * share, {"words": share})
        for entry in index.by_words(query.dimension, stems)
        if _usable(index, reading, entry, region)
        for share in (overlap(stems, entry.stems),)
    ]
    ranked.sort(key=lambda s: (-s.score, s.factor.source_id))
    return ranked


def _near(
    index: LibraryIndex, reading: Reading, worded: list[Scored], region: str | None
) -> list[Scored]:
    """Return what is like the activity in words or meaning. Nothing is decided by likeness alone;
    it is what a reviewer or a model chooses from."""
    found = {scored.factor.id: scored for scored in worded}
    for entry, likeness in index.by_meaning(reading.query.dimension, reading.text):
        if _usable(index, reading, entry, region):
            near = found.setdefault(entry.factor.id, Scored(entry.factor, 0.0))
            near.score += 5 * likeness
            near.signals["meaning"] = likeness
    return sorted(found.values(), key=lambda s: (-s.score, s.factor.source_id))
