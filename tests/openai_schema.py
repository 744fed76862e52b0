"""What the published OpenAPI document of the protocol asks of a request.

Names come from the types of the openai package, which are generated from that document; ranges and
the rules of strict schemas are written down here, from the document and from the Structured Outputs
guide (https://developers.openai.com/api/docs/guides/structured-outputs, "Supported schemas").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from openai.types import embedding_create_params
from openai.types.chat import completion_create_params
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

CHAT_NAMES = frozenset(
    completion_create_params.CompletionCreateParamsBase.__annotations__
) | frozenset(completion_create_params.CompletionCreateParamsNonStreaming.__annotations__)
EMBEDDING_NAMES = frozenset(embedding_create_params.EmbeddingCreateParams.__annotations__)

MOST_PROPERTIES, MOST_LEVELS = 5000, 10
MOST_NAMES_CHARS = 120_000  # of all names and enum values together
MOST_ENUM_VALUES = 1000  # of all enums together
LONG_ENUM, LONG_ENUM_CHARS = 250, 15_000
STRICT_KEYWORDS = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "enum", "const", "anyOf", "items",
        "description", "title", "$ref", "$defs", "definitions", "pattern", "format", "multipleOf",
        "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "minItems", "maxItems",
    }
)  # fmt: skip

Text = Annotated[str, StringConstraints(min_length=1)]


class Closed(BaseModel):
    """JSON types are not converted, and unknown names are faults."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Message(Closed):
    """ChatCompletionRequestSystemMessage, -DeveloperMessage and -UserMessage with plain text."""

    role: Literal["system", "developer", "user"]
    content: Text
    name: str | None = None


class JsonSchema(Closed):
    """ResponseFormatJsonSchema.json_schema."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Closed):
    """ResponseFormatJsonSchema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class ChatRequest(Closed):
    """CreateChatCompletionRequest, as far as a text with an answer of a schema goes."""

    model: Text
    messages: Annotated[list[Message], Field(min_length=1)]
    response_format: ResponseFormat | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    store: bool | None = None
    stream: Literal[False] | None = None
    user: str | None = None


class EmbeddingRequest(Closed):
    """CreateEmbeddingRequest, as far as texts go."""

    model: Text
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=2048)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is refused."""

    message: str
    param: str | None
    code: str | None = None


def fault_of(path: str, body: object) -> Fault | None:
    """Return what is wrong with a request's body, or None."""
    chat = path.endswith("/chat/completions")
    model: type[Closed] = ChatRequest if chat else EmbeddingRequest
    if not isinstance(body, dict):
        return Fault("We could not parse the JSON body of your request.", None)
    for name in body:
        if name not in (CHAT_NAMES if chat else EMBEDDING_NAMES):
            return Fault(f"Unrecognized request argument supplied: {name}", name, "unknown")
    try:
        request = model.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        return Fault(first["msg"], ".".join(map(str, first["loc"])), "invalid_type")
    if isinstance(request, ChatRequest) and request.response_format:
        wanted = request.response_format.json_schema
        if wanted.strict:
            for message in strict_faults(wanted.schema_):
                return Fault(f"Invalid schema: {message}", "response_format", "invalid_schema")
    return None


def strict_faults(schema: object) -> Iterator[str]:
    """Yield how a schema breaks the rules of strict mode."""
    if not isinstance(schema, dict) or schema.get("type") != "object" or "anyOf" in schema:
        yield "the root must be an object"
        return
    found = list(parts_of(schema, 1))
    names = [name for part, _ in found for name in part.get("properties", {})]
    enums = [part["enum"] for part, _ in found if "enum" in part]
    values = [str(value) for enum in enums for value in enum]
    if len(names) > MOST_PROPERTIES:
        yield "too many properties"
    if max(level for _, level in found) > MOST_LEVELS:
        yield "too deep"
    if sum(map(len, names)) + sum(map(len, values)) > MOST_NAMES_CHARS:
        yield "names and values are too long"
    if len(values) > MOST_ENUM_VALUES:
        yield "too many enum values"
    for part, _ in found:
        yield from part_faults(part)


def parts_of(schema: dict[str, Any], level: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield a schema and what is nested in it, each with its depth."""
    yield schema, level
    nested = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    nested += schema.get("anyOf", [])
    if "items" in schema:
        nested.append(schema["items"])
    for part in nested:
        yield from parts_of(part, level + 1)


def part_faults(part: dict[str, Any]) -> Iterator[str]:
    """Yield the faults of one part of a schema."""
    if unknown := set(part) - STRICT_KEYWORDS:
        yield f"keywords that are not supported: {sorted(unknown)}"
    if part.get("type") == "object":
        if part.get("additionalProperties") is not False:
            yield "'additionalProperties' must be false"
        if sorted(part.get("required", [])) != sorted(part.get("properties", {})):
            yield "'required' must list every property"
    if "enum" in part:
        values = part["enum"]
        if not values or len(set(values)) != len(values):
            yield "an enum must have values, each of them once"
        if len(values) > LONG_ENUM and sum(map(len, map(str, values))) > LONG_ENUM_CHARS:
            yield "an enum is too long"
