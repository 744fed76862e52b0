"""Settings of an organization: checked, audited with before and after."""

from __future__ import annotations

from typing import Any

from api import etags
from api.deps import Member
from api.errors import ApiError, Fault
from api.schemas.organizations import OrganizationPatch
from core.regions import parse_region
from db.engine import TenantSession
from db.models import Organization
from db.queries import audit, factors
from db.queries import organizations as queries


def change(
    session: TenantSession, who: Member, body: OrganizationPatch, if_match: str | None
) -> Organization:
    """Change what the body names and return the organization.

    Raises 412, or 422 with every fault.
    """
    found = queries.get_organization(session, who.organization_id, lock=True)
    if found is None:
        raise ApiError("not_found")
    etags.require(if_match, found.updated_at)
    wanted = checked(session, found, body)
    before = {name: getattr(found, name) for name in wanted}
    changed = {name: value for name, value in wanted.items() if value != before[name]}
    if changed:
        found = queries.change_organization(session, who.organization_id, changed)
        audit.record(
            session, who.organization_id, who.actor, action="organization.changed",
            object_type="organization", object_id=who.organization_id,
            before={name: before[name] for name in changed}, after=changed,
        )  # fmt: skip
        session.commit()
    return found


def checked(session: TenantSession, found: Organization, body: OrganizationPatch) -> dict[str, Any]:
    """Return the columns to set. Raises 422 with every fault."""
    wanted: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    faults: list[Fault] = []
    if country := wanted.get("country"):
        code = parse_region(country)
        if not isinstance(code, str) or len(code) != 2 or code == "EU":
            told = "is no country; use ISO 3166-1 alpha-2, for example GB"
            faults.append(Fault("#/country", "region_unknown", told))
        wanted["country"] = code
    language = wanted.get("search_language")
    if language is not None and not queries.search_language_exists(session, language):
        told = "is no text-search language here; use for example english, german, french, simple"
        faults.append(Fault("#/search_language", "language_unknown", told))
    if "factor_releases" in wanted:
        wanted["factor_releases"] = list(body.factor_releases)
        faults += _releases(session, body.factor_releases)
    hold = wanted.get("hold_below", found.hold_below)
    review = wanted.get("review_below", found.review_below)
    if hold > review:
        name = "hold_below" if "hold_below" in wanted else "review_below"
        told = f"hold_below ({hold:g}) must not be above review_below ({review:g})"
        faults.append(Fault(f"#/{name}", "thresholds_reversed", told))
    if faults:
        raise ApiError("validation_failed", faults=faults)
    return wanted


def _releases(session: TenantSession, names: tuple[str, ...]) -> list[Fault]:
    missing = factors.missing_releases(session, names)
    told = "there is no such release; see GET /v1/emission-factors/releases"
    faults = [
        Fault(f"#/factor_releases/{place}", "release_unknown", told)
        for place, name in enumerate(names)
        if name in missing
    ]
    for place, name in enumerate(names):
        if name in names[:place]:
            pointer = f"#/factor_releases/{place}"
            faults.append(Fault(pointer, "release_twice", "is pinned twice; name it once"))
    return faults
