"""Ask a language model to choose among the candidates of our own ranker.

Every answer is kept as soon as it is there, so a retry, another file and a recalculation read it
instead of paying again. Whatever goes wrong with the provider ends in a decision of the offline
ranker that says so: a file never dies for want of a model.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine
from sqlmodel import Session
from temporalio import activity
from temporalio.exceptions import ApplicationError

from core import breaker
from core.errors import Misconfigured, RateLimited, Unavailable
from core.matching import model_choice, prompt
from core.matching.prompt import InvalidAnswer, Question
from core.ports import Ranker, RankReply
from core.records import ActivityQuery, Decision, EmissionFactor, Outcome, Thresholds
from db.engine import tenant_session
from db.queries import model_calls
from db.queries.model_calls import Answered, Cost

log = logging.getLogger(__name__)

# After so many attempts of one batch the offline ranker stands in.
ATTEMPTS = 6
CHARS_PER_TOKEN = 3  # a careful estimate for what is reserved; what is spent is the server's count
ANSWER_TOKENS = 8  # an activity
UNAVAILABLE = ("model_unavailable", "The language model was away, so our own ranker decided.")
REFUSED_CALL = (
    "model_refused_call",
    "The language model's server refused our calls, so our own ranker decided; "
    "please tell whoever runs this deployment.",
)
BUDGET = (
    "budget_exhausted",
    "The day's budget for the language model is used up, so our own ranker decided.",
)
UNUSABLE = {
    "refusal": "The language model refused to answer; please check our own ranker's choice.",
    "truncated": "The language model's answer broke off; please check our own ranker's choice.",
    "invalid": "The language model's answer could not be used; please check our own ranker's.",
}
# Decided by rule or by the organization: nothing is left to choose.
SETTLED = frozenset({"own_factor", "not_an_emission"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One activity on its way through the model."""

    query: ActivityQuery
    offered: Decision
    question: Question
    hash: str


class AskModel:
    """Lets the model decide on what our own ranker has candidates for."""

    def __init__(
        self,
        engine: Engine,
        ranker: Ranker,
        *,
        daily: Cost,
        ask_below: float = 1.0,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.engine = engine
        self.ranker = ranker
        self.daily = daily
        self.ask_below = ask_below
        self.clock = clock
        self.breaker_name = f"{ranker.provider}/{ranker.model}"

    def decide(
        self,
        organization_id: UUID,
        queries: Sequence[ActivityQuery],
        offered: Sequence[Decision],
        factors: Mapping[UUID, EmissionFactor],
        thresholds: Thresholds,
    ) -> list[Decision]:
        """Return one decision for each query, in order."""
        with tenant_session(self.engine, organization_id) as session:
            if not model_calls.may_ask(session, organization_id):
                return list(offered)
        asked = [
            self.asked(query, decision, factors)
            for query, decision in zip(queries, offered, strict=True)
            if self.wanted(decision)
        ]
        with tenant_session(self.engine, organization_id) as session:
            kept = model_calls.kept_answers(session, organization_id, (a.hash for a in asked))
        done = {
            a.query.key: self.chosen(a, kept[a.hash].factor_id, factors, thresholds)
            for a in asked
            if a.hash in kept
        }
        waiting = [a for a in asked if a.hash not in kept]
        for start in range(0, len(waiting), prompt.MAX_QUESTIONS):
            batch = waiting[start : start + prompt.MAX_QUESTIONS]
            self.require_time(first=start == 0)
            done |= self.batch(organization_id, batch, factors, thresholds)
        return [done.get(q.key, d) for q, d in zip(queries, offered, strict=True)]

    def wanted(self, decision: Decision) -> bool:
        """Tell whether the model has anything to choose."""
        codes = {reason.code for reason in decision.reasons}
        sure = decision.outcome is Outcome.MATCHED and decision.confidence >= self.ask_below
        return bool(decision.candidates) and not codes & SETTLED and not sure

    def asked(
        self, query: ActivityQuery, offered: Decision, factors: Mapping[UUID, EmissionFactor]
    ) -> Asked:
        """Make the question for one activity."""
        known = [c for c in offered.candidates if c.factor_id in factors]
        question = Question(query, tuple(known[: prompt.MAX_CANDIDATES]))
        return Asked(query, offered, question, question.hash(self.ranker.model, factors))

    def chosen(
        self,
        asked: Asked,
        factor_id: UUID | None,
        factors: Mapping[UUID, EmissionFactor],
        thresholds: Thresholds,
    ) -> Decision:
        """Return the decision for a choice; it names the question, by which the answer is found."""
        by_id = {c.factor_id: c for c in asked.question.candidates}
        choice = by_id.get(factor_id) if factor_id else None
        factor = factors.get(factor_id) if factor_id else None
        decision = model_choice.decide(
            asked.query, asked.offered, choice, factor, thresholds, self.ranker.model
        )
        return replace(decision, question_hash=asked.hash)

    def batch(
        self,
        organization_id: UUID,
        batch: list[Asked],
        factors: Mapping[UUID, EmissionFactor],
        thresholds: Thresholds,
    ) -> dict[str, Decision]:
        """Ask about at most twenty activities; keep the answer before anything is done with it."""
        if not self.allowed():
            return stood_in(batch, *UNAVAILABLE)
        request = prompt.build([a.question for a in batch], factors)
        estimate = self.estimate(request, len(batch))
        with tenant_session(self.engine, organization_id) as session:
            reservation = model_calls.reserve(
                session, organization_id, estimate, self.daily, self.clock()
            )
            session.commit()
        if reservation is None:
            self.probe_unused()
            return stood_in(batch, *BUDGET)
        try:
            reply = self.ranker.ask(request)
        except (RateLimited, Unavailable, Misconfigured) as error:
            self.settle(organization_id, reservation, None)
            return self.failed(error, batch)
        self.record(breaker.succeeded())
        return self.answered(organization_id, reservation, reply, batch, factors, thresholds)

    def answered(
        self,
        organization_id: UUID,
        reservation: UUID,
        reply: RankReply,
        batch: list[Asked],
        factors: Mapping[UUID, EmissionFactor],
        thresholds: Thresholds,
    ) -> dict[str, Decision]:
        """Keep the reply with its cost, then decide by it."""
        problem, choices = read_reply(reply, batch)
        cost = self.ranker.cost_usd(reply.input_tokens, reply.output_tokens)
        call = Answered(
            self.ranker.provider, reply.model or self.ranker.model, prompt.PROMPT_VERSION,
            reply.text.replace("\0", ""), problem or "answered", reply.input_tokens,
            reply.output_tokens, cost,
        )  # fmt: skip
        answers = {a.hash: factor_id for a, factor_id in zip(batch, choices, strict=False)}
        with tenant_session(self.engine, organization_id) as session:
            model_calls.keep(session, organization_id, call, answers)
            spent = Cost(reply.input_tokens + reply.output_tokens, cost)
            model_calls.settle(session, organization_id, reservation, spent)
            session.commit()
        if problem is not None:
            return {
                a.query.key: model_choice.unusable(
                    a.offered, f"model_answer_{problem}", UNUSABLE[problem]
                )
                for a in batch
            }
        return {a.query.key: self.chosen(a, answers[a.hash], factors, thresholds) for a in batch}

    def failed(self, error: Exception, batch: list[Asked]) -> dict[str, Decision]:
        """Count a failed call; raise to have it tried again, or let the offline ranker decide."""
        log.warning("the language model failed: %s", error)
        if isinstance(error, Misconfigured):
            # Trying again cannot help, and every other file would fail alike.
            self.record_failure(for_good=True)
            return stood_in(batch, *REFUSED_CALL)
        limited = isinstance(error, RateLimited)
        if limited:
            self.probe_unused()
        else:
            self.record_failure()
        if activity.info().attempt >= ATTEMPTS:
            return stood_in(batch, *UNAVAILABLE)
        delay = error.retry_after_s if isinstance(error, RateLimited) else None
        raise ApplicationError(
            "the language model has too many requests" if limited else "the language model is away",
            type="RateLimited" if limited else "Unavailable",
            next_retry_delay=None if delay is None else timedelta(seconds=delay),
        ) from None

    def require_time(self, *, first: bool) -> None:
        """Stop before a call that this attempt could not wait for: its end would be paid for and
        lost. What was answered is kept, so the next attempt goes on from here."""
        info = activity.info()
        if activity.is_cancelled():
            raise ApplicationError("the batch was cancelled", type="Cancelled", non_retryable=True)
        if info.start_to_close_timeout is None or info.started_time is None:
            return
        ends = info.started_time.timestamp() + info.start_to_close_timeout.total_seconds()
        if not first and time.time() + self.ranker.timeout_s > ends:
            raise ApplicationError(
                "more calls than fit one attempt", type="Continue",
                next_retry_delay=timedelta(milliseconds=1),
            )  # fmt: skip

    def estimate(self, request: prompt.Request, activities: int) -> Cost:
        """Return the most that a call will probably take."""
        characters = len(request.system) + len(request.user) + len(str(request.schema))
        tokens, answer = characters // CHARS_PER_TOKEN, ANSWER_TOKENS * activities
        return Cost(tokens + answer, self.ranker.cost_usd(tokens, answer))

    def allowed(self) -> bool:
        """Ask the breaker."""
        with Session(self.engine) as session:
            state = model_calls.breaker(session, self.breaker_name)
            state, allowed = breaker.allow(state, self.clock())
            model_calls.save_breaker(session, self.breaker_name, state)
            session.commit()
        return allowed

    def record(self, state: breaker.Breaker) -> None:
        """Store the breaker's state."""
        with Session(self.engine) as session:
            model_calls.breaker(session, self.breaker_name)
            model_calls.save_breaker(session, self.breaker_name, state)
            session.commit()

    def record_failure(self, *, for_good: bool = False) -> None:
        """Tell the breaker of a failure."""
        with Session(self.engine) as session:
            state = model_calls.breaker(session, self.breaker_name)
            failed = breaker.failed(state, self.clock(), for_good=for_good)
            model_calls.save_breaker(session, self.breaker_name, failed)
            session.commit()

    def probe_unused(self) -> None:
        """Give back a probe that led to no call, or to an answer that says nothing."""
        with Session(self.engine) as session:
            state = model_calls.breaker(session, self.breaker_name)
            model_calls.save_breaker(session, self.breaker_name, replace(state, probing_since=None))
            session.commit()

    def settle(self, organization_id: UUID, reservation: UUID, spent: Cost | None) -> None:
        """Settle a reservation in its own transaction."""
        with tenant_session(self.engine, organization_id) as session:
            model_calls.settle(session, organization_id, reservation, spent)
            session.commit()


def read_reply(reply: RankReply, batch: Sequence[Asked]) -> tuple[str | None, list[UUID | None]]:
    """Return (None, the chosen factor of each) or (what is wrong with the reply, nothing)."""
    if reply.refused or reply.stopped == "content_filter":
        return "refusal", []
    if reply.stopped == "length":
        return "truncated", []
    try:
        found = prompt.read(reply.text, [a.question for a in batch])
    except InvalidAnswer:
        return "invalid", []
    return None, [None if choice is None else choice.factor_id for choice in found]


def stood_in(batch: Sequence[Asked], code: str, sentence: str) -> dict[str, Decision]:
    """Return the offline decisions, and say why the model did not decide."""
    return {a.query.key: model_choice.stood_in(a.offered, code, sentence) for a in batch}
