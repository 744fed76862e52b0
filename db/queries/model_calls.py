"""Answers of language models, what they cost, and the breaker of their provider."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from core.breaker import Breaker
from db.ids import uuid7

# A call may take ten minutes; a reservation whose worker died counts no longer than that.
RESERVED_FOR = dt.timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was paid for; no factor means "none of them"."""

    factor_id: UUID | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call takes, or may take."""

    tokens: int
    usd: float


@dataclass(frozen=True, slots=True)
class Answered:
    """One call with its answer, ready to be kept."""

    provider: str
    model: str
    prompt_version: str
    raw_answer: str
    outcome: str  # "answered", or why the answer could not be used
    input_tokens: int
    output_tokens: int
    cost_usd: float


def kept_answers(session: Session, organization_id: UUID, hashes: Iterable[str]) -> dict[str, Kept]:
    """Return the answers that this organization has for these questions."""
    rows = session.execute(
        text(
            "SELECT question_hash, emission_factor_id FROM model_answers"
            " WHERE organization_id = :organization_id AND question_hash = ANY(:hashes)"
        ),
        {"organization_id": organization_id, "hashes": sorted(set(hashes))},
    )
    return {row.question_hash: Kept(row.emission_factor_id) for row in rows}


def keep(
    session: Session,
    organization_id: UUID,
    call: Answered,
    answers: Mapping[str, UUID | None],
) -> UUID:
    """Keep a call and what it answered, by question hash; return the call's id."""
    call_id = uuid7()
    session.execute(
        text(
            "INSERT INTO model_calls (organization_id, id, provider, model, prompt_version,"
            " raw_answer, outcome, input_tokens, output_tokens, cost_usd) VALUES"
            " (:organization_id, :id, :provider, :model, :prompt_version, :raw_answer, :outcome,"
            " :input_tokens, :output_tokens, :cost_usd)"
        ),
        {
            "organization_id": organization_id,
            "id": call_id,
            **{name: getattr(call, name) for name in Answered.__slots__},
        },
    )
    if answers:
        session.execute(
            text(
                "INSERT INTO model_answers (organization_id, question_hash, call_id,"
                " emission_factor_id) VALUES (:organization_id, :hash, :call_id, :factor_id)"
                " ON CONFLICT (organization_id, question_hash) DO NOTHING"
            ),
            [
                {
                    "organization_id": organization_id,
                    "hash": question_hash,
                    "call_id": call_id,
                    "factor_id": factor_id,
                }
                for question_hash, factor_id in sorted(answers.items())
            ],
        )
    return call_id


@contextmanager
def claimed(
    engine: Engine, organization_id: UUID, hashes: Iterable[str], most: int
) -> Iterator[list[str]]:
    """Yield up to `most` of the questions that nobody else is asking now, ours until the block
    ends.

    Files with the same activities are worked on at once, and each would pay for the answer. The
    locks belong to a transaction, which also works behind PgBouncer, and end with its process. It
    lies idle while the model thinks: it has no row and no snapshot, so it holds up no vacuum.
    """
    session = Session(engine)
    try:
        # A dead client is noticed by its connection; a call may take ten minutes.
        session.execute(
            text("SELECT set_config('idle_in_transaction_session_timeout', :timeout, true)"),
            {"timeout": str(int(RESERVED_FOR.total_seconds() * 1000))},
        )
        found: list[str] = []
        waiting = list(dict.fromkeys(hashes))
        while waiting and len(found) < most:
            tried, waiting = waiting[: most - len(found)], waiting[most - len(found) :]
            taken = session.execute(
                text(
                    "SELECT pg_try_advisory_xact_lock(hashtextextended(:prefix || hash, 0))"
                    " FROM unnest(CAST(:hashes AS text[])) WITH ORDINALITY AS t (hash, n)"
                    " ORDER BY n"
                ),
                {"prefix": f"model_question/{organization_id}/", "hashes": tried},
            ).scalars()
            found += [h for h, ours in zip(tried, taken, strict=True) if ours]
        yield found
    finally:
        try:
            session.close()
        except DBAPIError:
            # The connection was lost meanwhile, and the claim with it; the answer is there.
            session.invalidate()


def may_ask(session: Session, organization_id: UUID) -> bool:
    """Tell whether the organization lets its texts go to a language model."""
    return bool(
        session.execute(
            text("SELECT ai_matching FROM organizations WHERE id = :organization_id"),
            {"organization_id": organization_id},
        ).scalar()
    )


def reserve(
    session: Session, organization_id: UUID, estimate: Cost, limit: Cost, now: dt.datetime
) -> UUID | None:
    """Reserve what a call may cost; None when the day's budget does not hold it.

    What is spent and what others have reserved counts; a limit of 0 is none.
    """
    # One reservation at a time, or two calls would both find the last of the budget.
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"model_spend/{organization_id}"},
    )
    used = session.execute(
        text(
            "SELECT coalesce(sum(tokens), 0) AS tokens, coalesce(sum(cost_usd), 0) AS usd"
            " FROM model_spend WHERE organization_id = :organization_id AND spent_on = :day"
            " AND (reserved_until IS NULL OR reserved_until > :now)"
        ),
        {"organization_id": organization_id, "day": now.date(), "now": now},
    ).one()
    if limit.tokens and int(used.tokens) + estimate.tokens > limit.tokens:
        return None
    if limit.usd and float(used.usd) + estimate.usd > limit.usd:
        return None
    reservation = uuid7()
    session.execute(
        text(
            "INSERT INTO model_spend (organization_id, id, spent_on, tokens, cost_usd,"
            " reserved_until) VALUES (:organization_id, :id, :day, :tokens, :usd, :until)"
        ),
        {
            "organization_id": organization_id,
            "id": reservation,
            "day": now.date(),
            "tokens": estimate.tokens,
            "usd": estimate.usd,
            "until": now + RESERVED_FOR,
        },
    )
    return reservation


def settle(session: Session, organization_id: UUID, reservation: UUID, spent: Cost | None) -> None:
    """Put what a call did cost in the place of what was reserved; None: it cost nothing."""
    values = {"organization_id": organization_id, "id": reservation}
    if spent is None:
        session.execute(
            text("DELETE FROM model_spend WHERE organization_id = :organization_id AND id = :id"),
            values,
        )
        return
    session.execute(
        text(
            "UPDATE model_spend SET tokens = :tokens, cost_usd = :usd, reserved_until = NULL"
            " WHERE organization_id = :organization_id AND id = :id"
        ),
        {**values, "tokens": spent.tokens, "usd": spent.usd},
    )


def breaker(session: Session, name: str) -> Breaker:
    """Return the state of a provider's breaker, locked until commit."""
    session.execute(
        text("INSERT INTO model_breakers (name) VALUES (:name) ON CONFLICT (name) DO NOTHING"),
        {"name": name},
    )
    row = session.execute(
        text(
            "SELECT failures, first_failure_at, opened_at, probing_since FROM model_breakers"
            " WHERE name = :name FOR UPDATE"
        ),
        {"name": name},
    ).one()
    return Breaker(*row)


def save_breaker(session: Session, name: str, state: Breaker) -> None:
    """Store the state of a breaker that `breaker` locked."""
    session.execute(
        text(
            "UPDATE model_breakers SET failures = :failures, first_failure_at = :first_failure_at,"
            " opened_at = :opened_at, probing_since = :probing_since WHERE name = :name"
        ),
        {"name": name, **{field: getattr(state, field) for field in Breaker.__slots__}},
    )
