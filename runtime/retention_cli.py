"""`tonnage retention run`: purge now, or say what a purge would remove."""

from __future__ import annotations

import argparse
import asyncio
import time
from uuid import UUID

from sqlalchemy import Engine
from sqlmodel import Session

from core.errors import Unavailable
from db.queries import leftovers, purge
from runtime.platform_database import add_state, operator_settings, platform_engine
from runtime.settings import Settings

PAGE = 200


def add_commands(retention: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = retention.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="purge what was deleted long ago or is too old")
    run.add_argument(
        "--dry-run", action="store_true", help="only print what would go, per organization"
    )
    add_state(run)
    run.set_defaults(run=run_retention)


def run_retention(options: argparse.Namespace) -> int:
    """Start the purge in Temporal, or print its forecast."""
    settings = operator_settings(options.state)
    if not options.dry_run:
        print(f"started {asyncio.run(start(settings))}; Temporal's Web UI shows how far it is")
        return 0
    with platform_engine(options.state, "tonnage-retention") as (engine, _):
        print_forecast(engine, settings.purge_after_days)
    return 0


def print_forecast(engine: Engine, purge_after_days: int) -> None:
    """Print one line an organization that has something to lose. Changes nothing."""
    after: UUID | None = None
    with Session(engine) as session:
        logins = leftovers.forecast_logins(session, purge_after_days)
    if any(logins.values()):
        print("logins: " + ", ".join(f"{name} {count}" for name, count in logins.items() if count))
    found = 0
    while True:
        with Session(engine) as session:
            page = purge.organizations_after(session, after, PAGE)
            for organization_id in page:
                terms = purge.terms_of(session, organization_id, purge_after_days)
                counts = (
                    purge.forecast(session, terms) | leftovers.forecast(session, terms)
                    if terms
                    else {}
                )
                going = {name: count for name, count in counts.items() if count}
                if terms and going:
                    found += 1
                    kept = "for ever" if terms.keep_days is None else f"{terms.keep_days} days"
                    listed = ", ".join(f"{name} {count}" for name, count in going.items())
                    print(f"{organization_id} (keeps {kept}): {listed}")
        if not page:
            break
        after = page[-1]
    many = "organization" if found == 1 else "organizations"
    print(f"{found} {many}; nothing was changed" if found else "nothing would go")


async def start(settings: Settings) -> str:
    """Start the workflow that the schedule starts every night; return its id.

    Two at once do no harm: what one of them holds the other skips.
    """
    from temporalio.service import RPCError

    from core.contracts_lifecycle import PURGE_EXPIRED, PURGE_WORKFLOW_ID, PurgeInput
    from runtime import temporal
    from workflows import options

    job_id = f"{PURGE_WORKFLOW_ID}-by-hand-{int(time.time())}"
    try:
        client = await temporal.connect(settings)
        await client.start_workflow(
            PURGE_EXPIRED, PurgeInput(), id=job_id, task_queue=options.PIPELINE_QUEUE,
            static_summary="purge what was deleted long ago or is too old, started by hand",
        )  # fmt: skip
    except (RPCError, RuntimeError) as error:
        raise Unavailable(f"nothing was started: {temporal.in_a_line(error)}") from error
    finally:
        await asyncio.sleep(0.3)  # see EXIT_S of runtime.worker
    return job_id
