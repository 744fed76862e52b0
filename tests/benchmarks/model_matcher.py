"""A language model over the offline ranker's candidates, as the benchmark asks it.

The same questions, answers and decisions as activities/asking.py, without database: no budget, no
breaker, no kept answers. What cannot be had is decided offline, and counted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from core.errors import InvalidInput, TonnageError
from core.matching import model_choice, prompt
from core.matching.matcher import OfflineMatcher
from core.matching.prompt import InvalidAnswer, Question
from core.ports import Ranker
from core.records import ActivityQuery, Decision, EmissionFactor, Thresholds
from runtime.rankers import make_ranker
from runtime.settings import Settings

CALLS_AT_ONCE = 10


def ranker_of_settings() -> Ranker:
    """Return the model that TONNAGE_OPENAI_* name. Raises InvalidInput when none is."""
    unused = Path("/nonexistent")
    settings = Settings(
        secret_key="0123456789-not-used-by-the-benchmark-abcdef",
        database_url="postgresql://unused", storage_url="file:///unused", work_dir=unused,
    )  # fmt: skip
    ranker = make_ranker(settings)
    if ranker is None:
        raise InvalidInput("set TONNAGE_OPENAI_BASE_URL, _API_KEY and _MODEL; see docs/model.md")
    return ranker


@dataclass
class ModelMatcher:
    """Matches as OfflineMatcher does, and lets the model choose."""

    offline: OfflineMatcher
    ranker: Ranker
    cost_usd: float = 0.0
    failures: list[str] = field(default_factory=list)
    call_ms: list[float] = field(default_factory=list)

    @property
    def factors(self) -> Mapping[UUID, EmissionFactor]:
        """The factors by id."""
        return self.offline.factors

    def match(self, queries: Sequence[ActivityQuery], thresholds: Thresholds) -> Sequence[Decision]:
        """Return one decision for each query, in order."""
        decisions = list(self.offline.match(queries, thresholds))
        open_ = [i for i, d in enumerate(decisions) if d.candidates]
        batches = [
            open_[start : start + prompt.MAX_QUESTIONS]
            for start in range(0, len(open_), prompt.MAX_QUESTIONS)
        ]
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            answers = pool.map(lambda batch: self._ask(queries, decisions, batch), batches)
            for batch, choices in zip(batches, answers, strict=True):
                for place, choice in zip(batch, choices or (), strict=False):
                    factor = self.factors.get(choice.factor_id) if choice else None
                    decisions[place] = model_choice.decide(
                        queries[place], decisions[place], choice, factor, thresholds,
                        self.ranker.model,
                    )  # fmt: skip
        return decisions

    def _ask(
        self, queries: Sequence[ActivityQuery], decisions: Sequence[Decision], batch: Sequence[int]
    ) -> Sequence[prompt.Candidate | None] | None:
        questions = [
            Question(queries[i], decisions[i].candidates[: prompt.MAX_CANDIDATES]) for i in batch
        ]
        begun = time.perf_counter()
        try:
            reply = self.ranker.ask(prompt.build(questions, self.factors))
            self.call_ms.append((time.perf_counter() - begun) * 1000)
            self.cost_usd += self.ranker.cost_usd(reply.input_tokens, reply.output_tokens)
            return prompt.read(reply.text, questions)
        except (TonnageError, InvalidAnswer) as error:
            self.failures.append(type(error).__name__)
            return None
