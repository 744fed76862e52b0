"""An organization's connection to its provider: checked against the provider, sealed, audited."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

import anyio.to_thread
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from api.deps import Member
from api.errors import ApiError, Fault
from api.providers import Client
from api.schemas.single_sign_on import SingleSignOn, SingleSignOnSettings
from api.services import Services
from core.errors import InvalidInput, Misconfigured
from core.permissions import Role
from db.engine import TenantSession, tenant_session
from db.ids import uuid7
from db.models import SsoConnection
from db.queries import audit
from db.queries import single_sign_on as queries
from db.queries.auth import end_sessions_of
from runtime.vault import Vault

log = logging.getLogger("tonnage.security")

PURPOSE = "single-sign-on"
TOLD = ("issuer", "client_id", "allowed_domains", "default_role", "enabled")


def place(organization_id: UUID, connection_id: UUID) -> bytes:
    """Return where a client secret belongs; it opens nowhere else."""
    return f"{organization_id}/{connection_id}".encode()


def client_of(vault: Vault, connection: SsoConnection) -> Client:
    """Return us as the provider knows us. Raises sso_provider_unusable."""
    here = place(connection.organization_id, connection.id)
    try:
        secret = vault.decrypt(PURPOSE, connection.client_secret or b"", here).decode()
    except Misconfigured as error:
        log.error("a client secret opens with no key; name the old one, or set it anew")
        raise ApiError("sso_provider_unusable") from error
    return Client(str(connection.id), connection.issuer, connection.client_id, secret)


def sign_on_url(services: Services, organization_id: UUID) -> str:
    """Return the address below which an organization's people sign on."""
    return f"{services.settings.public_url.rstrip('/')}/v1/auth/sso/{organization_id}"


def redirect_uri(services: Services, organization_id: UUID) -> str:
    """Return where an organization's provider sends browsers back to.

    No two organizations share one: a code of one's provider must never come in another's name
    (RFC 9700 §4.4).
    """
    return f"{sign_on_url(services, organization_id)}/callback"


def answer_of(services: Services, found: SsoConnection) -> SingleSignOn:
    """Return a connection as it is shown: without its secret."""
    assert found.created_at is not None
    assert found.updated_at is not None
    return SingleSignOn(
        issuer=found.issuer,
        client_id=found.client_id,
        allowed_domains=found.allowed_domains,
        default_role=Role(found.default_role),
        enabled=found.enabled,
        login_url=f"{sign_on_url(services, found.organization_id)}/login",
        redirect_uri=redirect_uri(services, found.organization_id),
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def read(services: Services, organization_id: UUID) -> SingleSignOn:
    """Return the connection of an organization. Raises 404."""
    with tenant_session(services.app_engine, organization_id) as session:
        found = queries.find_connection(session, organization_id)
    if found is None:
        raise ApiError("not_found")
    return answer_of(services, found)


async def put(services: Services, who: Member, body: SingleSignOnSettings) -> SingleSignOn:
    """Set the connection, if the provider is what the body says. Raises 409, 422 or 503."""
    try:
        services.providers.policy.require_url(body.issuer)
        if "?" in body.issuer:
            raise InvalidInput("must have no query")
    except InvalidInput as error:
        raise issuer_fault(error.message) from None
    try:
        await services.providers.try_out(body.issuer, who.organization_id)
    except ApiError as error:
        if error.code != "sso_provider_unusable":
            raise
        told = "publishes no discovery document that can be used, or one of another issuer"
        raise issuer_fault(told) from None
    return await anyio.to_thread.run_sync(_store, services, who, body)


def issuer_fault(told: str) -> ApiError:
    """Return the error of an issuer that cannot be one."""
    return ApiError("validation_failed", faults=[Fault("#/issuer", "issuer_unusable", told)])


def _store(services: Services, who: Member, body: SingleSignOnSettings) -> SingleSignOn:
    """Store a connection with its event; end the sessions that it no longer stands for."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        found = queries.find_connection(session, who.organization_id, lock=True)
        before = None if found is None else _told(found)
        values: dict[str, Any] = body.model_dump(include=set(TOLD), mode="json")
        values["allowed_domains"] = sorted(set(body.allowed_domains))
        connection_id = uuid7() if found is None else found.id
        if body.client_secret is not None:
            here = place(who.organization_id, connection_id)
            sealed = services.vault.encrypt(PURPOSE, body.client_secret.encode(), here)
            values["client_secret"] = sealed
        elif before is None or any(before[k] != values[k] for k in ("issuer", "client_id")):
            # else whoever does not know the secret could have it sent to a server of theirs
            told = "is needed for a new connection, and when issuer or client_id change"
            fault = Fault("#/client_secret", "client_secret_required", told)
            raise ApiError("validation_failed", faults=[fault])
        _write(session, who, found, connection_id, before, values)
        stored = queries.find_connection(session, who.organization_id)
        assert stored is not None
        session.commit()
    if before is not None and _stands_for_less(before, values):
        end_sessions(services, who.organization_id)
    return answer_of(services, stored)


def _write(
    session: TenantSession, who: Member, found: SsoConnection | None, connection_id: UUID,
    before: dict[str, Any] | None, values: dict[str, Any],
) -> None:  # fmt: skip
    after = {name: values[name] for name in TOLD}
    if "client_secret" in values:
        after["client_secret"] = "set"  # noqa: S105 - that it was, not what it is
    try:
        if found is None:
            queries.add_connection(session, who.organization_id, connection_id, values)
        else:
            queries.change_connection(session, who.organization_id, connection_id, values)
    except IntegrityError:  # somebody else added one in this moment
        session.rollback()
        raise ApiError("conflict") from None
    audit.record(
        session, who.organization_id, who.actor, object_type="single_sign_on",
        object_id=connection_id, before=before, after=after,
        action="single_sign_on.added" if found is None else "single_sign_on.changed",
    )  # fmt: skip


def _told(found: SsoConnection) -> dict[str, Any]:
    return {name: getattr(found, name) for name in TOLD}


def _stands_for_less(before: dict[str, Any], values: dict[str, Any]) -> bool:
    """Tell whether people may be signed on who could not be any more."""
    return (
        any(before[name] != values[name] for name in ("issuer", "client_id"))
        or (before["enabled"] and not values["enabled"])
        or not set(before["allowed_domains"]) <= set(values["allowed_domains"])
    )


def delete(services: Services, who: Member) -> None:
    """Delete the connection with its secret and its sessions. Raises 404."""
    with tenant_session(services.app_engine, who.organization_id) as session:
        found = queries.find_connection(session, who.organization_id, lock=True)
        if found is None:
            raise ApiError("not_found")
        before = _told(found)
        queries.delete_connection(session, who.organization_id, found.id)
        audit.record(
            session, who.organization_id, who.actor, action="single_sign_on.deleted",
            object_type="single_sign_on", object_id=found.id, before=before,
        )  # fmt: skip
        session.commit()
    end_sessions(services, who.organization_id)


def end_sessions(services: Services, organization_id: UUID) -> None:
    """End what the organization's provider vouched for."""
    with Session(services.auth_engine) as session:
        end_sessions_of(session, organization_id, "single_sign_on_changed")
        session.commit()
