"""Asking a language model: paid once, within budget and breaker, and never a reason to die."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError, CancelledError

from activities.asking import ELSEWHERE_POLLS
from activities.deciding import Deciding
from activities.match import MatchBatch
from core.contracts import BatchRef
from core.matching.prompt import MAX_QUESTIONS
from core.records import Decision, Method, Outcome, Thresholds
from db.engine import make_engine, tenant_session
from db.queries import memory, model_calls
from runtime.matchers import DatabaseMemory
from runtime.settings import DatabaseRole, Settings
from tests.activities.asked import (
    Offering,
    World,
    as_worker,
    environment,
    store_activities,
)
from tests.activities.recalculated import Recalculated
from tests.model_answers import Mode
from tests.model_server import status
from tests.questions import offered, query

# Of this database: other test processes have theirs on the same server.
LOCKS = (
    "SELECT pid, state FROM pg_stat_activity JOIN pg_locks USING (pid)"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)
CLAIMS = f"{LOCKS} AND granted"


def second(_: dict[str, Any], labels: list[str]) -> str:
    return labels[1]


def none(_: dict[str, Any], labels: list[str]) -> str:
    return labels[-1]


@pytest.fixture
def world(asking_world: World) -> World:
    return asking_world


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def test_the_models_choice_changes_the_decision(world: World) -> None:
    world.server.choose = second
    [decision] = world.decide(world.model(), "Diesel")
    assert decision.method is Method.MODEL
    assert decision.factor_id == world.factors[1].id
    assert decision.outcome is Outcome.FLAGGED  # our own ranker was sure of another
    assert decision.question_hash is not None
    [call] = world.sql("SELECT * FROM model_calls")
    assert call.raw_answer == '{"A1": "C2"}'
    assert (call.model, call.outcome, call.prompt_version) == (
        "gpt-test-2026-11-01",
        "answered",
        "1",
    )
    assert (call.output_tokens, call.provider) == (6, world.ranker().provider)
    [answer] = world.sql("SELECT * FROM model_answers")
    assert answer.question_hash == decision.question_hash
    assert (answer.emission_factor_id, answer.call_id) == (decision.factor_id, call.id)


def test_an_activity_of_which_nothing_fits_is_held_with_the_reason(world: World) -> None:
    world.server.choose = none
    [decision] = world.decide(world.model(), "Astrology")
    assert (decision.outcome, decision.method) == (Outcome.HELD, Method.MODEL)
    assert codes(decision)[0] == "model_says_none"
    [again] = world.decide(world.model(), "Astrology")
    assert again == decision
    assert len(world.server.requests) == 1


def test_the_same_question_is_never_paid_twice_and_organizations_share_no_answers(
    world: World,
) -> None:
    first = world.decide(world.model(), "Diesel", "Petrol")
    assert world.decide(world.model(), "Petrol", "Diesel") == first[::-1]
    assert len(world.server.requests) == 1
    [mixed, _] = world.decide(world.model(), "Diesel", "Gas oil")
    assert mixed == first[0]
    assert world.server.requests[1].names == ["Gas oil"]
    world.decide(world.model(), "Diesel", of=world.other)
    assert world.server.requests[2].names == ["Diesel"]


def test_activities_that_look_alike_to_the_model_are_one_question(world: World) -> None:
    names = ["Fuel, receipt to a@example.org", "Fuel, receipt to b@example.org"]
    world.server.choose = second
    one, other = world.decide(world.model(), *names)
    assert one.activity_key != other.activity_key
    assert one.question_hash == other.question_hash
    assert one.factor_id == other.factor_id == world.factors[1].id
    assert world.server.requests[0].names == ["Fuel, receipt to [removed]"]


def test_two_files_that_ask_the_same_at_once_pay_once(world: World) -> None:
    thinking = threading.Event()

    def think(_: dict[str, Any], labels: list[str]) -> str:
        assert thinking.wait(30)
        return labels[1]

    world.server.choose = think
    models = [world.model(), world.model()]
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(world.decide, models[0], "Diesel", "Petrol")
        world.server.wait_for(lambda: len(world.server.in_flight) == 1)
        # The second has one question more, which it asks while the others are on their way.
        other = threads.submit(world.decide, models[1], "Petrol", "Gas oil", "Diesel")
        world.server.wait_for(lambda: len(world.server.in_flight) == 2)
        thinking.set()
        diesel, petrol = one.result()
        assert other.result()[::2] == [petrol, diesel]
    assert [sorted(r.names) for r in world.server.requests] == [["Diesel", "Petrol"], ["Gas oil"]]
    assert world.sql("SELECT count(*) AS n FROM model_answers")[0].n == 3


def test_a_batch_that_waits_for_another_leaves_its_slot_after_a_while(world: World) -> None:
    with pytest.raises(ApplicationError) as raised:
        world.model().wait_for_others(ELSEWHERE_POLLS + 1)
    assert raised.value.type == "AskedElsewhere"
    assert not raised.value.non_retryable
    assert raised.value.next_retry_delay is not None


def test_an_answer_is_kept_although_the_claim_on_its_question_was_lost(world: World) -> None:
    # PostgreSQL restarted, or somebody ended what lay idle: the claim waits through the call.
    ended: list[int] = []

    def end_the_claim(_: dict[str, Any], labels: list[str]) -> str:
        for row in world.sql(CLAIMS):
            ended.append(row.pid)
            world.sql("SELECT pg_terminate_backend(:pid)", pid=row.pid)
        return labels[0]

    world.server.choose = end_the_claim
    [decision] = world.decide(world.model(), "Diesel")
    assert len(ended) == 1
    assert decision.method is Method.MODEL
    assert len(world.sql("SELECT * FROM model_answers")) == 1


def test_a_question_is_claimed_once_in_an_organization(world: World) -> None:
    ours, others = world.uploader.organization_id, world.other.organization_id
    with model_calls.claimed(world.engine, ours, ["a", "b"], 1) as first:
        assert first == ["a"]
        with model_calls.claimed(world.engine, others, ["a"], 20) as elsewhere:
            assert elsewhere == ["a"]
        with model_calls.claimed(world.engine, ours, ["a", "b"], 20) as second:
            assert second == ["b"]
    assert world.sql(CLAIMS) == []


def test_a_claim_outlives_the_time_that_transactions_may_lie_idle(
    world: World, settings: Settings
) -> None:
    role = "ALTER ROLE tonnage_worker IN DATABASE {} {} idle_in_transaction_session_timeout{}"
    database = world.engine.url.database
    world.sql(role.format(database, "SET", " = '100ms'"))
    engine = make_engine(settings.database_url_for(DatabaseRole.WORKER))
    try:
        with model_calls.claimed(engine, world.uploader.organization_id, ["a"], 1):
            time.sleep(0.5)
            assert [row.state for row in world.sql(CLAIMS)] == ["idle in transaction"]
    finally:
        engine.dispose()
        world.sql(role.format(database, "RESET", ""))


def test_more_than_twenty_activities_go_in_several_calls(world: World) -> None:
    names = [f"Fuel {number}" for number in range(45)]
    world.decide(world.model(), *names)
    assert [len(r.names) for r in world.server.requests] == [MAX_QUESTIONS, MAX_QUESTIONS, 5]
    assert sorted(name for r in world.server.requests for name in r.names) == sorted(names)
    assert world.server.refused == []


def test_what_was_answered_before_a_failure_is_not_asked_again(world: World) -> None:
    names = [f"Fuel {number}" for number in range(45)]
    world.server.behave(Mode.PROPERLY, status(500))
    with pytest.raises(ApplicationError):
        world.decide(world.model(), *names)
    decisions = world.decide(world.model(), *names, attempt=2)
    assert {d.method for d in decisions} == {Method.MODEL}
    assert [len(r.names) for r in world.server.requests] == [20, 20, 20, 5]


def test_an_attempt_does_not_begin_a_call_that_it_could_not_wait_for(world: World) -> None:
    # Twelve minutes hold one call of ten, not two.
    late = environment(since=dt.timedelta(minutes=3))
    with pytest.raises(ApplicationError) as raised:
        world.decide(world.model(timeout_s=600), "Diesel", within=late)
    assert raised.value.type == "Continue"
    assert world.server.requests == []


def test_an_organization_that_wants_no_model_is_never_asked_about(world: World) -> None:
    world.sql("UPDATE organizations SET ai_matching = false WHERE id = :id",
              id=world.uploader.organization_id)  # fmt: skip
    [decision] = world.decide(world.model(), "Diesel")
    assert decision == offered(query("Diesel"), world.factors)
    assert world.decide(world.model(), "Diesel", of=world.other)[0].method is Method.MODEL
    assert len(world.server.requests) == 1


def test_only_what_our_own_ranker_is_unsure_of_is_asked_when_so_configured(world: World) -> None:
    model = world.model(ask_below=0.9)
    assert world.decide(model, "Diesel", confidence=0.95)[0].method is Method.OFFLINE
    assert world.decide(model, "Diesel", confidence=0.8)[0].method is Method.MODEL
    assert len(world.server.requests) == 1


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        (Mode.REFUSAL, "refusal"),
        (Mode.CONTENT_FILTER, "refusal"),
        (Mode.FILTERED, "refusal"),
        (Mode.TRUNCATED, "truncated"),
        (Mode.BAD_JSON, "invalid"),
        (Mode.UNKNOWN_LABEL, "invalid"),
        (Mode.MISSING_ACTIVITY, "invalid"),
        (Mode.NONSENSE, "invalid"),
        (Mode.UNSTORABLE, "invalid"),
    ],
)
def test_an_unusable_answer_lists_our_own_choice_for_review_and_is_kept_with_its_cost(
    world: World, mode: Mode, outcome: str
) -> None:
    world.server.behave(mode)
    decisions = world.decide(world.model(), "Diesel", "Petrol")
    for decision in decisions:
        assert (decision.outcome, decision.method) == (Outcome.FLAGGED, Method.FALLBACK)
        assert codes(decision)[0] == f"model_answer_{outcome}"
        assert decision.factor_id == world.factors[0].id
        assert decision.question_hash is None
    [call] = world.sql("SELECT * FROM model_calls")
    assert call.outcome == outcome
    assert world.sql("SELECT * FROM model_answers") == []
    [spend] = world.sql("SELECT * FROM model_spend")
    assert spend.reserved_until is None
    assert spend.tokens > 0
    [state] = world.sql("SELECT * FROM model_breakers")
    assert (state.failures, state.opened_at) == (0, None)


def test_an_answer_that_came_as_the_batch_was_cancelled_is_kept(world: World) -> None:
    working = environment()
    model = world.model()
    real = model.answered

    def cancelled_meanwhile(*arguments: Any) -> Any:
        working.cancel()
        return real(*arguments)

    model.answered = cancelled_meanwhile  # type: ignore[method-assign]
    with pytest.raises(CancelledError):
        world.decide(model, "Diesel", within=working)
    assert len(world.sql("SELECT * FROM model_answers")) == 1
    assert world.decide(world.model(), "Diesel")[0].method is Method.MODEL
    assert len(world.server.requests) == 1


def test_a_candidate_that_no_factor_stands_behind_is_not_asked_about(world: World) -> None:
    asked = query("Diesel")
    own = offered(asked, world.factors)
    arguments = (world.uploader.organization_id, [asked], [own], {}, Thresholds())
    assert as_worker(world.model().decide, *arguments) == [own]
    assert world.server.requests == []


# --- as the pipeline uses it ---


class NoRates:
    def annual_average(self, currency: str, quote: str, year: int) -> tuple[float, str] | None:
        return None


def match(world: World, names: list[str], deciding: Deciding) -> dict[str, Any]:
    ref = store_activities(world.uploader, names)
    activity = MatchBatch(world.engine, world.uploader.storage, deciding, NoRates())
    as_worker(activity.match_batch, BatchRef(**ref.model_dump(), offset=0, size=len(names)))
    rows = world.uploader.rows("SELECT * FROM decisions WHERE file_id = :file_id", ref)
    return {row.activity["name"]: row for row in rows}


def test_a_batch_is_stored_with_the_models_choice(world: World) -> None:
    world.server.choose = second
    deciding = Deciding(Offering(world.factors), None, world.model())
    found = match(world, ["Diesel", "Petrol"], deciding)
    assert {row.method for row in found.values()} == {"model"}
    assert {row.emission_factor_id for row in found.values()} == {world.factors[1].id}
    assert {row.outcome for row in found.values()} == {"flagged"}
    hashes = {r.question_hash for r in world.sql("SELECT question_hash FROM model_answers")}
    assert {row.question_hash for row in found.values()} == hashes


def test_what_the_organization_remembers_comes_before_the_model(world: World) -> None:
    with tenant_session(world.uploader.engine, world.uploader.organization_id) as session:
        memory.remember(
            session, world.uploader.organization_id, query("Diesel"),
            factor_id=world.factors[2].id, user_id=world.uploader.user_id, review_id=None,
            reason=None,
        )  # fmt: skip
        session.commit()
    deciding = Deciding(Offering(world.factors), DatabaseMemory(world.engine), world.model())
    found = match(world, ["Diesel"], deciding)
    assert (found["Diesel"].method, found["Diesel"].question_hash) == ("memory", None)
    assert found["Diesel"].emission_factor_id == world.factors[2].id
    assert world.server.requests == []
    found = match(world, ["Diesel", "Petrol"], deciding)
    assert (found["Diesel"].method, found["Petrol"].method) == ("memory", "model")
    assert world.server.requests[0].names == ["Petrol"]


def test_a_recalculation_reads_the_kept_answers_with_the_provider_away(
    world: World, tmp_path: Path, run: Callable[..., Any], admin_engine: Engine
) -> None:
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE factor_releases CASCADE"))
    work = Recalculated(world.engine, world.uploader, tmp_path / "work", as_worker)
    work.rematch.deciding = Deciding(work.script, None, world.model())
    work.completed()
    method = "SELECT method, outcome FROM recalculation_decisions WHERE kept IS NULL"
    work.rematched()
    asked = len(world.server.requests)
    assert asked == 1
    assert {r.method for r in world.sql(method)} == {"model"}
    unexplained = (
        "SELECT decision_id FROM recalculation_decisions r WHERE kept IS NULL AND NOT EXISTS"
        " (SELECT FROM model_answers a WHERE a.question_hash = r.question_hash)"
    )
    assert world.sql(unexplained) == []
    world.server.standing = status(500)
    world.sql("UPDATE recalculations SET status = 'cancelled'")
    world.sql("DELETE FROM recalculation_decisions")
    work.rematched()
    assert {r.method for r in world.sql(method)} == {"model"}
    assert len(world.server.requests) == asked
