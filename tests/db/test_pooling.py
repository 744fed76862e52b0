"""Connections that tenants share: SQLAlchemy's pool of one, PgBouncer in transaction mode."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

sys.path.insert(0, str(Path(__file__).parents[1]))

from pgbouncer import in_front_of

from db.engine import TenantSession, make_engine, tenant_session
from db.ids import uuid7
from db.models import Organization, Project
from runtime.settings import DatabaseRole, Settings

PROJECTS: Any = Project
REQUESTS = 10_000
REQUESTS_BEHIND_PGBOUNCER = 2_500
SEEN = text("SELECT organization_id, name FROM projects")
CURRENT = text("SELECT current_setting('app.organization_id', true)")


@pytest.fixture
def pair(admin_engine: Engine, clean_database: None) -> tuple[UUID, UUID]:
    """Two organizations with one project each, named after its organization."""
    organizations = (uuid7(), uuid7())
    with admin_engine.begin() as connection:
        for organization_id in organizations:
            connection.execute(insert(Organization).values(id=organization_id, name="x"))
            connection.execute(
                insert(Project).values(
                    organization_id=organization_id, id=uuid7(), name=str(organization_id)
                )
            )
    return organizations


@pytest.fixture
def pool_of_one(settings: Settings) -> Iterator[Engine]:
    engine = make_engine(
        settings.database_url_for(DatabaseRole.APP), pool_size=1, pool_timeout_s=60
    )
    yield engine
    engine.dispose()


@pytest.fixture
def behind_pgbouncer(settings: Settings) -> Iterator[Engine]:
    """Four client connections that share one server connection."""
    with in_front_of(settings.database_url_for(DatabaseRole.APP)) as url:
        engine = make_engine(url.format(user="tonnage_app"), pool_size=4, pool_timeout_s=60)
        yield engine
        engine.dispose()


def look(session: TenantSession, own: UUID) -> None:
    assert session.execute(SEEN).all() == [(own, str(own))]


def plain(session: TenantSession, own: UUID, other: UUID) -> None:
    look(session, own)


def several_transactions(session: TenantSession, own: UUID, other: UUID) -> None:
    look(session, own)
    session.commit()
    look(session, own)
    session.rollback()
    look(session, own)


def rolled_back_savepoint(session: TenantSession, own: UUID, other: UUID) -> None:
    add = insert(Project).values(organization_id=own, id=uuid7(), name="gone")
    savepoint = session.begin_nested()
    session.execute(add)
    with pytest.raises(IntegrityError):
        session.execute(add)
    savepoint.rollback()
    look(session, own)


def broken_statement(session: TenantSession, own: UUID, other: UUID) -> None:
    with pytest.raises(DataError):
        session.execute(text("SELECT 1 / 0"))
    session.rollback()
    look(session, own)


def abandoned(session: TenantSession, own: UUID, other: UUID) -> None:
    """Leave an aborted transaction to whoever closes the session."""
    look(session, own)
    with pytest.raises(ProgrammingError):
        session.execute(insert(Project).values(organization_id=other, id=uuid7(), name="stolen"))


def write(session: TenantSession, own: UUID, other: UUID) -> None:
    session.execute(text("UPDATE projects SET updated_at = now()"))
    session.commit()


WAYS = (plain, several_transactions, plain, rolled_back_savepoint, plain, write, plain,
        broken_statement, plain, abandoned)  # fmt: skip


def serve(engine: Engine, pair: tuple[UUID, UUID], number: int) -> None:
    """Serve one request; the next is the other tenant's."""
    own, other = pair if number % 2 else pair[::-1]
    way = WAYS[number // 2 % len(WAYS)]
    with tenant_session(engine, own) as session:
        way(session, own, other)


def serve_many(engine: Engine, pair: tuple[UUID, UUID], requests: int) -> None:
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda number: serve(engine, pair, number), range(requests)):
            pass


def names(admin_engine: Engine) -> set[str]:
    with admin_engine.connect() as connection:
        return set(connection.scalars(text("SELECT name FROM projects")))


def test_tenants_that_take_turns_on_one_connection_never_meet(
    pool_of_one: Engine, admin_engine: Engine, pair
) -> None:
    serve_many(pool_of_one, pair, REQUESTS)
    assert names(admin_engine) == {str(organization_id) for organization_id in pair}
    with pool_of_one.connect() as connection:
        assert connection.scalar(CURRENT) == ""  # it is that very connection, and nobody's now
        assert connection.execute(SEEN).all() == []


def test_tenants_behind_pgbouncer_in_transaction_mode_never_meet(
    behind_pgbouncer: Engine, admin_engine: Engine, pair
) -> None:
    serve_many(behind_pgbouncer, pair, REQUESTS_BEHIND_PGBOUNCER)
    assert names(admin_engine) == {str(organization_id) for organization_id in pair}
    with behind_pgbouncer.connect() as connection:
        assert connection.scalar(CURRENT) == ""
        assert connection.execute(SEEN).all() == []


def test_what_the_session_does_not_do_would_leak_behind_pgbouncer(
    behind_pgbouncer: Engine, pair
) -> None:
    """A tenant that is set for the session, not for the transaction, is the next client's."""
    with behind_pgbouncer.connect() as one, behind_pgbouncer.connect() as two:
        one.execute(
            text("SELECT set_config('app.organization_id', :o, false)"), {"o": str(pair[0])}
        )
        one.commit()
        leaked = two.scalar(CURRENT)
        two.execute(text("RESET app.organization_id"))
        two.commit()
    assert leaked == str(pair[0])
