"""What a server of the OpenAI protocol answers, right and wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum, auto
from typing import Any

# Chooses a label for an activity as the request tells of it, among those the schema allows.
Chooser = Callable[[dict[str, Any], list[str]], str]


class Mode(StrEnum):
    """How a call is answered."""

    PROPERLY = auto()
    RATE_LIMITED = auto()
    QUOTA_USED_UP = auto()
    STATUS = auto()  # `status`, with an error that repeats the request
    HANG = auto()  # until the client gives up
    DRIBBLE = auto()  # one byte at a time, for ever
    DROP = auto()  # the connection is closed without an answer
    REDIRECT = auto()
    NOT_JSON = auto()  # the body
    NO_OBJECT = auto()  # JSON, but a list
    BAD_JSON = auto()  # the model's words
    UNKNOWN_LABEL = auto()
    MISSING_ACTIVITY = auto()
    REFUSAL = auto()
    TRUNCATED = auto()
    CONTENT_FILTER = auto()  # as finish_reason
    FILTERED = auto()  # as Azure does: 400
    NO_CHOICES = auto()
    NO_USAGE = auto()
    NONSENSE = auto()  # wrong types wherever the protocol allows none
    UNSTORABLE = auto()  # words that PostgreSQL takes no text of


def completion(body: dict[str, Any], choose: Chooser, mode: Mode) -> dict[str, Any]:
    """Return a CreateChatCompletionResponse."""
    activities = json.loads(body["messages"][-1]["content"])["activities"]
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    chosen = {a["id"]: choose(a, properties[a["id"]]["enum"]) for a in activities}
    if mode is Mode.UNKNOWN_LABEL:
        chosen[activities[-1]["id"]] = "C99"
    if mode is Mode.MISSING_ACTIVITY:
        del chosen[activities[-1]["id"]]
    content: Any = json.dumps(chosen)
    reason = "stop"
    refusal: str | None = None
    if mode is Mode.BAD_JSON:
        content = f"Sure! Here is the JSON: {content}"
    if mode is Mode.UNSTORABLE:
        content = "\0\ud800" + content
    if mode is Mode.TRUNCATED:
        content, reason = content[:-3], "length"
    if mode is Mode.CONTENT_FILTER:
        content, reason = "", "content_filter"
    if mode is Mode.REFUSAL:
        content, refusal = None, "I cannot help with that."
    prompt_tokens = sum(len(m["content"]) for m in body["messages"]) // 4
    answer = {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": f"{body['model']}-2026-11-01",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "finish_reason": reason,
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": 6 * len(activities),
            "total_tokens": prompt_tokens + 6 * len(activities),
        },
    }
    if mode is Mode.NO_CHOICES:
        answer["choices"] = []
    if mode is Mode.NO_USAGE:
        del answer["usage"]
    if mode is Mode.NONSENSE:
        answer["model"] = 7
        answer["usage"] = {"prompt_tokens": "many", "completion_tokens": -(10**30)}
        answer["choices"][0]["message"]["content"] = [{"type": "text"}]
    return answer


def embedded(body: dict[str, Any], dimensions: int, mode: Mode) -> dict[str, Any]:
    """Return a CreateEmbeddingResponse: vectors that tell texts apart, in no order."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data: list[Any] = [
        {"object": "embedding", "index": index, "embedding": vector(text, dimensions)}
        for index, text in enumerate(texts)
    ]
    if mode is Mode.MISSING_ACTIVITY:
        data.pop()
    if mode is Mode.NONSENSE:
        data[0]["embedding"] = ["much"] * dimensions
    if mode is Mode.TRUNCATED:
        data[0]["embedding"] = data[0]["embedding"][:-1]
    answer = {
        "object": "list",
        "model": body["model"],
        "data": data[::-1],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    if mode is Mode.NO_CHOICES:
        del answer["data"]
    return answer


def vector(text: str, dimensions: int) -> list[float]:
    """Return a vector that is the same for the same text."""
    return [float(sum(text.encode()) % (place + 11)) + 1 for place in range(dimensions)]
