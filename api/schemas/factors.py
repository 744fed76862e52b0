"""Emission factors: search, one factor with its provenance, own factors, releases."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from api.schemas.common import Answer, AuditTrail, Body, Pagination, Text, storable
from core.factors.importers.tabular import FIRST_YEAR, LARGEST_KG, LAST_YEAR
from core.factors.kinds import KINDS
from core.gwp import SETS
from core.records import Basis, Dimension

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
                 AfterValidator(storable)]  # fmt: skip
Year = Annotated[int, Field(ge=FIRST_YEAR, le=LAST_YEAR)]
KINDS_GIVEN = sorted(set(KINDS) - {"biogenic_co2"})


def known_kind(text: str) -> str:
    """Refuse a kind that matching does not know."""
    if text not in KINDS_GIVEN:
        raise ValueError(f"must be one of {', '.join(KINDS_GIVEN)}")
    return text


Kind = Annotated[
    str, AfterValidator(known_kind), Field(json_schema_extra={"enum": list[Any](KINDS_GIVEN)})
]
MAX_KG = LARGEST_KG


class FactorItem(Answer):
    """One emission factor."""

    id: UUID
    name: str = Field(
        description="Name in its publication; behind that of biogenic CO2 stands “(outside of "
        "scopes)”, where it does not tell by itself"
    )
    category: str = Field(description="Category in its publication")
    value_kg_co2e_per_unit: float
    unit: str = Field(description="Canonical code of the denominator")
    dimension: Dimension
    basis: Basis | None = Field(description="Calorific value basis of energy")
    currency: str | None
    price_year: int | None
    region: str | None = Field(description="null holds everywhere")
    scope: int | None = Field(description="null is outside of scopes (biogenic CO2)")
    biogenic: bool = Field(
        description="Biogenic CO2: what is calculated with it is in no scope and in no total"
    )
    scope3_category: int | None
    activity_kind: str = Field(
        description="Kind of activity it is for, such as `fuel`, `electricity`"
    )
    data_year: int | None = Field(description="The year that the figure describes")
    source_year: int | None = Field(description="The year of its publication")
    valid_from_year: int | None
    valid_to_year: int | None
    release: str = Field(description="`own`: the organization's own factor")
    source: str | None = Field(description="Publication it is from")
    source_id: str
    licence: str
    gwp_set: str | None = Field(description="null: the source does not say")


class FacetValue(Answer):
    """One value of a facet, and how many factors of the filter have it."""

    value: str | int | None = Field(description="The value; null: factors that have none")
    count: int = Field(description="Factors of the filter that have it")


class FactorFacets(Answer):
    """Counts over the whole filter; the 50 most frequent values of each."""

    category: list[FacetValue] = Field(description="Categories of the publications")
    region: list[FacetValue]
    year: list[FacetValue] = Field(description="Data years")
    release: list[FacetValue]
    unit: list[FacetValue]
    scope: list[FacetValue]
    dimension: list[FacetValue]


class FactorList(Answer):
    """A page of factors, and the facets of the whole filter."""

    emission_factors: list[FactorItem] = Field(description="The factors of this page")
    pagination: Pagination
    facets: FactorFacets = Field(description="What the filter's factors are, counted")


class GasItem(Answer):
    """kg CO2e of one gas a unit; kg of the gas itself where the source gives it."""

    gas: str = Field(description="The gas, such as CO2, CH4, N2O")
    kg_co2e: float
    kg_gas: float | None = Field(description="kg of the gas itself; null: the source does not say")


class ReleaseItem(Answer):
    """An immutable set of factors, with where it comes from."""

    name: str = Field(description="Its name here, as factors and settings cite it")
    publisher: str
    title: str = Field(description="Title of the publication")
    version: str = Field(description="The publisher's version")
    source_year: int = Field(description="Year of publication")
    data_year: int | None = Field(description="Year that the figures describe")
    licence: str
    share_alike: bool = Field(description="The licence passes its terms on to what you publish")
    url: str | None = Field(description="Where it was published")
    retrieved_on: dt.date | None
    file_name: str = Field(description="Name of the publisher's file")
    file_sha256: str = Field(description="Of the publisher's file")
    content_sha256: str = Field(description="Of the table that was made of it")
    gwp_set: str | None
    note: str = Field(description="What to know before using it")
    factor_count: int
    supersedes: str | None
    superseded_by: str | None
    created_at: dt.datetime


class PinnedRelease(ReleaseItem):
    """A release, and whether this organization uses it."""

    pinned: bool = Field(description="Whether matches of this organization may use it")


class ReleaseList(Answer):
    """Every release of this deployment."""

    releases: list[PinnedRelease] = Field(description="All of them, with their origin")
    own_factors: int = Field(description="How many factors of its own the organization has")


class FactorAnswer(FactorItem):
    """A factor with all that is known of it."""

    gases: list[GasItem]
    levels: list[str] = Field(description="The publisher's headings, coarse to fine")
    search_terms: list[str]
    source_row: str = Field(description="Where it stands in the publisher's file")
    note: str = Field(description="What to know before using it")
    is_active: bool = Field(description="Whether new matches may use it")
    created_at: dt.datetime
    deleted_at: dt.datetime | None
    provenance: ReleaseItem | None = Field(description="null for own factors")
    superseded_by: str | None = Field(description="The release that took its release's place")
    successor_id: UUID | None = Field(description="The same factor in that release")
    audit: AuditTrail


class NewGas(Body):
    """One gas of an own factor."""

    gas: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 -]{1,40}$")] = Field(
        description="Such as CO2, CH4, N2O"
    )
    kg_co2e: Annotated[float, Field(ge=0, le=MAX_KG)] = Field(description="Of it in one unit")
    kg_gas: Annotated[float, Field(ge=0, le=MAX_KG)] | None = Field(
        default=None, description="kg of the gas itself"
    )


class NewFactor(Body):
    """A factor of the organization's own. It goes before the library in the next match."""

    name: Name = Field(description="As your activities are named; what a match looks at")
    category: Name = Field(description="What it is listed under")
    value_kg_co2e_per_unit: Annotated[float, Field(ge=0, le=MAX_KG)]
    unit: Name = Field(description="As you write it: kWh, litres, passenger-km, EUR …")
    data_year: Year = Field(description="The year that the figure describes")
    source: Text = Field(description="Where the figure comes from")
    region: Name | None = Field(default=None, description="Country or subregion; null everywhere")
    licence: Text | None = Field(default=None, description="Under which you may use it")
    source_year: Year | None = Field(default=None, description="Of publication; else `data_year`")
    valid_from_year: Year | None = Field(default=None, description="Not used in years before")
    valid_to_year: Year | None = Field(default=None, description="Not used in years after")
    scope: Annotated[int, Field(ge=1, le=3)] | None = Field(
        default=None, description="Else as `activity_kind` implies"
    )
    scope3_category: Annotated[int, Field(ge=1, le=15)] | None = None
    activity_kind: Kind | None = Field(default=None, description="Else read from name and unit")
    basis: Basis | None = Field(default=None, description="Calorific value basis of energy")
    price_year: Year | None = Field(default=None, description="Of money; else `data_year`")
    gwp_set: Literal[SETS] | None = None  # type: ignore[valid-type]
    gases: Annotated[tuple[NewGas, ...], Field(max_length=20)] = Field(
        default=(), description="What the value is made of, where you know"
    )
    search_terms: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    note: Annotated[str, StringConstraints(max_length=2000), AfterValidator(storable)] = Field(
        default="", description="What to know before using it"
    )


class FactorDeleted(Answer):
    """An own factor is no longer offered; figures that were made with it keep it."""

    deleted: bool
    emission_factor_id: UUID


def facets_answer(counted: dict[str, list[tuple[Any, int]]]) -> FactorFacets:
    """Return counts as facets."""
    return FactorFacets.model_validate(
        {
            name: [FacetValue(value=value, count=count) for value, count in values]
            for name, values in counted.items()
        }
    )
