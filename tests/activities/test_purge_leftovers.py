"""Retention of what has ended by itself: deliveries, invitations, memberships, logins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from activities.purge import PurgeExpired
from core.contracts import Payload
from core.contracts_lifecycle import OrganizationRef, PurgeResult
from db.ids import uuid7
from db.queries.leftovers import OF_LOGIN, OF_ORGANIZATION
from runtime.retention_cli import print_forecast
from tests.factories import Uploader
from tests.webhook_rows import Endpoints


class Leftovers:
    """Rows as old as a test wants them."""

    def __init__(self, uploader: Uploader, run: Callable[..., Any]) -> None:
        self.uploader, self.run = uploader, run
        self.org, self.user = uploader.organization_id, uploader.user_id
        self.endpoints = Endpoints(uploader.engine, self.org, self.user)
        self.activity = PurgeExpired(
            uploader.engine, uploader.storage, purge_after_days=30, batch_rows=3
        )

    def sql(self, statement: str, **values: Any) -> list[Any]:
        with Session(self.uploader.engine) as session:
            found = session.execute(text(statement), {"o": self.org, "u": self.user, **values})
            rows = list(found.all()) if found.returns_rows else []
            session.commit()
        return rows

    def count(self, table: str) -> int:
        return int(self.sql(f"SELECT count(*) FROM {table}")[0][0])

    def purge(self) -> PurgeResult:
        done: PurgeResult = self.run(
            self.activity.purge_organization, OrganizationRef(organization_id=self.org)
        )
        return done

    def purge_logins(self) -> PurgeResult:
        done: PurgeResult = self.run(self.activity.purge_logins, Payload())
        return done

    def told(self) -> list[dict[str, int]]:
        """Return what the audit trail says that went."""
        return [
            row.after["rows"]
            for row in self.sql("SELECT after FROM audit_events WHERE action = 'retention.purged'")
        ]

    def project(self, name: str, deleted: str | None) -> UUID:
        made = uuid7()
        self.sql(
            "INSERT INTO projects (organization_id, id, name, deleted_at) VALUES (:o, :id, :name,"
            " now() - CAST(:deleted AS interval))", id=made, name=name, deleted=deleted,
        )  # fmt: skip
        return made

    def member(self, name: str, deleted: str | None) -> UUID:
        made = uuid7()
        self.sql(
            "INSERT INTO users (id, email, password_hash) VALUES (:id, :mail, '!')",
            id=made, mail=f"{name}@example.org",
        )  # fmt: skip
        self.sql(
            "INSERT INTO user_organization_roles (organization_id, user_id, role, deleted_at)"
            " VALUES (:o, :id, 'user', now() - CAST(:deleted AS interval))",
            id=made, deleted=deleted,
        )  # fmt: skip
        return made

    def session_of(self, ended: str, column: str, tokens: int = 4) -> UUID:
        """Add a login that ended so long ago, with a chain of refresh tokens."""
        made, parent = uuid7(), None
        expires = "now() + interval '1 day'" if column == "revoked_at" else ":ended"
        self.sql(
            "INSERT INTO sessions (id, user_id, expires_at, revoked_at) VALUES (:id, :u,"
            f" {expires.replace(':ended', 'now() - CAST(:ended AS interval)')},"
            " CASE WHEN :revoked THEN now() - CAST(:ended AS interval) END)",
            id=made, ended=ended, revoked=column == "revoked_at",
        )  # fmt: skip
        for _ in range(tokens):
            child = uuid7()
            self.sql(
                "INSERT INTO refresh_tokens (id, session_id, token_sha256, parent_id, expires_at)"
                " VALUES (:id, :s, :hash, :parent, now())",
                id=child, s=made, hash=child.bytes, parent=parent,
            )  # fmt: skip
            parent = child
        return made


@pytest.fixture
def left(uploader: Uploader, run: Callable[..., Any]) -> Leftovers:
    return Leftovers(uploader, run)


def test_ended_deliveries_go_with_attempts_and_events_and_others_stay(left: Leftovers) -> None:
    left.endpoints.add()
    old = [left.endpoints.emit()[0] for _ in range(7)]
    young, pending = left.endpoints.emit()[0], left.endpoints.emit()[0]
    for refs, age in ((old, "31 days"), ([young], "29 days")):
        left.sql(
            "UPDATE webhook_deliveries SET status = 'failed', ended_at = now() -"
            " CAST(:age AS interval) WHERE event_id = ANY(:ids)",
            age=age, ids=[ref.event_id for ref in refs],
        )  # fmt: skip
    left.sql("UPDATE webhook_events SET created_at = now() - interval '31 days'")
    left.sql(
        "INSERT INTO webhook_attempts (organization_id, delivery_id, number, duration_ms)"
        " SELECT organization_id, id, 1, 5 FROM webhook_deliveries"
    )
    left.purge()
    kept = {row.event_id for row in left.sql("SELECT event_id FROM webhook_deliveries")}
    assert kept == {young.event_id, pending.event_id}
    assert {row.id for row in left.sql("SELECT id FROM webhook_events")} == kept
    assert left.count("webhook_attempts") == 2
    assert left.told() == [{"webhook_deliveries": 7, "webhook_events": 7}]


def test_a_deleted_webhook_goes_with_its_secrets_and_its_log(left: Leftovers) -> None:
    gone, young, living = left.endpoints.add(), left.endpoints.add(), left.endpoints.add()
    left.endpoints.emit()
    for webhook_id, age in ((gone, "31 days"), (young, "29 days")):
        left.sql(
            "UPDATE webhooks SET deleted_at = now() - CAST(:age AS interval) WHERE id = :id",
            age=age, id=webhook_id,
        )  # fmt: skip
    left.purge()
    for table, column in (
        ("webhooks", "id"),
        ("webhook_secrets", "webhook_id"),
        ("webhook_deliveries", "webhook_id"),
    ):
        found = {row[0] for row in left.sql(f"SELECT {column} FROM {table}")}
        assert found == {young, living}, table
    assert left.count("webhook_events") == 1


def test_an_invitation_goes_long_after_it_expired(left: Leftovers) -> None:
    for name, age in (("old", "31 days"), ("young", "29 days"), ("open", "-1 days")):
        left.sql(
            "INSERT INTO invitations (organization_id, id, email, role, token_sha256, invited_by,"
            " expires_at) VALUES (:o, :id, :mail, 'user', :hash, :u, now() -"
            " CAST(:age AS interval))",
            id=uuid7(), mail=f"{name}@example.org", hash=uuid7().bytes, age=age,
        )  # fmt: skip
    left.purge()
    found = {row.email for row in left.sql("SELECT email FROM invitations")}
    assert found == {"young@example.org", "open@example.org"}


def test_a_deleted_project_stays_as_long_as_a_file_of_it_does(left: Leftovers) -> None:
    left.project("gone", "31 days")
    used, young = left.project("used", "31 days"), left.project("young", "29 days")
    living = left.project("living", None)
    ref = left.uploader.upload(b"x", project_id=used)
    left.purge()
    assert {row.id for row in left.sql("SELECT id FROM projects")} == {used, young, living}
    left.sql(
        "UPDATE files SET deleted_at = now() - interval '40 days' WHERE id = :f", f=ref.file_id
    )
    left.purge()
    assert {row.id for row in left.sql("SELECT id FROM projects")} == {young, living}


def test_a_membership_stays_while_something_that_the_person_did_is_left(left: Leftovers) -> None:
    left.member("gone", "31 days")
    uploaded, acted = left.member("uploaded", "31 days"), left.member("acted", "31 days")
    young, living = left.member("young", "29 days"), left.member("living", None)
    known = left.member("known", "31 days")
    left.uploader.upload(b"x", user_id=uploaded)
    left.sql(
        "INSERT INTO audit_events (organization_id, id, actor_user_id, action, object_type,"
        " object_id) VALUES (:o, :id, :who, 'project.added', 'project', :id)",
        id=uuid7(), who=acted,
    )  # fmt: skip
    connection = uuid7()
    left.sql(
        "INSERT INTO sso_connections (organization_id, id, issuer, client_id, client_secret,"
        " allowed_domains) VALUES (:o, :id, 'https://i', 'c', 'x', '{example.org}')",
        id=connection,
    )
    left.sql(
        "INSERT INTO sso_identities (organization_id, connection_id, issuer, subject, user_id)"
        " VALUES (:o, :c, 'https://i', 's', :who)", c=connection, who=known,
    )  # fmt: skip
    left.purge()
    found = {row.user_id for row in left.sql("SELECT user_id FROM user_organization_roles")}
    assert found == {left.user, uploaded, acted, young, living, known}
    assert left.count("users") == 7  # the account is the person's own


def test_old_days_of_spending_go(left: Leftovers) -> None:
    for days in (0, 30, 31):
        left.sql(
            "INSERT INTO model_spend (organization_id, id, spent_on, tokens, cost_usd) VALUES"
            " (:o, :id, (now() AT TIME ZONE 'UTC')::date - CAST(:days AS integer), 1, 1)",
            id=uuid7(), days=days,
        )  # fmt: skip
    left.purge()
    assert left.count("model_spend") == 2


def test_a_second_purge_finds_nothing_and_tells_nothing(left: Leftovers) -> None:
    left.project("gone", "31 days")
    assert left.purge().rows == 1
    assert left.purge().rows == 0
    assert left.told() == [{"projects": 1}]


def test_another_organization_keeps_its_own(
    left: Leftovers, platform_engine: Engine, run: Callable[..., Any]
) -> None:
    other = Leftovers(Uploader.make(platform_engine, left.uploader.storage, "Dock & Sons"), run)
    other.project("gone", "31 days")
    other.member("gone", "31 days")
    assert left.purge().rows == 0
    assert other.purge().rows == 2


def test_ended_sessions_go_with_their_tokens_and_living_ones_stay(left: Leftovers) -> None:
    for _ in range(3):
        left.session_of("31 days", "expires_at")
        left.session_of("31 days", "revoked_at")
    kept = {
        left.session_of("29 days", "expires_at"),
        left.session_of("29 days", "revoked_at"),
        left.session_of("-5 days", "expires_at"),
    }
    assert left.purge_logins().rows == 6
    assert {row.id for row in left.sql("SELECT id FROM sessions")} == kept
    assert {row[0] for row in left.sql("SELECT session_id FROM refresh_tokens")} == kept
    assert left.count("refresh_tokens") == 12


def test_used_and_expired_one_time_tokens_go(left: Leftovers) -> None:
    for name, expires, used in (
        ("expired", "31 days", None), ("used", "-1 days", "31 days"), ("open", "-1 days", None),
        ("young", "29 days", None),
    ):  # fmt: skip
        left.sql(
            "INSERT INTO one_time_tokens (user_id, purpose, token_sha256, expires_at, used_at)"
            " VALUES (:u, 'reset', :hash, now() - CAST(:expires AS interval),"
            " now() - CAST(:used AS interval))",
            hash=name.encode(), expires=expires, used=used,
        )  # fmt: skip
    assert left.purge_logins().rows == 2
    found = {bytes(row[0]) for row in left.sql("SELECT token_sha256 FROM one_time_tokens")}
    assert found == {b"open", b"young"}


def test_counters_of_guesses_go_once_they_mean_nothing(left: Leftovers) -> None:
    for name, quiet, blocked, full, proved in (
        ("gone", "25 h", "24 h", None, None), ("bucket", "25 h", None, "20 h", None),
        ("forgotten", "101 days", None, None, "101 days"),
        ("known", "25 h", None, None, "99 days"), ("young", "23 h", None, None, None),
        ("filling", "25 h", None, "-1 h", None), ("waiting", "25 h", "-1 h", None, None),
    ):  # fmt: skip
        left.sql(
            "INSERT INTO login_throttles (subject, failures, last_failed_at, blocked_until,"
            " full_at, proved_at) VALUES (:name, 9, now() - CAST(:quiet AS interval),"
            " now() - CAST(:blocked AS interval), now() - CAST(:full AS interval),"
            " now() - CAST(:proved AS interval))",
            name=name, quiet=quiet, blocked=blocked, full=full, proved=proved,
        )  # fmt: skip
    assert left.purge_logins().rows == 3
    found = {row.subject for row in left.sql("SELECT subject FROM login_throttles")}
    assert found == {"known", "young", "filling", "waiting"}


def test_a_dry_run_counts_them_and_removes_none(
    left: Leftovers, capsys: pytest.CaptureFixture[str]
) -> None:
    left.project("gone", "31 days")
    left.member("gone", "31 days")
    left.session_of("31 days", "expires_at")
    print_forecast(left.uploader.engine, 30)
    said = capsys.readouterr().out
    assert "logins: sessions 1\n" in said
    assert "projects 1, user_organization_roles 1\n" in said
    assert (left.count("projects"), left.count("sessions")) == (1, 1)
    left.purge()
    left.purge_logins()
    print_forecast(left.uploader.engine, 30)
    assert capsys.readouterr().out == "nothing would go\n"


def test_what_somebody_holds_is_skipped_and_goes_the_next_time(left: Leftovers) -> None:
    held, free = left.project("held", "31 days"), left.project("free", "31 days")
    with Session(left.uploader.engine) as somebody:
        somebody.execute(text("SELECT 1 FROM projects WHERE id = :id FOR UPDATE"), {"id": held})
        assert left.purge().rows == 1
        assert {row.id for row in left.sql("SELECT id FROM projects")} == {held} - {free}
    assert left.purge().rows == 1


def test_every_table_is_named_once() -> None:
    assert max(Counter([*OF_ORGANIZATION, *OF_LOGIN]).values()) == 1
