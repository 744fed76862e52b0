"""The command line, `tonnage` once .venv/bin is in PATH."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from core.errors import TonnageError
from runtime import audit_cli, factors_cli, retention_cli, users_cli
from runtime.platform_database import NO_ANSWER
from runtime.settings import told


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except TonnageError as error:
        print(f"tonnage: {error.message}", file=sys.stderr)
        return 1
    except ValidationError as error:
        print(told(error), file=sys.stderr)
        return 2
    except OperationalError:
        print(f"tonnage: {NO_ANSWER}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None:  # not of a path that somebody named
            raise
        print(f"tonnage: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """Build the parser; every command names the function that runs it."""
    root = argparse.ArgumentParser(prog="tonnage", description=__doc__)
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    dev = commands.add_parser("dev", help="run the whole development stack until Ctrl-C")
    dev.add_argument("--state", type=Path, default=Path(".tonnage"))
    dev.set_defaults(run=run_dev)
    demo = commands.add_parser("demo", help="upload a workbook and explain its footprint")
    demo.add_argument("--state", type=Path, default=Path(".tonnage"))
    demo.add_argument("--file", type=Path, default=None, help="your own CSV or XLSX instead")
    demo.add_argument("--region", default=None, help="country of rows that name none, e.g. DE")
    demo.set_defaults(run=run_demo)
    api = commands.add_parser("api", help="serve the API")
    api.add_argument("--host", default="127.0.0.1")
    api.add_argument("--port", type=int, default=8000, choices=range(65_536), metavar="PORT")
    api.set_defaults(run=run_api)
    worker = commands.add_parser("worker", help="work on one task queue")
    worker.add_argument("queue", choices=("pipeline", "ai-matching", "reports", "webhooks"))
    worker.set_defaults(run=run_worker)
    migrate = commands.add_parser("migrate", help="bring the database to the newest schema")
    migrate.set_defaults(run=run_migrate)
    factors = commands.add_parser("factors", help="import and list emission factor releases")
    factors_cli.add_commands(factors)
    trail = commands.add_parser("audit", help="check the audit trail; take heads to keep elsewhere")
    audit_cli.add_commands(trail)
    retention = commands.add_parser("retention", help="purge what is too old, or say what would go")
    retention_cli.add_commands(retention)
    users = commands.add_parser("users", help="let a person in who lost the password")
    users_cli.add_commands(users)
    replay = commands.add_parser("replay", help="run the workflow code over recorded histories")
    replay.add_argument("history", type=Path, nargs="+", help="JSON of `temporal workflow show`")
    replay.set_defaults(run=run_replay)
    return root


def run_dev(options: argparse.Namespace) -> int:
    """Run the stack and show where everything is."""
    from rich.console import Console
    from rich.panel import Panel

    from runtime.dev import DevStack, running_stack, stop_on_signals

    console = Console()
    if running := running_stack(options.state):
        console.print(f"A stack runs here already (pid {running.pid}): {running.api_url}/docs")
        return 1
    started = time.monotonic()
    stack = DevStack(options.state, lambda step: console.print(f"  {step} …"))
    with stop_on_signals(), stack:
        where = stack.addresses
        assert where is not None
        console.print(
            Panel.fit(
                f"API            {where.api_url}   (documentation: {where.api_url}/docs)\n"
                f"Temporal UI    {where.temporal_ui_url}\n"
                f"Login          {where.email}  /  {where.password}\n"
                f"Metrics        {where.api_url}/metrics   (workers: dev.json in {options.state})\n"
                f"Logs           {options.state}/logs",
                title=f"tonnage is up ({time.monotonic() - started:.0f} s); Ctrl-C stops it",
            )
        )
        while True:
            stack.tend()
            time.sleep(0.3)
    return 0


def run_demo(options: argparse.Namespace) -> int:
    """Run the demo."""
    from runtime.demo import run
    from runtime.dev import stop_on_signals

    with stop_on_signals():
        return run(options.state, options.file, options.region)
    return 130


def run_api(options: argparse.Namespace) -> int:
    """Serve the API, configured by the environment, until a signal."""
    from runtime import server
    from runtime.settings import Settings

    server.run(Settings(), options.host, options.port)
    return 0


def run_worker(options: argparse.Namespace) -> int:
    """Run one worker process, configured by the environment."""
    from runtime import worker
    from runtime.settings import Settings

    asyncio.run(worker.run(options.queue, Settings()))
    return 0


def run_migrate(_: argparse.Namespace) -> int:
    """Migrate the database that TONNAGE_DATABASE_URL names."""
    from db.engine import make_engine
    from runtime import migrate
    from runtime.settings import DatabaseRole, Settings

    engine = make_engine(Settings().database_url_for(DatabaseRole.ADMIN))
    with engine.connect() as connection:
        migrate.upgrade(connection)
    engine.dispose()
    print("the schema is up to date")
    return 0


def run_replay(options: argparse.Namespace) -> int:
    """Replay histories; exit with 1 when one does not fit the code any more."""
    from runtime.replay import replay

    failures = 0
    for path in options.history:
        problem = asyncio.run(replay(path))
        failures += problem is not None
        print(f"{path}: {'replays' if problem is None else problem}")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
