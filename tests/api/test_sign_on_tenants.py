"""One organization's provider and the others: a hostile one reaches nobody but its own."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlmodel import Session

from api import sign_on
from api.app import create_app
from core.permissions import Role
from db.queries import single_sign_on as queries
from db.queries.single_sign_on import Person, Standing
from runtime.users_cli import reset_password
from tests.api.conftest import Tenant, problem
from tests.api.sign_on_kit import (  # noqa: F401  (fixtures)
    ADA,
    NEW,
    api_settings,
    back,
    bearer,
    begin,
    client_sees,
    connect,
    hostile,
    process,
    provider,
    sign_in,
    url_of,
)
from tests.sign_on_provider import Provider, running_provider

# ruff: noqa: F811  (pytest's fixtures are parameters of the same name)


# -- one organization's provider and the others --------------------------------------------------


@pytest.fixture
def victim(world, alpha, beta) -> UUID:
    """Somebody with a password, of Beta alone."""
    world.person("victim@beta.example", (beta.id, Role.ADMIN))
    return world.user_id("victim@beta.example")


def test_a_hostile_provider_cannot_sign_on_as_anothers_member(
    client, world, alpha, beta, victim, provider, admin_engine
) -> None:
    # Alpha's admin claims Beta's domain and lets their own provider say whatever they like
    connect(client, alpha, provider, allowed_domains=["beta.example"])
    before = memberships(admin_engine)
    for email in ("victim@beta.example", " VICTIM@Beta.Example ", beta.email):
        provider.behave(claims=ADA | {"sub": email, "email": email})
        problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")
    assert memberships(admin_engine) == before
    with admin_engine.connect() as reading:
        assert reading.scalar(text("SELECT count(*) FROM sso_identities")) == 0
        made_by_password = reading.scalar(text(
            "SELECT count(*) FROM sessions WHERE only_organization_id IS NOT NULL"))  # fmt: skip
    assert made_by_password == 0


def memberships(admin_engine: Any) -> set[Any]:
    with admin_engine.connect() as reading:
        return set(
            map(
                tuple,
                reading.execute(
                    text("SELECT user_id, organization_id, role, deleted_at"
                         " FROM user_organization_roles")
                ),
            )
        )  # fmt: skip


def test_a_member_of_both_sees_only_the_organization_whose_provider_vouched(
    client, world, alpha, beta, victim, provider, admin_engine
) -> None:
    # even made a member of Alpha, the victim's account opens nothing of Beta through Alpha
    with world.engine.begin() as connection_:
        connection_.execute(
            text("INSERT INTO user_organization_roles (organization_id, user_id, role)"
                 " VALUES (:o, :u, 'viewer')"), {"o": alpha.id, "u": victim},
        )  # fmt: skip
    file_id = world.file(beta.id, "victim@beta.example")
    connect(client, alpha, provider, allowed_domains=["beta.example"])
    provider.behave(claims=ADA | {"sub": "v", "email": "victim@beta.example"})
    answer = sign_in(client, alpha.id, provider)
    headers = bearer(answer)
    assert answer.json()["user"]["id"] == str(victim)
    for shown in (answer.json()["user"], client.get("/v1/auth/me", headers=headers).json()):
        assert [one["id"] for one in shown["organizations"]] == [str(alpha.id)]
    listed = client.get("/v1/organizations?include=total", headers=headers).json()
    assert [one["id"] for one in listed["organizations"]] == [str(alpha.id)]
    assert listed["pagination"]["total"] == 1
    named = headers | {"X-Organization-Id": str(beta.id)}
    problem(client.get("/v1/files", headers=named), 404, "not_found")
    problem(client.get(f"/v1/files/{file_id}", headers=named), 404, "not_found")
    for path in ("", "/decisions", "/single-sign-on"):
        answer = client.get(f"/v1/organizations/{beta.id}{path}", headers=headers)
        problem(answer, 404, "not_found")
    assert client.get("/v1/files", headers=headers).json()["files"] == []  # of Alpha, by default
    # and a refresh does not widen it
    token = sign_in(client, alpha.id, provider).json()["refresh_token"]
    renewed = client.post("/v1/auth/refresh", json={"refresh_token": token})
    assert [o["id"] for o in renewed.json()["user"]["organizations"]] == [str(alpha.id)]
    problem(
        client.get("/v1/files", headers=bearer(renewed) | {"X-Organization-Id": str(beta.id)}),
        404,
        "not_found",
    )
    # while the password goes on to open both
    own = world.log_in("victim@beta.example")
    assert len(client.get("/v1/auth/me", headers=own).json()["organizations"]) == 2


def test_the_same_subject_at_two_organizations_is_two_identities(
    client, alpha, beta, provider
) -> None:
    connect(client, alpha, provider)
    connect(client, beta, provider, allowed_domains=["beta.example"])
    alphas = sign_in(client, alpha.id, provider).json()["user"]
    provider.behave(claims=ADA | {"email": beta.email})  # the same sub
    betas = sign_in(client, beta.id, provider).json()["user"]
    assert alphas["id"] != betas["id"]
    assert [one["id"] for one in betas["organizations"]] == [str(beta.id)]


def test_a_cookie_of_one_organization_does_not_end_anothers_sign_on(
    client, alpha, beta, provider
) -> None:
    connect(client, alpha, provider)
    connect(client, beta, provider, allowed_domains=["beta.example"])
    url = provider.authorize(begin(client, beta.id).headers["location"])
    cookie = client.cookies[sign_on.COOKIE]
    provider.behave(claims=ADA)
    for path in (f"/v1/auth/sso/{alpha.id}", "/"):  # as no browser would: sent to Alpha's callback
        client.cookies.clear()
        client.cookies.set(sign_on.COOKIE, cookie, path=path)
        answer = back(client, url.replace(str(beta.id), str(alpha.id)))
        problem(answer, 400, "sso_state_invalid")
    assert "/token" not in provider.seen()


def test_a_browser_may_be_on_its_way_to_two_organizations(client, alpha, beta, provider) -> None:
    connect(client, alpha, provider)
    connect(client, beta, provider, allowed_domains=["beta.example"])
    alphas = provider.authorize(begin(client, alpha.id).headers["location"])
    begin(client, beta.id)
    assert back(client, alphas).json()["user"]["email"] == alpha.email


def mix_up(provider: Provider, hostile: Provider, asked: str, **changed: str) -> None:
    """Make the hostile provider send browsers to the honest one, as if `asked` had been there."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked).query).items()}
    del query["state"]  # of the victim's own sign-on: the hostile provider adds it
    hostile.behave(sends_on=f"{provider.issuer}/authorize", query=query | changed)


def test_no_provider_gets_the_code_of_anothers_people_by_sending_them_there(
    client, alpha, beta, provider, hostile, api_settings, storage, pipeline
) -> None:
    connect(client, alpha, provider)
    connect(client, beta, hostile, allowed_domains=["beta.example"])
    # 1. the attacker begins at Alpha and learns nonce and challenge that fit their own cookie
    attackers = begin(client, alpha.id).headers["location"]
    state = parse_qs(urlsplit(attackers).query)["state"][0]
    mix_up(provider, hostile, attackers)
    with TestClient(create_app(api_settings, storage=storage, pipeline=pipeline)) as victims:
        # 2. a browser that is signed on at Alpha's provider follows Beta's login_url
        sent = begin(victims, beta.id).headers["location"]
        came = provider.authorize(hostile.authorize(sent))
        assert urlsplit(came).path == f"/v1/auth/sso/{alpha.id}/callback"
        # 3. Alpha's provider knows Alpha's callback alone, and there nothing of Beta's counts
        problem(back(victims, came), 400, "sso_state_invalid")
    assert "/token" not in hostile.seen()  # or the attacker would know the code
    # 4. what the attacker can bring instead opens nothing
    stolen = f"/v1/auth/sso/{alpha.id}/callback?code=guessed&state={state}"
    problem(back(client, stolen), 401, "sso_token_invalid")


def test_a_provider_answers_to_no_other_organizations_callback(
    client, alpha, beta, hostile
) -> None:
    with running_provider() as honest:  # where Alpha's callback alone is registered
        honest.behave(claims=ADA)
        connect(client, alpha, honest)
        betas = connect(client, beta, hostile, allowed_domains=["beta.example"]).json()
        attackers = begin(client, alpha.id).headers["location"]
        mix_up(honest, hostile, attackers, redirect_uri=betas["redirect_uri"])
        sent = begin(client, beta.id).headers["location"]
        refused = httpx.get(hostile.authorize(sent))
        assert refused.status_code == 400
        assert "location" not in refused.headers


def test_another_subject_with_a_members_address_is_refused(client, alpha, provider) -> None:
    # the address was given to somebody else at the provider
    connect(client, alpha, provider)
    assert sign_in(client, alpha.id, provider).status_code == 200
    provider.behave(claims=ADA | {"sub": "ada-2"})
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")


def test_a_removed_member_stays_out_until_an_admin_adds_them_again(
    client, world, alpha, provider, admin_engine
) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW)
    headers = bearer(sign_in(client, alpha.id, provider))
    end = "UPDATE user_organization_roles SET deleted_at = {} WHERE user_id = :u"
    new = {"u": world.user_id("new@alpha.example")}
    with admin_engine.begin() as writing:
        writing.execute(text(end.format("now()")), new)
    problem(client.get("/v1/files", headers=headers), 404, "not_found")
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")
    provider.behave(claims=NEW | {"sub": "another"})  # nor as somebody new
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")
    with admin_engine.begin() as writing:
        writing.execute(text(end.format("NULL")), new)
    provider.behave(claims=NEW)
    assert sign_in(client, alpha.id, provider).status_code == 200


def test_an_identity_without_any_membership_is_no_members(
    client, world, alpha, provider, admin_engine
) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW)
    assert sign_in(client, alpha.id, provider).status_code == 200
    user_id = world.user_id("new@alpha.example")
    person = Person(provider.issuer, "new-1", "new@alpha.example")
    with Session(admin_engine) as session:  # whom row-level security hides nothing from
        found = queries.find_connection(session, alpha.id)
        assert found is not None
        known = queries.find_identity(session, alpha.id, found.id, person)
        assert known == (user_id, Standing.MEMBER)
        session.execute(
            text("DELETE FROM user_organization_roles WHERE user_id = :u"), {"u": user_id}
        )
        known = queries.find_identity(session, alpha.id, found.id, person)
        assert known == (user_id, Standing.STRANGER)
        session.commit()
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")


def invite(client: TestClient, tenant: Tenant, email: str) -> str:
    answer = client.post(
        f"/v1/organizations/{tenant.id}/members",
        headers=tenant.headers,
        json={"email": email, "role": "user"},
    )
    return str(answer.json()["invitation"]["token"])


def set_password(client: TestClient, token: str, password: str) -> Any:
    return client.post("/v1/auth/password", json={"token": token, "new_password": password})


def test_the_operator_gives_a_person_the_account_that_another_organization_made(
    client, world, alpha, beta, provider, hostile, api_settings
) -> None:
    # Beta's provider was the first to say the address of somebody whom Alpha has yet to meet
    connect(client, alpha, provider)
    connect(client, beta, hostile, allowed_domains=["alpha.example"])
    hostile.behave(claims=NEW | {"sub": "squatter"})
    squatter = bearer(sign_in(client, beta.id, hostile))
    its, words = invite(client, beta, "new@alpha.example"), "neon giraffe paints quietly"
    assert set_password(client, its, words).status_code == 204
    provider.behave(claims=NEW)
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")
    token = invite(client, alpha, "new@alpha.example")
    problem(set_password(client, token, "violet harbour sings"), 409, "account_exists")
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")
    # no more than an invitation, and what a password opens is not Alpha's until it is accepted
    reset, _ = reset_password(api_settings, "new@alpha.example")
    assert set_password(client, reset, "copper violin under bridges").status_code == 204
    problem(client.get("/v1/auth/me", headers=squatter), 401, "unauthenticated")
    log_in = {"email": "new@alpha.example", "password": words}
    problem(client.post("/v1/auth/login", json=log_in), 401, "invalid_credentials")
    own = bearer(
        client.post("/v1/auth/login", json=log_in | {"password": "copper violin under bridges"})
    )
    assert client.post("/v1/auth/join", headers=own, json={"token": token}).status_code == 200
    assert client_sees(client, sign_in(client, alpha.id, provider)) == [str(alpha.id)]
    assert client_sees(client, sign_in(client, beta.id, hostile)) == [str(beta.id)]
    problem(set_password(client, its, "lemon tractor at midnight"), 401, "invalid_one_time_token")
    where = f"/v1/organizations/{beta.id}/members/{world.user_id('new@alpha.example')}"
    assert client.delete(where, headers=beta.headers).status_code == 200
    theirs = invite(client, beta, "new@alpha.example")  # nor by beginning anew
    problem(set_password(client, theirs, "lemon tractor at midnight"), 409, "account_exists")


@pytest.mark.parametrize("column", ["disabled_at", "deleted_at"])
@pytest.mark.parametrize("bound", [True, False])
def test_a_disabled_or_deleted_account_stays_out(
    client, world, alpha, provider, admin_engine, column, bound
) -> None:
    connect(client, alpha, provider)
    world.person("new@alpha.example", (alpha.id, Role.USER))
    provider.behave(claims=NEW)
    if bound:
        assert sign_in(client, alpha.id, provider).status_code == 200
    with admin_engine.begin() as writing:
        writing.execute(
            text(f"UPDATE users SET {column} = now() WHERE email = 'new@alpha.example'")
        )
    problem(sign_in(client, alpha.id, provider), 403, "sso_not_a_member")


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"client_id": "other"},
        {"allowed_domains": ["other.example"]},
        None,
    ],
)
def test_a_connection_that_stands_for_less_ends_its_sessions(
    client, world, alpha, provider, change
) -> None:
    connect(client, alpha, provider)
    provider.behave(claims=NEW)
    answer = sign_in(client, alpha.id, provider)
    headers = bearer(answer)
    if change is None:
        gone = client.delete(url_of(alpha.id), headers=alpha.headers)
        assert gone.status_code == 204
        problem(begin(client, alpha.id), 404, "not_found")
    else:
        connect(client, alpha, provider, **change)
    problem(client.get("/v1/auth/me", headers=headers), 401, "unauthenticated")
    refresh = {"refresh_token": answer.json()["refresh_token"]}
    problem(client.post("/v1/auth/refresh", json=refresh), 401, "invalid_refresh_token")
    assert client.get("/v1/auth/me", headers=alpha.headers).status_code == 200  # by password


def test_a_deleted_connection_keeps_no_secret_and_may_be_made_anew(
    client, alpha, provider, admin_engine
) -> None:
    connect(client, alpha, provider)
    first = sign_in(client, alpha.id, provider).json()["user"]["id"]
    client.delete(url_of(alpha.id), headers=alpha.headers)
    with admin_engine.connect() as reading:
        assert reading.scalar(text("SELECT client_secret FROM sso_connections")) is None
    connect(client, alpha, provider)
    assert sign_in(client, alpha.id, provider).json()["user"]["id"] == first


def test_a_sign_on_on_its_way_ends_with_the_connection(client, alpha, provider) -> None:
    connect(client, alpha, provider)
    url = provider.authorize(begin(client, alpha.id).headers["location"])
    connect(client, alpha, provider, enabled=False)
    problem(back(client, url), 400, "sso_state_invalid")
