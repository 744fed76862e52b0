"""The ranker against a server of the protocol that misbehaves on demand."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from email.utils import format_datetime

import pytest

from core.errors import Misconfigured, RateLimited, TonnageError, Unavailable
from core.matching import prompt
from core.matching.prompt import Request
from runtime.adapters.openai_calls import REQUEST_REFUSED, Calls
from runtime.adapters.ranker_openai import MAX_ANSWER_TOKENS, OPTIONS, OpenAiRanker
from tests.model_answers import Mode
from tests.model_server import KEY, Behaviour, ModelServer, status
from tests.openai_schema import CHAT_NAMES, EMBEDDING_NAMES, ChatRequest, EmbeddingRequest, fault_of
from tests.questions import BY_ID, question

SECRET_NAME = "Diesel for project Blue Heron"
QUESTIONS = [question(SECRET_NAME), question("Petrol")]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def make(server: ModelServer, *, timeout_s: float = 10, key: str = KEY) -> OpenAiRanker:
    return OpenAiRanker(
        base_url=server.url, api_key=key, model="gpt-test", timeout_s=timeout_s,
        input_usd_per_mtok=2.0, output_usd_per_mtok=8.0,
    )  # fmt: skip


@pytest.fixture
def ranker(server: ModelServer) -> Iterator[OpenAiRanker]:
    ranker = make(server)
    yield ranker
    ranker.close()


@pytest.fixture
def hurried(server: ModelServer) -> Iterator[OpenAiRanker]:
    ranker = make(server, timeout_s=0.3)
    yield ranker
    ranker.close()


def request() -> Request:
    return prompt.build(QUESTIONS, BY_ID)


def failure(ranker: OpenAiRanker) -> TonnageError:
    with pytest.raises(TonnageError) as raised:
        ranker.ask(request())
    return raised.value


def test_a_request_is_what_the_published_schema_asks_for(
    server: ModelServer, ranker: OpenAiRanker
) -> None:
    reply = ranker.ask(request())
    assert server.refused == []
    [received] = server.requests
    assert received.path == "/v1/chat/completions"
    assert received.names == [SECRET_NAME, "Petrol"]
    assert received.body["temperature"] == 0
    assert received.body["store"] is False
    assert received.body["max_completion_tokens"] == MAX_ANSWER_TOKENS
    assert received.body["response_format"]["json_schema"]["strict"] is True
    assert [m["role"] for m in received.body["messages"]] == ["system", "user"]
    assert "tools" not in received.body
    assert (reply.text, reply.stopped, reply.refused) == ('{"A1": "C1", "A2": "C1"}', "stop", False)
    assert reply.model == "gpt-test-2026-11-01"
    assert reply.output_tokens == 12
    assert reply.input_tokens > 100


def test_a_full_request_keeps_within_the_limits_of_strict_schemas(
    server: ModelServer, ranker: OpenAiRanker
) -> None:
    candidates = list(BY_ID.values()) * 7
    full = [question(f"Diesel {n}", candidates[: prompt.MAX_CANDIDATES]) for n in range(20)]
    assert len(full) == prompt.MAX_QUESTIONS
    ranker.ask(prompt.build(full, BY_ID))
    assert server.refused == []
    assert len(server.requests[0].names) == 20


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"seed": "seven"}, "seed"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"model": 4}, "model"),
        ({"stor": False}, "stor"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}},
         "response_format.json_schema.name"),
    ],
)  # fmt: skip
def test_the_server_of_these_tests_refuses_what_the_schema_does_not_allow(
    change: dict[str, object], param: str
) -> None:
    right = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    assert fault_of("/v1/chat/completions", right) is None
    fault = fault_of("/v1/chat/completions", right | change)
    assert fault is not None
    assert fault.param == param


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": [],
         "additionalProperties": False},
        {"type": "object", "properties": {"a": {"type": "string", "enum": []}},
         "required": ["a"], "additionalProperties": False},
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}},
         "required": ["a"], "additionalProperties": False},
        {"type": "object", "properties": {"a": {"enum": [str(n) for n in range(1001)]}},
         "required": ["a"], "additionalProperties": False},
    ],
)  # fmt: skip
def test_the_server_of_these_tests_refuses_schemas_that_strict_mode_does(
    wrong: dict[str, object],
) -> None:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "strict": True, "schema": wrong},
        },
    }
    fault = fault_of("/v1/chat/completions", body)
    assert fault is not None
    assert fault.param == "response_format"


def test_the_schema_of_these_tests_has_no_names_of_its_own() -> None:
    # The generated types are the published document's; whoever is to be believed is not us.
    assert set(ChatRequest.model_fields) <= CHAT_NAMES
    assert set(EmbeddingRequest.model_fields) <= EMBEDDING_NAMES
    assert set(OPTIONS) <= CHAT_NAMES


@pytest.mark.parametrize(
    ("behaviour", "kind", "code"),
    [
        (Mode.RATE_LIMITED, RateLimited, "rate_limited"),
        (Mode.QUOTA_USED_UP, Misconfigured, "misconfigured"),
        (status(500), Unavailable, "unavailable"),
        (status(503), Unavailable, "unavailable"),
        (status(408), Unavailable, "unavailable"),
        (status(409), Unavailable, "unavailable"),
        (status(400), Misconfigured, REQUEST_REFUSED),
        (status(413), Misconfigured, REQUEST_REFUSED),
        (status(422), Misconfigured, REQUEST_REFUSED),
        (status(401), Misconfigured, "misconfigured"),
        (status(403), Misconfigured, "misconfigured"),
        (status(404), Misconfigured, "misconfigured"),
        (Mode.REDIRECT, Misconfigured, "misconfigured"),
        (Mode.DROP, Unavailable, "unavailable"),
        (Mode.NOT_JSON, Unavailable, "unavailable"),
        (Mode.NO_OBJECT, Unavailable, "unavailable"),
        (Mode.NO_CHOICES, Unavailable, "unavailable"),
    ],
    ids=str,
)
def test_a_failure_is_told_by_its_kind_after_one_call_and_without_what_was_sent(
    server: ModelServer,
    ranker: OpenAiRanker,
    behaviour: Behaviour | Mode,
    kind: type[TonnageError],
    code: str,
) -> None:
    server.behave(behaviour)
    error = failure(ranker)
    assert (type(error), error.code) == (kind, code)
    assert len(server.requests) == 1
    for said in (str(error), repr(error)):
        assert SECRET_NAME not in said
        assert KEY not in said
    assert error.__context__ is None or error.__suppress_context__
    ranker.ask(request())
    assert len(server.requests) == 2


def test_a_wrong_key_is_misconfigured_and_shows_in_no_text(server: ModelServer) -> None:
    ranker = make(server, key="sk-wrong-key-of-ours")
    error = failure(ranker)
    ranker.close()
    assert isinstance(error, Misconfigured)
    assert "sk-wrong" in server.refused[0]  # the server repeats it, we do not
    assert "sk-wrong" not in f"{error!r}{error}"


@pytest.mark.parametrize("mode", [Mode.HANG, Mode.DRIBBLE])
def test_the_timeout_ends_a_call_also_when_bytes_keep_coming(
    server: ModelServer, hurried: OpenAiRanker, mode: Mode
) -> None:
    server.behave(mode)
    error = failure(hurried)
    assert type(error) is Unavailable
    assert str(error) == "the provider did not answer in time"
    server.wait_for(lambda: not server.in_flight)
    assert len(server.requests) == 1
    assert hurried.timeout_s == 0.3


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with ModelServer() as gone:
        ranker = make(gone)
    assert type(failure(ranker)) is Unavailable
    ranker.close()


def test_a_call_is_given_up_when_its_caller_is_told_to_stop(server: ModelServer) -> None:
    # As a cancelled activity is: by an exception in its thread, which a socket would not let in.
    calls = Calls(base_url=server.url, api_key=KEY, timeout_s=600, who="the provider")
    server.standing = Behaviour(Mode.HANG)
    stopped: list[type[BaseException]] = []

    def ask() -> None:
        try:
            calls.run(lambda client: client.embeddings.create(model="m", input="x"))
        except BaseException as error:
            stopped.append(type(error))

    thread = threading.Thread(target=ask)
    thread.start()
    server.wait_for(lambda: len(server.in_flight) == 1)
    assert raise_in(thread, KeyboardInterrupt)
    thread.join(20)
    assert stopped == [KeyboardInterrupt]
    server.wait_for(lambda: server.given_up == 1)
    assert not server.in_flight
    calls.close()


def raise_in(thread: threading.Thread, error: type[BaseException]) -> bool:
    import ctypes

    assert thread.ident is not None
    name = ctypes.c_ulong(thread.ident)
    return ctypes.pythonapi.PyThreadState_SetAsyncExc(name, ctypes.py_object(error)) == 1


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("1.5", 1.5),
        ("0", 1.0),  # at once would be a busy loop
        ("-3", 1.0),
        ("86400", 600.0),
        ("inf", 600.0),
        ("nan", None),
        ("soon", None),
        ("Thu, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_read_within_limits(
    server: ModelServer, ranker: OpenAiRanker, told: str | None, seconds: float | None
) -> None:
    server.behave(Behaviour(Mode.RATE_LIMITED, retry_after=told))
    error = failure(ranker)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(days=1), usegmt=True), 600.0),
        (format_datetime(dt.datetime(2020, 1, 1, tzinfo=dt.UTC), usegmt=True), 1.0),
        ("Wed, 01 Jan 2020 00:00:00 -0000", 1.0),  # read as naive by the standard library
    ],
    ids=["tomorrow", "past", "without a zone"],
)
def test_retry_after_may_be_a_date(
    server: ModelServer, ranker: OpenAiRanker, told: str, seconds: float
) -> None:
    server.behave(Behaviour(Mode.RATE_LIMITED, retry_after=told))
    error = failure(ranker)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize(
    ("mode", "stopped", "refused"),
    [
        (Mode.REFUSAL, "stop", True),
        (Mode.FILTERED, "content_filter", True),
        (Mode.CONTENT_FILTER, "content_filter", False),
        (Mode.TRUNCATED, "length", False),
    ],
)
def test_a_refusal_and_an_answer_that_broke_off_are_answers(
    server: ModelServer, ranker: OpenAiRanker, mode: Mode, stopped: str, refused: bool
) -> None:
    server.behave(mode)
    reply = ranker.ask(request())
    assert (reply.stopped, reply.refused) == (stopped, refused)


def test_an_answer_without_usage_or_of_wrong_types_is_read_all_the_same(
    server: ModelServer, ranker: OpenAiRanker
) -> None:
    server.behave(Mode.NO_USAGE, Mode.NONSENSE, Mode.UNSTORABLE)
    without, nonsense, unstorable = (ranker.ask(request()) for _ in range(3))
    assert (without.input_tokens, without.output_tokens) == (0, 0)
    assert without.text == '{"A1": "C1", "A2": "C1"}'
    assert (nonsense.text, nonsense.model) == ("", "")
    assert (nonsense.input_tokens, nonsense.output_tokens) == (0, 0)
    assert "\0" not in unstorable.text
    unstorable.text.encode()


@pytest.mark.parametrize("style", ["param", "message", "detail"])
def test_what_a_server_does_not_take_is_left_out_from_then_on(
    server: ModelServer, ranker: OpenAiRanker, style: str
) -> None:
    # A model that thinks takes no temperature (OpenAI: `param`), Groq refuses names it does not
    # know within the message, Mistral in pydantic's list: all of them without any cost.
    server.not_taken = {"temperature": style, "store": style}
    ranker.ask(request())
    assert len(server.refused) == 2
    assert sorted(set(OPTIONS) & set(server.requests[0].body)) == ["max_completion_tokens", "seed"]
    ranker.ask(request())
    assert len(server.refused) == 2
    assert len(server.requests) == 2


def test_a_server_without_strict_schemas_is_misconfigured(
    server: ModelServer, ranker: OpenAiRanker
) -> None:
    server.not_taken = {"response_format": "param"}
    error = failure(ranker)
    assert isinstance(error, Misconfigured)
    assert error.code == REQUEST_REFUSED
    assert len(server.refused) == 1


def test_the_cost_is_by_the_prices_of_the_settings(ranker: OpenAiRanker) -> None:
    # 1,500 × 2 USD + 100 × 8 USD a million = 0.003 + 0.0008
    assert ranker.cost_usd(1500, 100) == pytest.approx(0.0038)


def test_the_providers_name_holds_no_password() -> None:
    ranker = OpenAiRanker(
        base_url="https://user:secret@llm.example:8443/v1", api_key="k", model="m", timeout_s=1
    )
    assert (ranker.provider, ranker.model) == ("llm.example:8443", "m")
