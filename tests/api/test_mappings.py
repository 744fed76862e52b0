"""Remembered mappings: listed, revoked, and confirmed by whom."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text

from core.permissions import Role
from db.models import ColumnMapping


def add(world: Any, tenant: Any, signature: str = "s", **values: Any) -> UUID:
    given = {
        "headings": ["Art", "Wert"], "mapping": {"Wert": "volume"}, "filename": "one.csv",
        "confirmed_by": world.user_id(tenant.email),
    } | values  # fmt: skip
    return world.add(ColumnMapping, organization_id=tenant.id, signature=signature, **given)


def url(tenant: Any) -> str:
    return f"/v1/organizations/{tenant.id}/mappings"


def test_a_mapping_is_listed_with_its_use_and_revoked(client, alpha, world, admin_engine) -> None:
    mapping_id = add(world, alpha)
    world.file(alpha.id, alpha.email, column_mapping_ids=[mapping_id])
    world.file(alpha.id, alpha.email)
    [listed] = client.get(url(alpha), headers=alpha.headers).json()["mappings"]
    assert listed["id"] == str(mapping_id)
    assert (listed["headings"], listed["mapping"]) == (["Art", "Wert"], {"Wert": "volume"})
    assert (listed["used"], listed["confirmed_by_name"]) == (1, "Ada")
    assert listed["last_used_at"] is not None
    gone = client.delete(f"{url(alpha)}/{mapping_id}", headers=alpha.headers)
    assert gone.json() == {"revoked": True, "mapping_id": str(mapping_id)}
    assert client.get(url(alpha), headers=alpha.headers).json()["mappings"] == []
    again = client.delete(f"{url(alpha)}/{mapping_id}", headers=alpha.headers)
    assert again.status_code == 404
    kept = client.get(url(alpha), headers=alpha.headers, params={"history": True}).json()
    assert kept["mappings"][0]["revoked_at"] is not None
    with admin_engine.connect() as connection:
        actions = list(connection.scalars(text("SELECT action FROM audit_events")))
    assert "mapping.revoked" in actions


def test_the_uses_of_each_mapping_are_its_own_organizations(client, alpha, beta, world) -> None:
    made = [add(world, alpha, signature=f"s{n}") for n in range(3)]
    both = world.file(alpha.id, alpha.email, column_mapping_ids=made[:2])
    world.file(alpha.id, alpha.email, column_mapping_ids=[made[0], made[0]])  # on two sheets
    world.file(beta.id, beta.email, column_mapping_ids=made)
    client.delete(f"/v1/files/{both}", headers=alpha.headers)  # it was read by them all the same
    listed = client.get(url(alpha), headers=alpha.headers).json()["mappings"]
    assert {one["id"]: one["used"] for one in listed} == dict(
        zip(map(str, made), (2, 1, 0), strict=True)
    )
    assert [one["last_used_at"] is None for one in listed] == [True, False, False]


def test_a_page_asks_once_for_all_uses(client, alpha, world) -> None:
    for n in range(20):
        world.file(alpha.id, alpha.email, column_mapping_ids=[add(world, alpha, signature=f"s{n}")])
    read: list[str] = []
    engine = client.app.state.services.app_engine

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "column_mappings" in statement or "column_mapping_ids" in statement:
            read.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    assert len(client.get(url(alpha), headers=alpha.headers).json()["mappings"]) == 20
    [mappings, files] = read
    assert "files" not in mappings, "a subquery would read all uploads for each mapping"
    assert "unnest" in files


def test_pages_hold_every_mapping_once(client, alpha, world) -> None:
    made = {str(add(world, alpha, signature=f"s{n}")) for n in range(5)}
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2, "include": "total"}
    while True:
        page = client.get(url(alpha), headers=alpha.headers, params=params).json()
        assert page["pagination"]["total"] == 5
        seen += [mapping["id"] for mapping in page["mappings"]]
        if not page["pagination"]["has_more"]:
            break
        params["cursor"] = page["pagination"]["next_cursor"]
    assert len(seen) == 5
    assert set(seen) == made


def test_a_member_limited_to_projects_neither_sees_nor_revokes(client, alpha, world) -> None:
    mapping_id = add(world, alpha)
    project = world.project(alpha.id, "P")
    headers = world.person(
        "pia@alpha.example", (alpha.id, Role.MANAGER), permissions={"projects": [str(project)]}
    )
    for answer in (
        client.get(url(alpha), headers=headers),
        client.delete(f"{url(alpha)}/{mapping_id}", headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("limited", [False, True])
def test_only_who_sees_everything_confirms_for_everybody(
    client, alpha, world, admin_engine, limited: bool
) -> None:
    project = world.project(alpha.id, "P")
    permissions = {"projects": [str(project)]} if limited else None
    headers = world.person("pia@alpha.example", (alpha.id, Role.USER), permissions=permissions)
    answer = client.post(
        "/v1/files",
        headers=headers,
        files={"file": ("a.csv", b"Art,Wert\nDiesel,1\n")},
        data={"project_id": str(project), "mapping": json.dumps({"Wert": "volume"})},
    )
    assert answer.status_code == 202
    with admin_engine.connect() as connection:
        assert connection.scalar(text("SELECT remember_mapping FROM files")) is not limited
