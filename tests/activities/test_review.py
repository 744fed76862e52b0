"""A resolved review, carried out on real rows: figures, counts, old figures, memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from activities.deciding import Deciding
from activities.match import MatchBatch
from activities.review import ApplyReviews
from core.calculation import verify
from core.contracts import BatchRef, FileRef, PartRef, ReviewRef
from core.errors import NotFound
from core.factors.library import load_release
from core.permissions import Reach
from core.records import ActivityQuery, Dimension, EmissionFactor
from db.engine import tenant_session
from db.queries import lifecycle, memory, reviews
from db.queries.results import query_of
from runtime.matchers import DatabaseMemory
from tests.activities.test_match_and_calculate import (
    CSV,
    DIESEL,
    DIESEL_KG,
    NoRates,
    Stages,
)
from tests.factories import Uploader

pytestmark = pytest.mark.usefixtures("clean_database")
PETROL = "1_101_1017_8_1"  # petrol, average biofuel blend, 2.06916 kg CO2e per litre in 2025


class Reviewing:
    """A completed file with two rows of diesel, held or flagged, and the stages over it."""

    def __init__(self, stages: Stages, engine: Engine, run: Callable[..., Any]) -> None:
        self.stages, self.run = stages, run
        self.apply = ApplyReviews(engine, stages.uploader.storage, NoRates())
        self.engine = engine

    def completed(self, outcome: str) -> FileRef:
        """Complete a file whose diesel is `outcome`."""
        ref = self.stages.matched()
        self.sql(
            "UPDATE decisions SET outcome = :o WHERE activity->>'name' LIKE 'Diesel%'", o=outcome
        )
        self.sql(
            "INSERT INTO reviews (organization_id, file_id, decision_id, reason_code, reason,"
            " row_count) SELECT organization_id, file_id, id, 'low_confidence', '', row_count"
            " FROM decisions WHERE activity->>'name' LIKE 'Diesel%'"
            " ON CONFLICT (organization_id, decision_id) DO NOTHING"
        )
        self.run(self.stages.calculate.calculate_part, PartRef(**ref.model_dump(), part=0))
        held = 2 if outcome == "held" else 0
        self.stages.finish(ref, total=5, calculated=2 - held, in_review=2 + held, rejected=1)
        return ref

    def sql(self, statement: str, **values: Any) -> None:
        with Session(self.stages.uploader.engine) as session:
            session.execute(text(statement), values)
            session.commit()

    def resolve(self, ref: FileRef, status: str, factor_id: UUID | None) -> ReviewRef:
        """Resolve the review of diesel as the API does."""
        [row] = self.stages.uploader.rows(
            "SELECT r.id, d.activity FROM reviews r JOIN decisions d ON d.id = r.decision_id"
            " WHERE r.file_id = :file_id AND d.activity->>'name' LIKE 'Diesel%'",
            ref,
        )
        user_id = self.stages.uploader.user_id
        with Session(self.stages.uploader.engine) as session:
            reviews.resolve(
                session, ref.organization_id, row.id, status=status, factor_id=factor_id,
                user_id=user_id, reason="as invoiced",
            )  # fmt: skip
            memory.remember(
                session, ref.organization_id, query_of(row.activity), factor_id=factor_id,
                user_id=user_id, review_id=row.id, reason="as invoiced",
            )  # fmt: skip
            session.commit()
        return ReviewRef(organization_id=ref.organization_id, review_id=row.id)

    def counts(self, ref: FileRef) -> tuple[int, int, int, int]:
        file = self.stages.uploader.file(ref)
        return file.rows_total, file.rows_calculated, file.rows_in_review, file.rows_rejected

    def figures(self, ref: FileRef) -> list[Any]:
        return self.stages.uploader.rows(
            "SELECT * FROM emissions WHERE file_id = :file_id AND deleted_at IS NULL"
            " ORDER BY row_number",
            ref,
        )

    def kept(self, ref: FileRef) -> list[Any]:
        return self.stages.uploader.rows("SELECT * FROM emission_revisions", ref)


@pytest.fixture
def reviewing(
    worker_engine: Engine, uploader: Uploader, tmp_path: Path, run: Callable[..., Any],
    admin_engine: Engine,
) -> Reviewing:  # fmt: skip
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE factor_releases CASCADE"))
    stages = Stages(worker_engine, uploader, tmp_path / "work", run, more=(PETROL,))
    return Reviewing(stages, worker_engine, run)


def factor(source_id: str) -> EmissionFactor:
    return next(f for f in load_release("desnz-2025").factors if f.source_id == source_id)


def test_a_held_activity_gets_the_figures_of_the_chosen_factor(reviewing: Reviewing) -> None:
    ref = reviewing.completed("held")
    assert reviewing.counts(ref) == (5, 0, 4, 1)
    review = reviewing.resolve(ref, "chosen", factor(DIESEL).id)
    for _ in range(2):  # a second run finds it done
        result = reviewing.run(reviewing.apply.apply_review, review)
        assert result.applied
        assert reviewing.counts(ref) == (5, 2, 2, 1)
        rows = reviewing.figures(ref)
        assert [r.calculated_emission for r in rows] == [pytest.approx(DIESEL_KG)] * 2
    assert {r.confidence_score for r in rows} == {1.0}
    assert all(verify(r.calculation).same for r in rows)
    assert "chosen by a person" in rows[0].calculation_method
    assert reviewing.kept(ref) == []  # there was no figure before
    [decision] = reviewing.stages.uploader.rows(
        "SELECT * FROM decisions WHERE activity->>'name' LIKE 'Diesel%'", ref
    )
    assert (decision.outcome, decision.method) == ("matched", "review")
    assert decision.candidates[0]["source_id"] == DIESEL


def test_another_factor_replaces_figures_and_the_old_ones_stay(reviewing: Reviewing) -> None:
    ref = reviewing.completed("flagged")
    before = {row.id: row.calculated_emission for row in reviewing.figures(ref)}
    review = reviewing.resolve(ref, "chosen", factor(PETROL).id)
    reviewing.run(reviewing.apply.apply_review, review)
    assert reviewing.counts(ref) == (5, 2, 2, 1)
    rows = reviewing.figures(ref)
    # the same rows, 1,200 l × the published factor
    assert {row.id for row in rows} == set(before)
    published = factor(PETROL).value_per_unit
    assert [r.calculated_emission for r in rows] == [pytest.approx(1200 * published)] * 2
    kept = reviewing.kept(ref)
    assert {k.emission_id: k.calculated_emission for k in kept} == before
    assert {(k.cause, k.cause_id, k.reason) for k in kept} == {
        ("review", review.review_id, "as invoiced")
    }
    assert all(verify(k.calculation).same for k in kept)


@pytest.mark.parametrize(("outcome", "in_review"), [("held", 2), ("flagged", 2)])
def test_a_rejected_activity_has_no_figures_and_says_why(
    reviewing: Reviewing, outcome: str, in_review: int
) -> None:
    ref = reviewing.completed(outcome)
    review = reviewing.resolve(ref, "rejected", None)
    result = reviewing.run(reviewing.apply.apply_review, review)
    assert result.rejected == 2
    assert reviewing.counts(ref) == (5, 0, in_review, 3)
    assert reviewing.figures(ref) == []
    assert len(reviewing.kept(ref)) == (0 if outcome == "held" else 2)
    issues = reviewing.stages.uploader.rows(
        "SELECT row_number FROM row_issues WHERE code = 'review_rejected' ORDER BY 1", ref
    )
    assert [issue.row_number for issue in issues] == [2, 3]


def test_an_open_review_is_not_applied(reviewing: Reviewing) -> None:
    ref = reviewing.completed("held")
    [row] = reviewing.stages.uploader.rows(
        "SELECT r.id FROM reviews r JOIN decisions d ON d.id = r.decision_id"
        " WHERE d.activity->>'name' LIKE 'Diesel%'",
        ref,
    )
    unresolved = ReviewRef(organization_id=ref.organization_id, review_id=row.id)
    with pytest.raises(NotFound):
        reviewing.run(reviewing.apply.apply_review, unresolved)


def test_a_deleted_file_ends_the_application_without_harm(reviewing: Reviewing) -> None:
    ref = reviewing.completed("held")
    review = reviewing.resolve(ref, "chosen", factor(DIESEL).id)
    reviewing.sql("UPDATE files SET deleted_at = now()")
    assert reviewing.run(reviewing.apply.apply_review, review).applied is False
    assert reviewing.figures(ref) == []


def test_the_next_upload_follows_the_remembered_decision_also_in_another_year(
    reviewing: Reviewing,
) -> None:
    ref = reviewing.completed("held")
    reviewing.run(reviewing.apply.apply_review, reviewing.resolve(ref, "chosen", factor(PETROL).id))
    stages = reviewing.stages
    deciding = Deciding(stages.matcher, DatabaseMemory(reviewing.engine))
    match = MatchBatch(reviewing.engine, stages.uploader.storage, deciding, NoRates())
    again = stages.prepared(CSV.replace(b",2025", b",2024"))
    reviewing.run(match.match_batch, BatchRef(**again.model_dump(), offset=0, size=10))
    [decision] = stages.uploader.rows(
        "SELECT * FROM decisions WHERE file_id = :file_id AND activity->>'name' LIKE 'Diesel%'",
        again,
    )
    assert (decision.outcome, decision.method) == ("matched", "memory")
    assert decision.emission_factor_id == factor(PETROL).id
    assert decision.remembered_decision_id is not None
    assert decision.reasons[0]["code"] == "remembered_decision"
    # what matching would have said stays listed
    assert [c["source_id"] for c in decision.candidates] == [PETROL, DIESEL]


def diesel(**changes: Any) -> ActivityQuery:
    values: dict[str, Any] = {
        "key": "k", "name": "Diesel", "type": None, "description": None, "unit": "l",
        "dimension": Dimension.VOLUME, "basis": None, "region": "GB", "year": 2024,
    } | changes  # fmt: skip
    return ActivityQuery(**values)


def test_memory_is_of_the_activity_and_never_of_another_organization(
    reviewing: Reviewing,
) -> None:
    uploader = reviewing.stages.uploader
    other = Uploader.make(uploader.engine, uploader.storage, "Other")
    with Session(uploader.engine) as session:
        memory.remember(
            session, uploader.organization_id, diesel(), factor_id=factor(DIESEL).id,
            user_id=uploader.user_id, review_id=None, reason=None,
        )  # fmt: skip
        session.commit()
    source = DatabaseMemory(reviewing.engine)

    def known(organization_id: UUID, query: ActivityQuery) -> bool:
        return bool(source.recall(organization_id, [query]))

    mine = uploader.organization_id
    assert known(mine, diesel())
    assert known(mine, diesel(name="  DIESEL ", year=2031, key="other"))
    assert not known(other.organization_id, diesel())
    for change in ({"region": "DE"}, {"description": "for heating"}, {"name": "Red diesel"}):
        assert not known(mine, diesel(**change))


def test_matching_is_as_before_once_the_decision_is_revoked(reviewing: Reviewing) -> None:
    uploader = reviewing.stages.uploader
    with Session(uploader.engine) as session:
        memory_id = memory.remember(
            session, uploader.organization_id, diesel(), factor_id=None,
            user_id=uploader.user_id, review_id=None, reason=None,
        )  # fmt: skip
        session.commit()
        assert memory.revoke(session, uploader.organization_id, memory_id, uploader.user_id)
        assert not memory.revoke(session, uploader.organization_id, memory_id, uploader.user_id)
        session.commit()
    assert DatabaseMemory(reviewing.engine).recall(uploader.organization_id, [diesel()]) == {}


def test_a_figure_that_a_person_deleted_is_rejected_once(
    reviewing: Reviewing, app_engine: Engine
) -> None:
    ref = reviewing.completed("flagged")
    gone = reviewing.figures(ref)[0]
    with tenant_session(app_engine, ref.organization_id) as session:
        lifecycle.lock_file(session, ref.organization_id, ref.file_id, Reach())
        lifecycle.delete_emission(session, ref.organization_id, ref.file_id, gone.id)
        session.commit()
    assert reviewing.counts(ref) == (5, 1, 2, 2)
    result = reviewing.run(reviewing.apply.apply_review, reviewing.resolve(ref, "rejected", None))
    assert result.rejected == 1
    assert reviewing.counts(ref) == (5, 0, 2, 3)
    issues = reviewing.stages.uploader.rows(
        "SELECT code FROM row_issues WHERE file_id = :file_id AND part = -1 ORDER BY code", ref
    )
    assert [i.code for i in issues] == ["figure_deleted", "review_rejected"]


def test_a_chosen_factor_brings_no_deleted_figure_back(
    reviewing: Reviewing, app_engine: Engine
) -> None:
    ref = reviewing.completed("flagged")
    gone = reviewing.figures(ref)[0]
    with tenant_session(app_engine, ref.organization_id) as session:
        lifecycle.lock_file(session, ref.organization_id, ref.file_id, Reach())
        lifecycle.delete_emission(session, ref.organization_id, ref.file_id, gone.id)
        session.commit()
    chosen = reviewing.resolve(ref, "chosen", factor(PETROL).id)
    reviewing.run(reviewing.apply.apply_review, chosen)
    assert len(reviewing.figures(ref)) == 1
    assert reviewing.counts(ref) == (5, 1, 2, 2)


def test_a_review_of_a_deleted_file_is_not_applied(
    reviewing: Reviewing, app_engine: Engine
) -> None:
    ref = reviewing.completed("held")
    resolved = reviewing.resolve(ref, "chosen", factor(PETROL).id)
    with tenant_session(app_engine, ref.organization_id) as session:
        lifecycle.lock_file(session, ref.organization_id, ref.file_id, Reach())
        lifecycle.delete_file(session, ref.organization_id, ref.file_id, purge_after_days=30)
        session.commit()
    assert not reviewing.run(reviewing.apply.apply_review, resolved).applied
    assert reviewing.figures(ref) == []
