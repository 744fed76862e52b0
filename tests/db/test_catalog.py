"""What every relation, view, function and grant must look like, whoever adds the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, Row, text

SERVING = ("tonnage_app", "tonnage_worker", "tonnage_auth")
PUBLIC = "'public'::regnamespace"

# Relations without an organization that a serving role may read or write, each with its reason.
SHARED = {
    ("tonnage_app", "alembic_version"): "/readyz compares the schema's revision",
    ("tonnage_worker", "alembic_version"): "the worker compares it when it starts",
    ("tonnage_app", "factor_releases"): "published factors are everybody's",
    ("tonnage_worker", "factor_releases"): "published factors are everybody's",
    ("tonnage_worker", "model_breakers"): "one provider serves all organizations",
    ("tonnage_app", "rate_limits"): "ids and a time, nothing of a tenant",
    ("tonnage_app", "users"): "columns without secrets, of one's fellow members only",
    ("tonnage_worker", "users"): "columns without secrets, of one's fellow members only",
    ("tonnage_auth", "users"): "login looks a person up before an organization is known",
    ("tonnage_auth", "sessions"): "logins",
    ("tonnage_auth", "refresh_tokens"): "logins",
    ("tonnage_auth", "login_throttles"): "logins",
    ("tonnage_auth", "one_time_tokens"): "setting a password",
}
# What the login may see of tenant tables: whose member somebody is, whose key a key,
# and what a token invites to.
SEEN_BY_AUTH = {"organizations", "user_organization_roles", "api_keys", "invitations"}
# Policies of tenant tables that do not compare the organization, each with its reason.
OPEN_POLICIES = {
    ("organizations", "login"): "login lists the organizations of a person",
    ("user_organization_roles", "login"): "login lists the organizations of a person",
    ("user_organization_roles", "invitation_read"): "invited_account sees who belongs elsewhere",
    ("invitations", "login"): "a token names the invitation before the organization is known",
    ("invitations", "invitation_read"): "invited_account finds the invitation of a token",
    ("api_keys", "login"): "a request names the key before the organization is known",
    ("emission_factors", "library"): "reads published factors, which have no organization",
}
# Views that run with their owner's rights on purpose: row-level security would disable their
# indexes. Each must compare the organization itself.
OWNERS_VIEWS: dict[str, str] = {
    "tenant_emissions": "full text over a million figures (docs/search.md)",
    "tenant_emission_texts": "full text and beginnings of names over their sums",
}
# Unique across organizations on purpose.
UNIQUE_FOR_ALL = {
    "emission_factors_pkey": "published factors have no organization; the id is random",
    "idx_emission_factors_release_source": "own factors are in no release",
}
# Parents whose rows may belong to nobody, so that a reference cannot carry the organization.
PARENTS_OF_ALL = {"emission_factors": "published factors are everybody's"}


@pytest.fixture
def rows(admin_engine: Engine) -> Any:
    """Run a query of the catalog."""

    def run(statement: str, **values: Any) -> Sequence[Row[Any]]:
        with admin_engine.connect() as connection:
            return connection.execute(text(statement), values).all()

    return run


def test_every_relation_with_an_organization_forces_row_level_security(rows) -> None:
    relations = rows(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced, "
        "ARRAY(SELECT r.rolname FROM pg_policy p, pg_roles r WHERE p.polrelid = c.oid "
        "      AND (r.oid = ANY(p.polroles) OR p.polroles = '{0}')) AS roles "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped "
        f"WHERE c.relkind IN ('r', 'p') AND c.relnamespace = {PUBLIC} "
        "AND (a.attname = 'organization_id' OR (c.relname, a.attname) = ('organizations', 'id'))"
    )
    assert len(relations) > 30
    assert [r.relname for r in relations if not r.forced] == []
    served = {"tonnage_app", "tonnage_worker"}
    assert [r.relname for r in relations if not served <= {*r.roles}] == []


def test_every_policy_compares_the_organization_when_reading_and_when_writing(rows) -> None:
    policies = rows(
        "SELECT tablename, policyname, cmd, permissive, qual, with_check FROM pg_policies "
        "WHERE schemaname = 'public' AND tablename <> 'users' "
        # Nobody logs in as these: only functions and views that run as them meet their policies.
        "AND roles NOT IN ('{tonnage_owner}', '{tonnage_search}')"
    )
    tenant = "organization_id = ( SELECT current_organization() AS current_organization)"
    for policy in policies:
        name = (policy.tablename, policy.policyname)
        if name in OPEN_POLICIES:
            assert (policy.cmd, policy.with_check) == ("SELECT", None), name
            continue
        expected = tenant.replace("organization_id", "id", 1 * (name[0] == "organizations"))
        assert expected in (policy.qual or policy.with_check), name
        if policy.cmd in ("ALL", "UPDATE", "INSERT"):
            assert expected in policy.with_check, name
        assert " OR " not in f"{policy.qual} {policy.with_check}", name


def test_relations_without_an_organization_are_granted_only_for_a_reason(rows) -> None:
    granted = rows(
        f"SELECT r.rolname, c.relname FROM pg_class c, pg_roles r WHERE c.relnamespace = {PUBLIC} "
        "AND c.relkind IN ('r', 'p', 'm', 'f') AND r.rolname = ANY(:roles) "
        "AND NOT c.relispartition AND c.relname <> 'organizations' AND NOT EXISTS ("
        "  SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id')"
        "AND has_any_column_privilege(r.rolname, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')",
        roles=list(SERVING),
    )
    assert {tuple(grant) for grant in granted} - set(SHARED) == set()


def test_the_login_sees_no_more_of_tenants_than_memberships(rows) -> None:
    granted = rows(
        f"SELECT c.relname FROM pg_class c WHERE c.relnamespace = {PUBLIC} "
        "AND c.relkind IN ('r', 'p', 'v', 'm') "
        "AND has_any_column_privilege('tonnage_auth', c.oid, 'SELECT, INSERT, UPDATE')"
    )
    seen = {grant.relname for grant in granted}
    assert seen - {table for role, table in SHARED if role == "tonnage_auth"} <= SEEN_BY_AUTH


def test_partitions_and_sequences_carry_no_grants(rows) -> None:
    granted = rows(
        f"SELECT c.relname, r FROM pg_class c, unnest(CAST(:roles AS text[])) r "
        f"WHERE c.relnamespace = {PUBLIC} AND c.relispartition AND c.relkind IN ('r', 'p') "
        "AND has_any_column_privilege(r, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')",
        roles=list(SERVING),
    )
    assert granted == []


def test_nothing_is_granted_to_everybody(rows) -> None:
    """A grant to PUBLIC would reach every role that is ever made."""
    relations = rows(
        f"SELECT relname FROM pg_class c, aclexplode(relacl) g WHERE relnamespace = {PUBLIC} "
        "AND g.grantee = 0 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid "
        "AND d.deptype = 'e')"
    )
    assert relations == []


def test_functions_have_a_fixed_search_path_and_definers_no_public_execute(rows) -> None:
    functions = rows(
        "SELECT p.proname, p.prosecdef, coalesce(array_to_string(p.proconfig, ' '), '') AS config, "
        "p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) g "
        "  WHERE g.grantee = 0 AND g.privilege_type = 'EXECUTE') AS public "
        f"FROM pg_proc p WHERE p.pronamespace = {PUBLIC} AND p.prokind = 'f' AND NOT EXISTS ("
        "  SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
    )
    assert {f.proname for f in functions} >= {"current_organization", "refuse_change"}
    assert [f.proname for f in functions if "search_path=" not in f.config] == []
    assert [f.proname for f in functions if f.prosecdef and f.public] == []


def test_views_run_with_the_callers_rights_or_compare_the_organization_themselves(rows) -> None:
    views = rows(
        "SELECT relname, relkind, coalesce(array_to_string(reloptions, ' '), '') AS options, "
        "pg_get_viewdef(oid) AS definition, EXISTS (SELECT FROM unnest(CAST(:roles AS text[])) r "
        "  WHERE has_any_column_privilege(r, oid, 'SELECT')) AS served "
        f"FROM pg_class WHERE relnamespace = {PUBLIC} AND relkind IN ('v', 'm')",
        roles=list(SERVING),
    )
    for view in views:
        if not view.served or "security_invoker=true" in view.options:
            continue
        assert view.relkind == "v", f"{view.relname}: what is materialized belongs to all tenants"
        assert view.relname in OWNERS_VIEWS, view.relname
        assert "current_organization()" in view.definition, view.relname


def test_references_between_tenant_tables_carry_the_organization(rows) -> None:
    """Checks of foreign keys ignore row-level security: a plain one finds another's parent."""
    references = rows(
        "SELECT k.conname, k.confrelid::regclass::text AS parent, "
        "ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = k.conrelid "
        "      AND attnum = ANY(k.conkey)) AS columns "
        "FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 "
        f"AND k.connamespace = {PUBLIC} AND k.confrelid <> 'organizations'::regclass "
        "AND (SELECT count(DISTINCT attrelid) FROM pg_attribute WHERE attname = 'organization_id' "
        "     AND attrelid IN (k.conrelid, k.confrelid)) "
        "  = (SELECT count(DISTINCT o) FROM unnest(ARRAY[k.conrelid, k.confrelid]) o)"
    )
    assert len(references) > 10
    plain = [r for r in references if "organization_id" not in r.columns]
    assert [r.conname for r in plain if r.parent not in PARENTS_OF_ALL] == []


def test_what_is_unique_is_unique_within_an_organization(rows) -> None:
    """Else an insert tells that somebody else has such a row."""
    indexes = rows(
        "SELECT i.indexrelid::regclass::text AS name FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = "
        f"{PUBLIC} AND c.relname <> 'organizations' "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' "
        "WHERE i.indisunique AND NOT c.relispartition AND a.attnum <> ALL(i.indkey::int2[]) "
        # A partial index over what has no organization is about nobody's rows.
        "AND coalesce(pg_get_expr(i.indpred, i.indrelid), '') NOT LIKE '%organization_id IS NULL%'"
    )
    assert {index.name for index in indexes} - set(UNIQUE_FOR_ALL) == set()
