"""A language model behind the chat completions protocol: OpenAI's own server or a compatible one.

Checked against openai 3.54 and the published OpenAPI document of the protocol. The client never
retries: Temporal does, where everybody can see it.
"""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import openai
from openai import OpenAI

from core.errors import Misconfigured, RateLimited, Unavailable
from core.matching.prompt import Request
from core.ports import RankReply

MAX_ANSWER_TOKENS = 1000  # twenty labels; the rest is room for how a tokenizer cuts JSON
MAX_ANSWER_CHARS = 20_000
SEED = 7
MAX_RETRY_AFTER_S = 600.0


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
        self._client = OpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries=0)
        self._host = urlsplit(base_url).netloc
        self._model = model
        self._timeout_s = timeout_s
        self._prices = (input_usd_per_mtok, output_usd_per_mtok)

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
        return self._timeout_s

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """Return what a call costs at the prices of the settings."""
        price_in, price_out = self._prices
        return (input_tokens * price_in + output_tokens * price_out) / 1e6

    def ask(self, request: Request) -> RankReply:
        """Send one request; see core.ports.Ranker for what it raises."""
        try:
            completion = self._client.chat.completions.create(
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
                temperature=0,
                seed=SEED,
                max_completion_tokens=MAX_ANSWER_TOKENS,
                store=False,
            )  # fmt: skip
        except openai.RateLimitError as error:
            if error.code == "insufficient_quota":
                raise Misconfigured("the provider says that the quota is used up") from None
            raise RateLimited(
                "the provider says: too many requests", retry_after_s=retry_after_s(error)
            ) from None
        except openai.APIStatusError as error:
            # The body may repeat what was sent; only the status is told.
            if error.status_code in (408, 409, 425) or error.status_code >= 500:
                raise Unavailable(f"the provider answered {error.status_code}") from None
            raise Misconfigured(f"the provider refused the call: {error.status_code}") from None
        except (openai.APIConnectionError, openai.APIResponseValidationError) as error:
            raise Unavailable(f"the provider is away: {type(error).__name__}") from None
        except ValueError:  # an answer that is no JSON at all
            raise Unavailable("the provider's answer cannot be read") from None
        return reply_of(completion)


def reply_of(completion: object) -> RankReply:
    """Return the reply; a server may leave out what the protocol promises."""
    choices = getattr(completion, "choices", None)
    if not isinstance(choices, list) or not choices or getattr(choices[0], "message", None) is None:
        raise Unavailable("the provider's answer holds no choice")
    first, usage = choices[0], getattr(completion, "usage", None)
    return RankReply(
        text=str(first.message.content or "")[:MAX_ANSWER_CHARS],
        model=str(getattr(completion, "model", "") or ""),
        stopped=str(getattr(first, "finish_reason", "") or ""),
        refused=bool(getattr(first.message, "refusal", None)),
        input_tokens=int(getattr(usage, "prompt_tokens", 0) or 0),
        output_tokens=int(getattr(usage, "completion_tokens", 0) or 0),
    )


def retry_after_s(error: openai.APIStatusError, now: dt.datetime | None = None) -> float | None:
    """Read Retry-After: seconds, or an HTTP date."""
    text = error.response.headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        seconds = (at - (now or dt.datetime.now(dt.UTC))).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None
