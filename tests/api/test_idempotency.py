"""Idempotency-Key: the same POST again is answered again, and takes effect once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import Response
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlmodel import Session

from api.app import create_app
from api.deps import ReaderDep, TenantDep
from api.idempotency import CURRENT, Attempt, fence, takes_key
from core.permissions import Role
from db.engine import tenant_session
from db.ids import uuid7
from db.queries import idempotency

REPORT = {"name": "Year", "report_type": "emission_summary", "file_format": "csv"}
REPORTS = "/v1/emissions/reports"


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


def post(client: TestClient, who: Any, key: str, url: str = REPORTS, **sent: Any) -> Any:
    headers = who if isinstance(who, dict) else who.headers
    sent = sent or {"json": REPORT}
    return client.post(url, headers=headers | {"Idempotency-Key": key}, **sent)


def count(engine: Any, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text(f"SELECT count(*) FROM {table}")))


def change(engine: Any, what: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE idempotency_keys SET {what}"))


def test_a_repetition_gets_the_first_answer_and_nothing_happens_twice(
    client, alpha, pipeline, admin_engine
) -> None:
    first, again = post(client, alpha, "k1"), post(client, alpha, "k1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert (count(admin_engine, "reports"), len(pipeline.reports)) == (1, 1)
    post(client, alpha, "k2")
    assert count(admin_engine, "reports") == 2


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (REPORTS, REPORT | {"name": "Other"}),
        (REPORTS + "?a=", REPORT),
        ("/v1/emission-factors", REPORT),
    ],
)
def test_a_key_that_comes_with_another_request_is_refused(client, alpha, url, body) -> None:
    post(client, alpha, "k")
    answer = post(client, alpha, "k", url, json=body)
    assert answer.status_code == 422
    if "?" not in url:  # an unknown parameter is refused before the key is looked at
        problem(answer, 422, "idempotency_key_reused")


def test_an_error_that_the_request_brought_about_is_repeated(client, alpha) -> None:
    bad = REPORT | {"file_format": "odt"}
    problem(post(client, alpha, "k", json=bad), 422, "validation_failed")
    again = post(client, alpha, "k", json=bad)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (422, "true")
    assert again.headers["content-type"] == "application/problem+json"
    problem(post(client, alpha, "k"), 422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ü", "a\tb"])
def test_a_malformed_key_is_422_and_is_not_echoed(client, alpha, key, admin_engine) -> None:
    answer = post(client, alpha, key.encode() if not key.isascii() else key)
    [fault] = problem(answer, 422, "validation_failed")["errors"]
    assert fault["pointer"] == "header/Idempotency-Key"
    assert len(key) < 2 or key not in answer.text
    assert count(admin_engine, "reports") == 0


def test_two_keys_in_one_request_are_refused(client, alpha) -> None:
    headers = [*alpha.headers.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    problem(client.post(REPORTS, headers=headers, json=REPORT), 422, "validation_failed")


def test_keys_of_other_organizations_and_people_never_meet(client, world, alpha, beta) -> None:
    third = world.person("carl@alpha.example", (alpha.id, Role.USER))
    ids = {post(client, who, "same").json()["report_id"] for who in (alpha, beta, third)}
    assert len(ids) == 3


def test_a_key_of_an_api_key_is_not_its_creators(client, alpha, admin_engine) -> None:
    made = [
        client.post(
            f"/v1/organizations/{alpha.id}/api-keys", headers=alpha.headers,
            json={"name": "Import", "role": "user"},
        ).json()["secret"]
        for _ in range(2)
    ]  # fmt: skip
    machines = [{"Authorization": f"Bearer {secret}"} for secret in made]
    callers = [*machines, alpha.headers]
    ids = [post(client, who, "same").json()["report_id"] for who in callers]
    assert len(set(ids)) == 3
    assert [post(client, who, "same").json()["report_id"] for who in callers] == ids
    files = [
        post(client, who, "up", "/v1/files", files={"file": ("a.csv", b"a,b\n%d,2\n" % number)})
        for number, who in enumerate(callers)
    ]
    assert [answer.status_code for answer in files] == [202, 202, 202]
    with admin_engine.connect() as connection:
        owners = connection.scalars(text("SELECT DISTINCT user_id FROM files")).all()
    assert len(owners) == 1  # what a key uploads is its creator's


def test_a_replay_needs_the_right_of_the_moment(client, world, alpha, admin_engine) -> None:
    assert post(client, alpha, "k").status_code == 202
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE user_organization_roles SET role = 'viewer'"))
    problem(post(client, alpha, "k"), 403, "permission_denied")


def test_what_was_refused_for_want_of_rights_is_not_kept(client, world, alpha, admin_engine):
    viewer = world.person("v@alpha.example", (alpha.id, Role.VIEWER))
    problem(post(client, viewer, "k"), 403, "permission_denied")
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE user_organization_roles SET role = 'user'"))
    assert post(client, viewer, "k").status_code == 202


def test_uploads_are_compared_by_their_bytes_and_not_by_their_boundary(
    client, alpha, pipeline, admin_engine
) -> None:
    def upload(content: bytes, **data: str) -> Any:
        return post(client, alpha, "k", "/v1/files", files={"file": ("a.csv", content)}, data=data)

    first = upload(b"Activity,Quantity,Unit\nDiesel,1,litres\n")
    again = upload(b"Activity,Quantity,Unit\nDiesel,1,litres\n")
    assert (first.status_code, again.status_code) == (202, 202)
    assert (again.content, len(pipeline.started)) == (first.content, 1)
    other = upload(b"Activity,Quantity,Unit\nDiesel,2,litres\n")
    problem(other, 422, "idempotency_key_reused")
    other = upload(b"Activity,Quantity,Unit\nDiesel,1,litres\n", region="GB")
    problem(other, 422, "idempotency_key_reused")


def test_of_sixteen_at_once_one_takes_effect(client, alpha, admin_engine) -> None:
    barrier = threading.Barrier(16)

    def one(_: int) -> Any:
        barrier.wait()
        return post(client, alpha, "k")

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(one, range(16)))
    assert count(admin_engine, "reports") == 1
    assert {a.status_code for a in answers} <= {202, 409}
    assert len({a.content for a in answers if a.status_code == 202}) == 1
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "idempotency_in_flight")
            assert int(answer.headers["retry-after"]) > 0


def test_a_dead_attempt_without_effect_is_taken_over_once_it_is_old(
    client, alpha, admin_engine
) -> None:
    post(client, alpha, "k")
    died = "answered_at = NULL, status = NULL, body = NULL, effect_at = NULL"
    change(admin_engine, died)
    problem(post(client, alpha, "k"), 409, "idempotency_in_flight")
    change(admin_engine, "reserved_at = now() - interval '61 seconds'")
    problem(post(client, alpha, "k", json=REPORT | {"name": "B"}), 422, "idempotency_key_reused")
    assert post(client, alpha, "k").status_code == 202
    assert count(admin_engine, "reports") == 2


def test_a_dead_attempt_that_took_effect_is_never_repeated(client, alpha, admin_engine) -> None:
    first = post(client, alpha, "k")
    change(admin_engine, "answered_at = NULL, status = NULL, body = NULL")
    problem(post(client, alpha, "k"), 409, "idempotency_in_flight")
    change(admin_engine, "reserved_at = now() - interval '61 seconds'")
    lost = problem(post(client, alpha, "k"), 409, "idempotency_outcome_lost")
    assert lost["first_request_id"] == first.headers["x-request-id"]
    assert count(admin_engine, "reports") == 1


def test_an_attempt_whose_key_was_taken_over_commits_nothing(
    client, alpha, admin_engine, monkeypatch
) -> None:
    from db.queries import reports

    add = reports.add_report

    def slow(session: Session, *rest: Any) -> None:
        add(session, *rest)
        change(admin_engine, f"attempt = '{uuid7()}'")  # what a take-over does

    monkeypatch.setattr(reports, "add_report", slow)
    problem(post(client, alpha, "k"), 409, "idempotency_in_flight")
    assert count(admin_engine, "reports") == 0
    assert count(admin_engine, "audit_events") == 0


def test_a_failure_on_our_side_gives_the_key_back(client, alpha, monkeypatch) -> None:
    from api import reports

    def broken(*_: Any) -> Any:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(reports, "store", broken)
        problem(post(client, alpha, "k"), 500, "internal_error")
    assert post(client, alpha, "k").status_code == 202


def test_a_failure_after_the_commit_is_not_repeated(
    client, alpha, monkeypatch, admin_engine
) -> None:
    from api.routes import reports

    async def broken(*given: Any) -> Any:
        await real(*given)
        raise RuntimeError

    real = reports.reports.request
    with monkeypatch.context() as patch:
        patch.setattr(reports.reports, "request", broken)
        problem(post(client, alpha, "k"), 500, "internal_error")
    problem(post(client, alpha, "k"), 409, "idempotency_in_flight")
    change(admin_engine, "reserved_at = now() - interval '61 seconds'")
    problem(post(client, alpha, "k"), 409, "idempotency_outcome_lost")
    assert count(admin_engine, "reports") == 1


def test_after_a_day_a_key_is_new_and_the_sweep_forgets_it(
    client, alpha, admin_engine, platform_engine
) -> None:
    post(client, alpha, "k")
    change(admin_engine, "created_at = now() - interval '25 hours'")
    assert "idempotency-replayed" not in post(client, alpha, "k").headers
    assert count(admin_engine, "reports") == 2
    with Session(platform_engine) as session:
        assert idempotency.purge(session) == 0
        session.commit()
        change(admin_engine, "created_at = now() - interval '25 hours'")
        assert idempotency.purge(session) == 1
        session.commit()


def test_an_answer_that_says_no_store_is_not_stored(
    api_settings, storage, world, alpha, admin_engine
) -> None:
    """What is shown once must not lie in the table: a repetition is told so."""
    app = create_app(api_settings, storage=storage)

    @app.post("/v1/secrets", status_code=201)
    def make_secret(who: ReaderDep, session: TenantDep, response: Response) -> dict[str, str]:
        session.execute(text("UPDATE organizations SET name = 'changed'"))
        session.commit()
        response.headers["Cache-Control"] = "no-store"
        return {"secret": "shown-once"}

    with TestClient(app) as client:
        first = post(client, alpha, "k", "/v1/secrets", json={})
        assert first.json() == {"secret": "shown-once"}
        problem(post(client, alpha, "k", "/v1/secrets", json={}), 409, "idempotency_outcome_lost")
    with admin_engine.connect() as connection:
        [stored] = connection.scalars(text("SELECT idempotency_keys::text FROM idempotency_keys"))
    assert "shown-once" not in stored
    assert b"shown-once".hex() not in stored


def test_tokens_are_never_stored(client, alpha, admin_engine) -> None:
    login = {"email": alpha.email, "password": "a pass phrase of several words"}
    headers = {"Idempotency-Key": "k"}
    tokens = [
        client.post("/v1/auth/login", json=login, headers=headers).json()["access_token"]
        for _ in range(2)
    ]
    assert tokens[0] != tokens[1]
    assert count(admin_engine, "idempotency_keys") == 0
    assert not takes_key("POST", "/v1/auth/login")


def test_only_the_organization_of_the_key_is_fenced(alpha, beta, app_engine) -> None:
    claim = idempotency.Claim(alpha.id, uuid7(), "k", uuid7(), "f", "r")
    token = CURRENT.set(Attempt("k", claim, fenced=True))
    try:
        with tenant_session(app_engine, beta.id) as session:
            fence(session)  # nothing of another organization's is marked or refused
    finally:
        CURRENT.reset(token)


def test_every_post_but_those_of_auth_documents_the_key(client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    seen = 0
    for path, methods in paths.items():
        for method, operation in methods.items():
            names = {p["name"] for p in operation.get("parameters", []) if p["in"] == "header"}
            wanted = takes_key(method.upper(), path)
            assert ("Idempotency-Key" in names) is wanted, (method, path)
            if wanted:
                seen += 1
                examples = operation["responses"]["409"]["content"]["application/problem+json"]
                assert "idempotency_in_flight" in examples["examples"]
    assert seen >= 8
