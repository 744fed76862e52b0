"""`tonnage audit`: check the chains of the audit trail, and take their heads to keep elsewhere.

    tonnage audit verify [--organization ID] [--from-head FILE …]
    tonnage audit head [--organization ID] [--out FILE]
    tonnage audit restored --from-head FILE --reason TEXT [--organization ID]

docs/audit.md says what a chain proves and what it takes a kept head for.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError
from rich.console import Console
from sqlmodel import Session

from core.audit import Head, Verdict, read_heads, sign_heads, verify
from core.derivation import derive_key
from core.errors import InvalidInput
from db.engine import snapshot
from db.queries import audit, audit_chain
from runtime.platform_database import add_state, platform_engine
from runtime.settings import Settings

OPERATOR = audit.Actor(user_id=None, kind="operator")
MOST_WHOLE_SHOWN = 20  # chains without a fault that are named one by one


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add `verify` and `head` to a parser; each names the function that runs it."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    checking = commands.add_parser("verify", help="recompute the chains; 1 when one is broken")
    checking.add_argument("--from-head", type=Path, action="append", default=[], metavar="FILE",
                          help="a head that was kept: shows a cut-off end, too")  # fmt: skip
    checking.set_defaults(run=run_verify)
    taking = commands.add_parser("head", help="print the heads, signed, to be kept elsewhere")
    taking.add_argument("--out", type=Path, help="write a file instead")
    taking.set_defaults(run=run_head)
    noting = commands.add_parser("restored", help="note in the chains what a restore has lost")
    noting.add_argument("--from-head", type=Path, required=True, metavar="FILE",
                        help="the last head that was kept before")  # fmt: skip
    noting.add_argument("--reason", required=True, help="why, in a sentence; it stays for ever")
    noting.set_defaults(run=run_restored)
    for command in (checking, taking, noting):
        command.add_argument("--organization", type=UUID, metavar="ID")
        add_state(command)


def run_verify(options: argparse.Namespace) -> int:
    """Check the chains; return 1 when one is broken, having named the first row that is."""
    console = Console(highlight=False, soft_wrap=True)
    keys = signing_keys(options.state)
    kept: list[Head] = []
    for path in options.from_head:
        found, checked = read_file(path, keys)
        console.print(
            f"{path.name}: {counted(len(found), 'kept head')}, "
            + ("signature right" if checked else "signature not checked"),
            markup=False,
        )
        kept += found
    verdicts = check(options.state, options.organization, kept)
    show(console, verdicts)
    return 1 if any(verdict.broken for verdict in verdicts) else 0


def check(state_dir: Path, organization_id: UUID | None, kept: Sequence[Head]) -> list[Verdict]:
    """Check one organization's chain or all of them, in one snapshot."""
    with platform_engine(state_dir) as (engine, _), Session(engine) as session:
        snapshot(session)
        ends = {head.organization_id: head for head in audit_chain.heads(session, organization_id)}
        if organization_id is None:
            named = {*audit_chain.organizations(session), *(h.organization_id for h in kept)}
        else:
            named = {organization_id}
        verdicts = []
        for one in sorted(named):
            with contextlib.closing(audit_chain.events(session, one)) as events:
                earlier = [head for head in kept if head.organization_id == one]
                verdicts.append(verify(one, events, ends.get(one), earlier))
        return verdicts


def show(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print a line a chain, one that a program can search: broken ones always, whole while few."""
    for verdict in sorted(verdicts, key=lambda v: v.broken is None):
        if broken := verdict.broken:
            at = "" if broken.sequence is None else f" at sequence {broken.sequence}"
            event = f" (event {broken.event_id})" if broken.event_id else ""
            console.print(
                f"[bold red]BROKEN[/] {verdict.organization_id}{at}: {broken.fault}: {broken.told}"
                f"{event}; {verdict.events} events before it are right"
            )
        elif len(verdicts) <= MOST_WHOLE_SHOWN:
            console.print(
                f"[green]whole[/]  {verdict.organization_id}: {counted(verdict.events, 'event')}"
            )
    broken_chains = sum(verdict.broken is not None for verdict in verdicts)
    events = sum(verdict.events for verdict in verdicts)
    console.print(
        f"{counted(len(verdicts), 'chain')}, {counted(events, 'event')} checked: "
        + (f"{broken_chains} BROKEN" if broken_chains else "all whole")
    )


def run_head(options: argparse.Namespace) -> int:
    """Print the heads as JSON, or write them to a file."""
    with platform_engine(options.state) as (engine, _), Session(engine) as session:
        heads = audit_chain.heads(session, options.organization)
    key = next(iter(signing_keys(options.state)), None)
    document = sign_heads(heads, dt.datetime.now(dt.UTC), key)
    written = json.dumps(document, indent=2) + "\n"
    if options.out is None:
        sys.stdout.write(written)
    else:
        options.out.write_text(written)
        sys.stdout.write(f"{counted(len(heads), 'head')} written to {options.out}\n")
    return 0


def run_restored(options: argparse.Namespace) -> int:
    """Append an event to each chain that ends before a kept head. Nothing is rewritten.

    The next one's link vouches for it: the chain itself tells that events are missing, and which.
    """
    kept, checked = read_file(options.from_head, signing_keys(options.state))
    if not checked:
        raise InvalidInput(f"{options.from_head.name} has no signature that could be checked")
    noted = 0
    with platform_engine(options.state) as (engine, _), Session(engine) as session:
        present = {h.organization_id: h for h in audit_chain.heads(session, options.organization)}
        known = set(audit_chain.organizations(session))
        for head in kept:
            if options.organization not in (None, head.organization_id):
                continue
            if head.organization_id not in known:
                sys.stdout.write(
                    f"{head.organization_id}: there is no such organization any more\n"
                )
                continue
            end = present.get(head.organization_id)
            if end is not None and end.sequence >= head.sequence:
                continue  # `verify --from-head` tells whether it is the same chain
            note_lost(session, head, end, options.reason)
            noted += 1
        session.commit()
    sys.stdout.write(
        f"noted in {counted(noted, 'chain')}; verify, and keep a new head from now on\n"
    )
    return 0


def note_lost(session: Session, kept: Head, end: Head | None, reason: str) -> None:
    """Record which events a chain has lost."""
    last = end.sequence if end else 0
    audit.record(
        session, kept.organization_id, OPERATOR, action="audit.restored",
        object_type="organization", object_id=kept.organization_id,
        after={
            "lost_from": last + 1, "lost_to": kept.sequence, "kept_hash": kept.hash.hex(),
            "reason": reason,
        },
    )  # fmt: skip


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def read_file(path: Path, keys: Sequence[bytes]) -> tuple[list[Head], bool]:
    """Read kept heads, and whether their signature was checked. Raises InvalidInput."""
    try:
        return read_heads(json.loads(path.read_text()), keys)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        why = "is no JSON" if isinstance(error, json.JSONDecodeError) else str(error)
        raise InvalidInput(f"{path.name} {why}") from error


def signing_keys(state_dir: Path) -> list[bytes]:
    """Return the keys of heads, the one that signs first; none without a secret key.

    They come from the environment's secrets, or from that of a development stack.
    """
    try:
        secrets: Sequence[bytes] = Settings().secrets_newest_first
    except ValidationError:
        kept = state_dir / "secret-key"
        secrets = (kept.read_bytes(),) if kept.exists() else ()
    return [derive_key(secret, "audit-head") for secret in secrets]
