"""Which model and which embeddings the settings ask for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import Engine

from db.queries.model_calls import Cost
from runtime.adapters.embedder_onnx import OnnxEmbedder
from runtime.adapters.embedder_openai import OpenAiEmbedder
from runtime.adapters.ranker_openai import OpenAiRanker
from runtime.rankers import make_embedder, make_model, make_ranker
from runtime.settings import Settings

SERVER = {"openai_base_url": "https://llm.example/v1"}


def configured(settings: Settings, **values: Any) -> Settings:
    return Settings.model_validate({**settings.model_dump(), **values})


def test_without_a_server_nothing_leaves_the_house(
    settings: Settings, worker_engine: Engine
) -> None:
    assert make_ranker(settings) is None
    assert make_model(settings, worker_engine) is None
    assert isinstance(make_embedder(settings), OnnxEmbedder)
    # A server alone is no model.
    assert make_ranker(configured(settings, **SERVER)) is None


def test_a_model_is_asked_within_the_budget_of_the_settings(
    settings: Settings, worker_engine: Engine
) -> None:
    wanted = configured(
        settings, **SERVER, openai_model="gpt-test", openai_timeout_s=90, ai_ask_below=0.8,
        ai_daily_budget_tokens=1000, ai_daily_budget_usd=2.5, openai_input_usd_per_mtok=1,
        openai_output_usd_per_mtok=4, openai_api_key=SecretStr("sk-secret"),
    )  # fmt: skip
    model = make_model(wanted, worker_engine)
    assert model is not None
    ranker = model.ranker
    assert isinstance(ranker, OpenAiRanker)
    assert (ranker.provider, ranker.model, ranker.timeout_s) == ("llm.example", "gpt-test", 90)
    assert ranker.cost_usd(1_000_000, 1_000_000) == 5
    assert (model.daily, model.ask_below) == (Cost(1000, 2.5), 0.8)
    assert model.breaker_name == "llm.example/gpt-test"
    assert "sk-secret" not in f"{wanted!r}{ranker!r}{vars(ranker)!r}"


def test_embeddings_may_come_from_the_same_server(settings: Settings) -> None:
    embedder = make_embedder(configured(settings, **SERVER, openai_embedding_model="embed"))
    assert isinstance(embedder, OpenAiEmbedder)
    assert embedder.name == "https://llm.example/v1#embed"


@pytest.mark.parametrize(
    "wrong",
    [
        {"openai_model": "gpt-test"},
        {"openai_embedding_model": "embed"},
        {"openai_base_url": "ftp://llm.example"},
        {"openai_timeout_s": 700},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: Settings, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        configured(settings, **wrong)


def test_a_batch_is_one_call_when_a_model_is_asked(settings: Settings) -> None:
    assert settings.activities_a_batch == 200
    with_model = configured(settings, **SERVER, openai_model="gpt-test")
    assert with_model.activities_a_batch == 20
