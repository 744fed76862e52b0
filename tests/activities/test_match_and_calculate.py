"""Matching, calculating and ending a file: works, twice, resumes, fails for good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session
from temporalio.exceptions import ApplicationError

from activities.calculate import CalculatePart
from activities.deciding import Deciding
from activities.match import MatchBatch
from activities.parse import ParseFile
from activities.status import FileStatusKeeper
from activities.validate import ValidatePart
from core.calculation import verify
from core.contracts import (
    BatchRef,
    FailInput,
    FileProgress,
    FileRef,
    FileStatus,
    FinishInput,
    PartRef,
    Problem,
    RowCounts,
    Stage,
)
from core.errors import NotFound
from core.factors.library import load_release
from core.keys import quarantine_key, upload_key
from core.records import (
    ActivityQuery,
    Candidate,
    Decision,
    Dimension,
    EmissionFactor,
    Method,
    Outcome,
    Reason,
    Thresholds,
)
from db.queries import library
from runtime.factor_releases import new_release, release_row
from runtime.parse_child import run_parse
from tests.factories import Uploader

CSV = b"""activity,quantity,unit,country,year
Diesel (average biofuel blend),1200,litres,UK,2025
Diesel (average biofuel blend),1.2,m3,UK,2025
12 laptops,12,units,UK,2025
Legal advice,100,CHF,UK,2025
Petrol,ten,litres,UK,2025
"""
# domain.md section 8: 1,200 litres of diesel x 2.57082 = 3,084.984 kg CO2e, also as 1.2 m3
DIESEL, DIESEL_KG = "1_101_1011_8_1", 3084.984
DIESEL_LINKED = ("11_101_1011_8_1", "99_604_1011_8_2")  # well-to-tank, outside of scopes
LEGAL = "541110"


class ScriptedMatcher:
    """Takes the factor that a word in the name asks for; holds what asks for none."""

    def __init__(self, factors: Sequence[EmissionFactor]) -> None:
        self.factors: Mapping[UUID, EmissionFactor] = {f.id: f for f in factors}
        self.by_word = {
            "Diesel": next(f for f in factors if f.source_id == DIESEL),
            "Legal": next(f for f in factors if f.source_id == LEGAL),
        }

    def match(self, queries: Sequence[ActivityQuery], _: Thresholds) -> list[Decision]:
        return [self.decide(query) for query in queries]

    def decide(self, query: ActivityQuery) -> Decision:
        factor = self.by_word.get(query.name.split()[0])
        if factor is None:
            reason = Reason("no_candidate", "Nothing is measured per item.")
            return Decision(query.key, Outcome.HELD, Method.OFFLINE, None, 0.0, (), (reason,))
        candidate = Candidate(
            factor.id, factor.source_id, factor.release, factor.name, factor.value_per_unit,
            factor.unit, 0.9, {"words": 1.0},
        )  # fmt: skip
        flagged = query.dimension is Dimension.MONEY
        outcome = Outcome.FLAGGED if flagged else Outcome.MATCHED
        return Decision(
            query.key, outcome, Method.OFFLINE, factor.id, 0.5 if flagged else 0.95, (candidate,),
            (Reason("fits", "It fits."),),
        )  # fmt: skip

    def matcher_for(self, _: UUID, releases: object = None) -> ScriptedMatcher:
        return self


class Stages:
    """The stages over the test database, and a file that was parsed and validated."""

    def __init__(
        self,
        engine: Engine,
        uploader: Uploader,
        work_dir: Path,
        run: Callable[..., Any],
        more: Sequence[str] = (),
    ) -> None:
        factors: list[EmissionFactor] = []
        with Session(uploader.engine) as session:
            wanted = (
                ("desnz-2025", (DIESEL, *DIESEL_LINKED, *more)),
                ("epa-supply-chain-1.3", (LEGAL,)),
            )
            for name, source_ids in wanted:
                release = load_release(name)
                few = [f for f in release.factors if f.source_id in source_ids]
                alone = replace(release.meta, supersedes="")
                row = release_row(new_release(alone, few))
                library.insert_release(session, row, few, {})
                factors += few
            session.commit()
        self.run, self.uploader = run, uploader
        storage = uploader.storage
        runner = partial(run_parse, timeout_s=60, memory_mb=1024)
        self.parse = ParseFile(engine, storage, runner, work_dir=work_dir)
        self.validate = ValidatePart(engine, storage)
        self.matcher = ScriptedMatcher(factors)
        self.match = MatchBatch(engine, storage, Deciding(self.matcher), NoRates())
        self.calculate = CalculatePart(engine, storage, NoRates())
        self.status = FileStatusKeeper(engine, storage)

    def prepared(self, data: bytes = CSV, **values: Any) -> FileRef:
        ref = self.uploader.upload(data, **values)
        assert self.run(self.parse.parse_file, ref).problem is None
        self.run(self.validate.validate_part, PartRef(**ref.model_dump(), part=0))
        self.run(self.validate.collect_activities, ref)
        return ref

    def matched(self, **values: Any) -> FileRef:
        ref = self.prepared(**values)
        self.run(self.match.match_batch, BatchRef(**ref.model_dump(), offset=0, size=10))
        return ref

    def calculated(self, **values: Any) -> FileRef:
        ref = self.matched(**values)
        self.run(self.calculate.calculate_part, PartRef(**ref.model_dump(), part=0))
        return ref

    def finish(self, ref: FileRef, **counts: int) -> Any:
        request = FinishInput(
            **ref.model_dump(),
            expected=RowCounts(**counts),
            progress=FileProgress(status=FileStatus.COMPLETED, stage=Stage.FINISH),
        )
        return self.run(self.status.finish_file, request)

    def fail(self, ref: FileRef, code: str = "broken", *, quarantine: bool = False) -> Any:
        request = FailInput(
            **ref.model_dump(),
            progress=FileProgress(status=FileStatus.FAILED, stage=Stage.MATCH),
            problem=Problem(code=code, message="It broke.", stage=Stage.MATCH),
            quarantine=quarantine,
        )
        return self.run(self.status.fail_file, request)


class NoRates:
    def annual_average(self, currency: str, quote: str, year: int) -> tuple[float, str] | None:
        return None


@pytest.fixture
def stages(
    worker_engine: Engine, uploader: Uploader, tmp_path: Path, run: Callable[..., Any],
    admin_engine: Engine,
) -> Stages:  # fmt: skip
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE factor_releases CASCADE"))
    return Stages(worker_engine, uploader, tmp_path / "work", run)


def test_decisions_are_stored_once_however_often_a_batch_runs(stages: Stages) -> None:
    ref = stages.matched()
    ids = [r.id for r in stages.uploader.rows("SELECT id FROM decisions ORDER BY id", ref)]
    result = stages.run(stages.match.match_batch, BatchRef(**ref.model_dump(), offset=0, size=10))
    assert (result.decided, result.held) == (3, 2)
    again = stages.uploader.rows("SELECT id FROM decisions ORDER BY id", ref)
    assert [r.id for r in again] == ids
    reviews = stages.uploader.rows(
        "SELECT reason_code FROM reviews WHERE file_id = :file_id ORDER BY 1", ref
    )
    assert [r.reason_code for r in reviews] == ["exchange_rate_missing", "no_candidate"]


def test_a_batch_decides_only_its_own_share(stages: Stages) -> None:
    ref = stages.prepared()
    stages.run(stages.match.match_batch, BatchRef(**ref.model_dump(), offset=1, size=1))
    assert len(stages.uploader.rows("SELECT id FROM decisions", ref)) == 1


def test_an_amount_without_an_exchange_rate_is_held_and_never_converted_at_one(
    stages: Stages,
) -> None:
    ref = stages.matched()
    (francs,) = stages.uploader.rows(
        "SELECT outcome, kg_at_risk FROM decisions d JOIN reviews r ON r.decision_id = d.id"
        " WHERE d.activity->>'name' = 'Legal advice'",
        ref,
    )
    assert (francs.outcome, francs.kg_at_risk) == ("held", None)


def test_a_figure_larger_than_what_the_world_emits_waits_for_a_person(stages: Stages) -> None:
    data = CSV + b"Diesel for the moon,123456789012345678,litres,UK,2025\n"
    ref = stages.calculated(data=data)
    (row,) = stages.uploader.rows(
        "SELECT r.reason_code, r.reason, d.outcome FROM decisions d JOIN reviews r"
        " ON r.decision_id = d.id WHERE d.activity->>'name' = 'Diesel for the moon'",
        ref,
    )
    assert (row.reason_code, row.outcome) == ("figure_too_large", "held")
    assert "3.17e+17 kg CO2e" in row.reason  # x 2.57082 a litre
    (count,) = stages.uploader.rows(
        "SELECT count(*) FROM emissions WHERE file_id = :file_id AND deleted_at IS NULL", ref
    )
    assert count[0] == 2


def test_figures_are_stored_once_and_explain_themselves(stages: Stages) -> None:
    ref = stages.calculated()
    result = stages.run(stages.calculate.calculate_part, PartRef(**ref.model_dump(), part=0))
    assert (result.calculated, result.held) == (2, 2)
    rows = stages.uploader.rows(
        "SELECT row_number, calculated_emission, calculation FROM emissions"
        " WHERE file_id = :file_id ORDER BY row_number",
        ref,
    )
    assert [r.row_number for r in rows] == [2, 3]
    for row in rows:
        assert row.calculated_emission == pytest.approx(DIESEL_KG, rel=1e-12)
        assert verify(row.calculation).same
    assert rows[0].calculation["inputs"]["volume_text"] == "1200"
    assert rows[1].calculation["inputs"]["unit_text"] == "m3"


@pytest.mark.parametrize("asked", [True, False])
def test_upstream_stands_beside_a_figure_when_it_was_asked_for(stages: Stages, asked: bool) -> None:
    ref = stages.calculated(upstream=asked)
    row = stages.uploader.rows(
        "SELECT * FROM emissions WHERE file_id = :file_id AND row_number = 2", ref
    )[0]
    # 1,200 l × 0.61101 well-to-tank = 733.212; × 0.14 biogenic CO2 of the blend = 168
    assert row.upstream_emission == (pytest.approx(733.212) if asked else None)
    assert row.outside_of_scopes_emission == pytest.approx(168.0)
    assert row.calculated_emission == pytest.approx(DIESEL_KG, rel=1e-12)
    assert verify(row.calculation).same
    row.calculation["linked"][0]["emission_kg"] += 1
    assert not verify(row.calculation).same


def test_a_file_completes_when_every_row_is_accounted_for_also_when_asked_twice(
    stages: Stages,
) -> None:
    ref = stages.calculated()
    # 5 rows: 2 diesel, laptops and francs held, petrol "ten" rejected
    for _ in range(2):
        result = stages.finish(ref, total=5, calculated=2, in_review=2, rejected=1)
        assert result.rows == RowCounts(total=5, calculated=2, in_review=2, rejected=1)
    file = stages.uploader.file(ref)
    assert (file.status, file.rows_total, file.rows_in_review) == ("completed", 5, 2)
    events = stages.uploader.rows("SELECT action FROM audit_events WHERE object_id = :file_id", ref)
    assert [e.action for e in events] == ["file.completed"]


def test_rows_that_do_not_add_up_are_refused_for_good(stages: Stages) -> None:
    ref = stages.calculated()
    with pytest.raises(ApplicationError) as raised:
        stages.finish(ref, total=6, calculated=3, in_review=2, rejected=1)
    assert raised.value.type == "ReconciliationFailed"
    assert raised.value.non_retryable
    assert stages.uploader.file(ref).status != "completed"


def test_a_failed_file_keeps_its_issues_and_decisions_and_no_figures(stages: Stages) -> None:
    ref = stages.calculated()
    for _ in range(2):
        assert stages.fail(ref).rows == RowCounts(total=1, rejected=1)
    file = stages.uploader.file(ref)
    assert (file.status, file.error_code, file.rows_rejected) == ("failed", "broken", 1)
    kept = {
        table: len(stages.uploader.rows(f"SELECT 1 FROM {table} WHERE file_id = :file_id", ref))
        for table in ("emissions", "decisions", "reviews")
    }
    assert kept == {"emissions": 0, "decisions": 3, "reviews": 2}
    events = stages.uploader.rows("SELECT action FROM audit_events", ref)
    assert [e.action for e in events] == ["file.failed"]


def test_rejected_rows_that_are_no_activity_are_counted_beside_the_rejected(stages: Stages) -> None:
    lines = CSV.splitlines(keepends=True)
    data = b"".join([*lines[:2], b",,,,\n", *lines[2:], b"Total,9999,,,\n"])
    ref = stages.prepared(data)
    assert stages.fail(ref).rows == RowCounts(total=3, rejected=3)
    file = stages.uploader.file(ref)
    assert (file.rows_rejected, file.rows_no_activity) == (3, 2)


def test_a_file_without_a_usable_row_says_what_most_of_them_lack(stages: Stages) -> None:
    ref = stages.prepared(
        b"activity,quantity,unit\nDiesel,5,pallets\n,,\nPetrol,ten,l\nGas,7,pallets\nTotal,12,\n"
    )
    stages.fail(ref, "no_usable_rows")
    [issue] = stages.uploader.rows(
        "SELECT message FROM row_issues WHERE file_id = :file_id AND row_number = 2", ref
    )
    message = stages.uploader.file(ref).error_message
    assert message == f"It broke. The most frequent reason, in 2 of them: {issue.message}"
    assert "unit" in issue.message
    # nobody is told of blank lines when they are all that there is
    blank = stages.prepared(b"activity,quantity,unit\nTotal,5,l\n", filename="blank.csv")
    stages.fail(blank, "no_usable_rows")
    assert stages.uploader.file(blank).error_message == "It broke."


def test_an_infected_file_moves_to_quarantine_also_when_moved_before(stages: Stages) -> None:
    ref = stages.prepared()
    stages.fail(ref, "infected", quarantine=True)
    storage = stages.uploader.storage
    assert not storage.exists(upload_key(ref.organization_id, ref.file_id))
    assert storage.exists(quarantine_key(ref.organization_id, ref.file_id))
    file = stages.uploader.file(ref)
    assert file.scan_state == "infected"
    assert storage.key(file.object_storage_path).split("/")[1] == "quarantine"
    stages.fail(ref, "infected", quarantine=True)


def test_nothing_is_written_for_a_file_that_was_deleted_meanwhile(stages: Stages) -> None:
    ref = stages.matched()
    with Session(stages.uploader.engine) as session:
        session.execute(
            text("UPDATE files SET deleted_at = now() WHERE id = :file_id"), ref.model_dump()
        )
        session.commit()
    with pytest.raises(NotFound):
        stages.run(stages.calculate.calculate_part, PartRef(**ref.model_dump(), part=0))
    assert stages.uploader.rows("SELECT 1 FROM emissions WHERE file_id = :file_id", ref) == []
    assert stages.fail(ref).rows == RowCounts()
