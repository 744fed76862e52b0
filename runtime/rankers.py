"""Builds what talks to a language model's server, where the settings name one."""

from __future__ import annotations

from sqlalchemy import Engine

from activities.asking import AskModel
from core.ports import CachingEmbedder, Ranker
from db.queries.model_calls import Cost
from runtime.settings import Settings


def make_ranker(settings: Settings) -> Ranker | None:
    """Return the language model that chooses factors; None when none is configured."""
    if settings.openai_model is None or settings.openai_base_url is None:
        return None
    from runtime.adapters.ranker_openai import OpenAiRanker

    return OpenAiRanker(
        base_url=settings.openai_base_url,
        # A server of one's own may want no key; the client insists on one.
        api_key=settings.openai_api_key.get_secret_value() or "none",
        model=settings.openai_model,
        timeout_s=settings.openai_timeout_s,
        input_usd_per_mtok=settings.openai_input_usd_per_mtok,
        output_usd_per_mtok=settings.openai_output_usd_per_mtok,
    )


def make_model(settings: Settings, engine: Engine) -> AskModel | None:
    """Return what asks the model, with the organization's daily budget."""
    ranker = make_ranker(settings)
    if ranker is None:
        return None
    daily = Cost(settings.ai_daily_budget_tokens, settings.ai_daily_budget_usd)
    return AskModel(engine, ranker, daily=daily, ask_below=settings.ai_ask_below)


def make_embedder(settings: Settings) -> CachingEmbedder:
    """Return the embeddings of the configured server, else those of the shipped model."""
    if settings.openai_embedding_model and settings.openai_base_url:
        from runtime.adapters.embedder_openai import OpenAiEmbedder

        return OpenAiEmbedder(
            base_url=settings.openai_base_url,
            api_key=settings.openai_api_key.get_secret_value() or "none",
            model=settings.openai_embedding_model,
            timeout_s=min(settings.openai_timeout_s, 120),
        )
    from runtime.adapters.embedder_onnx import OnnxEmbedder

    return OnnxEmbedder(threads=settings.embedder_threads)
