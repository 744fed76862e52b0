"""Engines per role, and sessions that serve exactly one tenant.

The tenant is set with `set_config(…, true)` as the first statement of every transaction, never
for the session: behind a pool or PgBouncer the next checkout would see the previous tenant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlmodel import Session

from core.errors import Misconfigured, MissingTenant

SET_TENANT = text("SELECT set_config('app.organization_id', :organization_id, true)")


def make_engine(
    url: str,
    *,
    pool_size: int = 10,
    pool_timeout_s: float = 5,
    connect_timeout_s: int = 5,
    application_name: str = "tonnage",
) -> Engine:
    """Build an engine that notices dead connections and never waits for ever.

    `prepare_threshold=None`: prepared statements would break behind PgBouncer in transaction mode.
    """
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout_s,
        pool_pre_ping=True,
        hide_parameters=True,  # an error must not quote customer data into a log
        connect_args={
            "connect_timeout": connect_timeout_s,
            "application_name": application_name,
            "prepare_threshold": None,
        },
    )


class TenantSession(Session):
    """A session of one organization. Beginning a transaction without one raises MissingTenant."""

    def __init__(self, bind: Engine | Connection, organization_id: UUID | None) -> None:
        super().__init__(bind, expire_on_commit=False)
        self.organization_id = organization_id


@event.listens_for(TenantSession, "after_begin")
def set_tenant(session: TenantSession, _transaction: Any, connection: Connection) -> None:
    """Tell PostgreSQL whose transaction this is, before any other statement."""
    if session.organization_id is None:
        raise MissingTenant("a tenant transaction was begun without an organization")
    connection.execute(SET_TENANT, {"organization_id": str(session.organization_id)})


@contextmanager
def tenant_session(engine: Engine, organization_id: UUID | None) -> Iterator[TenantSession]:
    """Yield a session bound to one organization; the caller commits."""
    with TenantSession(engine, organization_id) as session:
        yield session


def snapshot(session: Session) -> None:
    """Make all that follows in this transaction see the same moment. Call it before any query."""
    session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def refuse_dangerous_role(engine: Engine) -> None:
    """Raise Misconfigured if this role could look past row-level security.

    Checked when a process starts: a deployment that connects as superuser or owner would serve
    every tenant's rows to every tenant.
    """
    with engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT rolname, rolsuper OR rolbypassrls AS bypasses, EXISTS ("
                "  SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                "  AND relname = 'emissions'"
                "  AND pg_has_role(current_user, relowner, 'MEMBER')) AS owns"
                " FROM pg_roles WHERE rolname = current_user"
            )
        ).one()
    if row.bypasses or row.owns:
        raise Misconfigured(
            f"the database role {row.rolname} bypasses row-level security or owns the tables; "
            "connect as tonnage_app, tonnage_worker or tonnage_auth"
        )
