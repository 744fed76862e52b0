"""Retention on real rows and real objects: what goes, what stays, and what a crash may cost."""

from __future__ import annotations

import datetime as dt
import io
import os
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from activities.orphans import SweepObjects
from activities.purge import PurgeExpired
from core.contracts import FileRef, Payload
from core.contracts_lifecycle import OrganizationRef, PurgeInput
from core.errors import Unavailable
from core.keys import report_key, trash_key, upload_key, work_prefix
from db.ids import uuid7
from db.queries import purge
from runtime.adapters.storage_local import LocalStorage
from runtime.retention_cli import print_forecast
from tests.factories import Uploader

ROWS = 12


class Kept:
    """Files with rows in every table, as old as a test wants them."""

    def __init__(self, uploader: Uploader, run: Callable[..., Any]) -> None:
        self.uploader, self.run = uploader, run
        self.ref = OrganizationRef(organization_id=uploader.organization_id)
        self.activity = PurgeExpired(
            uploader.engine, uploader.storage, purge_after_days=30, batch_rows=5
        )

    def sql(self, statement: str, **values: Any) -> Any:
        with Session(self.uploader.engine) as session:
            found = session.execute(text(statement), values)
            rows = list(found.all()) if found.returns_rows else []
            session.commit()
        return rows

    def file(self, *, completed: str = "1 day", deleted: str | None = None) -> FileRef:
        """Add a completed file, so long ago, with ROWS figures and what belongs to them."""
        ref = self.uploader.upload(uuid4().bytes)
        scope = ref.model_dump()
        self.sql(
            "UPDATE files SET status = 'completed', processing_completed_at = now() -"
            " CAST(:completed AS interval), deleted_at = now() - CAST(:deleted AS interval)"
            " WHERE id = :file_id",
            completed=completed, deleted=deleted, **scope,
        )  # fmt: skip
        decision, review = uuid7(), uuid7()
        self.sql(
            "INSERT INTO decisions (organization_id, id, file_id, activity_key, activity,"
            " row_count, volume_total, outcome, method, confidence, question_hash) VALUES"
            " (:organization_id, :d, :file_id, 'k', '{}', 1, 1, 'held', 'offline', 0, :hash)",
            d=decision, hash=str(ref.file_id), **scope,
        )  # fmt: skip
        self.sql(
            "INSERT INTO reviews (organization_id, id, file_id, decision_id, reason_code, reason,"
            " row_count) VALUES (:organization_id, :r, :file_id, :d, 'c', 'r', 1)",
            r=review, d=decision, **scope,
        )  # fmt: skip
        self.sql(
            "INSERT INTO remembered_decisions (organization_id, memory_key, activity, review_id,"
            " decided_by) VALUES (:organization_id, :key, '{}', :r, :user)",
            r=review, key=str(ref.file_id), user=self.uploader.user_id, **scope,
        )  # fmt: skip
        self.sql(
            "WITH made AS (INSERT INTO emissions (organization_id, file_id, decision_id,"
            " row_number, activity_name, unit, volume, calculated_emission)"
            " SELECT :organization_id, :file_id, :d, n, 'a', 'kg', 1, 1"
            " FROM generate_series(1, :rows) n RETURNING organization_id, id)"
            " INSERT INTO emission_revisions (organization_id, emission_id, cause, cause_id,"
            " calculated_emission) SELECT organization_id, id, 'review', :r, 2 FROM made",
            d=decision, r=review, rows=ROWS, **scope,
        )  # fmt: skip
        self.sql(
            "INSERT INTO row_issues (organization_id, file_id, part, row_number, code, severity,"
            " message) VALUES (:organization_id, :file_id, 0, 1, 'c', 'rejected', 'm')",
            **scope,
        )
        self.sql(
            "INSERT INTO file_events (organization_id, file_id, stage, kind, message)"
            " VALUES (:organization_id, :file_id, 'scan', 'started', 'm')",
            **scope,
        )
        self.put(f"{work_prefix(ref.organization_id, ref.file_id)}raw/part-00000.parquet")
        return ref

    def put(self, key: str) -> None:
        self.uploader.storage.put(key, io.BytesIO(b"x"))

    def purge(self) -> Any:
        return self.run(self.activity.purge_organization, self.ref)

    def delete_objects(self) -> Any:
        return self.run(self.activity.delete_doomed_objects, Payload())

    def count(self, table: str, ref: FileRef, column: str = "file_id") -> int:
        [row] = self.sql(
            f"SELECT count(*) FROM {table} WHERE {column} = :file_id", file_id=ref.file_id
        )
        return int(row[0])

    def audited(self, action: str) -> list[Any]:
        return [
            row.after
            for row in self.sql(
                "SELECT after FROM audit_events WHERE action = :action ORDER BY sequence",
                action=action,
            )
        ]

    def keys(self) -> list[str]:
        found = self.uploader.storage.list(f"{self.uploader.organization_id}/")
        return [listed.key for listed in found]


@pytest.fixture
def kept(uploader: Uploader, run: Callable[..., Any]) -> Kept:
    return Kept(uploader, run)


TABLES = ("emissions", "decisions", "reviews", "row_issues", "file_events")


def test_a_file_that_was_deleted_long_ago_goes_with_all_that_hangs_on_it(kept: Kept) -> None:
    gone = kept.file(deleted="31 days")
    recent = kept.file(deleted="29 days")
    living = kept.file()
    result = kept.purge()
    assert (result.files, result.emissions) == (1, ROWS)
    for table in TABLES:
        assert kept.count(table, gone) == 0, table
        assert kept.count(table, recent) > 0, table
        assert kept.count(table, living) > 0, table
    assert kept.count("files", gone, "id") == 0
    [revisions] = kept.sql("SELECT count(*) FROM emission_revisions")
    assert revisions[0] == 2 * ROWS
    # what was decided once is remembered although its review is gone
    [remembered] = kept.sql(
        "SELECT review_id FROM remembered_decisions WHERE memory_key = :key",
        key=str(gone.file_id),
    )
    assert remembered.review_id is None
    again = kept.purge()
    assert (again.files, again.rows) == (0, 0)


def test_a_purge_is_audited_once_a_run_with_counts_and_the_trail_stays(kept: Kept) -> None:
    ref = kept.file(deleted="31 days")
    kept.sql(
        "INSERT INTO audit_events (organization_id, action, object_type, object_id)"
        " VALUES (:organization_id, 'file.uploaded', 'file', :file_id)",
        organization_id=ref.organization_id, file_id=ref.file_id,
    )  # fmt: skip
    kept.purge()
    kept.purge()
    [event] = kept.audited("retention.purged")
    assert event["files"] == [str(ref.file_id)]
    assert event["rows"] == {
        "emissions": ROWS, "reviews": 1, "row_issues": 1, "decisions": 1, "file_events": 1,
        "files": 1,
    }  # fmt: skip
    assert len(kept.audited("file.uploaded")) == 1


def test_the_promise_of_the_deletion_counts_and_not_the_setting_of_today(kept: Kept) -> None:
    ref = kept.file(deleted="31 days")
    kept.sql("UPDATE files SET purge_at = now() + interval '1 day' WHERE id = :id", id=ref.file_id)
    assert kept.purge().files == 0
    kept.sql("UPDATE files SET purge_at = now() WHERE id = :id", id=ref.file_id)
    assert kept.purge().files == 1


def test_files_older_than_their_organization_keeps_go_by_the_end_of_their_processing(
    kept: Kept,
) -> None:
    kept.sql("UPDATE organizations SET data_retention_days = 100")
    old, young = kept.file(completed="101 days"), kept.file(completed="99 days")
    working = kept.file(completed="101 days")
    kept.sql("UPDATE files SET status = 'ai_matching' WHERE id = :id", id=working.file_id)
    assert kept.purge().files == 1
    assert [kept.count("files", ref, "id") for ref in (old, young, working)] == [0, 1, 1]
    kept.sql("UPDATE organizations SET data_retention_days = NULL")
    kept.sql("UPDATE files SET processing_completed_at = now() - interval '9 years'")
    assert kept.purge().files == 0


def test_a_file_that_is_too_old_vanishes_as_a_whole_before_its_first_row_goes(
    kept: Kept,
) -> None:
    old = kept.file(completed="400 days")
    with Session(kept.uploader.engine) as session:
        terms = purge.terms_of(session, old.organization_id, 30)
        assert terms is not None
        assert purge.expire_files(session, terms, 10) == [old.file_id]
        session.commit()
    assert kept.uploader.file(old).deleted_at is not None
    assert kept.count("emissions", old) == ROWS


def test_what_somebody_holds_is_skipped_and_goes_the_next_time(kept: Kept) -> None:
    held, free = kept.file(deleted="31 days"), kept.file(deleted="31 days")
    with Session(kept.uploader.engine) as other:
        other.execute(text("SELECT 1 FROM files WHERE id = :id FOR UPDATE"), {"id": held.file_id})
        assert kept.purge().files == 1
        other.rollback()
    assert kept.count("files", free, "id") == 0
    assert kept.purge().files == 1
    assert kept.count("files", held, "id") == 0


def test_objects_go_after_the_rows_and_a_store_that_is_away_loses_nothing(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, living = kept.file(deleted="31 days"), kept.file()
    storage = kept.uploader.storage
    storage.move(upload_key(gone.organization_id, gone.file_id),
                 trash_key(gone.organization_id, gone.file_id))  # fmt: skip
    before = kept.keys()
    kept.purge()
    assert kept.keys() == before
    with monkeypatch.context() as patched:

        def away(key: str) -> None:
            raise Unavailable("the store is away")

        patched.setattr(storage, "delete", away)
        patched.setattr(storage, "exists", away)
        with pytest.raises(Unavailable):
            kept.delete_objects()
    assert len(kept.sql("SELECT 1 FROM doomed_objects")) == 4
    assert kept.delete_objects().objects == 2  # the upload, and its one part
    assert kept.sql("SELECT 1 FROM doomed_objects") == []
    assert kept.keys() == [
        upload_key(living.organization_id, living.file_id),
        f"{work_prefix(living.organization_id, living.file_id)}raw/part-00000.parquet",
    ]
    assert kept.delete_objects().objects == 0


def test_an_object_that_the_store_holds_keeps_no_other(
    kept: Kept, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, other = kept.file(deleted="31 days"), kept.file(deleted="32 days")
    held = upload_key(ref.organization_id, ref.file_id)
    part = f"{work_prefix(other.organization_id, other.file_id)}raw/part-00000.parquet"
    orphan = upload_key(kept.uploader.organization_id, uuid7())
    kept.put(orphan)
    kept.purge()
    delete = storage.delete

    def holding(key: str) -> None:
        if key in (held, part):
            raise Unavailable("the object store answers 403")
        delete(key)

    sweep = SweepObjects(kept.uploader.engine, storage)
    with monkeypatch.context() as patched:
        patched.setattr(storage, "delete", holding)
        age(storage, patched, days=2)
        result = kept.delete_objects()
        assert (result.objects, result.held) == (2, 2)  # an upload and a part went
        assert set(kept.keys()) == {held, part, orphan}
        compared = kept.run(sweep.sweep_objects, kept.ref)
        assert (compared.orphans, compared.held) == (1, 2)
    assert len(kept.sql("SELECT 1 FROM doomed_objects")) == 2
    assert kept.delete_objects().objects == 2
    assert (kept.keys(), kept.sql("SELECT 1 FROM doomed_objects")) == ([], [])


def test_figures_reviews_reports_and_recalculations_deleted_by_themselves_go_too(
    kept: Kept,
) -> None:
    ref, org = kept.file(), kept.uploader.organization_id
    kept.sql("UPDATE emissions SET deleted_at = now() - interval '31 days' WHERE row_number <= 3")
    kept.sql("UPDATE emissions SET deleted_at = now() - interval '29 days' WHERE row_number = 4")
    for name, deleted, made in (("gone", "31 days", "40 days"), ("kept", None, "40 days"),
                                ("old", None, "400 days")):  # fmt: skip
        report = uuid7()
        kept.put(report_key(org, report, "csv"))
        kept.sql(
            "INSERT INTO reports (organization_id, id, user_id, name, query_criteria, status,"
            " generation_completed_at, deleted_at) VALUES (:o, :id, :u, :name, '{}', 'completed',"
            " now() - CAST(:made AS interval), now() - CAST(:deleted AS interval))",
            o=org, id=report, u=kept.uploader.user_id, name=name, made=made, deleted=deleted,
        )  # fmt: skip
        recalculation = uuid7()
        kept.sql(
            "INSERT INTO recalculations (organization_id, id, user_id, releases, releases_before,"
            " filter, status, reason, ended_at, deleted_at) VALUES (:o, :id, :u, '{x}', '{x}',"
            " '{}', 'committed', :name, now() - CAST(:made AS interval),"
            " now() - CAST(:deleted AS interval))",
            o=org, id=recalculation, u=kept.uploader.user_id, name=name, made=made,
            deleted=deleted,
        )  # fmt: skip
        kept.sql(
            "INSERT INTO recalculation_files (organization_id, recalculation_id, file_id)"
            " VALUES (:o, :id, :f)", o=org, id=recalculation, f=ref.file_id,
        )  # fmt: skip
        kept.sql(
            "INSERT INTO recalculation_rows (organization_id, recalculation_id, file_id,"
            " emission_id, decision_id, old_updated_at, old_kg, new_kg, old_biogenic,"
            " new_biogenic, changed, reason_code) SELECT :o, :id, :f, gen_random_uuid(),"
            " gen_random_uuid(), now(), 1, 2, false, false, true, 'x' FROM generate_series(1, 7)",
            o=org, id=recalculation, f=ref.file_id,
        )  # fmt: skip
    result = kept.purge()
    assert (result.files, result.emissions) == (0, 3)
    assert kept.count("emissions", ref) == ROWS - 3
    assert [r.name for r in kept.sql("SELECT name FROM reports")] == ["kept"]
    assert [r.reason for r in kept.sql("SELECT reason FROM recalculations")] == ["kept"]
    assert len(kept.sql("SELECT 1 FROM recalculation_rows")) == 7
    assert kept.delete_objects().objects == 2


def test_old_answers_of_models_go_unless_a_decision_rests_on_them(kept: Kept) -> None:
    ref, org = kept.file(), kept.uploader.organization_id
    for name, days in (("unused", 400), (str(ref.file_id), 400), ("young", 10)):
        call = uuid7()
        kept.sql(
            "INSERT INTO model_calls (organization_id, id, provider, model, prompt_version,"
            " raw_answer, outcome, input_tokens, output_tokens, cost_usd, created_at) VALUES"
            " (:o, :id, 'p', 'm', '1', '{}', 'answered', 1, 1, 0, now() - make_interval(days =>"
            " :days))", o=org, id=call, days=days,
        )  # fmt: skip
        kept.sql(
            "INSERT INTO model_answers (organization_id, question_hash, call_id, created_at)"
            " VALUES (:o, :name, :id, now() - make_interval(days => :days))",
            o=org, id=call, name=name, days=days,
        )  # fmt: skip
    kept.purge()
    found = {r.question_hash for r in kept.sql("SELECT question_hash FROM model_answers")}
    assert found == {str(ref.file_id), "young"}
    assert len(kept.sql("SELECT 1 FROM model_calls")) == 2


def test_another_organization_loses_nothing(
    kept: Kept, platform_engine: Engine, storage: LocalStorage, run: Callable[..., Any]
) -> None:
    kept.file(deleted="31 days")
    other = Kept(Uploader.make(platform_engine, storage, "Dock & Sons"), run)
    theirs = other.file(deleted="31 days")
    kept.purge()
    kept.delete_objects()
    assert other.count("emissions", theirs) == ROWS
    assert len(other.keys()) == 2


def test_a_dry_run_says_what_would_go_and_changes_nothing(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.file(deleted="31 days")
    kept.file(completed="400 days")
    kept.file()
    print_forecast(kept.uploader.engine, 30)
    said = capsys.readouterr().out
    assert f"{kept.uploader.organization_id} (keeps 365 days)" in said
    assert f"deleted_files 1, expired_files 1, emissions {2 * ROWS}" in said
    [files] = kept.sql("SELECT count(*) FROM files")
    assert files[0] == 3
    result = kept.purge()
    assert (result.files, result.emissions) == (2, 2 * ROWS)
    print_forecast(kept.uploader.engine, 30)
    assert capsys.readouterr().out == "nothing would go\n"


def test_organizations_come_page_by_page_each_once(
    kept: Kept, platform_engine: Engine, storage: LocalStorage
) -> None:
    others = [Uploader.make(platform_engine, storage, f"O{n}").organization_id for n in range(3)]
    seen: list[UUID] = []
    request = PurgeInput()
    while page := kept.run(kept.activity.list_organizations, request).organization_ids:
        seen += page
        request = PurgeInput(after=page[-1])
    assert sorted(seen) == sorted([kept.uploader.organization_id, *others])
    assert len(seen) == 4


# --- objects and rows, compared


def age(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Let every object be so old: the time of a change is the file system's own to set."""
    listing = storage.list

    def older(prefix: str) -> Any:
        from dataclasses import replace

        for listed in listing(prefix):
            yield replace(listed, modified_at=listed.modified_at - dt.timedelta(days=days))

    monkeypatch.setattr(storage, "list", older)


def test_old_objects_without_a_row_go_and_what_is_young_known_or_not_ours_stays(
    kept: Kept, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    org, living, deleted = kept.uploader.organization_id, kept.file(), kept.file(deleted="1 day")
    known = kept.keys()
    for key in (upload_key(org, uuid7()), f"{work_prefix(org, uuid7())}raw/x",
                report_key(org, uuid7(), "csv")):  # fmt: skip
        kept.put(key)
    kept.put(f"{org}/exports/of-somebody-else")
    kept.put(f"{org}/files/not-an-id")
    sweep = SweepObjects(kept.uploader.engine, storage)
    assert kept.run(sweep.sweep_objects, kept.ref).orphans == 0  # an upload may be under way
    age(storage, monkeypatch, days=2)
    assert kept.run(sweep.sweep_objects, kept.ref).orphans == 3
    left = set(kept.keys())
    assert left == {*known, f"{org}/exports/of-somebody-else", f"{org}/files/not-an-id"}
    assert kept.count("files", living, "id") + kept.count("files", deleted, "id") == 2
    assert kept.run(sweep.sweep_objects, kept.ref).orphans == 0


def test_a_row_whose_object_is_missing_is_reported_and_kept(
    kept: Kept, storage: LocalStorage, caplog: pytest.LogCaptureFixture
) -> None:
    ref, fine = kept.file(), kept.file()
    kept.sql("UPDATE files SET created_at = now() - interval '2 days'")
    os.unlink(storage.path(upload_key(ref.organization_id, ref.file_id)))
    result = kept.run(SweepObjects(kept.uploader.engine, storage).sweep_objects, kept.ref)
    assert (result.missing, result.orphans) == (1, 0)
    [event] = kept.audited("retention.objects_compared")
    assert event["files_without_object"] == [str(ref.file_id)]
    assert "1 files have no object" in caplog.text
    assert kept.count("files", ref, "id") + kept.count("files", fine, "id") == 2
