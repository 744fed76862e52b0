"""A world in which a language model is asked: real PostgreSQL, a real server, a clock of ours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pyarrow as pa
from sqlalchemy import Engine, text
from sqlmodel import Session
from temporalio.testing import ActivityEnvironment

from activities.asking import AskModel
from activities.objects import write_table
from core.contracts import FileRef
from core.distinct_table import DISTINCT_SCHEMA
from core.factors.library import load_release
from core.keys import activities_key
from core.records import ActivityQuery, Decision, EmissionFactor, Thresholds
from db.queries import library
from db.queries.model_calls import Cost
from runtime.adapters.ranker_openai import OpenAiRanker
from runtime.factor_releases import new_release, release_row
from tests.factories import Uploader
from tests.model_server import KEY, ModelServer
from tests.questions import offered, query

# DESNZ 2025, kg CO2e a litre: average blend (domain.md section 8), mineral, petrol
DIESEL, MINERAL, PETROL = "1_101_1011_8_1", "1_101_1012_8_1", "1_101_1017_8_1"
NO_LIMIT = Cost(0, 0.0)
START = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)


@dataclass
class Clock:
    """A clock that only we move."""

    now: dt.datetime = START

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_by(self, **values: float) -> None:
        """Let time pass."""
        self.now += dt.timedelta(**values)


def environment(*, attempt: int = 1, since: dt.timedelta = dt.timedelta(0)) -> ActivityEnvironment:
    """Return where an activity of matching runs: it has twelve minutes since it began."""
    made = ActivityEnvironment()
    made.info = replace(
        made.info, attempt=attempt, started_time=dt.datetime.now(dt.UTC) - since,
        start_to_close_timeout=dt.timedelta(minutes=12),
    )  # fmt: skip
    return made


def as_worker(run: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function as an activity of matching."""
    return environment().run(run, *arguments)


class Offering:
    """Offers the same factors for everything, in the same order."""

    def __init__(self, factors: Sequence[EmissionFactor], confidence: float = 0.95) -> None:
        self.offered = factors
        self.confidence = confidence
        self.factors: Mapping[UUID, EmissionFactor] = {f.id: f for f in factors}

    def match(self, queries: Sequence[ActivityQuery], _: Thresholds) -> list[Decision]:
        return [offered(q, self.offered, self.confidence) for q in queries]

    def matcher_for(self, _: UUID, releases: object = None) -> Offering:
        return self


def load_fuels(engine: Engine) -> list[EmissionFactor]:
    """Load three fuels into an empty library; return them in that order."""
    release = load_release("desnz-2025")
    by_id = {f.source_id: f for f in release.factors}
    few = [by_id[DIESEL], by_id[MINERAL], by_id[PETROL]]
    with Session(engine) as session:
        meta = replace(release.meta, supersedes="")
        library.insert_release(session, release_row(new_release(meta, few)), few, {})
        session.commit()
    return few


def store_activities(uploader: Uploader, names: Sequence[str]) -> FileRef:
    """Upload a file whose distinct activities are already collected: 100 litres of each."""
    ref = uploader.upload("\n".join(names).encode())
    rows = []
    for name in names:
        asked = query(name)
        rows.append(
            {
                "activity_key": asked.key, "activity_name": asked.name, "unit": asked.unit,
                "dimension": asked.dimension.value, "region": asked.region, "year": asked.year,
                "row_count": 1, "volume_total": 100.0,
            }
        )  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=DISTINCT_SCHEMA)
    write_table(uploader.storage, activities_key(ref.organization_id, ref.file_id), table)
    return ref


@dataclass
class World:
    """Two organizations, a model's server, and what asks it."""

    engine: Engine  # worker
    admin: Engine
    server: ModelServer
    uploader: Uploader
    other: Uploader
    factors: Sequence[EmissionFactor]
    clock: Clock = field(default_factory=Clock)
    rankers: list[OpenAiRanker] = field(default_factory=list)

    def ranker(self, *, timeout_s: float = 20, key: str = KEY) -> OpenAiRanker:
        """Return a ranker of the server: two dollars a million tokens in, eight out."""
        made = OpenAiRanker(
            base_url=self.server.url, api_key=key, model="gpt-test", timeout_s=timeout_s,
            input_usd_per_mtok=2.0, output_usd_per_mtok=8.0,
        )  # fmt: skip
        self.rankers.append(made)
        return made

    def model(self, daily: Cost = NO_LIMIT, ask_below: float = 1.0, **values: Any) -> AskModel:
        """Return what a worker process asks with."""
        return AskModel(
            self.engine, self.ranker(**values), daily=daily, ask_below=ask_below, clock=self.clock
        )

    def decide(
        self,
        model: AskModel,
        *names: str | ActivityQuery,
        of: Uploader | None = None,
        attempt: int = 1,
        confidence: float = 0.95,
        within: ActivityEnvironment | None = None,
    ) -> list[Decision]:
        """Decide on activities within an activity, our own ranker offering the first fuel."""
        queries = [query(name) if isinstance(name, str) else name for name in names]
        organization_id = (of or self.uploader).organization_id
        found: list[Decision] = (within or environment(attempt=attempt)).run(
            model.decide,
            organization_id,
            queries,
            [offered(q, self.factors, confidence) for q in queries],
            {f.id: f for f in self.factors},
            Thresholds(),
        )
        assert [d.activity_key for d in found] == [q.key for q in queries]
        return found

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Look at the database, or arrange it."""
        with Session(self.admin) as session:
            done = session.execute(text(statement), values)
            rows = list(done.all()) if done.returns_rows else []
            session.commit()
        return rows

    def close(self) -> None:
        """Close the connections of every ranker."""
        for ranker in self.rankers:
            ranker.close()
