"""PATCH /v1/organizations/{id}: what an admin may set, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlmodel import Session

from core.factors.library import DEFAULT_RELEASES, load_release
from core.permissions import Role
from db.models import AuditEvent
from db.queries import library
from runtime.factor_releases import new_release, release_row


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    return body


@pytest.fixture
def releases(client, platform_engine, admin_engine) -> Iterator[None]:
    with admin_engine.begin() as connection:  # other tests may have left theirs
        connection.execute(text("TRUNCATE factor_releases CASCADE"))
    with Session(platform_engine) as session:
        for name in ("desnz-2024", *DEFAULT_RELEASES):
            release = load_release(name)
            few = release.factors[:1]
            library.insert_release(session, release_row(new_release(release.meta, few)), few, {})
        session.commit()
    yield
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE factor_releases CASCADE"))


def url(tenant) -> str:
    return f"/v1/organizations/{tenant.id}"


def patch(client, tenant, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.patch(url(tenant), headers=tenant.headers | (headers or {}), json=body)


def events(engine, organization_id: UUID) -> list[Any]:
    table: Any = AuditEvent
    with Session(engine) as session:
        return list(
            session.scalars(
                select(table).where(
                    table.organization_id == organization_id,
                    table.action == "organization.changed",
                )
            )
        )


def test_an_organization_is_told_with_its_settings(client, alpha) -> None:
    answer = client.get(url(alpha), headers=alpha.headers)
    found = answer.json()
    assert (found["name"], found["country"]) == ("Alpha", "GB")
    assert (found["review_below"], found["hold_below"]) == (0.6, 0.3)
    assert found["factor_releases"] == list(DEFAULT_RELEASES)
    assert found["search_language"] == "english"
    assert answer.headers["etag"]


def test_every_setting_is_kept_and_audited_with_before_and_after(
    client, alpha, releases, platform_engine
) -> None:
    wanted = {
        "name": "Alpha Works", "industry": "Steel", "country": "Germany",
        "search_language": "german", "review_below": 0.7, "hold_below": 0.2,
        "factor_releases": ["desnz-2024", "desnz-2025"], "data_retention_days": 90,
        "ai_matching": False,
    }  # fmt: skip
    answer = patch(client, alpha, **wanted)
    assert answer.status_code == 200, answer.text
    expected = wanted | {"country": "DE"}
    assert {name: answer.json()[name] for name in wanted} == expected
    read = client.get(url(alpha), headers=alpha.headers)
    assert read.json() == answer.json()
    assert read.headers["etag"] == answer.headers["etag"]
    [event] = events(platform_engine, alpha.id)
    assert event.before == {
        "name": "Alpha", "industry": None, "country": "GB", "search_language": "english",
        "review_below": 0.6, "hold_below": 0.3, "factor_releases": list(DEFAULT_RELEASES),
        "data_retention_days": 365, "ai_matching": True,
    }  # fmt: skip
    assert event.after == expected


def test_what_is_left_out_stays_and_what_is_the_same_is_no_event(
    client, alpha, platform_engine
) -> None:
    assert patch(client, alpha, review_below=0.8).json()["hold_below"] == 0.3
    assert patch(client, alpha, review_below=0.8).status_code == 200
    assert patch(client, alpha).status_code == 200
    [event] = events(platform_engine, alpha.id)
    assert (event.before, event.after) == ({"review_below": 0.6}, {"review_below": 0.8})


def test_industry_and_retention_may_be_taken_back(client, alpha) -> None:
    patch(client, alpha, industry="Steel")
    found = patch(client, alpha, industry=None, country=None).json()
    assert (found["industry"], found["country"]) == (None, None)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"factor_releases": ["desnz-2025", "desnz-1999"]}, "#/factor_releases/1",
         "release_unknown"),
        ({"factor_releases": ["desnz-2025", "desnz-2025"]}, "#/factor_releases/1",
         "release_twice"),
        ({"factor_releases": []}, "#/factor_releases", "too_short"),
        ({"review_below": 0.2}, "#/review_below", "thresholds_reversed"),
        ({"hold_below": 0.7}, "#/hold_below", "thresholds_reversed"),
        ({"review_below": 1.5}, "#/review_below", "less_than_equal"),
        ({"country": "Atlantis"}, "#/country", "region_unknown"),
        ({"country": "US-CA"}, "#/country", "region_unknown"),
        ({"search_language": "klingon"}, "#/search_language", "language_unknown"),
        ({"data_retention_days": 0}, "#/data_retention_days", "greater_than_equal"),
        ({"name": ""}, "#/name", "string_too_short"),
        ({"name": None}, "#/name", "string_type"),
        ({"subscription_tier": "gold"}, "#/subscription_tier", "extra_forbidden"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_with_its_fault(
    client, alpha, releases, body: dict[str, Any], pointer: str, code: str
) -> None:
    answer = problem(patch(client, alpha, **body), 422, "validation_failed")
    assert (pointer, code) in [(e["pointer"], e["code"]) for e in answer["errors"]]


def test_with_one_fault_nothing_is_changed(client, alpha, releases, platform_engine) -> None:
    patch(client, alpha, name="Other", country="Atlantis")
    assert client.get(url(alpha), headers=alpha.headers).json()["name"] == "Alpha"
    assert events(platform_engine, alpha.id) == []


def test_a_stale_if_match_is_refused(client, alpha) -> None:
    tag = client.get(url(alpha), headers=alpha.headers).headers["etag"]
    assert patch(client, alpha, {"If-Match": tag}, name="First").status_code == 200
    problem(patch(client, alpha, {"If-Match": tag}, name="Second"), 412, "precondition_failed")
    assert patch(client, alpha, {"If-Match": "*"}, name="Third").status_code == 200


@pytest.mark.parametrize("role", [Role.VIEWER, Role.USER, Role.MANAGER])
def test_only_admins_change_settings(client, world, alpha, role: Role) -> None:
    headers = world.person("carl@alpha.example", (alpha.id, role))
    problem(client.patch(url(alpha), headers=headers, json={"name": "x"}), 403,
            "permission_denied")  # fmt: skip
    assert client.get(url(alpha), headers=headers).status_code == 200


def test_the_path_names_the_organization_and_not_the_header(client, world, alpha, beta) -> None:
    headers = world.person("eve@both.example", (alpha.id, Role.ADMIN), (beta.id, Role.VIEWER))
    sent = headers | {"X-Organization-Id": str(alpha.id)}
    problem(client.patch(url(beta), headers=sent, json={"name": "x"}), 403, "permission_denied")
    assert client.patch(url(alpha), headers=headers, json={"name": "x"}).status_code == 200
