"""Ask a language model to choose among the candidates of our own ranker.

Every answer is kept as soon as it is there, so a retry, another file and a recalculation read it
instead of paying again. Whatever goes wrong with the provider ends in a decision of the offline
ranker that says so: a file never dies for want of a model.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine
from sqlmodel import Session
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.metrics import count_model_call
from activities.tries import this_attempt
from core import breaker
from core.errors import Misconfigured, RateLimited, TonnageError, Unavailable
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
ANSWER_TOKENS = 8  # an activity, until an answer shows how much this model thinks
# Another file asks the same now: its answer is waited for so long, then this batch leaves its slot
# to somebody else and comes back.
ELSEWHERE_POLLS, ELSEWHERE_POLL_S = 5, 1.0
ELSEWHERE_DELAY = timedelta(seconds=10)
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


# The decision for an activity, once its question has an answer or will get none.
Verdict = Callable[["Asked"], Decision]


@dataclass(frozen=True, slots=True)
class Asked:
    """One activity on its way through the model."""

    query: ActivityQuery
    offered: Decision
    question: Question
    hash: str


@dataclass(frozen=True, slots=True)
class Asking:
    """For whom, and among what, is asked."""

    organization_id: UUID
    factors: Mapping[UUID, EmissionFactor]
    thresholds: Thresholds


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
        self.answer_tokens = ANSWER_TOKENS

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
        wanted = (
            self.asked(query, decision, factors)
            for query, decision in zip(queries, offered, strict=True)
            if self.wanted(decision)
        )
        asked = {one.query.key: one for one in wanted if one.question.candidates}
        asking = Asking(organization_id, factors, thresholds)
        # By question: two activities may differ in what the model is not told.
        verdicts = self.verdicts(asking, {a.hash: a for a in asked.values()})
        done = {key: verdicts[a.hash](a) for key, a in asked.items()}
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

    def verdicts(self, asking: Asking, asked: Mapping[str, Asked]) -> dict[str, Verdict]:
        """Return what becomes of each question, asking only what has no answer yet."""
        found = self.kept(asking, asked)
        first, polls = True, 0
        while waiting := {h: a for h, a in asked.items() if h not in found}:
            self.require_time(first=first)
            with model_calls.claimed(
                self.engine, asking.organization_id, waiting, prompt.MAX_QUESTIONS
            ) as ours:
                # Whoever had the claim before may have left the answer.
                found |= self.kept(asking, ours)
                if batch := [waiting[h] for h in ours if h not in found]:
                    found |= self.batch(asking, batch)
                    first = False
            if not ours:
                polls += 1
                self.wait_for_others(polls)
                found |= self.kept(asking, waiting)
        return found

    def kept(self, asking: Asking, hashes: Iterable[str]) -> dict[str, Verdict]:
        """Return the verdicts of the answers that are there."""
        with tenant_session(self.engine, asking.organization_id) as session:
            answers = model_calls.kept_answers(session, asking.organization_id, hashes)
        return {h: self.choice(asking, answer.factor_id) for h, answer in answers.items()}

    def choice(self, asking: Asking, factor_id: UUID | None) -> Verdict:
        """Return the verdict of a choice; it names the question, by which the answer is found."""

        def verdict(asked: Asked) -> Decision:
            by_id = {c.factor_id: c for c in asked.question.candidates}
            choice = by_id.get(factor_id) if factor_id else None
            factor = asking.factors.get(factor_id) if factor_id else None
            decision = model_choice.decide(
                asked.query, asked.offered, choice, factor, asking.thresholds, self.ranker.model
            )
            return replace(decision, question_hash=asked.hash)

        return verdict

    def batch(self, asking: Asking, batch: list[Asked]) -> dict[str, Verdict]:
        """Ask about at most twenty activities; keep the answer before anything is done with it."""
        if not self.allowed():
            return stood_in(batch, *UNAVAILABLE)
        organization_id = asking.organization_id
        request = prompt.build([a.question for a in batch], asking.factors)
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
        except BaseException:
            # Cancelled within the call. What it cost will never be known: what was reserved counts
            # until it expires.
            self.probe_unused()
            raise
        with activity.shield_thread_cancel_exception():  # it is paid for: keep it first
            self.record(breaker.succeeded())
            return self.answered(asking, reservation, estimate, reply, batch)

    def answered(
        self,
        asking: Asking,
        reservation: UUID,
        estimate: Cost,
        reply: RankReply,
        batch: list[Asked],
    ) -> dict[str, Verdict]:
        """Keep the reply with its cost, then decide by it."""
        problem, choices = read_reply(reply, batch)
        tokens = reply.input_tokens + reply.output_tokens
        cost = self.ranker.cost_usd(reply.input_tokens, reply.output_tokens)
        call = Answered(
            self.ranker.provider, reply.model or self.ranker.model, prompt.PROMPT_VERSION,
            reply.text, problem or "answered", reply.input_tokens, reply.output_tokens, cost,
        )  # fmt: skip
        answers = {a.hash: factor_id for a, factor_id in zip(batch, choices, strict=False)}
        with tenant_session(self.engine, asking.organization_id) as session:
            model_calls.keep(session, asking.organization_id, call, answers)
            # A server that does not count what it takes would be free of any budget.
            spent = Cost(tokens, cost) if tokens else estimate
            model_calls.settle(session, asking.organization_id, reservation, spent)
            session.commit()
        count_model_call(
            problem or "answered",
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            usd=cost,
        )
        self.answer_tokens = max(self.answer_tokens, reply.output_tokens // len(batch))
        if problem is not None:
            return not_used(batch, f"model_answer_{problem}", UNUSABLE[problem])
        return {h: self.choice(asking, factor_id) for h, factor_id in answers.items()}

    def failed(self, error: TonnageError, batch: list[Asked]) -> dict[str, Verdict]:
        """Count a failed call; raise to have it tried again, or let the offline ranker decide."""
        log.warning("the language model failed: %s", error)
        count_model_call(error.code)
        if isinstance(error, Misconfigured):
            # Trying again cannot help. A wrong key or model fails every other file alike; what
            # may be due to this request alone must not take the model from other organizations.
            if error.code == Misconfigured.code:
                self.record_failure(for_good=True)
            else:
                self.probe_unused()
            return stood_in(batch, *REFUSED_CALL)
        limited = isinstance(error, RateLimited)
        if limited:
            self.probe_unused()
        else:
            self.record_failure()
        if this_attempt() >= ATTEMPTS:
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
        if info.start_to_close_timeout is None or info.started_time is None:
            return
        ends = info.started_time.timestamp() + info.start_to_close_timeout.total_seconds()
        # An index may have been built before the first call; the next attempt finds it built. One
        # that still has no time for a single call never will.
        if not (first and this_attempt() > 1) and time.time() + self.ranker.timeout_s > ends:
            raise ApplicationError(
                "more calls than fit one attempt", type="Continue",
                next_retry_delay=timedelta(milliseconds=1),
            )  # fmt: skip

    def wait_for_others(self, polls: int) -> None:
        """Wait a moment for answers that others have asked for, or come back later."""
        if polls > ELSEWHERE_POLLS:
            raise ApplicationError(
                "another batch is asking the same", type="AskedElsewhere",
                next_retry_delay=ELSEWHERE_DELAY,
            )  # fmt: skip
        time.sleep(ELSEWHERE_POLL_S)

    def estimate(self, request: prompt.Request, activities: int) -> Cost:
        """Return the most that a call will probably take."""
        characters = len(request.system) + len(request.user) + len(str(request.schema))
        tokens = characters // CHARS_PER_TOKEN
        # No call is answered at greater length, however long one tenant had a model think.
        answer = min(self.answer_tokens * activities, self.ranker.max_answer_tokens)
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


def stood_in(batch: Sequence[Asked], code: str, sentence: str) -> dict[str, Verdict]:
    """Return verdicts of the offline ranker that say why the model did not decide."""
    return {a.hash: lambda one: model_choice.stood_in(one.offered, code, sentence) for a in batch}


def not_used(batch: Sequence[Asked], code: str, sentence: str) -> dict[str, Verdict]:
    """Return verdicts of the offline ranker, listed for review: the answer cannot be used."""
    return {a.hash: lambda one: model_choice.unusable(one.offered, code, sentence) for a in batch}
