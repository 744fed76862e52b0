"""Shapes that several resources share."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


def storable(text: str) -> str:
    """Refuse what PostgreSQL or UTF-8 cannot hold: NUL and lone surrogates."""
    if "\0" in text:
        raise ValueError("must not contain NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain lone surrogates") from None
    return text


Text = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(storable)]


class Answer(BaseModel):
    """Something we send; read from table rows by name."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Body(BaseModel):
    """Something we are sent; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Patch(Body):
    """What may be changed; a field that is left out stays as it is."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Leave the defaults out: whoever reads them would take them for what is set."""
        schema = handler(core_schema)
        for field in handler.resolve_ref_schema(schema)["properties"].values():
            field.pop("default", None)
        return schema


class Pagination(Answer):
    """Where the reader stands in a list."""

    limit: int = Field(description="Most entries of a page")
    next_cursor: str | None = Field(description="Send it as `cursor`; null at the end")
    has_more: bool
    total: int | None = Field(default=None, description="Only with `include=total`")


def pagination(limit: int, next_cursor: str | None, total: int | None) -> Pagination:
    """Return the pagination of an answer."""
    return Pagination(
        limit=limit, next_cursor=next_cursor, has_more=next_cursor is not None, total=total
    )


class ProblemFault(BaseModel):
    """One of several things that are wrong."""

    pointer: str = Field(description="`#/field` in the body, `query/name` elsewhere")
    code: str = Field(description="Stable code of what is wrong")
    detail: str = Field(description="What is wrong, for a person")


class Problem(BaseModel):
    """An error (RFC 9457), sent as application/problem+json."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="URI of the kind of problem, made of `code`")
    title: str = Field(description="The status in words")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What is wrong and what to do, for a person")
    instance: str = Field(description="Path of the request")
    code: str = Field(description="Stable; what a program looks at")
    request_id: str = Field(description="Name it when you report a problem")
    errors: list[ProblemFault] | None = Field(
        default=None, description="Each thing that is wrong, where there may be several"
    )


class ScopeTotal(Answer):
    """Sum over one scope."""

    scope: int | None = Field(description="1, 2 or 3; null is outside of scopes (biogenic CO2)")
    count: int = Field(description="Number of figures")
    kg_co2e: float = Field(description="Their sum in kg CO2e; 0 outside of scopes")
    biogenic_kg_co2: float = Field(description="Sum of biogenic CO2; 0 of a scope")


class AuditEntry(Answer):
    """One line of the audit trail."""

    action: str = Field(description="What was done, such as `file.uploaded`")
    actor: str = Field(description="`user`, `api_key:<id>`, or a part of the system")
    actor_user_id: UUID | None = Field(description="The person; null: no person did it")
    occurred_at: dt.datetime
    request_id: str | None
    before: dict[str, Any] | None = Field(description="What it was; null: nothing to tell")
    after: dict[str, Any] | None = Field(description="What it became; null: nothing to tell")


# An object's trail is cut so that an answer stays small; the list of the organization has it all.
AuditTrail = Annotated[
    list[AuditEntry],
    Field(
        description="The newest 100 events, oldest first. All of them: `GET /v1/organizations/{id}"
        "/audit?object_type=…&object_id=…`"
    ),
]


class HistoryEntry(Answer):
    """One line of a file's processing history."""

    stage: str = Field(description="Stage that it is about")
    kind: str = Field(description="What happened, such as `started` or `completed`")
    attempt: int = Field(description="In which attempt, from 1")
    message: str = Field(description="What happened, for a person")
    occurred_at: dt.datetime
