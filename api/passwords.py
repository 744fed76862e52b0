"""Setting a password: with the old one, or with a one-time token."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

import anyio.to_thread
from sqlmodel import Session

from api import invitations, logins, throttles
from api.errors import ApiError, Fault
from api.services import Services
from api.throttles import Admission, Attempt
from core.password_policy import SENTENCES, weakness_of
from db.queries import credentials as queries
from db.queries import invitations as invited
from db.queries.auth import Principal
from db.queries.throttles import give_back_attempt
from runtime.one_time_tokens import fingerprint

log = logging.getLogger("tonnage.security")


async def change(services: Services, who: Principal, old: str, new: str, address: str) -> None:
    """Replace a password; every other session of the person ends. Raises 409, 422, 429, 503.

    Guesses at the old password count as failed logins do.
    """
    attempt = Attempt(who.email, old, address)
    admission = await logins.admit(services, attempt)
    account = admission.account
    stored = account.password_hash if account else None
    right = await anyio.to_thread.run_sync(
        services.passwords.verify, stored, old, limiter=services.hashing
    )
    if account is None or not right:
        raise _fault("old_password", "password_wrong", "is not your present password")
    known = await anyio.to_thread.run_sync(_forgiven, services, who, attempt, admission)
    _require_strength(new, known)
    new_hash = await anyio.to_thread.run_sync(
        services.passwords.hash, new, limiter=services.hashing
    )

    def store() -> None:
        with Session(services.auth_engine) as session:
            if not queries.set_password(
                session, who.user_id, new_hash, instead_of=account.password_hash
            ):
                raise ApiError("conflict")  # set in another way meanwhile
            queries.end_sessions(session, who.user_id, "password_changed", keep=who.session_id)
            session.commit()

    await anyio.to_thread.run_sync(store)
    log.info("user %s changed the password", who.user_id)


@dataclass(frozen=True, slots=True)
class Redemption:
    """A one-time token and the password that it is to set."""

    token: str
    new_password: str
    address: str

    @property
    def digest(self) -> bytes:
        """The token as it is stored."""
        return fingerprint(self.token)


async def set_with_token(services: Services, asked: Redemption, request_id: str) -> None:
    """Set a password with a one-time token; every session ends. Raises 401, 409, 422, 429, 503.

    A password that is refused does not use the token up. Whether the address of an invitation
    has an account shows only once it would be made: refusals before that are the same.
    """
    logins.require_capacity(services)
    owner, offer = await anyio.to_thread.run_sync(_owner, services, asked.digest, asked.address)
    known = offer.known if offer else owner.known if owner else ()
    _require_strength(asked.new_password, known)
    new_hash = await anyio.to_thread.run_sync(
        services.passwords.hash, asked.new_password, limiter=services.hashing
    )

    def store() -> None:
        with Session(services.auth_engine) as session:
            user_id = _first(session, asked.digest, new_hash) if offer else None
            if offer is None:
                user_id = queries.use_token(session, asked.digest)
                if user_id is None or not queries.set_password(session, user_id, new_hash):
                    raise ApiError("invalid_one_time_token")
            assert user_id is not None
            queries.end_sessions(session, user_id, "password_set")
            session.commit()
        log.info("user %s set the password with a one-time token", user_id)
        # broken off here, the person logs in and accepts with the same token
        if offer and invitations.accept(services, offer, user_id, request_id) is None:
            raise ApiError("invalid_one_time_token")

    await anyio.to_thread.run_sync(store)


def _first(session: Session, digest: bytes, new_hash: str) -> UUID:
    """Set the first password of an invited person. Raises 409 for an account that has one."""
    user_id = invited.account_of_token(session, digest)
    if user_id is None or not queries.set_password(
        session, user_id, new_hash, instead_of=queries.NO_PASSWORD
    ):
        raise ApiError("account_exists")
    return user_id


def _owner(
    services: Services, digest: bytes, address: str
) -> tuple[queries.Owner | None, invited.Offer | None]:
    """Count the attempt against the address, then look the token up."""
    attempt = Attempt("", "", address)
    with Session(services.auth_engine) as session:
        wait = throttles.count_address(session, attempt)
        owner = queries.owner_of_token(session, digest) if wait is None else None
        offer = invited.offer_of_token(session, digest) if wait is None else None
        if owner is not None or offer is not None:
            give_back_attempt(session, attempt.address_subject)
        session.commit()
    throttles.refuse_while_waiting(wait)
    if owner is None and offer is None:
        raise ApiError("invalid_one_time_token")
    return owner, offer


def _forgiven(
    services: Services, who: Principal, attempt: Attempt, admission: Admission
) -> tuple[str, ...]:
    """Take the attempt off the count; return what others know of the person."""
    with Session(services.auth_engine) as session:
        throttles.prove(session, attempt, admission)
        session.commit()
        owner = queries.owner(session, who.user_id)
    return owner.known if owner else ()


def _require_strength(password: str, known: tuple[str, ...]) -> None:
    weakness = weakness_of(password, known)
    if weakness is not None:
        raise _fault("new_password", weakness.value, SENTENCES[weakness])


def _fault(field: str, code: str, detail: str) -> ApiError:
    return ApiError("validation_failed", faults=[Fault(f"#/{field}", code, detail)])
