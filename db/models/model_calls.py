"""What language models were asked, what they answered and what it cost."""

import datetime as dt
from uuid import UUID

from sqlmodel import Field, SQLModel

from db.models.columns import key_column, time_column


class ModelCall(SQLModel, table=True):
    """One answered call."""

    __tablename__ = "model_calls"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    provider: str
    model: str
    prompt_version: str
    raw_answer: str
    outcome: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    created_at: dt.datetime | None = time_column(nullable=False)


class ModelAnswer(SQLModel, table=True):
    """The choice for one question."""

    __tablename__ = "model_answers"

    organization_id: UUID = key_column()
    question_hash: str = Field(primary_key=True)
    call_id: UUID
    emission_factor_id: UUID | None = None
    created_at: dt.datetime | None = time_column(nullable=False)


class ModelSpend(SQLModel, table=True):
    """What calls of one day cost an organization, or may cost it."""

    __tablename__ = "model_spend"

    organization_id: UUID = key_column()
    id: UUID = key_column()
    spent_on: dt.date
    tokens: int
    cost_usd: float
    reserved_until: dt.datetime | None = time_column()


class ModelBreaker(SQLModel, table=True):
    """The circuit breaker of one provider and model."""

    __tablename__ = "model_breakers"

    name: str = Field(primary_key=True)
    failures: int = 0
    first_failure_at: dt.datetime | None = time_column()
    opened_at: dt.datetime | None = time_column()
    probing_since: dt.datetime | None = time_column()
