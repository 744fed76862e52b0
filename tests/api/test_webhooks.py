"""Webhooks of an organization: made, listed, changed, rotated, tested, sent anew, deleted."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from api.app import create_app
from core.permissions import Role
from core.webhooks import MAX_ENDPOINTS, SECRET_PURPOSE, place_of
from db.models import WebhookDelivery, WebhookEvent
from runtime.vault import make_vault

URL = "https://hooks.example.org/tonnage"
GIVEN = {"url": URL, "events": ["file.failed", "file.completed", "file.failed"]}


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


def path(tenant: Any, *more: Any) -> str:
    return "/".join([f"/v1/organizations/{tenant.id}/webhooks", *map(str, more)])


@pytest.fixture
def made(client, alpha) -> dict[str, Any]:
    """An endpoint of Alpha."""
    answer = client.post(path(alpha), headers=alpha.headers, json=GIVEN)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def rows(world, query: str, **values: Any) -> list[Any]:
    with world.engine.connect() as connection:
        return list(connection.execute(text(query), values).all())


def delivery(world, alpha, made, **values: Any) -> UUID:
    event_id = world.add(
        WebhookEvent, organization_id=alpha.id, type="file.completed", payload="{}"
    )
    given = {
        "webhook_id": made["id"], "event_id": event_id, "event_type": "file.completed",
    } | values  # fmt: skip
    return world.add(WebhookDelivery, organization_id=alpha.id, **given)


def test_a_secret_is_shown_once_and_kept_sealed(client, world, alpha, made, settings) -> None:
    assert made["secret"].startswith("whsec_")
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
    assert made["events"] == ["file.completed", "file.failed"]
    shown = client.get(path(alpha, made["id"]), headers=alpha.headers)
    assert shown.json() == {k: v for k, v in made.items() if k != "secret"}
    listed = client.get(path(alpha), headers=alpha.headers).json()
    assert listed["webhooks"] == [shown.json()]
    [stored] = rows(world, "SELECT * FROM webhook_secrets")
    assert made["secret"].encode() not in bytes(stored.sealed)
    place = place_of(alpha.id, UUID(made["id"]))
    opened = make_vault(settings).decrypt(SECRET_PURPOSE, bytes(stored.sealed), place)
    assert opened.decode() == made["secret"]


def test_the_answer_with_a_secret_is_not_cached(client, alpha) -> None:
    answer = client.post(path(alpha), headers=alpha.headers, json=GIVEN)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["location"] == path(alpha, answer.json()["id"])


def test_the_api_cannot_read_a_secret(app_engine, world, alpha, made) -> None:
    from sqlalchemy.exc import ProgrammingError

    from db.engine import tenant_session

    with tenant_session(app_engine, alpha.id) as session:
        assert len(session.execute(text("SELECT id FROM webhook_secrets")).all()) == 1
        with pytest.raises(ProgrammingError):
            session.execute(text("SELECT sealed FROM webhook_secrets"))


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"url": "http://hooks.example.org/"}, "#/url", "url_not_allowed"),
        ({"url": "https://169.254.169.254/latest"}, "#/url", "url_not_allowed"),
        ({"url": "https://u:p@hooks.example.org/"}, "#/url", "url_not_allowed"),
        ({"url": "https://hooks.example.org:22/"}, "#/url", "url_not_allowed"),
        ({"url": ""}, "#/url", "string_too_short"),
        ({"events": []}, "#/events", "too_short"),
        ({"events": ["file.deleted"]}, "#/events/0", "enum"),
        ({"secret": "whsec_mine"}, "#/secret", "extra_forbidden"),
    ],
)
def test_what_cannot_be_an_endpoint_is_422_without_an_echo(
    client, world, alpha, change, pointer, code
) -> None:
    answer = client.post(path(alpha), headers=alpha.headers, json=GIVEN | change)
    fault, *_ = problem(answer, 422, "validation_failed")["errors"]
    assert (fault["pointer"], fault["code"]) == (pointer, code)
    assert "169.254" not in answer.text
    assert rows(world, "SELECT FROM webhooks") == []


def test_a_development_deployment_takes_a_local_url(api_settings, storage, alpha) -> None:
    local = api_settings.model_copy(update={"egress_allow_private": True})
    body = GIVEN | {"url": "http://127.0.0.1:9000/hook"}
    with TestClient(create_app(local, storage=storage)) as client:
        assert client.post(path(alpha), headers=alpha.headers, json=body).status_code == 201


def test_there_are_at_most_ten_endpoints(client, alpha, made) -> None:
    for _ in range(MAX_ENDPOINTS - 1):
        assert client.post(path(alpha), headers=alpha.headers, json=GIVEN).status_code == 201
    answer = client.post(path(alpha), headers=alpha.headers, json=GIVEN)
    problem(answer, 409, "too_many_webhooks")
    client.delete(path(alpha, made["id"]), headers=alpha.headers)
    assert client.post(path(alpha), headers=alpha.headers, json=GIVEN).status_code == 201


def test_an_endpoint_is_changed_switched_off_and_on(client, world, alpha, made) -> None:
    url = path(alpha, made["id"])
    body = {"events": ["review.needed"], "enabled": False, "description": "ours"}
    changed = client.patch(url, headers=alpha.headers, json=body).json()
    assert (changed["events"], changed["enabled"]) == (["review.needed"], False)
    assert (changed["disabled_by"], changed["description"]) == ("person", "ours")
    assert changed["url"] == URL
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE webhooks SET consecutive_failures = 10"))
    again = client.patch(url, headers=alpha.headers, json={"enabled": True}).json()
    assert (again["enabled"], again["disabled_by"], again["disabled_at"]) == (True, None, None)
    assert again["consecutive_failures"] == 0
    audited = rows(world, "SELECT * FROM audit_events ORDER BY sequence")
    assert [row.action for row in audited][-2:] == ["webhook.changed"] * 2
    assert audited[-1].before == {"enabled": False}
    answer = client.patch(url, headers=alpha.headers, json={"url": "https://10.0.0.1/"})
    problem(answer, 422, "validation_failed")


def test_a_rotation_gives_a_new_secret_and_lets_the_old_sign_for_a_day(
    client, world, alpha, made
) -> None:
    answer = client.post(path(alpha, made["id"], "rotate-secret"), headers=alpha.headers)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["secret"] != made["secret"]
    found = rows(
        world,
        "SELECT extract(epoch FROM expires_at - now()) AS left_s FROM webhook_secrets"
        " ORDER BY created_at",
    )
    assert 86_000 < found[0].left_s <= 86_400
    assert found[1].left_s is None


def test_a_deleted_endpoint_is_gone_and_its_secrets_end(client, world, alpha, made) -> None:
    url = path(alpha, made["id"])
    answer = client.delete(url, headers=alpha.headers)
    assert answer.json() == {"deleted": True, "webhook_id": made["id"]}
    for again in (client.get(url, headers=alpha.headers),
                  client.delete(url, headers=alpha.headers),
                  client.get(url + "/deliveries", headers=alpha.headers)):  # fmt: skip
        problem(again, 404, "not_found")
    assert client.get(path(alpha), headers=alpha.headers).json()["webhooks"] == []
    assert rows(world, "SELECT FROM webhook_secrets WHERE expires_at > now()") == []
    assert rows(world, "SELECT FROM webhook_secrets WHERE expires_at IS NULL") == []


def test_a_test_event_is_sent_also_to_one_that_is_switched_off(
    client, world, alpha, made, pipeline
) -> None:
    url = path(alpha, made["id"])
    client.patch(url, headers=alpha.headers, json={"enabled": False})
    answer = client.post(url + "/test", headers=alpha.headers)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    [ref] = pipeline.deliveries
    assert (str(ref.event_id), str(ref.webhook_id)) == (answer.json()["event_id"], made["id"])
    [event] = rows(world, "SELECT type, payload FROM webhook_events")
    assert event.type == "webhook.test"
    assert made["id"] in event.payload


def test_an_organization_sends_ten_tests_a_minute(client, world, alpha, made) -> None:
    url = path(alpha, made["id"], "test")
    answers = [client.post(url, headers=alpha.headers) for _ in range(12)]
    sent = [answer for answer in answers if answer.status_code == 202]
    assert 10 <= len(sent) <= 11  # a slow run may earn one more in six seconds
    body = problem(answers[-1], 429, "rate_limited") if len(sent) == 10 else {}
    assert body.get("policy", "webhook_tests") == "webhook_tests"
    assert len(rows(world, "SELECT FROM webhook_events")) == len(sent)


def test_while_temporal_is_away_a_test_waits_for_the_sweep(
    client, world, alpha, made, pipeline
) -> None:
    pipeline.away = True
    answer = client.post(path(alpha, made["id"], "test"), headers=alpha.headers)
    assert answer.status_code == 202
    [row] = rows(world, "SELECT status FROM webhook_deliveries")
    assert row.status == "pending"


def test_the_log_shows_every_attempt_by_page_status_and_event(client, world, alpha, made) -> None:
    first = delivery(world, alpha, made, status="delivered", attempts=2, last_status_code=204)
    for number, status in ((1, None), (2, 204)):
        add_attempt(world, alpha.id, first, number, status)
    second = delivery(world, alpha, made, event_type="webhook.test")
    url = path(alpha, made["id"], "deliveries")

    def get(**query: Any) -> dict[str, Any]:
        return dict(client.get(url, headers=alpha.headers, params=query).json())

    page = get(limit=1, include="total")
    assert [d["id"] for d in page["deliveries"]] == [str(second)]
    assert page["pagination"]["total"] == 2
    assert page["deliveries"][0]["next_attempt_at"] is not None
    rest = get(limit=1, cursor=page["pagination"]["next_cursor"])
    [found] = rest["deliveries"]
    assert (found["id"], found["next_attempt_at"]) == (str(first), None)
    assert [(a["number"], a["status_code"], a["problem"]) for a in found["attempts"]] == [
        (1, None, "timeout"), (2, 204, None),
    ]  # fmt: skip
    assert [d["id"] for d in get(status="delivered")["deliveries"]] == [str(first)]
    assert [d["id"] for d in get(event="webhook.test")["deliveries"]] == [str(second)]
    assert get(event="report.completed")["deliveries"] == []


def add_attempt(world, organization_id: UUID, delivery_id: UUID, number: int, status: Any) -> None:
    with world.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO webhook_attempts (organization_id, delivery_id, number, status_code,"
                " problem, duration_ms) VALUES (:o, :d, :n, :s, :p, 7)"
            ),
            {
                "o": organization_id,
                "d": delivery_id,
                "n": number,
                "s": status,
                "p": None if status else "timeout",
            },
        )


def test_a_delivery_that_has_ended_is_sent_anew_with_as_many_attempts(
    client, world, alpha, made, pipeline
) -> None:
    ended = delivery(world, alpha, made, status="failed", attempts=8)
    url = path(alpha, made["id"], "deliveries", ended, "resend")
    answer = client.post(url, headers=alpha.headers)
    assert answer.status_code == 202
    [row] = rows(world, "SELECT * FROM webhook_deliveries")
    assert (row.status, row.attempts, row.attempts_before) == ("pending", 8, 8)
    [ref] = pipeline.deliveries
    assert (ref.event_id, str(ref.webhook_id)) == (row.event_id, made["id"])
    problem(client.post(url, headers=alpha.headers), 409, "delivery_pending")
    other = path(alpha, made["id"], "deliveries", uuid4(), "resend")
    problem(client.post(other, headers=alpha.headers), 404, "not_found")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.USER, Role.MANAGER])
def test_only_admins_manage_webhooks(client, world, alpha, made, role) -> None:
    headers = world.person(f"{role}@alpha.example", (alpha.id, role))
    for method, url in (
        ("get", path(alpha)), ("post", path(alpha)), ("get", path(alpha, made["id"])),
        ("delete", path(alpha, made["id"])), ("post", path(alpha, made["id"], "test")),
        ("post", path(alpha, made["id"], "rotate-secret")),
        ("get", path(alpha, made["id"], "deliveries")),
    ):  # fmt: skip
        body = GIVEN if (method, url) == ("post", path(alpha)) else None
        problem(client.request(method, url, headers=headers, json=body), 403, "permission_denied")


def test_an_admin_of_some_projects_only_is_refused_for_events_tell_of_all(
    client, world, alpha, made
) -> None:
    project = world.project(alpha.id, "One")
    headers = world.person(
        "some@alpha.example", (alpha.id, Role.ADMIN), permissions={"projects": [str(project)]}
    )
    problem(client.get(path(alpha), headers=headers), 403, "permission_denied")
    answer = client.post(path(alpha), headers=headers, json=GIVEN)
    problem(answer, 403, "permission_denied")


def test_every_change_is_audited_without_a_secret(client, world, alpha, made) -> None:
    url = path(alpha, made["id"])
    for more in ("rotate-secret", "test"):
        client.post(f"{url}/{more}", headers=alpha.headers)
    client.delete(url, headers=alpha.headers)
    audited = rows(world, "SELECT * FROM audit_events WHERE object_type = 'webhook'")
    assert {row.action for row in audited} == {
        "webhook.created", "webhook.secret_rotated", "webhook.tested", "webhook.deleted",
    }  # fmt: skip
    assert all(row.object_id == UUID(made["id"]) for row in audited)
    assert "whsec" not in str(audited)


def test_the_audit_trail_tells_where_events_go_without_the_receivers_secret(
    client, world, alpha
) -> None:
    first = {"url": "https://hooks.example.org:8443/T0/SECRET?token=s3cr3t"}
    made = client.post(path(alpha), headers=alpha.headers, json=GIVEN | first).json()
    url = path(alpha, made["id"])
    second = {"url": "https://hooks.example.org:8443/T0/OTHER"}
    client.patch(url, headers=alpha.headers, json=second)
    client.delete(url, headers=alpha.headers)
    told = rows(world, "SELECT * FROM audit_events WHERE object_type = 'webhook' ORDER BY sequence")
    assert not any(word in str(told) for word in ("SECRET", "s3cr3t", "OTHER", "token"))
    digests = [sha256(one["url"].encode()).hexdigest()[:16] for one in (first, second)]
    before, after = (f"https://hooks.example.org:8443/… (sha256 {digest})" for digest in digests)
    assert (told[0].after["url"], told[1].before, told[1].after) == (
        before, {"url": before}, {"url": after},
    )  # fmt: skip
    assert told[2].before == {"url": after}
