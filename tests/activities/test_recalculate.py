"""Recalculation: previews that change nothing, commits that happen once, old figures that stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from activities.commit_recalculation import CommitRecalculations
from core.calculation import verify
from core.contracts import (
    FailRecalculationInput,
    FileRef,
    Problem,
    RecalculationBatchRef,
    RecalculationRef,
    RematchRef,
)
from tests.activities.recalculated import (
    DIESEL,
    ELECTRICITY,
    GAS,
    NEW,
    NEW_KG,
    OLD,
    OLD_KG,
    NoRates,
    Recalculated,
)
from tests.factories import Uploader
from tests.webhook_rows import Endpoints, RecordingStarter


@pytest.fixture
def world(
    worker_engine: Engine, uploader: Uploader, tmp_path: Path, run: Callable[..., Any],
    admin_engine: Engine,
) -> Recalculated:  # fmt: skip
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE factor_releases CASCADE"))
    return Recalculated(worker_engine, uploader, tmp_path / "work", run)


def kg(world: Recalculated, ref: FileRef) -> dict[float, float]:
    return {volume: row.calculated_emission for volume, row in world.figures(ref).items()}


def test_a_preview_shows_old_and_new_of_every_figure_and_changes_none(world: Recalculated) -> None:
    file = world.completed()
    assert kg(world, file) == OLD_KG
    ref = world.previewed()
    rows = world.rows(ref)
    assert {v: r.old_kg for v, r in rows.items()} == OLD_KG
    assert {v: r.new_kg for v, r in rows.items()} == NEW_KG
    assert {r.reason_code for r in rows.values()} == {"newer_release"}
    assert {r.new_factor_id for r in rows.values()} == {
        world.factor(NEW, ELECTRICITY).id,
        world.factor(NEW, DIESEL).id,
    }
    assert kg(world, file) == OLD_KG
    state = world.state(ref)
    assert state.status == "previewed"
    # 10,352.5 + 207.05 + 3,015.348 and 8,850 + 177 + 3,084.984
    assert state.totals["old_kg_co2e"] == 13_574.898
    assert state.totals["new_kg_co2e"] == 12_111.984
    assert state.totals["difference_kg_co2e"] == -1_462.914
    scopes = {s["scope"]: s["difference_kg_co2e"] for s in state.totals["by_scope"]}
    assert scopes == {1: 69.636, 2: -1_532.55}
    assert (state.totals["rows"], state.totals["changed"]) == (3, 3)
    assert state.totals["in_review"]["rows"] == 1  # the laptops
    assert state.totals["in_review"]["with_a_factor"]["rows"] == 0


def test_a_preview_names_the_releases_that_the_figures_stand_on(world: Recalculated) -> None:
    # they were made with 2024, whatever is pinned by now
    world.completed()
    assert world.state(world.previewed()).releases_before == [OLD]
    world.sql(
        "UPDATE decisions SET emission_factor_id = :id WHERE activity->>'name' = 'Electricity'",
        id=world.factor(NEW, ELECTRICITY).id,
    )
    assert world.state(world.previewed()).releases_before == [OLD, NEW]


def test_every_step_of_a_preview_may_run_twice(world: Recalculated) -> None:
    world.completed()
    ref = world.previewed()
    before = world.state(ref)
    world.sql("UPDATE recalculations SET status = 'previewing', totals = NULL")
    plan = world.run(world.preview.plan_recalculation, ref)
    assert (plan.files, plan.activities, plan.rows, plan.batches) == (1, 3, 3, 2)
    world.run(world.rematch.rematch_batch, RematchRef(**ref.model_dump(), offset=0, size=3))
    for batch in (0, 1, 1):
        request = RecalculationBatchRef(**ref.model_dump(), batch=batch)
        world.run(world.preview.preview_batch, request)
    world.run(world.preview.finish_preview, ref)
    again = world.state(ref)
    assert again.totals == before.totals
    assert world.run(world.preview.finish_preview, ref).status == "previewed"


def test_a_preview_that_left_something_out_is_not_published(world: Recalculated) -> None:
    world.completed()
    ref, plan = world.rematched()
    assert plan.batches == 2
    world.run(world.preview.preview_batch, RecalculationBatchRef(**ref.model_dump(), batch=0))
    with pytest.raises(ApplicationError) as raised:
        world.run(world.preview.finish_preview, ref)
    assert (raised.value.type, raised.value.non_retryable) == ("ReconciliationFailed", True)
    assert world.state(ref).status == "previewing"


@pytest.mark.parametrize(
    ("most_batches", "held"),
    # of three figures, two a batch: as said, then one batch at most, then more than there are
    [(2, [2, 1]), (1, [3]), (2000, [2, 1])],
)
def test_very_many_figures_go_in_larger_batches(
    world: Recalculated, most_batches: int, held: list[int]
) -> None:
    world.completed()
    world.preview.most_batches = most_batches
    ref = world.asked()
    plan = world.run(world.preview.plan_recalculation, ref)
    assert (plan.rows, plan.batches) == (3, len(held))
    rows = world.sql("SELECT batch, rows FROM recalculation_slices ORDER BY batch")
    assert [(r.batch, r.rows) for r in rows] == list(enumerate(held))


def test_a_cancelled_preview_stops_at_its_next_step(world: Recalculated) -> None:
    world.completed()
    ref, _ = world.rematched()
    world.sql("UPDATE recalculations SET status = 'cancelled'")
    batch = RecalculationBatchRef(**ref.model_dump(), batch=0)
    assert world.run(world.preview.preview_batch, batch).stopped
    assert world.run(world.preview.plan_recalculation, ref).stopped
    request = RematchRef(**ref.model_dump(), offset=0, size=3)
    assert world.run(world.rematch.rematch_batch, request).stopped
    assert world.run(world.preview.finish_preview, ref).status == "cancelled"


def test_a_commit_applies_the_preview_and_the_old_figures_stay_readable(
    world: Recalculated,
) -> None:
    file = world.completed()
    before = world.figures(file)
    ref = world.previewed()
    result = world.committed(ref)
    assert (result.status, result.changed, result.files, result.left_out) == ("committed", 3, 1, 0)
    assert kg(world, file) == NEW_KG
    after = world.figures(file)
    assert {v: r.id for v, r in after.items()} == {v: r.id for v, r in before.items()}
    assert all(verify(row.calculation).same for row in after.values())
    assert after[50000.0].emission_factor_id == world.factor(NEW, ELECTRICITY).id
    kept = world.sql("SELECT * FROM emission_revisions")
    old = {row.emission_id: row for row in kept}
    for volume, row in before.items():
        revision = old[row.id]
        assert revision.calculated_emission == OLD_KG[volume]
        assert revision.calculation == row.calculation
        assert (revision.cause, revision.cause_id) == ("recalculation", ref.recalculation_id)
        assert revision.replaced_by == world.uploader.user_id
    decisions = world.sql(
        "SELECT d.outcome, f.release FROM decisions d JOIN emission_factors f"
        " ON f.id = d.emission_factor_id"
    )
    assert {(d.outcome, d.release) for d in decisions} == {("matched", NEW)}
    row = world.uploader.file(file)
    assert (row.rows_calculated, row.rows_in_review, row.rows_rejected) == (3, 1, 1)
    [told] = world.sql("SELECT * FROM audit_events WHERE action = 'file.recalculated'")
    assert told.before == {"kg_co2e": 13_574.898}
    assert told.after["kg_co2e"] == 12_111.984
    [line] = world.sql("SELECT * FROM file_events WHERE stage = 'recalculate'")
    assert line.message == "3 figures recalculated with desnz-2025"


def test_a_commit_that_runs_twice_changes_figures_once(world: Recalculated) -> None:
    file = world.completed()
    ref = world.previewed()
    world.committed(ref)
    once = world.figures(file)
    world.sql("UPDATE recalculations SET status = 'committing'")
    assert world.run(world.commit.commit_files, ref).files == 0
    # the step between the file's transaction and its answer was lost
    assert world.commit.commit_file(ref, *task_and(world, ref, file)) == 0
    assert world.figures(file) == once
    assert len(world.sql("SELECT FROM emission_revisions")) == 3
    assert len(world.sql("SELECT FROM file_events WHERE stage = 'recalculate'")) == 1


def task_and(world: Recalculated, ref: RecalculationRef, file: FileRef) -> tuple[Any, Any]:
    from db.queries import recalculating

    with world.as_tenant() as session:
        return recalculating.get(session, ref.organization_id, ref.recalculation_id), file.file_id


def test_a_crash_in_the_middle_of_a_file_leaves_all_of_its_old_figures(
    world: Recalculated,
) -> None:
    file = world.completed()
    ref = world.previewed()
    world.request_commit(ref)
    with world.as_tenant() as session:
        task, file_id = task_and(world, ref, file)
        assert world.commit.apply(session, ref.organization_id, task, file_id).rows == 3
        session.rollback()  # what a killed worker leaves
    assert kg(world, file) == OLD_KG
    assert world.sql("SELECT FROM emission_revisions") == []
    world.run(world.commit.commit_files, ref)
    assert kg(world, file) == NEW_KG


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE emissions SET confidence_score = 1 WHERE volume = 1200",
        "UPDATE emissions SET deleted_at = now() WHERE volume = 1000",
        "UPDATE decisions SET method = 'review' WHERE activity->>'name' = '12 laptops'",
        "UPDATE files SET deleted_at = now()",
        # accepted by a person, and no worker has applied it yet
        "INSERT INTO reviews (organization_id, id, file_id, decision_id, reason_code, reason,"
        " row_count, status) SELECT organization_id, gen_random_uuid(), file_id, id, 'x', 'x', 1,"
        " 'accepted' FROM decisions WHERE activity->>'name' NOT LIKE '%laptop%' LIMIT 1"
        " ON CONFLICT (organization_id, decision_id) DO UPDATE SET status = 'accepted'",
    ],
)
def test_a_file_that_changed_after_the_preview_is_left_as_it_is(
    world: Recalculated, change: str
) -> None:
    world.completed()
    ref = world.previewed()
    world.sql(change)
    before = world.sql("SELECT * FROM emissions ORDER BY id")
    result = world.committed(ref)
    assert (result.status, result.changed, result.left_out) == ("committed", 0, 1)
    assert world.sql("SELECT * FROM emissions ORDER BY id") == before
    assert world.state(ref).error_code == "files_left_out"


def test_only_the_chosen_files_and_years_are_recalculated(world: Recalculated) -> None:
    first, second = world.completed(), world.completed(b"#\n" + CSV_2023)
    assert set(world.rows(world.previewed(first))) == set(OLD_KG)
    assert len(world.rows(world.previewed(year_from=2023, year_to=2023))) == 1
    assert len(world.rows(world.previewed(second, year_from=2024))) == 2
    assert world.rows(world.previewed(year_to=2020)) == {}


CSV_2023 = b"""activity,quantity,unit,country,year
Electricity,50001,kWh,UK,2024
Electricity,1001,kWh,UK,2024
Diesel (average biofuel blend),1201,litres,UK,2023
12 laptops,12,units,UK,2024
Petrol,ten,litres,UK,2024
"""


def test_what_a_person_decided_follows_its_own_factor_to_the_other_edition(
    world: Recalculated,
) -> None:
    world.completed()
    world.sql("UPDATE decisions SET method = 'review' WHERE activity->>'name' = 'Electricity'")
    world.script.words["Electricity"] = GAS  # what matching would say now
    row = world.rows(world.previewed())[50000.0]
    assert row.new_factor_id == world.factor(NEW, ELECTRICITY).id
    assert (row.new_kg, row.reason_code) == (8_850.0, "newer_release")


def test_what_a_person_decided_stays_when_the_releases_do_not_have_it(world: Recalculated) -> None:
    file = world.completed()
    world.sql("UPDATE decisions SET method = 'memory' WHERE activity->>'name' = 'Electricity'")
    world.script.everything = [
        f for f in world.factors if (f.release, f.source_id) != (NEW, ELECTRICITY)
    ]
    ref = world.previewed()
    row = world.rows(ref)[50000.0]
    assert row.new_factor_id == row.old_factor_id == world.factor(OLD, ELECTRICITY).id
    assert (row.new_kg, row.reason_code, row.changed) == (10_352.5, "kept_by_review", False)
    world.committed(ref)
    assert kg(world, file) == {**OLD_KG, 1200.0: NEW_KG[1200.0]}


def test_another_factor_of_the_releases_says_so(world: Recalculated) -> None:
    file = world.completed()
    world.script.words["Electricity"] = GAS
    ref = world.previewed()
    row = world.rows(ref)[50000.0]
    # 50,000 kWh of gas, gross, x 0.18296 = 9,148
    assert (row.new_kg, row.reason_code) == (9_148.0, "other_factor")
    assert (row.old_scope, row.new_scope) == (2, 1)
    world.committed(ref)
    assert world.figures(file)[50000.0].scope == 1


def test_where_nothing_is_sure_enough_the_figure_stays_and_no_row_gets_lost(
    world: Recalculated,
) -> None:
    file = world.completed()
    del world.script.words["Electricity"]
    ref = world.previewed()
    row = world.rows(ref)[50000.0]
    assert (row.new_kg, row.reason_code, row.changed) == (10_352.5, "now_held", False)
    world.committed(ref)
    assert kg(world, file) == {**OLD_KG, 1200.0: NEW_KG[1200.0]}
    counts = world.uploader.file(file)
    assert (counts.rows_total, counts.rows_calculated, counts.rows_in_review) == (5, 3, 1)


def test_rows_in_review_for_which_a_factor_is_found_are_shown_and_stay_in_review(
    world: Recalculated,
) -> None:
    file = world.completed(CSV_HELD)
    world.script.words["Gas"] = GAS
    ref = world.previewed()
    waiting = world.state(ref).totals["in_review"]
    found = waiting["with_a_factor"]
    assert (waiting["rows"], found["activities"], found["rows"]) == (1, 1, 1)
    assert found["kg_co2e"] == pytest.approx(1_829.6)  # 10,000 kWh x 0.18296
    world.committed(ref)
    counts = world.uploader.file(file)
    assert (counts.rows_calculated, counts.rows_in_review) == (3, 1)
    [review] = world.sql("SELECT * FROM reviews")
    assert (review.status, review.deleted_at) == ("open", None)


CSV_HELD = b"""activity,quantity,unit,country,year
Electricity,50000,kWh,UK,2024
Electricity,1000,kWh,UK,2024
Diesel (average biofuel blend),1200,litres,UK,2024
Gas,10000,kWh (gross),UK,2024
Petrol,ten,litres,UK,2024
"""


def test_an_unsure_match_is_listed_for_review_and_a_sure_one_no_more(world: Recalculated) -> None:
    world.script.flagged = {"Diesel"}
    world.completed()
    world.script.flagged = {"Electricity"}
    world.committed(world.previewed())
    open_now = world.sql(
        "SELECT d.activity->>'name' AS name, d.outcome, r.kg_at_risk FROM reviews r"
        " JOIN decisions d ON d.id = r.decision_id WHERE r.status = 'open'"
        " AND r.deleted_at IS NULL ORDER BY 1"
    )
    # 51,000 kWh x 0.177
    assert [tuple(r) for r in open_now] == [
        ("12 laptops", "held", None),
        ("Electricity", "flagged", 9_027.0),
    ]


@pytest.mark.parametrize(
    ("flagged", "reviews"),
    [
        ({"Diesel", "Electricity"}, [2, 3]),  # one more waits: it is told
        ({"Diesel"}, [2]),  # as before
        (set(), [2]),  # one less
    ],
)
def test_what_a_recalculation_lists_for_review_is_told(
    world: Recalculated, flagged: set[str], reviews: list[int]
) -> None:
    uploader, starter = world.uploader, RecordingStarter()
    endpoints = Endpoints(uploader.engine, uploader.organization_id, uploader.user_id)
    endpoints.add("review.needed")
    world.commit = CommitRecalculations(world.engine, NoRates(), starter)
    world.script.flagged = {"Diesel"}
    file = world.completed()  # 12 laptops wait for a person as well
    world.script.flagged = flagged
    world.committed(world.previewed())
    told = [payload["data"] for payload in endpoints.payloads()]
    assert [data["reviews"] for data in told] == reviews
    assert told[-1] == {
        "organization_id": str(file.organization_id), "file_id": str(file.file_id),
        "project_id": None, "reviews": reviews[-1], "rows": {"in_review": 1},
    }  # fmt: skip
    assert len(starter.started) == len(reviews) - 1


def test_a_second_recalculation_against_the_same_releases_finds_the_same_figures(
    world: Recalculated,
) -> None:
    file = world.completed()
    world.committed(world.previewed())
    once = world.figures(file)
    ref = world.previewed()
    assert {r.reason_code for r in world.rows(ref).values()} == {"same_figure"}
    assert world.committed(ref).changed == 0
    assert world.figures(file) == once


def test_a_preview_grows_stale_when_another_recalculation_commits(world: Recalculated) -> None:
    file = world.completed()
    first, second = world.previewed(), world.previewed()
    world.committed(first)
    result = world.committed(second)
    assert (result.changed, result.left_out) == (0, 1)
    assert kg(world, file) == NEW_KG


def test_a_recalculation_that_cannot_go_on_says_what_was_done(world: Recalculated) -> None:
    world.completed()
    ref = world.previewed()
    world.request_commit(ref)
    problem = Problem(code="recalculation_failed", message="It broke.")
    request = FailRecalculationInput(**ref.model_dump(), problem=problem)
    assert world.run(world.preview.fail_recalculation, request).status == "failed"
    assert world.state(ref).error_message == "It broke."
    # a second time, or of one that has ended, it changes nothing
    assert world.run(world.preview.fail_recalculation, request).status == "failed"
    assert len(world.sql("SELECT FROM audit_events WHERE action = 'recalculation.failed'")) == 1
    assert world.run(world.commit.commit_files, ref).files == 0
