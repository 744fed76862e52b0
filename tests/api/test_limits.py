"""Rate limits and the quota of uploads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.app import create_app
from api.limits import WINDOW_S, Limited, Limiter
from core.permissions import Role
from db.ids import uuid7

REPORT = {"name": "Year", "report_type": "emission_summary", "file_format": "csv"}


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


class Clock:
    """A process's clock that the test turns."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def small(request: Any, api_settings, storage, world) -> Iterator[TestClient]:
    """A client of an application with the limits of the test's parameter."""
    with TestClient(
        create_app(api_settings.model_copy(update=request.param), storage=storage)
    ) as c:
        yield c


limits = pytest.mark.parametrize


@limits("small", [{"rate_limit_organization": 5, "rate_limit_user": 3}], indirect=True)
def test_a_user_meets_the_limit_and_is_told_when_to_come_back(small, alpha) -> None:
    for left in (2, 1, 0):
        answer = small.get("/v1/files", headers=alpha.headers)
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"user";q=3;w=60, "org";q=5;w=60'
        assert answer.headers["ratelimit"].startswith(f'"user";r={left};t=')
    answer = small.get("/v1/files", headers=alpha.headers)
    problem(answer, 429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 20  # one permit in 60 s / 3
    assert re.match(r'"user";r=0;t=\d+', answer.headers["ratelimit"])
    assert small.get("/livez").status_code == 200
    assert "ratelimit" not in small.get("/readyz").headers


def keys_of(client: TestClient, engine: Engine, tenant: Any, number: int) -> list[dict[str, str]]:
    """Make API keys; return the headers of their requests, and every bucket full."""
    url, body = f"/v1/organizations/{tenant.id}/api-keys", {"name": "Import", "role": "user"}
    made = [client.post(url, headers=tenant.headers, json=body).json() for _ in range(number)]
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM rate_limits"))
    return [{"Authorization": f"Bearer {one['secret']}"} for one in made]


@limits("small", [{"rate_limit_user": 3}], indirect=True)
def test_an_api_key_has_a_users_limit_of_its_own(small, client, alpha, admin_engine) -> None:
    for headers in (*keys_of(client, admin_engine, alpha, 2), alpha.headers):
        for _ in range(3):
            assert small.get("/v1/files", headers=headers).status_code == 200
        body = problem(small.get("/v1/files", headers=headers), 429, "rate_limited")
        assert body["policy"] == "user"


@limits("small", [{"rate_limit_organization": 4}], indirect=True)
def test_keys_share_the_limit_of_their_organization(small, client, alpha, admin_engine) -> None:
    callers = [*keys_of(client, admin_engine, alpha, 2), alpha.headers]
    for headers in (callers[0], callers[1], callers[2], callers[0]):
        assert small.get("/v1/files", headers=headers).status_code == 200
    for headers in callers:
        body = problem(small.get("/v1/files", headers=headers), 429, "rate_limited")
        assert body["policy"] == "org"


@limits("small", [{"rate_limit_organization": 4}], indirect=True)
def test_an_organization_shares_its_limit_and_no_other_feels_it(small, world, alpha, beta) -> None:
    second = world.person("second@alpha.example", (alpha.id, Role.VIEWER))
    for headers in (alpha.headers, second, alpha.headers, second):
        assert small.get("/v1/files", headers=headers).status_code == 200
    for headers in (alpha.headers, second):
        body = problem(small.get("/v1/files", headers=headers), 429, "rate_limited")
        assert body["policy"] == "org"
    assert small.get("/v1/files", headers=beta.headers).status_code == 200


@limits("small", [{"rate_limit_reports": 1, "rate_limit_uploads": 1}], indirect=True)
def test_what_is_dear_has_a_limit_of_its_own(small, alpha) -> None:
    url = "/v1/emissions/reports"
    assert small.post(url, headers=alpha.headers, json=REPORT).status_code == 202
    problem(small.post(url, headers=alpha.headers, json=REPORT), 429, "rate_limited")
    assert small.get(url, headers=alpha.headers).status_code == 200
    form = {"file": ("a.csv", b"a,b\n1,2\n")}
    assert small.post("/v1/files", headers=alpha.headers, files=form).status_code == 202
    problem(small.post("/v1/files", headers=alpha.headers, files=form), 429, "rate_limited")


@limits("small", [{"rate_limit_reports": 1}], indirect=True)
def test_a_429_is_not_what_an_idempotency_key_repeats(small, world, alpha, admin_engine) -> None:
    url, headers = "/v1/emissions/reports", alpha.headers | {"Idempotency-Key": "k"}
    assert small.post(url, headers=alpha.headers, json=REPORT).status_code == 202
    problem(small.post(url, headers=headers, json=REPORT), 429, "rate_limited")
    with admin_engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE rate_limits")
    small.app.state.services.limiter._leases.clear()
    assert small.post(url, headers=headers, json=REPORT).status_code == 202


NONE = dict.fromkeys(
    [f"rate_limit_{n}" for n in ("organization", "user", "uploads", "reports", "recalculations")], 0
)


@limits("small", [NONE], indirect=True)
def test_zero_turns_a_limit_off(small, alpha) -> None:
    answer = small.get("/v1/files", headers=alpha.headers)
    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


def test_every_authenticated_answer_tells_the_limits(client, alpha) -> None:
    for path in ("/v1/auth/me", "/v1/organizations", "/v1/files", f"/v1/files/{uuid7()}"):
        answer = client.get(path, headers=alpha.headers)
        assert answer.headers["ratelimit-policy"].startswith('"user";q=')
        assert answer.headers["ratelimit"].startswith('"user";r=')
    assert "ratelimit" not in client.get("/v1/files").headers


def test_processes_share_a_bucket_and_exceed_it_by_nothing(app_engine) -> None:
    # 200 a minute, handfuls of 4: two processes take turns until the bucket is empty
    subject, clock = uuid7(), Clock()
    processes = [Limiter(app_engine, {"org": 200}, clock) for _ in range(2)]
    passed = 0
    for n in range(400):
        try:
            processes[n % 2].charge("org", subject)
            passed += 1
        except Limited:
            continue
    assert 200 <= passed <= 200 + 200 * 2 // 60 * 10  # what refills while the test runs


def test_sixteen_threads_use_no_permit_twice(app_engine) -> None:
    limiter, subject = Limiter(app_engine, {"org": 100}, Clock()), uuid7()

    def one(_: int) -> bool:
        try:
            return limiter.charge("org", subject) is not None
        except Limited:
            return False

    with ThreadPoolExecutor(16) as threads:
        passed = sum(threads.map(one, range(300)))
    assert 100 <= passed <= 120


def test_a_refused_caller_does_not_reach_the_database_until_it_is_time(app_engine) -> None:
    clock, subject = Clock(), uuid7()
    limiter = Limiter(app_engine, {"org": 1}, clock)
    limiter.charge("org", subject)
    with pytest.raises(Limited):
        limiter.charge("org", subject)
    limiter._engine = None  # type: ignore[assignment]  # asking it would raise
    with pytest.raises(Limited) as refused:
        limiter.charge("org", subject)
    assert 1 <= int(refused.value.headers["Retry-After"]) <= WINDOW_S


@limits("small", [{"upload_daily_max_bytes": 100}], indirect=True)
def test_the_bytes_of_a_day_are_limited_and_deleted_ones_count(
    small, world, alpha, beta, admin_engine
) -> None:
    def upload(who: Any, content: bytes) -> Any:
        form = {"file": ("a.csv", content)}
        return small.post("/v1/files", headers=who.headers, files=form)

    assert upload(alpha, b"a,b\n" + b"1,2\n" * 20).status_code == 202
    with admin_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE files SET deleted_at = now()")
    answer = upload(alpha, b"a,b\n" + b"3,4\n" * 20)
    body = problem(answer, 429, "upload_quota_exceeded")
    assert body["limit_bytes"] == 100
    assert 1 <= int(answer.headers["retry-after"]) <= 24 * 3600
    assert upload(beta, b"a,b\n" + b"3,4\n" * 20).status_code == 202
    with admin_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE files SET created_at = now() - interval '1 day'")
    assert upload(alpha, b"a,b\n" + b"3,4\n" * 20).status_code == 202
