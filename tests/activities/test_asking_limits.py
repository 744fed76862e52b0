"""When a provider is not asked: too many requests, failures, the breaker, the budget."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError, CancelledError

from activities.asking import ATTEMPTS
from core.records import Decision, Method, Outcome
from db.engine import tenant_session
from db.queries import model_calls
from db.queries.model_calls import RESERVED_FOR, Cost
from tests.activities.asked import (
    START,
    World,
    environment,
)
from tests.model_answers import Mode
from tests.model_server import Behaviour, status

NOTHING_LEFT = Cost(1, 0.0)
# Of this database: other test processes have theirs on the same server.
LOCKS = (
    "SELECT pid, state FROM pg_stat_activity JOIN pg_locks USING (pid)"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)
WAITING = f"{LOCKS} AND NOT granted"


@pytest.fixture
def world(asking_world: World) -> World:
    return asking_world


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


@pytest.mark.parametrize(("told", "delay"), [("7", 7.0), (None, None)])
def test_too_many_requests_are_retried_when_the_provider_says(
    world: World, told: str | None, delay: float | None
) -> None:
    world.server.behave(Behaviour(Mode.RATE_LIMITED, retry_after=told))
    with pytest.raises(ApplicationError) as raised:
        world.decide(world.model(), "Diesel")
    assert raised.value.type == "RateLimited"
    assert not raised.value.non_retryable
    found = raised.value.next_retry_delay
    assert (found.total_seconds() if found else None) == delay
    assert "Diesel" not in str(raised.value)
    assert world.sql("SELECT * FROM model_spend") == []
    [state] = world.sql("SELECT * FROM model_breakers")
    assert state.failures == 0


@pytest.mark.parametrize("behaviour", [status(500), Mode.DROP, Mode.NOT_JSON, Mode.NO_CHOICES])
def test_a_provider_that_is_away_is_asked_again_and_at_last_our_own_ranker_decides(
    world: World, behaviour: Behaviour | Mode
) -> None:
    model = world.model()
    world.server.behave(behaviour, behaviour)
    with pytest.raises(ApplicationError) as raised:
        world.decide(model, "Diesel")
    assert (raised.value.type, raised.value.non_retryable) == ("Unavailable", False)
    assert raised.value.next_retry_delay is None  # the policy's
    [decision] = world.decide(model, "Diesel", attempt=ATTEMPTS)
    assert (decision.method, decision.outcome) == (Method.FALLBACK, Outcome.MATCHED)
    assert decision.factor_id == world.factors[0].id
    assert codes(decision)[-1] == "model_unavailable"
    assert world.sql("SELECT * FROM model_calls") == []
    assert world.sql("SELECT * FROM model_spend") == []


def test_a_call_that_hangs_is_a_provider_that_is_away(world: World) -> None:
    world.server.behave(Mode.HANG)
    with pytest.raises(ApplicationError) as raised:
        world.decide(world.model(timeout_s=0.3), "Diesel")
    assert raised.value.type == "Unavailable"
    assert len(world.server.requests) == 1


def test_a_wrong_key_ends_in_our_own_ranker_at_once_and_opens_the_breaker(world: World) -> None:
    model = world.model(key="sk-wrong")
    for _ in range(2):
        [decision] = world.decide(model, "Diesel")
        assert decision.method is Method.FALLBACK
    assert len(world.server.refused) == 1  # the second was not even asked
    assert codes(decision)[-1] == "model_unavailable"
    world.clock.pass_by(seconds=61)
    [probe] = world.decide(model, "Diesel")
    assert codes(probe)[-1] == "model_refused_call"
    assert len(world.server.refused) == 2


@pytest.mark.parametrize("behaviour", [status(400), status(422)], ids=str)
def test_a_refused_request_opens_no_breaker_for_other_organizations(
    world: World, behaviour: Behaviour
) -> None:
    model = world.model()
    world.server.behave(*[behaviour] * 6)
    for _ in range(6):
        [decision] = world.decide(model, "Diesel")
        assert codes(decision)[-1] == "model_refused_call"
        assert decision.method is Method.FALLBACK
    [fine] = world.decide(model, "Diesel", of=world.other)
    assert fine.method is Method.MODEL


def test_five_failures_open_the_breaker_and_one_probe_closes_it(world: World) -> None:
    model = world.model()
    world.server.behave(*[status(503)] * 5)
    for _ in range(5):
        with pytest.raises(ApplicationError):
            world.decide(model, "Diesel")
        world.clock.pass_by(seconds=5)
    [decision] = world.decide(world.model(), "Diesel")
    assert codes(decision)[-1] == "model_unavailable"
    assert len(world.server.requests) == 5
    world.clock.pass_by(seconds=60)
    thinking = threading.Event()
    world.server.choose = lambda _, labels: labels[int(not thinking.wait(30))]
    with ThreadPoolExecutor(1) as threads:
        probe = threads.submit(world.decide, model, "Diesel")
        world.server.wait_for(lambda: len(world.server.in_flight) == 1)
        [meanwhile] = world.decide(world.model(), "Petrol")
        assert meanwhile.method is Method.FALLBACK  # one probe at a time
        thinking.set()
        assert probe.result()[0].method is Method.MODEL
    assert world.decide(model, "Petrol")[0].method is Method.MODEL


def test_a_failed_probe_opens_the_breaker_again(world: World) -> None:
    model = world.model()
    world.server.behave(*[status(500)] * 6)
    for _ in range(5):
        world.decide(model, "Diesel", attempt=ATTEMPTS)
    world.clock.pass_by(seconds=61)
    world.decide(model, "Diesel", attempt=ATTEMPTS)
    world.decide(model, "Diesel")
    assert len(world.server.requests) == 6
    world.clock.pass_by(seconds=61)
    assert world.decide(model, "Diesel")[0].method is Method.MODEL


@pytest.mark.parametrize("why", [Mode.RATE_LIMITED, status(400)], ids=str)
def test_a_probe_that_tells_nothing_is_given_back(world: World, why: Mode | Behaviour) -> None:
    model = world.model()
    world.server.behave(*[status(500)] * 5, why)
    for _ in range(5):
        world.decide(model, "Diesel", attempt=ATTEMPTS)
    world.clock.pass_by(seconds=61)
    world.decide(model, "Diesel", attempt=ATTEMPTS)
    assert world.decide(model, "Diesel")[0].method is Method.MODEL


def test_a_probe_that_finds_no_budget_is_given_back(world: World) -> None:
    world.server.behave(*[status(500)] * 5)
    for _ in range(5):
        world.decide(world.model(), "Diesel", attempt=ATTEMPTS)
    world.clock.pass_by(seconds=61)
    assert codes(world.decide(world.model(NOTHING_LEFT), "Diesel")[0])[-1] == "budget_exhausted"
    assert world.decide(world.model(), "Diesel", of=world.other)[0].method is Method.MODEL


@pytest.mark.parametrize("daily", [NOTHING_LEFT, Cost(0, 1e-6)], ids=["tokens", "money"])
def test_without_budget_our_own_ranker_decides_and_nothing_is_asked(
    world: World, daily: Cost
) -> None:
    [decision] = world.decide(world.model(daily), "Diesel")
    assert (decision.method, decision.outcome) == (Method.FALLBACK, Outcome.MATCHED)
    assert codes(decision)[-1] == "budget_exhausted"
    assert world.server.requests == []
    assert world.sql("SELECT * FROM model_spend") == []


def test_what_was_reserved_is_settled_to_what_was_used(world: World) -> None:
    world.decide(world.model(Cost(100_000, 1.0)), "Diesel")
    [spend] = world.sql("SELECT * FROM model_spend")
    [call] = world.sql("SELECT * FROM model_calls")
    assert spend.reserved_until is None
    assert spend.spent_on == START.date()
    assert spend.tokens == call.input_tokens + call.output_tokens
    # two dollars a million in, eight out, six tokens of answer
    assert spend.cost_usd == pytest.approx((call.input_tokens * 2 + 6 * 8) / 1e6)
    assert call.cost_usd == spend.cost_usd


def test_a_server_that_counts_nothing_is_not_free_of_the_budget(world: World) -> None:
    world.server.behave(Mode.NO_USAGE)
    world.decide(world.model(), "Diesel")
    [spend] = world.sql("SELECT * FROM model_spend")
    assert spend.tokens > 500
    assert spend.cost_usd > 0.001


def test_a_day_has_its_own_budget_and_so_has_an_organization(world: World) -> None:
    world.decide(world.model(), "Diesel")
    [spend] = world.sql("SELECT tokens FROM model_spend")
    # One call of the day is paid; its estimate is somewhat more than its use.
    daily = Cost(spend.tokens * 2, 0.0)
    assert world.decide(world.model(daily), "Petrol")[0].method is Method.FALLBACK
    assert world.decide(world.model(daily), "Petrol", of=world.other)[0].method is Method.MODEL
    world.clock.pass_by(days=1)
    assert world.decide(world.model(daily), "Petrol")[0].method is Method.MODEL


def test_a_model_that_thinks_has_more_reserved_from_its_second_call_on(world: World) -> None:
    model = world.model()
    before = model.answer_tokens
    world.decide(model, "Diesel")
    assert model.answer_tokens == before  # six a question are fewer
    model.answer_tokens = 2
    world.decide(model, "Petrol", "Gas oil")
    assert model.answer_tokens == 6


def test_a_long_answer_of_one_tenant_costs_no_other_more_than_a_call_can(world: World) -> None:
    model = world.model(Cost(40_000, 0.0))
    model.answer_tokens = 15_990  # of one activity, as another organization had it think
    names = [f"Diesel tank {n}" for n in range(20)]
    found = world.decide(model, *names, of=world.other)
    # 20 × 15,990 tokens were more than the day's budget; one call answers 16,000 at the most
    assert {decision.method for decision in found} == {Method.MODEL}


def reserve(world: World, estimate: Cost, limit: Cost) -> Any:
    organization_id = world.uploader.organization_id
    with tenant_session(world.engine, organization_id) as session:
        found = model_calls.reserve(session, organization_id, estimate, limit, world.clock())
        session.commit()
    return found


def test_the_reservation_of_a_dead_worker_counts_until_it_expires(world: World) -> None:
    daily = Cost(10_000, 0.0)
    assert reserve(world, Cost(10_000, 0.0), daily)
    assert world.decide(world.model(daily), "Diesel")[0].method is Method.FALLBACK
    world.clock.pass_by(seconds=RESERVED_FOR.total_seconds() + 1)
    assert world.decide(world.model(daily), "Diesel")[0].method is Method.MODEL


def test_two_reservations_at_once_cannot_both_take_the_last_of_the_budget(world: World) -> None:
    organization_id, share, daily = world.uploader.organization_id, Cost(60, 0.0), Cost(100, 0.0)
    with tenant_session(world.engine, organization_id) as session, ThreadPoolExecutor(1) as pool:
        assert model_calls.reserve(session, organization_id, share, daily, world.clock())
        late = pool.submit(reserve, world, share, daily)
        world.server.wait_for(lambda: bool(world.sql(WAITING)))
        session.commit()
        assert late.result() is None
    # and ten at once take no more than fit
    with ThreadPoolExecutor(5) as pool:
        takes = [pool.submit(reserve, world, Cost(7, 0.0), daily) for _ in range(10)]
        assert sum(t.result() is not None for t in takes) == 5  # 60 + 5 × 7 = 95


def test_a_cancelled_batch_gives_up_its_call_and_returns_its_probe(world: World) -> None:
    world.server.behave(*[status(500)] * 5, Mode.HANG)
    model = world.model(timeout_s=600)
    for _ in range(5):
        world.decide(model, "Diesel", attempt=ATTEMPTS)
    world.clock.pass_by(seconds=61)
    working = environment(attempt=2)

    def cancel_when_asked() -> None:
        world.server.wait_for(lambda: len(world.server.in_flight) == 1)
        working.cancel()

    with ThreadPoolExecutor(1) as threads:
        cancelled = threads.submit(cancel_when_asked)
        with pytest.raises(CancelledError):
            world.decide(model, "Diesel", within=working)
        cancelled.result()
    world.server.wait_for(lambda: world.server.given_up == 1)
    [state] = world.sql("SELECT * FROM model_breakers")
    assert state.opened_at is not None
    assert state.probing_since is None
