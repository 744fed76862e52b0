"""A language model behind the chat completions protocol: OpenAI's own or a compatible server."""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import urlsplit

import openai
from openai import AsyncOpenAI

from core.errors import Unavailable
from core.matching.prompt import Request
from core.ports import RankReply
from runtime.adapters.openai_calls import Calls

log = logging.getLogger(__name__)

# The choices themselves take some 150; a model that thinks first does so within this limit too.
MAX_ANSWER_TOKENS = 16_000
MAX_ANSWER_CHARS = 20_000
MAX_TOKENS_TOLD = 10**9  # fits an integer column, whatever a server says
SEED = 7
# Wanted where the server knows them. A model that thinks takes no temperature, and servers with
# their own idea of the protocol refuse a name that they do not know.
OPTIONS: dict[str, Any] = {
    "temperature": 0,
    "seed": SEED,
    "max_completion_tokens": MAX_ANSWER_TOKENS,
    "store": False,
}
# The refusal of what was asked, by Azure's and OpenAI's names for it.
_FILTERED = ("content_filter", "content_policy_violation")


class OpenAiRanker:
    """core.ports.Ranker over an OpenAI-compatible server."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        model: str,
        timeout_s: float,
        input_usd_per_mtok: float = 0.0,
        output_usd_per_mtok: float = 0.0,
    ) -> None:
        self._calls = Calls(
            base_url=base_url, api_key=api_key, timeout_s=timeout_s, who="the provider"
        )
        # Without a user and password that the URL may hold: this is stored, and shown.
        self._host = urlsplit(base_url).netloc.rpartition("@")[2]
        self._model = model
        self._prices = (input_usd_per_mtok, output_usd_per_mtok)
        self._refused: set[str] = set()

    @property
    def provider(self) -> str:
        """Return the server's host."""
        return self._host

    @property
    def model(self) -> str:
        """Return the model that is asked for."""
        return self._model

    @property
    def timeout_s(self) -> float:
        """Return how long a call may take."""
        return self._calls.timeout_s

    @property
    def max_answer_tokens(self) -> int:
        """Return the limit that each request states."""
        return MAX_ANSWER_TOKENS

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """Return what a call costs at the prices of the settings."""
        price_in, price_out = self._prices
        return (input_tokens * price_in + output_tokens * price_out) / 1e6

    def ask(self, request: Request) -> RankReply:
        """Send one request; see core.ports.Ranker for what it raises."""
        return self._calls.run(lambda client: self._ask(client, request))

    def close(self) -> None:
        """Close the connections."""
        self._calls.close()

    async def _ask(self, client: AsyncOpenAI, request: Request) -> RankReply:
        while True:
            options = {n: v for n, v in OPTIONS.items() if n not in self._refused}
            try:
                completion = await client.chat.completions.create(
                    model=self._model,
                    messages=[
                        {"role": "system", "content": request.system},
                        {"role": "user", "content": request.user},
                    ],
                    response_format={
                        "type": "json_schema",
                        "json_schema": {
                            "name": "choices", "strict": True, "schema": request.schema,
                        },
                    },
                    **options,
                )  # fmt: skip
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if error.code in _FILTERED:
                    return RankReply("", "", "content_filter", True, 0, 0)
                name = refused_option(error)
                if name is None or name not in options:
                    raise
                # A refused call costs nothing, and no later call of this process meets it again.
                self._refused.add(name)
                log.warning("the provider does not take %s; calls go on without it", name)
            else:
                return reply_of(completion)


def refused_option(error: openai.APIStatusError) -> str | None:
    """Return which of OPTIONS a refusal is about: OpenAI names it as `param`, others within the
    first words of the message or in a list of places."""
    if error.param in OPTIONS:
        return error.param
    if error.param == "max_tokens":
        return "max_completion_tokens"
    body = error.body if isinstance(error.body, dict) else {}
    details = body.get("detail")
    listed = details if isinstance(details, list) else []
    places = [detail.get("loc") for detail in listed if isinstance(detail, dict)]
    told = f"{body.get('message')} {places}"[:300]
    quoted = re.findall(r"['\"`](\w+)['\"`]", told)
    return next((name for name in OPTIONS if name in quoted), None)


def reply_of(completion: object) -> RankReply:
    """Return the reply; a server may leave out what the protocol promises."""
    choices = getattr(completion, "choices", None)
    if not isinstance(choices, list) or not choices or getattr(choices[0], "message", None) is None:
        raise Unavailable("the provider's answer holds no choice")
    first, usage = choices[0], getattr(completion, "usage", None)
    return RankReply(
        text=storable(getattr(first.message, "content", None))[:MAX_ANSWER_CHARS],
        model=storable(getattr(completion, "model", None))[:200],
        stopped=storable(getattr(first, "finish_reason", None)),
        refused=bool(getattr(first.message, "refusal", None)),
        input_tokens=count(getattr(usage, "prompt_tokens", None)),
        output_tokens=count(getattr(usage, "completion_tokens", None)),
    )


def storable(value: object) -> str:
    """Return a text that PostgreSQL takes: an answer that was paid for must not fail on its way
    there. Anything but a text is none."""
    text = value if isinstance(value, str) else ""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def count(value: object) -> int:
    """Return a number of tokens; 0 for anything else."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(value, 0), MAX_TOKENS_TOLD)
