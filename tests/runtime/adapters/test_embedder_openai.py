"""Embeddings of a server of the protocol that misbehaves on demand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import Misconfigured, RateLimited, TonnageError, Unavailable
from core.ports import CachingEmbedder
from runtime.adapters.embedder_openai import BATCH, MAX_CHARS, OpenAiEmbedder
from tests.model_answers import Mode, vector
from tests.model_server import KEY, Behaviour, ModelServer, status


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def embedder(server: ModelServer) -> Iterator[OpenAiEmbedder]:
    embedder = OpenAiEmbedder(base_url=server.url, api_key=KEY, model="embed", timeout_s=10)
    yield embedder
    embedder.close()


def test_vectors_are_unit_vectors_in_the_order_of_the_texts(
    server: ModelServer, embedder: OpenAiEmbedder
) -> None:
    texts = ["diesel", "petrol", "diesel", ""]
    vectors = embedder.embed(texts)
    assert server.refused == []
    assert vectors.shape == (4, 8)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    for text, found in zip(texts, vectors, strict=True):
        expected = np.array(vector(text or " ", 8))
        np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-6)
    [received] = server.requests
    assert received.path == "/v1/embeddings"
    assert received.body["input"] == ["diesel", "petrol", " "]
    assert isinstance(embedder, CachingEmbedder)


def test_many_texts_go_in_several_requests(server: ModelServer, embedder: OpenAiEmbedder) -> None:
    vectors = embedder.embed([f"text {n}" for n in range(BATCH + 1)])
    assert vectors.shape == (BATCH + 1, 8)
    assert [len(r.body["input"]) for r in server.requests] == [BATCH, 1]


def test_long_texts_and_half_surrogate_pairs_are_made_sendable(
    server: ModelServer, embedder: OpenAiEmbedder
) -> None:
    embedder.embed(["x" * (MAX_CHARS + 1), "die\ud800sel"])
    assert server.refused == []
    assert server.requests[0].body["input"] == ["x" * MAX_CHARS, "die?sel"]


def test_the_length_of_a_vector_is_asked_once(
    server: ModelServer, embedder: OpenAiEmbedder
) -> None:
    assert embedder.embed([]).shape == (0, 8)
    assert embedder.dimensions == 8
    assert len(server.requests) == 1


def test_what_was_embedded_is_kept_in_a_file(
    server: ModelServer, embedder: OpenAiEmbedder, tmp_path: Path
) -> None:
    first = embedder.embed_cached(["diesel", "petrol"], tmp_path)
    asked = len(server.requests)
    np.testing.assert_array_equal(embedder.embed_cached(["diesel", "petrol"], tmp_path), first)
    assert len(server.requests) == asked
    assert embedder.name == f"{server.url}#embed"


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (Behaviour(Mode.RATE_LIMITED, retry_after="5"), RateLimited),
        (Mode.QUOTA_USED_UP, Misconfigured),
        (status(500), Unavailable),
        (status(401), Misconfigured),
        (status(404), Misconfigured),
        (Mode.REDIRECT, Misconfigured),
        (Mode.DROP, Unavailable),
        (Mode.NOT_JSON, Unavailable),
        (Mode.NO_OBJECT, Unavailable),
        (Mode.NO_CHOICES, Unavailable),
        (Mode.MISSING_ACTIVITY, Unavailable),
        (Mode.TRUNCATED, Unavailable),
        (Mode.NONSENSE, Unavailable),
    ],
    ids=str,
)
def test_a_failure_is_told_by_its_kind_after_one_call_and_without_what_was_sent(
    server: ModelServer,
    embedder: OpenAiEmbedder,
    behaviour: Behaviour | Mode,
    kind: type[TonnageError],
) -> None:
    server.behave(behaviour)
    with pytest.raises(TonnageError) as raised:
        embedder.embed(["Project Blue Heron", "petrol"])
    assert type(raised.value) is kind
    assert len(server.requests) == 1
    assert "Heron" not in str(raised.value)
    assert KEY not in str(raised.value)
    if isinstance(raised.value, RateLimited):
        assert raised.value.retry_after_s == 5
    assert embedder.embed(["petrol"]).shape == (1, 8)


def test_the_timeout_is_kept(server: ModelServer) -> None:
    server.behave(Mode.HANG)
    embedder = OpenAiEmbedder(base_url=server.url, api_key=KEY, model="embed", timeout_s=0.2)
    with pytest.raises(Unavailable):
        embedder.embed(["diesel"])
    embedder.close()
