"""Guesses at a password: a stranger's wait, the owner never does where the owner is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, text

from api.errors import ApiError
from api.throttles import ACCOUNT_GUESSES, Attempt, admit, network_of

HOME, ELSEWHERE, STRANGER = "198.51.100.7", "192.0.2.44", "203.0.113.5"
PASSWORD = "a pass phrase of several words"
From = Callable[[str], TestClient]


def problem(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


@pytest.fixture
def from_(client: TestClient) -> From:
    """Return clients of the same application at other addresses."""

    def at(address: str) -> TestClient:
        return TestClient(client.app, client=(address, 40_000))

    return at


def log_in(client: TestClient, email: str, password: str = PASSWORD) -> Any:
    return client.post("/v1/auth/login", json={"email": email, "password": password})


def guess(client: TestClient, email: str, times: int) -> None:
    for _ in range(times):
        log_in(client, email, "wrong")


def drain(engine: Engine, email: str) -> None:
    """Leave an account's bucket as a hundred guesses from many addresses do."""
    with engine.begin() as connection:
        changed = connection.execute(
            text("UPDATE login_throttles SET full_at = now() + interval '5 h' WHERE subject = :s"),
            {"s": Attempt(email, "", "").account_subject},
        )
    assert changed.rowcount == 1


def test_a_strangers_guesses_do_not_keep_the_owner_out(from_, alpha) -> None:
    guess(from_(STRANGER), alpha.email, 7)
    problem(log_in(from_(STRANGER), alpha.email), 429, "too_many_attempts")
    assert log_in(from_(HOME), alpha.email).status_code == 200
    assert log_in(from_(ELSEWHERE), alpha.email).status_code == 200


def test_guesses_from_everywhere_stop_new_places_and_not_a_known_one(
    from_, alpha, admin_engine
) -> None:
    assert log_in(from_(HOME), alpha.email).status_code == 200
    guess(from_(STRANGER), alpha.email, 1)
    drain(admin_engine, alpha.email)
    refused = log_in(from_(ELSEWHERE), alpha.email)
    problem(refused, 429, "too_many_attempts")
    assert 179 <= int(refused.headers["retry-after"]) <= 181  # one comes back in three minutes
    assert log_in(from_(HOME), alpha.email).status_code == 200


def test_a_known_place_is_one_of_its_own_account_only(from_, world, alpha, beta, admin_engine):
    assert log_in(from_(HOME), alpha.email).status_code == 200
    guess(from_(STRANGER), beta.email, 1)
    drain(admin_engine, beta.email)
    problem(log_in(from_(HOME), beta.email), 429, "too_many_attempts")


def test_a_known_place_has_a_counter_as_well(from_, alpha) -> None:
    assert log_in(from_(HOME), alpha.email).status_code == 200
    for _ in range(5):
        problem(log_in(from_(HOME), alpha.email, "wrong"), 401, "invalid_credentials")
    problem(log_in(from_(HOME), alpha.email), 429, "too_many_attempts")


def test_a_place_is_forgotten_after_a_hundred_days(from_, alpha, admin_engine) -> None:
    assert log_in(from_(HOME), alpha.email).status_code == 200
    guess(from_(STRANGER), alpha.email, 1)
    drain(admin_engine, alpha.email)
    with admin_engine.begin() as connection:
        connection.execute(
            text("UPDATE login_throttles SET proved_at = proved_at - interval '100 days'")
        )
    problem(log_in(from_(HOME), alpha.email), 429, "too_many_attempts")


def test_a_neighbour_who_guesses_at_many_accounts_does_not_keep_the_owner_out(from_, alpha) -> None:
    assert log_in(from_(HOME), alpha.email).status_code == 200
    for number in range(22):
        guess(from_(HOME), f"nobody{number}@alpha.example", 1)
    problem(log_in(from_(HOME), "somebody@alpha.example"), 429, "too_many_attempts")
    assert log_in(from_(HOME), alpha.email).status_code == 200


def test_an_own_login_does_not_open_an_address_that_waits(from_, alpha) -> None:
    # else whoever has an account guesses at others without ever waiting
    assert log_in(from_(STRANGER), alpha.email).status_code == 200
    for number in range(22):
        guess(from_(STRANGER), f"nobody{number}@alpha.example", 1)
    assert log_in(from_(STRANGER), alpha.email).status_code == 200
    problem(log_in(from_(STRANGER), "somebody@alpha.example"), 429, "too_many_attempts")


def test_right_passwords_take_nothing_from_the_account(from_, alpha, admin_engine) -> None:
    for _ in range(3):
        assert log_in(from_(HOME), alpha.email).status_code == 200
    with admin_engine.connect() as connection:
        left = connection.scalar(
            text("SELECT full_at <= clock_timestamp() FROM login_throttles WHERE subject = :s"),
            {"s": Attempt(alpha.email, "", "").account_subject},
        )
    assert left is True


def test_who_waits_takes_nothing_from_the_account(from_, alpha, admin_engine) -> None:
    guess(from_(STRANGER), alpha.email, 30)  # five were looked at, perhaps one or two more
    with admin_engine.connect() as connection:
        taken = connection.scalar(
            text("SELECT failures FROM login_throttles WHERE subject = :s"),
            {"s": Attempt(alpha.email, "", "").account_subject},
        )
    assert 5 <= taken < 10 < ACCOUNT_GUESSES


def test_all_addresses_of_an_ipv6_network_are_one_place(from_, alpha) -> None:
    for host in range(1, 6):
        guess(from_(f"2001:db8:1:2::{host}"), alpha.email, 1)
    problem(log_in(from_("2001:db8:1:2:ffff::9"), alpha.email), 429, "too_many_attempts")
    assert log_in(from_("2001:db8:1:3::1"), alpha.email).status_code == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # a dual-stack socket tells IPv4 so
        ("2001:DB8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_is_counted_by_its_network(address, network) -> None:
    assert network_of(address) == network


def statements_of(client: TestClient, engine: Engine, attempt: Attempt) -> list[str]:
    """Return what an admission sends to the database."""
    sent: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        admit(client.app.state.services, attempt)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return sent


def test_known_and_unknown_mail_cost_the_same_statements(client, from_, alpha) -> None:
    assert log_in(from_(HOME), alpha.email).status_code == 200
    engine = client.app.state.services.auth_engine
    tries = [
        Attempt(alpha.email, "x", HOME),
        Attempt(alpha.email, "x", ELSEWHERE),
        Attempt("nobody@alpha.example", "x", ELSEWHERE),
    ]
    sent = [statements_of(client, engine, attempt) for attempt in tries]
    assert len(sent[0]) == 4
    assert sent[0] == sent[1] == sent[2]


def test_a_burst_at_an_account_is_counted_one_by_one(client, alpha) -> None:
    services = client.app.state.services

    async def burst() -> list[bool]:
        async def one(number: int) -> bool:
            attempt = Attempt(alpha.email, "x", f"192.0.2.{number % 40}")
            try:
                await asyncio.to_thread(admit, services, attempt)
            except ApiError:
                return False
            return True

        return list(await asyncio.gather(*(one(number) for number in range(160))))

    # 40 places with five each would be 160; the account has a hundred
    assert sum(asyncio.run(burst())) == ACCOUNT_GUESSES


def test_an_address_that_waits_leaves_no_trace_of_further_accounts(
    from_, alpha, admin_engine
) -> None:
    def rows() -> int:
        with admin_engine.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM login_throttles")) or 0

    for number in range(21):
        guess(from_(STRANGER), f"nobody{number}@alpha.example", 1)
    problem(log_in(from_(STRANGER), "more@alpha.example"), 429, "too_many_attempts")
    before = rows()
    for number in range(30):
        guess(from_(STRANGER), f"another{number}@alpha.example", 1)
        guess(from_(STRANGER), alpha.email, 1)
    assert rows() == before
    # what was refused there does not make the owner wait, wherever that is
    assert log_in(from_(HOME), alpha.email).status_code == 200


def test_a_known_place_counts_its_guesses_while_its_address_waits(from_, alpha) -> None:
    assert log_in(from_(HOME), alpha.email).status_code == 200
    for number in range(22):
        guess(from_(HOME), f"nobody{number}@alpha.example", 1)
    guess(from_(HOME), alpha.email, 6)
    problem(log_in(from_(HOME), alpha.email), 429, "too_many_attempts")
