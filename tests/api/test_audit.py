"""The audit trail of an organization, over HTTP."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlmodel import Session

from core.permissions import Role
from db.ids import uuid7
from db.queries import audit

DOCUMENT = Path(__file__).parents[2] / "docs" / "audit.md"
PIPELINE = audit.Actor(user_id=None, kind="pipeline")


def url(tenant: Any) -> str:
    return f"/v1/organizations/{tenant.id}/audit"


def record(world: Any, tenant: Any, **values: Any) -> None:
    """Record one event as the pipeline, or as `user_id`, in a transaction of its own."""
    user_id = values.pop("user_id", None)
    actor = PIPELINE if user_id is None else audit.Actor(user_id, "user", "a-request")
    given = {"action": "file.completed", "object_type": "file", "object_id": uuid7()} | values
    with Session(world.engine) as session:
        audit.record(session, tenant.id, actor, **given)
        session.commit()


def sequences(client: Any, tenant: Any, **query: Any) -> list[int]:
    answer = client.get(url(tenant), headers=tenant.headers, params=query)
    assert answer.status_code == 200, answer.text
    return [event["sequence"] for event in answer.json()["events"]]


def test_an_event_shows_who_did_what_to_what_and_its_link(client, world, alpha) -> None:
    ada = world.user_id(alpha.email)
    object_id = uuid7()
    record(world, alpha)
    record(
        world, alpha, user_id=ada, action="report.deleted", object_type="report",
        object_id=object_id, before={"name": "Year", "kg": 1.5}, after={"deleted": True},
    )  # fmt: skip
    body = client.get(url(alpha), headers=alpha.headers).json()
    newest, first = body["events"]
    assert newest["actor"] == {"kind": "user", "user_id": str(ada), "name": "Ada"}
    assert newest["object"] == {"type": "report", "id": str(object_id)}
    assert (newest["action"], newest["request_id"]) == ("report.deleted", "a-request")
    assert (newest["before"], newest["after"]) == ({"name": "Year", "kg": 1.5}, {"deleted": True})
    assert (newest["sequence"], first["sequence"]) == (2, 1)
    assert first["actor"] == {"kind": "pipeline", "user_id": None, "name": None}
    assert first["previous_hash"] == "0" * 64
    assert newest["previous_hash"] == first["hash"]
    assert body["pagination"] == {
        "limit": 50, "next_cursor": None, "has_more": False, "total": None,
    }  # fmt: skip


def test_the_script_of_the_documentation_computes_the_hashes_from_the_answer(
    client, world, alpha
) -> None:
    [script] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)
    documented: dict[str, Any] = {}
    exec(script, documented)
    after = {"kg": 0.1, "tiny": 1e-7, "large": 10**22, "text": 'Süd 👩‍🚀 "x"\n\x1f\x7f', "one": 1.0,
             "list": [1, None, True, {"b": 2, "a": -0.0}]}  # fmt: skip
    record(world, alpha, user_id=world.user_id(alpha.email), after=after)
    record(world, alpha, before={})
    answer = client.get(url(alpha), headers=alpha.headers)
    previous = "0" * 64
    for event in reversed(json.loads(answer.text, parse_float=Decimal)["events"]):
        assert event["previous_hash"] == previous
        assert documented["expected_hash"](str(alpha.id), event, previous) == event["hash"]
        previous = event["hash"]
    assert previous != "0" * 64


def test_each_filter_leaves_out_the_rest(client, world, alpha) -> None:
    ada, one = world.user_id(alpha.email), uuid7()
    record(world, alpha, object_id=one)
    record(world, alpha, action="report.requested", object_type="report")
    record(world, alpha, user_id=ada)
    assert sequences(client, alpha) == [3, 2, 1]
    assert sequences(client, alpha, object_type="file") == [3, 1]
    assert sequences(client, alpha, object_type="file", object_id=str(one)) == [1]
    assert sequences(client, alpha, user_id=str(ada)) == [3]
    assert sequences(client, alpha, user_id=str(uuid4())) == []
    assert sequences(client, alpha, action="report.requested") == [2]
    with world.engine.connect() as connection:
        moment = connection.scalar(text("SELECT occurred_at FROM audit_events WHERE sequence = 2"))
    assert sequences(client, alpha, occurred_from=moment.isoformat()) == [3, 2]
    assert sequences(client, alpha, occurred_to=moment.isoformat()) == [1]


def test_pages_go_on_without_skipping_or_repeating_while_events_are_added(
    client, world, alpha
) -> None:
    for _ in range(5):
        record(world, alpha)
    query: dict[str, Any] = {"limit": 2, "include": "total"}
    seen: list[int] = []
    while True:
        answer = client.get(url(alpha), headers=alpha.headers, params=query)
        body = answer.json()
        seen += [event["sequence"] for event in body["events"]]
        if not seen[2:]:
            assert body["pagination"]["total"] == 5
        record(world, alpha)
        if not body["pagination"]["has_more"]:
            break
        query["cursor"] = body["pagination"]["next_cursor"]
        assert "cursor=" in answer.headers["link"]
    assert seen == [5, 4, 3, 2, 1]


def test_a_cursor_of_another_filter_or_organization_is_refused(client, world, alpha, beta) -> None:
    for tenant in (alpha, beta):
        for _ in range(2):
            record(world, tenant)
    cursor = client.get(url(alpha), headers=alpha.headers, params={"limit": 1}).json()[
        "pagination"
    ]["next_cursor"]
    for tenant, more in ((alpha, {"action": "x"}), (beta, {})):
        answer = client.get(
            url(tenant), headers=tenant.headers, params={"cursor": cursor, "limit": 1} | more
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")


def test_the_trail_of_another_organization_does_not_show(client, world, alpha, beta) -> None:
    object_id = uuid7()
    record(world, beta, object_id=object_id)
    assert sequences(client, alpha, object_id=str(object_id)) == []
    answer = client.get(url(beta), headers=alpha.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("role", list(Role))
def test_managers_and_admins_read_it_and_nobody_else(client, world, alpha, role: Role) -> None:
    headers = world.person(f"{role}@alpha.example", (alpha.id, role))
    answer = client.get(url(alpha), headers=headers)
    allowed = role in (Role.MANAGER, Role.ADMIN)
    assert answer.status_code == (200 if allowed else 403)
    assert allowed or answer.json()["code"] == "permission_denied"


def test_a_manager_limited_to_projects_does_not_read_it(client, world, alpha) -> None:
    project = world.project(alpha.id, "One")
    headers = world.person(
        "limited@alpha.example", (alpha.id, Role.MANAGER), permissions={"projects": [str(project)]}
    )
    answer = client.get(url(alpha), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("parameter", ["object_id", "user_id", "action", "occurred_from", "cursor"])
@pytest.mark.parametrize(
    "nasty", ["\0", "'; DROP TABLE files; --", "9999-12-31T23:59:59-14:00", "9" * 400, ""]
)
def test_no_parameter_can_break_it(client, alpha, parameter: str, nasty: str) -> None:
    answer = client.get(url(alpha), headers=alpha.headers, params={parameter: nasty})
    assert answer.status_code in (200, 422), answer.text


def test_a_review_shows_who_resolved_it(client, world, alpha) -> None:
    file_id = world.file(alpha.id, alpha.email)
    review = world.review(alpha.id, file_id, world.decision(alpha.id, file_id, "k"))
    path = f"/v1/emissions/reviews/{review}"
    assert client.get(path, headers=alpha.headers).json()["audit"] == []
    record(
        world, alpha, user_id=world.user_id(alpha.email), action="review.rejected",
        object_type="review", object_id=review,
    )  # fmt: skip
    [event] = client.get(path, headers=alpha.headers).json()["audit"]
    assert event["action"] == "review.rejected"
    assert event["actor_user_id"] == str(world.user_id(alpha.email))


def test_an_object_shows_its_newest_hundred_events_and_the_list_has_all(
    client, world, alpha
) -> None:
    file_id = world.file(alpha.id, alpha.email)
    with Session(world.engine) as session:
        for number in range(103):
            audit.record(
                session, alpha.id, PIPELINE, action=f"a{number}", object_type="file",
                object_id=file_id,
            )  # fmt: skip
        session.commit()
    shown = client.get(f"/v1/files/{file_id}", headers=alpha.headers).json()["audit"]
    assert [event["action"] for event in shown] == [f"a{n}" for n in range(3, 103)]
    found = sequences(client, alpha, object_type="file", object_id=str(file_id), limit=200)
    assert len(found) == 103
