"""Own emission factors: checked in every respect, audited, and never changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from api import etags
from api.deps import Member
from api.errors import ApiError, Fault
from api.schemas.common import AuditEntry
from api.schemas.factors import FactorAnswer, FactorItem, NewFactor, PinnedRelease, ReleaseItem
from core.factors.kinds import KINDS, infer_kind
from core.records import Dimension
from core.regions import parse_region
from core.units import Unit, UnitProblem, parse_unit
from db.engine import TenantSession
from db.ids import uuid7
from db.models import AuditEvent, EmissionFactor, FactorRelease
from db.queries import audit, factors

# core's words for a row of an upload speak of its columns
UNIT_WORDS = {
    "unit_unknown": "is no unit that we know; use a usual one such as kWh, litres, kg, t, km, EUR"
}
_AUDITED = ("name", "category", "value_per_unit", "unit", "region", "data_year", "source")
# Each organization with factors of its own has an index of its own, built while others wait.
MOST_OWN_FACTORS = 500
_GASES_DIFFER = 0.01  # publishers round the parts and the sum apart


def create(session: TenantSession, who: Member, body: NewFactor) -> UUID:
    """Store an own factor with its audit event. Raises 422 with every fault, 409 for a double."""
    if factors.count_own(session, who.organization_id) >= MOST_OWN_FACTORS:
        raise ApiError("too_many_factors")
    values = checked(body) | {"created_by": who.principal.user_id}
    factor_id = factors.add_own_factor(session, who.organization_id, values)
    if factor_id is None:
        raise ApiError("duplicate_factor")
    shown = {name: values[name] for name in _AUDITED}
    audit.record(
        session, who.organization_id, who.actor, action="emission_factor.created",
        object_type="emission_factor", object_id=factor_id, after=shown,
    )  # fmt: skip
    session.commit()
    return factor_id


def delete(
    session: TenantSession, who: Member, factor_id: UUID, if_match: str | None = None
) -> None:
    """Take an own factor out of use, with its audit event.

    Raises 404, 409 for the library's, 412.
    """
    found = factors.get_factor(session, who.organization_id, factor_id)
    if found is None:
        raise ApiError("not_found")
    if found.factor.organization_id is None:
        raise ApiError("factor_of_library")
    etags.require(if_match, found.factor.updated_at)
    if not factors.delete_own_factor(session, who.organization_id, factor_id):
        raise ApiError("not_found")
    audit.record(
        session, who.organization_id, who.actor, action="emission_factor.deleted",
        object_type="emission_factor", object_id=factor_id,
    )  # fmt: skip
    session.commit()


def checked(body: NewFactor) -> dict[str, Any]:
    """Return the columns of a new factor. Raises 422 with every fault."""
    faults: list[Fault] = []
    region = _region(body, faults)
    unit = _unit(body, region, faults)
    kind = body.activity_kind or (
        infer_kind(body.category, body.name, unit.dimension) if unit else "other"
    )
    scope, category = _scope(body, kind, faults)
    _years(body, faults)
    _gases(body, faults)
    if faults or unit is None:
        raise ApiError("validation_failed", faults=faults)
    factor_id = uuid7()
    return {
        "id": factor_id,
        "source_id": f"own/{factor_id}",
        "name": body.name,
        "category": body.category,
        "unit": unit.code,
        "dimension": unit.dimension.value,
        "basis": body.basis or unit.basis,
        "currency": unit.currency,
        "price_year": (body.price_year or body.data_year) if unit.currency else None,
        "value_per_unit": body.value_kg_co2e_per_unit,
        "region": region,
        "scope": scope,
        "scope3_category": category,
        "activity_kind": kind,
        "gases": [gas.model_dump() for gas in body.gases],
        "gwp_set": body.gwp_set,
        "source": body.source,
        "source_year": body.source_year or body.data_year,
        "data_year": body.data_year,
        "licence": body.licence or "",
        "levels": [body.category, body.name],
        "search_texts": list(body.search_terms),
        "note": body.note,
        "valid_from_year": body.valid_from_year,
        "valid_to_year": body.valid_to_year,
    }


def _region(body: NewFactor, faults: list[Fault]) -> str | None:
    if body.region is None:
        return None
    found = parse_region(body.region)
    if isinstance(found, str):
        return found
    told = "is no country or region; use ISO codes (GB, US-CA), null for everywhere"
    faults.append(Fault("#/region", "region_unknown", told))
    return None


def _unit(body: NewFactor, region: str | None, faults: list[Fault]) -> Unit | None:
    found = parse_unit(body.unit, region=region)
    if isinstance(found, UnitProblem):
        faults.append(Fault("#/unit", found.code, UNIT_WORDS.get(found.code, found.message)))
        return None
    if found.currency and found.code != found.currency:
        told = "give kg CO2e per single unit of money, not per thousand or million"
        faults.append(Fault("#/unit", "unit_unknown", told))
    fits = found.dimension is Dimension.ENERGY and found.basis in (None, body.basis)
    if body.basis and not fits:
        told = "only energy has a calorific value basis, and it must be the unit's"
        faults.append(Fault("#/basis", "basis_mismatch", told))
    if body.price_year and found.dimension is not Dimension.MONEY:
        faults.append(Fault("#/price_year", "unit_mismatch", "only money has a price year"))
    return found


def _scope(body: NewFactor, kind: str, faults: list[Fault]) -> tuple[int | None, int | None]:
    facts = KINDS[kind]
    scope = body.scope or (3 if body.scope3_category else facts.scope)
    if body.scope3_category and scope != 3:
        told = f"scope {scope} has no categories; leave it out"
        faults.append(Fault("#/scope3_category", "scope_mismatch", told))
    if scope != 3:
        return scope, None
    return scope, body.scope3_category or facts.scope3_category


def _years(body: NewFactor, faults: list[Fault]) -> None:
    first, last = body.valid_from_year, body.valid_to_year
    if first is not None and last is not None and first > last:
        told = "is before valid_from_year"
        faults.append(Fault("#/valid_to_year", "years_reversed", told))


def _gases(body: NewFactor, faults: list[Fault]) -> None:
    value = body.value_kg_co2e_per_unit
    total = math.fsum(gas.kg_co2e for gas in body.gases)
    if body.gases and abs(total - value) > _GASES_DIFFER * max(value, total):
        told = "the gases' kg CO2e do not add up to value_kg_co2e_per_unit"
        faults.append(Fault("#/gases", "gases_differ", told))
    if body.gwp_set is None and any(gas.kg_gas is not None for gas in body.gases):
        told = "is needed beside masses of gases"
        faults.append(Fault("#/gwp_set", "gwp_set_missing", told))


def factor_item(factor: EmissionFactor) -> FactorItem:
    """Return a factor as lists show it."""
    return FactorItem.model_validate(_item(factor))


def factor_answer(found: factors.FoundFactor, events: Sequence[AuditEvent]) -> FactorAnswer:
    """Return a factor with all that is known of it."""
    factor = found.factor
    own = ("gases", "levels", "source_row", "note", "is_active", "created_at",
           "deleted_at")  # fmt: skip
    provenance = None
    if found.release is not None:
        provenance = release_item(found.release, found.superseded_by)
    return FactorAnswer.model_validate(
        {
            **_item(factor),
            **{name: getattr(factor, name) for name in own},
            "search_terms": factor.search_texts,
            "provenance": provenance,
            "superseded_by": found.superseded_by,
            "successor_id": found.successor_id,
            "audit": [AuditEntry.model_validate(event) for event in events],
        }
    )


def shown_name(factor: EmissionFactor) -> str:
    """Return the publication's name; DESNZ gives biogenic CO2 the very name of what counts."""
    told = not factor.biogenic or "biogenic" in factor.name.lower()
    return factor.name if told else f"{factor.name} (outside of scopes)"


def _item(factor: EmissionFactor) -> dict[str, Any]:
    return {
        **{name: getattr(factor, name, None) for name in FactorItem.model_fields},
        "name": shown_name(factor),
        "value_kg_co2e_per_unit": factor.value_per_unit,
        "release": factor.release or factors.OWN,
    }


def release_item(release: FactorRelease, superseded_by: str | None) -> ReleaseItem:
    """Return a release with where it comes from."""
    return ReleaseItem.model_validate(_release(release, superseded_by))


def pinned_release(listed: factors.ListedRelease) -> PinnedRelease:
    """Return a release and whether the organization uses it."""
    return PinnedRelease.model_validate(
        {**_release(listed.release, listed.superseded_by), "pinned": listed.pinned}
    )


def _release(release: FactorRelease, superseded_by: str | None) -> dict[str, Any]:
    return {
        **{name: getattr(release, name, None) for name in ReleaseItem.model_fields},
        "content_sha256": release.sha256,
        "superseded_by": superseded_by,
    }
