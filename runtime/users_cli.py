"""`tonnage users`: what only the operator may do to an account."""

from __future__ import annotations

import argparse
import datetime as dt
import sys

from sqlmodel import Session

from core.errors import NotFound
from db.engine import make_engine
from db.queries import credentials, organizations
from runtime.one_time_tokens import fingerprint, new_token
from runtime.platform_database import add_state, operator_settings
from runtime.settings import DatabaseRole, Settings

RESET_LIFETIME = dt.timedelta(hours=1)


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands below `users`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    reset = commands.add_parser(
        "reset-password", help="print a token with which a person sets a new password"
    )
    reset.add_argument("email")
    add_state(reset)
    reset.set_defaults(run=run_reset)


def run_reset(options: argparse.Namespace) -> int:
    """Make a one-time token and print it: there is no mail server to send it."""
    settings = operator_settings(options.state)
    token, expires_at = reset_password(settings, options.email)
    sys.stdout.write(
        f"{token}\nGood once, until {expires_at:%Y-%m-%d %H:%M} UTC; older tokens are dead. "
        f"Hand it over on a way you trust:\n  POST {settings.public_url}/v1/auth/password"
        '  {"token": "…", "new_password": "…"}\n'
    )
    return 0


def reset_password(settings: Settings, email: str) -> tuple[str, dt.datetime]:
    """Return a token that sets the password of an account, and until when. Raises NotFound.

    The present password works until the token is used: a reset that nobody asked for locks no
    one out.
    """
    token = new_token()
    expires_at = dt.datetime.now(dt.UTC) + RESET_LIFETIME
    engine = make_engine(settings.database_url_for(DatabaseRole.PLATFORM), pool_size=1)
    try:
        with Session(engine) as session:
            user_id = organizations.find_user(session, email)
            if user_id is None or credentials.owner(session, user_id) is None:
                raise NotFound("no account in use has this mail address")
            credentials.issue_token(
                session, user_id, credentials.Purpose.RESET, fingerprint(token), expires_at
            )
            session.commit()
    finally:
        engine.dispose()
    return token, expires_at
