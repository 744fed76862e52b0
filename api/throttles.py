"""How often somebody may guess a password, so that no stranger's guesses keep the owner out.

Three counters: one of the place (this account, from this address), one of the address, and a
bucket of the account for all addresses together. A place from which the account has logged in
before answers to its own counter alone: whoever guesses from elsewhere fills the other two.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from dataclasses import dataclass

from sqlmodel import Session

from api.errors import ApiError
from api.services import Services
from db.queries import throttles as queries
from db.queries.auth import Account, find_account

FREE_FAILURES_PLACE = 5
FREE_FAILURES_ADDRESS = 20  # many people may share an address
# In the long run an address has one guess in a quarter of an hour, so that it takes more than five
# to keep this bucket empty. NIST SP 800-63B-4 wants no more than 100 failures in a row.
ACCOUNT_GUESSES = 100
ACCOUNT_GUESS_BACK_EACH = dt.timedelta(minutes=3)
# Three requests make a sign-on. A provider is asked at most once for two of them.
SIGN_ON_REQUESTS_OF_ADDRESS = 300
SIGN_ON_REQUEST_BACK_EACH = dt.timedelta(seconds=0.5)
IPV6_HOST_BITS = 64  # whoever has one such address has all of its network


@dataclass(frozen=True, slots=True)
class Attempt:
    """Someone says who they are."""

    email: str
    password: str
    address: str

    @property
    def place_subject(self) -> str:
        """The account at this address as the throttle knows it, existing or not."""
        return _subject(f"place:{self.email} {network_of(self.address)}")

    @property
    def account_subject(self) -> str:
        """The account, wherever the attempt comes from, existing or not."""
        return _subject(f"account:{self.email}")

    @property
    def address_subject(self) -> str:
        """The address, whatever account it tries."""
        return _subject(f"address:{network_of(self.address)}")


@dataclass(frozen=True, slots=True)
class Admission:
    """An attempt that may go on, and what has counted it."""

    account: Account | None
    at_address: bool
    at_account: bool


def network_of(address: str) -> str:
    """Return what stands for an address: itself, or of IPv6 its /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address  # a socket, or a test
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), 128 - IPV6_HOST_BITS), strict=False))


def _subject(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def admit(services: Services, attempt: Attempt) -> Admission:
    """Count the attempt before anything else, then look the account up. Raises 429.

    The statements are the same for an account that exists, one that does not, and a known place.
    """
    now = dt.datetime.now(dt.UTC)
    with Session(services.auth_engine) as session:
        address = queries.count_attempt(
            session, attempt.address_subject, FREE_FAILURES_ADDRESS, now
        )
        at_place = queries.count_attempt if address.wait_s is None else queries.count_known_place
        place = at_place(session, attempt.place_subject, FREE_FAILURES_PLACE, now)
        waits = [place.wait_s] if place.known else [place.wait_s, address.wait_s]
        bucket = None
        if not any(waits):  # what is refused anyhow takes nothing from the others' share
            bucket = queries.draw_attempt(
                session, attempt.account_subject, ACCOUNT_GUESSES, ACCOUNT_GUESS_BACK_EACH, now
            )
            waits += [] if place.known else [bucket.wait_s]
        account = find_account(session, attempt.email)
        session.commit()
    refuse_while_waiting(max((wait for wait in waits if wait is not None), default=None))
    drawn = bucket is not None and bucket.wait_s is None
    return Admission(account, at_address=address.wait_s is None, at_account=drawn)


def count_address(session: Session, attempt: Attempt) -> float | None:
    """Count an attempt that names no account; return the seconds to wait, or None."""
    now = dt.datetime.now(dt.UTC)
    return queries.count_attempt(
        session, attempt.address_subject, FREE_FAILURES_ADDRESS, now
    ).wait_s


def count_sign_on(services: Services, address: str) -> None:
    """Count a request of a sign-on, which names no account. Raises 429."""
    subject = _subject(f"sign-on:{network_of(address)}")
    most, each = SIGN_ON_REQUESTS_OF_ADDRESS, SIGN_ON_REQUEST_BACK_EACH
    with Session(services.auth_engine) as session:
        drawn = queries.draw_attempt(session, subject, most, each, dt.datetime.now(dt.UTC))
        session.commit()
    refuse_while_waiting(drawn.wait_s)


def spend_once(services: Services, what: str, lasts: dt.timedelta) -> bool:
    """Use something up in all processes; tell whether it was still there. Good for `lasts`."""
    with Session(services.auth_engine) as session:
        now = dt.datetime.now(dt.UTC)
        drawn = queries.draw_attempt(session, _subject(f"once:{what}"), 1, lasts, now)
        session.commit()
    return drawn.wait_s is None


def refuse_while_waiting(wait_s: float | None) -> None:
    """Raise 429 for an attempt that came too early."""
    if wait_s is not None:
        raise ApiError("too_many_attempts", headers={"Retry-After": str(int(wait_s) + 1)})


def prove(session: Session, attempt: Attempt, admission: Admission) -> None:
    """Take back what was counted, and know the place: the password has just been proved."""
    queries.prove_place(session, attempt.place_subject, dt.datetime.now(dt.UTC))
    if admission.at_address:
        queries.give_back_attempt(session, attempt.address_subject)
    if admission.at_account:
        queries.pour_back_attempt(session, attempt.account_subject, ACCOUNT_GUESS_BACK_EACH)
