"""The chain of the audit trail: made by the database, checked without it, broken on purpose."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlmodel import Session

from core.audit import (
    GENESIS,
    ChainedEvent,
    Fault,
    Head,
    Verdict,
    canonical_json,
    event_hash,
    hashed_text,
    read_json,
    verify,
)
from db.engine import make_engine, snapshot, tenant_session
from db.ids import uuid7
from db.queries import audit, audit_chain, organizations
from runtime import migrate
from runtime.settings import DatabaseRole, with_driver

PIPELINE = audit.Actor(user_id=None, kind="pipeline")


@dataclass
class Trail:
    """Organizations whose trail is written as app and read as platform."""

    app: Engine
    platform: Engine
    admin: Engine

    def organization(self, name: str = "Alpha") -> UUID:
        with Session(self.platform) as session:
            made = organizations.create_organization(session, name=name)
            session.commit()
        return made

    def write(self, organization_id: UUID, count: int = 1, **values: Any) -> None:
        for number in range(count):
            with tenant_session(self.app, organization_id) as session:
                self.record(session, organization_id, **({"after": {"number": number}} | values))
                session.commit()

    @staticmethod
    def record(session: Session, organization_id: UUID, **values: Any) -> None:
        given: dict[str, Any] = {"action": "file.uploaded", "object_type": "file"} | values
        audit.record(session, organization_id, PIPELINE, object_id=uuid7(), **given)

    def verify(self, organization_id: UUID, *kept: Head) -> Verdict:
        with Session(self.platform) as session:
            head = next(iter(audit_chain.heads(session, organization_id)), None)
            return verify(organization_id, audit_chain.events(session, organization_id), head, kept)

    def head(self, organization_id: UUID) -> Head:
        with Session(self.platform) as session:
            return audit_chain.heads(session, organization_id)[0]

    def tamper(self, statement: str, **values: Any) -> None:
        """Do as a superuser does who covers the tracks: without any trigger."""
        with self.admin.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            assert connection.execute(text(statement), values).rowcount


@pytest.fixture
def trail(clean_database: None, app_engine, platform_engine, admin_engine) -> Trail:
    return Trail(app_engine, platform_engine, admin_engine)


def test_events_are_numbered_in_each_organization_and_follow_one_another(trail) -> None:
    alpha, beta = trail.organization(), trail.organization("Beta")
    for _ in range(3):
        trail.write(alpha)
        trail.write(beta)
    for organization_id in (alpha, beta):
        with Session(trail.platform) as session:
            events = list(audit_chain.events(session, organization_id))
        assert [event.sequence for event in events] == [1, 2, 3]
        assert [e.previous_hash for e in events] == [GENESIS, events[0].hash, events[1].hash]
        assert trail.verify(organization_id) == Verdict(organization_id, 3, None)
        assert trail.head(organization_id) == Head(organization_id, 3, events[2].hash)


def test_the_hash_is_that_of_the_documented_text() -> None:
    event = ChainedEvent(
        organization_id=UUID(int=1), id=UUID(int=2), sequence=7, previous_hash=GENESIS, hash=None,
        occurred_at=dt.datetime(2026, 11, 25, 11, 0, 0, 120, dt.timezone(dt.timedelta(hours=1))),
        actor="user", actor_user_id=UUID(int=3), action="file.uploaded", object_type="file",
        object_id=UUID(int=4), before=None, after='{"é": [1.50, 1e2, -0.0], "a b": "x\\"\\n"}',
        request_id=None,
    )  # fmt: skip
    written = (
        '{"action":"file.uploaded","actor":"user",'
        '"actor_user_id":"00000000-0000-0000-0000-000000000003",'
        '"after":{"a b":"x\\"\\n","é":[1.5,100,0]},"before":null,"format":"tonnage-audit-1",'
        '"id":"00000000-0000-0000-0000-000000000002",'
        '"object_id":"00000000-0000-0000-0000-000000000004","object_type":"file",'
        '"occurred_at":"2026-11-25T10:00:00.000120Z",'
        '"organization_id":"00000000-0000-0000-0000-000000000001",'
        f'"previous_hash":"{"0" * 64}","request_id":null,"sequence":7}}'
    )
    assert hashed_text(event) == written
    assert event_hash(event) == sha256(written.encode()).digest()


# What JSON can say and PostgreSQL can hold.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
numbers = (
    st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.0, -0.0, 1.0, 1e22, 1e-7, 5e-324, 1.7976931348623157e308, 0.1])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=25,
)


@limits(max_examples=300)
@given(value=values)
def test_python_and_postgresql_write_the_same_canonical_json(admin_engine, value: Any) -> None:
    with admin_engine.connect() as connection:
        stored, written = connection.execute(
            text("SELECT v::text, canonical_json(v) FROM (SELECT CAST(:v AS jsonb)) AS s(v)"),
            {"v": json.dumps(value)},
        ).one()
    assert canonical_json(read_json(stored)) == written
    # and from the value itself, as a reader of the API has it
    assert canonical_json(value) == written
    assert canonical_json(json.loads(written)) == written


@limits(max_examples=40)
@given(before=st.none() | st.dictionaries(texts, values, max_size=4), words=texts)
def test_whatever_is_recorded_has_the_hash_that_python_computes(
    app_engine, platform_engine, admin_engine, before: Any, words: str
) -> None:
    trail = Trail(app_engine, platform_engine, admin_engine)
    organization_id = trail.organization()
    trail.write(organization_id, before=before, after={"text": words}, action=f"x {words}")
    assert trail.verify(organization_id) == Verdict(organization_id, 1, None)


def test_one_transaction_may_record_several_events_and_a_rolled_back_one_leaves_no_gap(
    trail,
) -> None:
    alpha = trail.organization()
    with tenant_session(trail.app, alpha) as session:
        trail.record(session, alpha, action="first")
        with session.begin_nested() as inner:
            trail.record(session, alpha, action="taken back")
            inner.rollback()
        trail.record(session, alpha, action="second")
        session.commit()
        trail.record(session, alpha, action="never")
        session.rollback()
    trail.write(alpha, action="third")
    with Session(trail.platform) as session:
        actions = [(e.sequence, e.action) for e in audit_chain.events(session, alpha)]
    assert actions == [(1, "first"), (2, "second"), (3, "third")]
    assert trail.verify(alpha).broken is None


def test_an_event_shows_before_its_commit_and_after(trail) -> None:
    alpha, file_id = trail.organization(), uuid7()
    with tenant_session(trail.app, alpha) as session:
        for action in ("one", "two"):
            audit.record(
                session, alpha, PIPELINE, action=action, object_type="file", object_id=file_id
            )
        found = [e.action for e in audit.of_object(session, alpha, "file", file_id)]
        session.commit()
        again = [e.action for e in audit.of_object(session, alpha, "file", file_id)]
    assert found == again == ["one", "two"]


CHANGES = {
    "id": "gen_random_uuid()",
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "actor": "'user'",
    "actor_user_id": "gen_random_uuid()",
    "action": "action || ' '",
    "object_type": "'report'",
    "object_id": "gen_random_uuid()",
    "before": """'{"status": "open"}'""",
    "after": """'{"number": 1.0000000001}'""",
    "request_id": "'other'",
    "previous_hash": "sha256('x')",
    "hash": "sha256('x')",
}


def test_every_column_that_can_be_changed_is_among_the_changes(admin_engine) -> None:
    with admin_engine.connect() as connection:
        columns = set(
            connection.scalars(
                text(
                    "SELECT attname FROM pg_attribute WHERE attrelid = 'audit_events'::regclass "
                    "AND attnum > 0 AND NOT attisdropped"
                )
            )
        )
    assert columns == set(CHANGES) | {"organization_id", "sequence"}


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_column_is_found_in_the_row_that_it_is_of(trail, column: str) -> None:
    alpha, beta = trail.organization(), trail.organization("Beta")
    trail.write(alpha, 5)
    trail.write(beta, 5)
    change = f"UPDATE audit_events SET {column} = {CHANGES[column]}"
    trail.tamper(f"{change} WHERE organization_id = :o AND sequence = 3", o=alpha)
    found = trail.verify(alpha)
    assert (found.events, found.broken.sequence) == (2, 3)
    assert found.broken.fault is (Fault.LINK if column == "previous_hash" else Fault.CONTENT)
    assert trail.verify(beta).broken is None


def test_a_row_moved_to_another_organization_breaks_both_chains(trail) -> None:
    alpha, beta = trail.organization(), trail.organization("Beta")
    trail.write(alpha, 3)
    trail.write(beta, 2)
    trail.tamper(
        "UPDATE audit_events SET organization_id = :b WHERE organization_id = :a AND sequence = 3",
        a=alpha, b=beta,
    )  # fmt: skip
    assert trail.verify(alpha).broken.fault is Fault.HEAD
    assert (trail.verify(beta).broken.sequence, trail.verify(beta).broken.fault) == (3, Fault.LINK)


@pytest.mark.parametrize("sequence", [1, 3])
def test_a_deleted_row_of_the_beginning_or_the_middle_is_missing(trail, sequence: int) -> None:
    alpha = trail.organization()
    trail.write(alpha, 5)
    trail.tamper(
        "DELETE FROM audit_events WHERE organization_id = :o AND sequence = :s",
        o=alpha, s=sequence,
    )  # fmt: skip
    broken = trail.verify(alpha).broken
    assert (broken.fault, broken.sequence) == (Fault.MISSING, sequence)


def test_a_deleted_row_with_the_rest_renumbered_is_found(trail) -> None:
    alpha = trail.organization()
    trail.write(alpha, 5)
    trail.tamper("DELETE FROM audit_events WHERE organization_id = :o AND sequence = 3", o=alpha)
    for number in (4, 5):
        trail.tamper("UPDATE audit_events SET sequence = :n - 1 WHERE sequence = :n", n=number)
    broken = trail.verify(alpha).broken
    assert (broken.fault, broken.sequence) == (Fault.LINK, 3)


def test_a_cut_off_end_is_found_by_the_head(trail) -> None:
    alpha = trail.organization()
    trail.write(alpha, 5)
    trail.tamper("DELETE FROM audit_events WHERE organization_id = :o AND sequence > 3", o=alpha)
    broken = trail.verify(alpha).broken
    assert (broken.fault, broken.sequence) == (Fault.HEAD, 4)


def test_a_cut_off_end_with_its_head_is_found_by_a_kept_head_alone(trail) -> None:
    alpha = trail.organization()
    trail.write(alpha, 5)
    kept = trail.head(alpha)
    trail.tamper("DELETE FROM audit_events WHERE organization_id = :o AND sequence > 3", o=alpha)
    trail.tamper(
        "UPDATE audit_heads SET sequence = 3, hash = (SELECT hash FROM audit_events "
        "WHERE organization_id = :o AND sequence = 3) WHERE organization_id = :o", o=alpha,
    )  # fmt: skip
    assert trail.verify(alpha).broken is None
    broken = trail.verify(alpha, kept).broken
    assert (broken.fault, broken.sequence) == (Fault.KEPT_HEAD, 4)


def test_a_trail_deleted_with_its_head_is_found_by_a_kept_head(trail) -> None:
    alpha = trail.organization()
    trail.write(alpha, 2)
    kept = trail.head(alpha)
    for table in ("audit_events", "audit_heads"):
        trail.tamper(f"DELETE FROM {table} WHERE organization_id = :o", o=alpha)
    assert trail.verify(alpha, kept).broken.fault is Fault.KEPT_HEAD


def test_a_chain_rewritten_from_a_changed_row_on_is_found_by_a_kept_head_alone(trail) -> None:
    alpha = trail.organization()
    trail.write(alpha, 5)
    kept = trail.head(alpha)
    trail.tamper("UPDATE audit_events SET action = 'x' WHERE sequence = 3")
    for number in (3, 4, 5):  # as someone would who knows the rule
        trail.tamper(
            "UPDATE audit_events SET previous_hash = "
            "(SELECT hash FROM audit_events WHERE sequence = :n - 1) WHERE sequence = :n", n=number,
        )  # fmt: skip
        trail.tamper(
            "UPDATE audit_events e SET hash = audit_event_hash(e) WHERE sequence = :n", n=number
        )
    trail.tamper("UPDATE audit_heads SET hash = (SELECT hash FROM audit_events WHERE sequence = 5)")
    assert trail.verify(alpha).broken is None
    trail.write(alpha, 2)
    broken = trail.verify(alpha, kept).broken
    assert (broken.fault, broken.sequence) == (Fault.KEPT_HEAD, 5)


def test_a_kept_head_of_a_chain_that_went_on_fits(trail) -> None:
    alpha = trail.organization()
    trail.write(alpha, 2)
    kept = trail.head(alpha)
    trail.write(alpha, 2)
    assert trail.verify(alpha, kept) == Verdict(alpha, 4, None)


def test_a_row_slipped_in_past_the_trigger_is_found(trail) -> None:
    alpha = trail.organization()
    trail.write(alpha, 2)
    trail.tamper(
        "INSERT INTO audit_events (organization_id, action, object_type, object_id) "
        "VALUES (:o, 'x', 'file', gen_random_uuid())", o=alpha,
    )  # fmt: skip
    assert trail.verify(alpha).broken.fault is Fault.UNCHAINED


def test_a_lost_head_is_found(trail) -> None:
    alpha = trail.organization()
    trail.write(alpha, 2)
    trail.tamper("DELETE FROM audit_heads WHERE organization_id = :o", o=alpha)
    assert trail.verify(alpha).broken.fault is Fault.HEAD


@contextmanager
def transaction(engine: Engine, organization_id: UUID) -> Iterator[Session]:
    with tenant_session(engine, organization_id) as session:
        yield session
        session.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET action = 'x'",
        "UPDATE audit_events SET hash = sha256('x')",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "TRUNCATE organizations CASCADE",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "INSERT INTO audit_heads VALUES (:o, 9, sha256('x'))",
        "UPDATE audit_heads SET sequence = 0",
        "DELETE FROM audit_heads",
        "TRUNCATE audit_heads",
        "SELECT * FROM audit_heads FOR UPDATE",
        "INSERT INTO audit_events (organization_id, action, object_type, object_id, sequence) "
        "VALUES (:o, 'x', 'file', :o, 7)",
        "INSERT INTO audit_events (organization_id, action, object_type, object_id, hash) "
        "VALUES (:o, 'x', 'file', :o, sha256('x'))",
        "INSERT INTO audit_events (organization_id, action, object_type, object_id, occurred_at) "
        "VALUES (:o, 'x', 'file', :o, now() - interval '1 year')",
        "SELECT chain_audit_event()",
        "SET ROLE tonnage_owner",
    ],
)
def test_no_role_that_serves_can_touch_the_chain(trail, worker_engine, statement: str) -> None:
    alpha = trail.organization()
    trail.write(alpha, 2)
    for engine in (trail.app, worker_engine, trail.platform):
        with transaction(engine, alpha) as session, pytest.raises(ProgrammingError) as refused:
            session.execute(text(statement), {"o": alpha} if ":o" in statement else {})
        assert refused.value.orig.sqlstate in ("42501", "0A000"), engine.url
    assert trail.verify(alpha) == Verdict(alpha, 2, None)


def test_an_event_cannot_be_changed_in_the_transaction_that_recorded_it(trail) -> None:
    alpha = trail.organization()
    with transaction(trail.app, alpha) as session:
        trail.record(session, alpha)
        with pytest.raises(ProgrammingError) as refused:
            session.execute(text("UPDATE audit_events SET action = 'x'"))
    assert refused.value.orig.sqlstate == "42501"


def test_asking_for_the_link_at_once_or_later_makes_the_same_chain(trail) -> None:
    alpha = trail.organization()
    for when in ("IMMEDIATE", "DEFERRED"):
        with tenant_session(trail.app, alpha) as session:
            session.execute(text(f"SET CONSTRAINTS ALL {when}"))
            trail.record(session, alpha)
            session.commit()
    assert trail.verify(alpha) == Verdict(alpha, 2, None)


def test_an_event_of_another_organization_cannot_be_recorded(trail) -> None:
    alpha, beta = trail.organization(), trail.organization("Beta")
    trail.write(beta)
    with transaction(trail.app, alpha) as session, pytest.raises(ProgrammingError) as refused:
        trail.record(session, beta)
    assert refused.value.orig.sqlstate == "42501"
    assert trail.verify(beta) == Verdict(beta, 1, None)


def test_recording_early_holds_up_nobody_until_commit(trail) -> None:
    alpha = trail.organization()
    with tenant_session(trail.app, alpha) as early, tenant_session(trail.app, alpha) as late:
        trail.record(early, alpha, action="recorded first")
        trail.record(late, alpha, action="committed first")
        late.commit()  # would wait for the head and end in lock_timeout
        early.commit()
    with Session(trail.platform) as session:
        actions = [event.action for event in audit_chain.events(session, alpha)]
    assert actions == ["committed first", "recorded first"]


def test_writers_at_once_make_chains_without_a_gap(trail, settings) -> None:
    busy, quiet = trail.organization(), trail.organization("Beta")
    engine = make_engine(settings.database_url_for(DatabaseRole.APP), pool_size=8)
    problems: list[BaseException] = []
    lock = text("SELECT FROM organizations FOR NO KEY UPDATE")

    def work(number: int) -> None:
        try:
            for turn in range(20):
                organization_id = quiet if (turn + number) % 5 == 0 else busy
                with tenant_session(engine, organization_id) as session:
                    # another lock before recording or after it: were the head locked at once,
                    # these would wait for one another
                    if number % 2:
                        session.execute(lock)
                    for _ in range(1 + turn % 2):
                        trail.record(session, organization_id)
                    session.execute(lock)
                    if turn % 7 == 3:
                        session.rollback()
                    else:
                        session.commit()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    assert problems == []
    # Turns 3, 10 and 17 are taken back. Of the other 17, 9 are even and record one event, 8 are
    # odd and record two: 9 + 2 x 8 = 25 a thread, 8 threads.
    verdicts = [trail.verify(one) for one in (busy, quiet)]
    assert [verdict.broken for verdict in verdicts] == [None, None]
    assert sum(verdict.events for verdict in verdicts) == 200
    assert all(verdict.events for verdict in verdicts)


def test_a_snapshot_that_missed_a_link_does_not_make_a_second_one(trail) -> None:
    alpha = trail.organization()
    trail.write(alpha)
    with tenant_session(trail.app, alpha) as session:
        snapshot(session)
        session.execute(text("SELECT 1"))
        trail.write(alpha)
        trail.record(session, alpha)
        with pytest.raises(OperationalError) as refused:
            session.commit()
    assert refused.value.orig.sqlstate == "40001"
    assert trail.verify(alpha) == Verdict(alpha, 2, None)


def test_events_of_before_the_migration_are_chained_in_their_order(
    admin_engine, database_url: str
) -> None:
    with admin_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS tonnage_unchained"))
        connection.execute(text("CREATE DATABASE tonnage_unchained TEMPLATE tonnage_template"))
    engine = make_engine(re.sub(r"/\w+\?", "/tonnage_unchained?", with_driver(database_url)))
    ids = [uuid7(), uuid7()]
    with engine.connect() as connection:
        script = ScriptDirectory.from_config(migrate.alembic_config(connection))
        before = script.get_revision("2026_11_25_1030").down_revision
        migrate.downgrade(connection, before)
        for number, organization_id in enumerate(ids):
            connection.execute(
                text("INSERT INTO organizations (id, name) VALUES (:o, 'x')"),
                {"o": organization_id},
            )
            for event in range(3 + number):
                connection.execute(
                    text(
                        "INSERT INTO audit_events (organization_id, action, object_type, object_id,"
                        " after) VALUES (:o, :action, 'file', :o, '{\"kg\": 1.50}')"
                    ),
                    {"o": organization_id, "action": f"a{event}"},
                )
        connection.commit()
        migrate.upgrade(connection)
        # and down and up again
        migrate.downgrade(connection, before)
        migrate.upgrade(connection)
    with Session(engine) as session:
        for number, organization_id in enumerate(ids):
            [head] = audit_chain.heads(session, organization_id)
            found = list(audit_chain.events(session, organization_id))
            assert [event.action for event in found] == [f"a{n}" for n in range(3 + number)]
            assert verify(organization_id, found, head) == Verdict(
                organization_id, 3 + number, None
            )
    engine.dispose()
