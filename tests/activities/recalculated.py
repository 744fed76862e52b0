"""A completed file of published figures, and the activities of a recalculation over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlmodel import Session

from activities.calculate import CalculatePart
from activities.commit_recalculation import CommitRecalculations
from activities.deciding import Deciding
from activities.match import MatchBatch
from activities.parse import ParseFile
from activities.recalculate import PreviewRecalculations
from activities.rematch import RematchBatch
from activities.status import FileStatusKeeper
from activities.validate import ValidatePart
from core.contracts import (
    BatchRef,
    FileProgress,
    FileRef,
    FileStatus,
    FinishInput,
    PartRef,
    RecalculationBatchRef,
    RecalculationRef,
    RematchRef,
    RowCounts,
    Stage,
)
from core.factors.library import load_release
from core.permissions import Reach
from core.records import (
    ActivityQuery,
    Candidate,
    Decision,
    EmissionFactor,
    Method,
    Outcome,
    Reason,
    Thresholds,
)
from db.engine import tenant_session
from db.ids import uuid7
from db.queries import library, recalculations
from runtime.factor_releases import new_release, release_row
from runtime.parse_child import run_parse
from tests.factories import Uploader

CSV = b"""activity,quantity,unit,country,year
Electricity,50000,kWh,UK,2024
Electricity,1000,kWh,UK,2024
Diesel (average biofuel blend),1200,litres,UK,2024
12 laptops,12,units,UK,2024
Petrol,ten,litres,UK,2024
"""
# DESNZ flat files, kg CO2e per kWh and litre: 2024 → 2025 (domain.md section 8 has the latter)
ELECTRICITY, DIESEL, GAS = "7_400_4000_5_1", "1_101_1011_8_1", "1_100_1004_6_1"
OLD_KG = {50000.0: 10_352.5, 1000.0: 207.05, 1200.0: 3_015.348}  # 0.20705, 2.51279
NEW_KG = {50000.0: 8_850.0, 1000.0: 177.0, 1200.0: 3_084.984}  # 0.177, 2.57082
OLD, NEW = "desnz-2024", "desnz-2025"


class NoRates:
    """No exchange rate is at hand."""

    def annual_average(self, currency: str, quote: str, year: int) -> tuple[float, str] | None:
        return None


class Scripted:
    """Takes the factor that a word in the name asks for; each set of releases has its own."""

    def __init__(self, factors: Sequence[EmissionFactor]) -> None:
        self.everything = factors
        self.words = {"Electricity": ELECTRICITY, "Diesel": DIESEL}
        self.flagged: set[str] = set()
        self.asked: list[str] = []

    def matcher_for(self, _: UUID, releases: tuple[str, ...] | None = None) -> ScriptedMatcher:
        return ScriptedMatcher(self, releases or (OLD,))


class ScriptedMatcher:
    """The matcher over some releases."""

    def __init__(self, script: Scripted, releases: tuple[str, ...]) -> None:
        self.script = script
        self.factors: Mapping[UUID, EmissionFactor] = {
            f.id: f for f in script.everything if f.release in releases
        }

    def match(self, queries: Sequence[ActivityQuery], _: Thresholds) -> list[Decision]:
        return [self.decide(query) for query in queries]

    def decide(self, query: ActivityQuery) -> Decision:
        word = query.name.split()[0]
        self.script.asked.append(query.name)
        wanted = self.script.words.get(word)
        factor = next((f for f in self.factors.values() if f.source_id == wanted), None)
        if factor is None:
            reason = Reason("no_candidate", "Nothing fits.")
            return Decision(query.key, Outcome.HELD, Method.OFFLINE, None, 0.0, (), (reason,))
        candidate = Candidate(
            factor.id, factor.source_id, factor.release, factor.name, factor.value_per_unit,
            factor.unit, 0.9, {"words": 1.0},
        )  # fmt: skip
        unsure = word in self.script.flagged
        return Decision(
            query.key, Outcome.FLAGGED if unsure else Outcome.MATCHED, Method.OFFLINE, factor.id,
            0.5 if unsure else 0.95, (candidate,), (Reason("fits", "It fits."),),
        )  # fmt: skip


class Recalculated:
    """The stages, a way to complete files against 2024, and to recalculate them with 2025."""

    def __init__(
        self, engine: Engine, uploader: Uploader, work_dir: Path, run: Callable[..., Any]
    ) -> None:
        self.engine, self.uploader, self.run = engine, uploader, run
        self.factors = self.load(uploader.engine)
        self.script = Scripted(self.factors)
        storage, deciding = uploader.storage, Deciding(self.script)
        runner = partial(run_parse, timeout_s=60, memory_mb=1024)
        self.parse = ParseFile(engine, storage, runner, work_dir=work_dir)
        self.validate = ValidatePart(engine, storage)
        self.match = MatchBatch(engine, storage, deciding, NoRates())
        self.calculate = CalculatePart(engine, storage, NoRates())
        self.status = FileStatusKeeper(engine, storage)
        self.rematch = RematchBatch(engine, deciding, NoRates())
        self.preview = PreviewRecalculations(engine, NoRates(), batch_rows=2)
        self.commit = CommitRecalculations(engine, NoRates(), batch_rows=2)

    @staticmethod
    def load(engine: Engine) -> list[EmissionFactor]:
        """Load three factors of either edition."""
        factors: list[EmissionFactor] = []
        with Session(engine) as session:
            for name in (OLD, NEW):
                release = load_release(name)
                few = [f for f in release.factors if f.source_id in (ELECTRICITY, DIESEL, GAS)]
                meta = replace(release.meta, supersedes="")
                library.insert_release(session, release_row(new_release(meta, few)), few, {})
                factors += few
            session.commit()
        return factors

    def factor(self, release: str, source_id: str) -> EmissionFactor:
        return next(f for f in self.factors if (f.release, f.source_id) == (release, source_id))

    def completed(self, data: bytes = CSV, **values: Any) -> FileRef:
        """Complete a file against 2024: three figures, one row in review, one rejected."""
        ref = self.uploader.upload(data, **values)
        assert self.run(self.parse.parse_file, ref).problem is None
        self.run(self.validate.validate_part, PartRef(**ref.model_dump(), part=0))
        self.run(self.validate.collect_activities, ref)
        self.run(self.match.match_batch, BatchRef(**ref.model_dump(), offset=0, size=10))
        self.run(self.calculate.calculate_part, PartRef(**ref.model_dump(), part=0))
        request = FinishInput(
            **ref.model_dump(),
            expected=RowCounts(total=5, calculated=3, in_review=1, rejected=1),
            progress=FileProgress(status=FileStatus.COMPLETED, stage=Stage.FINISH),
        )
        self.run(self.status.finish_file, request)
        return ref

    def asked(self, *files: FileRef, **selection: Any) -> RecalculationRef:
        """Ask for a recalculation as the API does; without files for all."""
        organization_id = self.uploader.organization_id
        wanted = recalculations.Selection(
            file_ids=tuple(f.file_id for f in files) or None, **selection
        )
        new = recalculations.NewRecalculation(
            id=uuid7(), user_id=self.uploader.user_id, releases=(NEW,),
            selection=wanted, reach=Reach(), reason="the 2025 edition",
        )  # fmt: skip
        with Session(self.uploader.engine) as session:
            recalculations.add(session, organization_id, new)
            session.commit()
        return RecalculationRef(organization_id=organization_id, recalculation_id=new.id)

    def rematched(self, *files: FileRef, **selection: Any) -> tuple[RecalculationRef, Any]:
        ref = self.asked(*files, **selection)
        plan = self.run(self.preview.plan_recalculation, ref)
        request = RematchRef(**ref.model_dump(), offset=0, size=max(plan.activities, 1))
        self.run(self.rematch.rematch_batch, request)
        return ref, plan

    def previewed(self, *files: FileRef, **selection: Any) -> RecalculationRef:
        """Run a preview to its end."""
        ref, plan = self.rematched(*files, **selection)
        for batch in range(plan.batches):
            request = RecalculationBatchRef(**ref.model_dump(), batch=batch)
            self.run(self.preview.preview_batch, request)
        self.run(self.preview.finish_preview, ref)
        return ref

    def request_commit(self, ref: RecalculationRef) -> None:
        with Session(self.uploader.engine) as session:
            recalculations.request_commit(
                session, ref.organization_id, ref.recalculation_id, self.uploader.user_id
            )
            session.commit()

    def committed(self, ref: RecalculationRef) -> Any:
        """Run a commit to its end."""
        self.request_commit(ref)
        while self.run(self.commit.commit_files, ref).remaining:
            pass
        return self.run(self.commit.finish_commit, ref)

    def sql(self, statement: str, **values: Any) -> list[Any]:
        with Session(self.uploader.engine) as session:
            done = session.execute(text(statement), values)
            rows = list(done.all()) if done.returns_rows else []
            session.commit()
        return rows

    def rows(self, ref: RecalculationRef) -> dict[float, Any]:
        """Return the rows of a preview by the volume of their activity."""
        found = self.sql(
            "SELECT r.*, e.volume FROM recalculation_rows r JOIN emissions e"
            " ON e.id = r.emission_id WHERE r.recalculation_id = :id",
            id=ref.recalculation_id,
        )
        return {row.volume: row for row in found}

    def figures(self, ref: FileRef) -> dict[float, Any]:
        """Return the living figures of a file by volume."""
        found = self.uploader.rows(
            "SELECT * FROM emissions WHERE file_id = :file_id AND deleted_at IS NULL", ref
        )
        return {row.volume: row for row in found}

    def state(self, ref: RecalculationRef) -> Any:
        [row] = self.sql("SELECT * FROM recalculations WHERE id = :id", id=ref.recalculation_id)
        return row

    def as_tenant(self) -> Any:
        return tenant_session(self.engine, self.uploader.organization_id)
