"""Row-level security as the tenants meet it: the catalog, and every table tried as the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from core.errors import MissingTenant
from db.engine import TenantSession, tenant_session
from db.ids import uuid7

NO_TENANT = {
    "users",
    "sessions",
    "refresh_tokens",
    "one_time_tokens",
    "login_throttles",
    "factor_releases",
    "model_breakers",
    "rate_limits",
}

# The worker has no business there: not even its own organization's rows.
APP_ONLY = {"sso_connections", "sso_identities"}

# One row of each table, as SQL with the values of one organization.
ROWS: dict[str, str] = {
    "organizations": "(id, name) VALUES (:organization, 'x')",
    "projects": "(organization_id, id, name) VALUES (:organization, :row, :row)",
    "files": """(organization_id, id, user_id, filename, object_storage_path, file_size, file_type,
        sha256, processing_job_id)
        VALUES (:organization, :row, :user, 'a.csv', 'file:///a', 1, 'csv', :row, 'file/a')""",
    "user_organization_roles": """(organization_id, id, user_id, role)
        VALUES (:organization, :row, :user, 'viewer')""",
    "emission_factors": """(organization_id, id, source_id, name, category, unit, dimension,
        value_per_unit, activity_kind)
        VALUES (:organization, :row, 'own', 'n', 'c', 'kg', 'mass', 1, 'k')""",
    "api_keys": """(organization_id, id, name, role, secret_sha256, created_by, expires_at)
        VALUES (:organization, :row, 'k', 'user', '', :user, now())""",
    "decisions": """(organization_id, id, file_id, activity_key, activity, row_count, volume_total,
        outcome, method, confidence)
        VALUES (:organization, :row, :file, :row, '{}', 1, 1, 'held', 'offline', 0)""",
    "emissions": """(organization_id, id, file_id, row_number, activity_name, unit, volume,
        calculated_emission) VALUES (:organization, :row, :file, :number, 'a', 'kg', 1, 1)""",
    "emission_revisions": """(organization_id, id, emission_id, cause, cause_id,
        calculated_emission) VALUES (:organization, :row, :emission, 'review', :row, 1)""",
    "row_issues": """(organization_id, id, file_id, part, row_number, code, severity, message)
        VALUES (:organization, :row, :file, 0, 1, 'c', 'warning', 'm')""",
    "reviews": """(organization_id, id, file_id, decision_id, reason_code, reason, row_count)
        VALUES (:organization, :row, :file, :decision, 'c', 'r', 1)""",
    "remembered_decisions": """(organization_id, id, memory_key, activity, decided_by)
        VALUES (:organization, :row, :row, '{}', :user)""",
    "column_mappings": """(organization_id, id, signature, headings, mapping, filename,
        confirmed_by) VALUES (:organization, :row, 's', '[]', '{}', 'x.csv', :user)""",
    "invitations": """(organization_id, id, email, role, token_sha256, invited_by, expires_at)
        VALUES (:organization, :row, 'x@x.example', 'viewer', '\\x00', :user, now())""",
    "sso_connections": """(organization_id, id, issuer, client_id, client_secret, allowed_domains)
        VALUES (:organization, :row, 'https://id.x.example', 'c', '', '{x.example}')""",
    "sso_identities": """(organization_id, id, connection_id, issuer, subject, user_id)
        VALUES (:organization, :row, :sso_connection, 'i', :row, :user)""",
    "model_calls": """(organization_id, id, provider, model, prompt_version, raw_answer, outcome,
        input_tokens, output_tokens, cost_usd)
        VALUES (:organization, :row, 'p', 'm', '1', '{}', 'answered', 1, 1, 0)""",
    "model_answers": """(organization_id, question_hash, call_id)
        VALUES (:organization, :row, :model_call)""",
    "model_spend": """(organization_id, id, spent_on, tokens, cost_usd)
        VALUES (:organization, :row, now(), 1, 0)""",
    "file_events": """(organization_id, id, file_id, stage, kind, message)
        VALUES (:organization, :row, :file, :row, 'started', 'm')""",
    "reports": """(organization_id, id, user_id, name, query_criteria)
        VALUES (:organization, :row, :user, 'r', '{}')""",
    "recalculations": """(organization_id, id, user_id, releases, releases_before, filter)
        VALUES (:organization, :row, :user, '{x}', '{x}', '{}')""",
    "recalculation_files": """(organization_id, recalculation_id, file_id)
        VALUES (:organization, :recalculation, :file)""",
    "recalculation_decisions": """(organization_id, recalculation_id, file_id, decision_id, number,
        old_updated_at, held, row_count)
        VALUES (:organization, :recalculation, :file, :row, :number, now(), false, 1)""",
    "recalculation_slices": """(organization_id, recalculation_id, batch, file_id, first_id,
        last_id, rows) VALUES (:organization, :recalculation, :number, :file, :row, :row, 1)""",
    "recalculation_rows": """(organization_id, recalculation_id, file_id, emission_id, decision_id,
        old_updated_at, old_kg, new_kg, old_biogenic, new_biogenic, changed, reason_code)
        VALUES (:organization, :recalculation, :file, :row, :row, now(), 1, 2, false, false, true,
        'other_factor')""",
    "doomed_objects": "(organization_id, id, key) VALUES (:organization, :row, 'k')",
    "idempotency_keys": """(organization_id, caller_id, key, attempt, fingerprint, request_id)
        VALUES (:organization, :user, :row, :row, 'f', 'r')""",
    # kept by triggers; written by hand here, as nobody but the owner may
    "emission_totals": """(organization_id, id, file_id, biogenic, figures, kg, upstream_kg,
        outside_kg) VALUES (:organization, :row, :file, false, 1, 1, 0, 0)""",
    "emission_texts": """(organization_id, id, file_id, biogenic, activity_name, search_language,
        figures, kg, upstream_kg, outside_kg)
        VALUES (:organization, :row, :file, false, 'a', 'english', 1, 1, 0, 0)""",
    "webhooks": """(organization_id, id, created_by, url, events)
        VALUES (:organization, :row, :user, 'https://x.example/', '{file.completed}')""",
    "webhook_secrets": """(organization_id, id, webhook_id, sealed)
        VALUES (:organization, :row, :webhook, '\\x00')""",
    "webhook_events": """(organization_id, id, type, payload)
        VALUES (:organization, :row, 'file.completed', '{}')""",
    "webhook_deliveries": """(organization_id, id, webhook_id, event_id, event_type)
        VALUES (:organization, :row, :webhook, :webhook_event, 'file.completed')""",
    "webhook_attempts": """(organization_id, delivery_id, number, duration_ms)
        VALUES (:organization, :delivery, :number, 1)""",
    "audit_events": """(organization_id, id, action, object_type, object_id)
        VALUES (:organization, :row, 'a', 'file', :row)""",
    "audit_heads": "(organization_id, sequence, hash) VALUES (:organization, 0, sha256(''))",
}


class Tenant(dict[str, Any]):
    """Parameters that name one organization's rows."""

    def row(self) -> dict[str, Any]:
        """Return the parameters of a new row."""
        Tenant.number += 1
        return {**self, "row": uuid7(), "number": Tenant.number}

    number = 100


@pytest.fixture(scope="module")
def tenants(admin_engine: Engine) -> Iterator[dict[str, Tenant]]:
    """Two organizations with one row in every table."""
    made: dict[str, Tenant] = {}
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE organizations, users, login_throttles CASCADE"))
        for name in ("alpha", "beta"):
            named = (
                "organization",
                "user",
                "file",
                "decision",
                "emission",
                "recalculation",
                "model_call",
                "sso_connection",
                "webhook",
                "webhook_event",
                "delivery",
            )
            ids = {key: uuid7() for key in named}
            tenant = made[name] = Tenant(ids)
            connection.execute(
                text("INSERT INTO users (id, email, password_hash) VALUES (:user, :mail, 'x')"),
                {**ids, "mail": f"{name}@x.example"},
            )
            for table, values in ROWS.items():
                row = tenant.row()
                if table in ids or table.removesuffix("s") in ids:
                    row["row"] = ids[table.removesuffix("s")]
                if table == "webhook_deliveries":
                    row["row"] = ids["delivery"]
                connection.execute(text(f"INSERT INTO {table} {values}"), row)
    yield made
    with admin_engine.begin() as connection:
        connection.execute(text("TRUNCATE organizations, users CASCADE"))


@pytest.fixture(params=["app", "worker"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Both roles that serve tenants."""
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found


def key_of(table: str) -> str:
    return "id" if table == "organizations" else "organization_id"


def test_every_table_of_a_tenant_is_in_the_matrix(admin_engine: Engine) -> None:
    with admin_engine.connect() as connection:
        tables = set(
            connection.scalars(
                text(
                    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
                    "AND relkind IN ('r', 'p') AND NOT relispartition"
                )
            )
        )
    assert tables - {"alembic_version"} == set(ROWS) | NO_TENANT


def test_every_tenant_table_and_partition_has_forced_row_level_security(
    admin_engine: Engine,
) -> None:
    with admin_engine.connect() as connection:
        relations = connection.execute(
            text(
                "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, "
                "(SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid "
                " AND p.polwithcheck IS NOT NULL) AS policies "
                "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
                "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace "
                "AND (a.attname = 'organization_id' "
                "     OR (c.relname, a.attname) = ('organizations', 'id'))"
            )
        ).all()
    assert len(relations) == len(ROWS) + 16
    for relation in relations:
        assert relation.relrowsecurity, relation.relname
        assert relation.relforcerowsecurity, relation.relname
        assert relation.policies >= 1, relation.relname


def test_partitions_are_granted_to_nobody_who_serves_tenants(admin_engine: Engine) -> None:
    with admin_engine.connect() as connection:
        granted = connection.execute(
            text(
                "SELECT c.relname, r.rolname FROM pg_class c, pg_roles r "
                "WHERE c.relispartition AND c.relkind = 'r' "
                "AND r.rolname IN ('tonnage_app', 'tonnage_worker', 'tonnage_auth') "
                "AND has_table_privilege(r.rolname, c.oid, 'SELECT, INSERT, UPDATE, DELETE')"
            )
        ).all()
    assert granted == []


def test_serving_roles_have_no_power_over_tables_or_schema(admin_engine: Engine) -> None:
    roles = ("tonnage_app", "tonnage_worker", "tonnage_auth")
    with admin_engine.connect() as connection:
        powers = connection.execute(
            text(
                "SELECT rolname FROM pg_roles WHERE rolname = ANY(:roles) AND (rolsuper OR "
                "rolbypassrls OR rolcreaterole OR rolcreatedb OR "
                "pg_has_role(rolname, 'tonnage_owner', 'MEMBER') OR "
                "has_schema_privilege(rolname, 'public', 'CREATE'))"
            ),
            {"roles": list(roles)},
        ).all()
        tables = connection.execute(
            text(
                "SELECT c.relname, r FROM pg_class c, unnest(CAST(:roles AS text[])) r "
                "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') "
                "AND has_table_privilege(r, c.oid, 'TRUNCATE, REFERENCES, TRIGGER')"
            ),
            {"roles": list(roles)},
        ).all()
    assert powers == []
    assert tables == []


@pytest.mark.parametrize("table", ROWS)
def test_select_meets_only_own_rows(engine: Engine, tenants, table: str) -> None:
    mine, theirs = tenants["alpha"]["organization"], tenants["beta"]["organization"]
    if table in APP_ONLY and engine.url.username == "tonnage_worker":
        with tenant_session(engine, mine) as session, pytest.raises(ProgrammingError) as refused:
            session.execute(text(f"SELECT {key_of(table)} FROM {table}"))
        assert refused.value.orig.sqlstate == "42501"
        return
    with tenant_session(engine, mine) as session:
        found = set(session.execute(text(f"SELECT {key_of(table)} FROM {table}")).scalars())
        named = session.execute(
            text(f"SELECT count(*) FROM {table} WHERE {key_of(table)} = :o"), {"o": theirs}
        ).scalar()
    assert found == {mine}
    assert named == 0


@pytest.mark.parametrize("table", ROWS)
def test_insert_for_another_organization_is_refused(engine: Engine, tenants, table: str) -> None:
    row = tenants["beta"].row()
    if table == "organizations":
        row["organization"] = uuid7()
    with tenant_session(engine, tenants["alpha"]["organization"]) as session:
        with pytest.raises(ProgrammingError) as refused:
            session.execute(text(f"INSERT INTO {table} {ROWS[table]}"), row)
        session.rollback()
    assert refused.value.orig.sqlstate == "42501"  # by policy, or for want of the grant


@pytest.mark.parametrize("verb", ["UPDATE", "UPDATE RETURNING", "DELETE"])
@pytest.mark.parametrize("table", ROWS)
def test_changing_another_organizations_rows_changes_nothing(
    engine: Engine, tenants, table: str, verb: str
) -> None:
    theirs = {"o": tenants["beta"]["organization"]}
    key = key_of(table)
    statement = {
        "UPDATE": f"UPDATE {table} SET {key} = {key} WHERE {key} = :o",
        "UPDATE RETURNING": f"UPDATE {table} SET {key} = {key} WHERE {key} = :o RETURNING *",
        "DELETE": f"DELETE FROM {table} WHERE {key} = :o",
    }[verb]
    with tenant_session(engine, tenants["alpha"]["organization"]) as session:
        try:
            outcome = session.execute(text(statement), theirs).rowcount
        except ProgrammingError as refused:
            outcome = refused.orig.sqlstate
        session.rollback()
    assert outcome in (0, "42501")  # invisible, or not granted at all


@pytest.mark.parametrize("table", ["projects", "files", "reports", "emission_factors"])
def test_a_row_cannot_be_given_to_another_organization(app_engine, tenants, table: str) -> None:
    with tenant_session(app_engine, tenants["alpha"]["organization"]) as session:
        with pytest.raises(DBAPIError) as refused:
            session.execute(
                text(f"UPDATE {table} SET organization_id = :o"),
                {"o": tenants["beta"]["organization"]},
            )
        session.rollback()
    assert refused.value.orig.sqlstate == "42501"


def test_an_upsert_on_anothers_key_is_refused(worker_engine, tenants) -> None:
    theirs = {**tenants["beta"].row(), "row": tenants["beta"]["decision"]}
    with tenant_session(worker_engine, tenants["alpha"]["organization"]) as session:
        with pytest.raises(ProgrammingError) as refused:
            session.execute(
                text(
                    f"INSERT INTO decisions {ROWS['decisions']} "
                    "ON CONFLICT (organization_id, id) DO UPDATE SET method = 'stolen'"
                ),
                theirs,
            )
        session.rollback()
    assert refused.value.orig.sqlstate == "42501"


@pytest.mark.parametrize(
    "table", ["emissions", "decisions", "row_issues", "reviews", "file_events"]
)
def test_a_child_of_anothers_file_is_refused(worker_engine, tenants, table: str) -> None:
    # own organization, their file: the composite foreign key finds no such parent
    row = {**tenants["alpha"].row(), "file": tenants["beta"]["file"]}
    with tenant_session(worker_engine, tenants["alpha"]["organization"]) as session:
        with pytest.raises(DBAPIError) as refused:
            session.execute(text(f"INSERT INTO {table} {ROWS[table]}"), row)
        session.rollback()
    # 23503: no such parent; 23505: a second review of one decision is refused even earlier
    assert refused.value.orig.sqlstate in ("23503", "23505")


def test_people_of_another_organization_are_invisible(engine: Engine, tenants) -> None:
    with tenant_session(engine, tenants["alpha"]["organization"]) as session:
        found = session.execute(text("SELECT id FROM users")).scalars().all()
        with pytest.raises(ProgrammingError):
            session.execute(text("SELECT password_hash FROM users"))
    assert found == [tenants["alpha"]["user"]]


@pytest.mark.parametrize(
    "table", ["sessions", "refresh_tokens", "one_time_tokens", "login_throttles"]
)
def test_login_state_is_closed_to_tenants(engine: Engine, tenants, table: str) -> None:
    with (
        tenant_session(engine, tenants["alpha"]["organization"]) as session,
        pytest.raises(ProgrammingError),
    ):
        session.execute(text(f"SELECT 1 FROM {table}"))


def test_audit_events_cannot_be_changed_even_by_the_owner(admin_engine, tenants) -> None:
    for statement in ("UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events"):
        with pytest.raises(ProgrammingError), admin_engine.begin() as connection:
            connection.execute(text(statement))


def test_without_an_organization_no_statement_is_sent(app_engine: Engine) -> None:
    with pytest.raises(MissingTenant), tenant_session(app_engine, None) as session:
        session.execute(text("SELECT 1"))


def test_a_connection_that_names_no_organization_sees_nothing(engine: Engine, tenants) -> None:
    with engine.connect() as connection:
        refused = APP_ONLY if engine.url.username == "tonnage_worker" else set()
        for table in ROWS.keys() - refused:
            found = connection.scalar(text(f"SELECT count(*) FROM {table}"))
            assert found == 0, table


def test_the_tenant_survives_commit_and_rollback(app_engine: Engine, tenants) -> None:
    mine = tenants["alpha"]["organization"]
    with TenantSession(app_engine, mine) as session:
        for finish in (session.commit, session.rollback, session.commit):
            assert session.execute(text("SELECT count(*) FROM files")).scalar() == 1
            finish()
