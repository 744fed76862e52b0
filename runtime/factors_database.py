"""What `tonnage factors` does with a database: import as platform, list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from core.errors import Misconfigured, Unavailable
from core.factors.importers.result import ImportResult
from db.engine import make_engine
from db.queries import library
from runtime.factor_releases import Outcome, check, import_release, new_release
from runtime.settings import DatabaseRole, Settings

_NO_DATABASE = (
    "no database is configured: set TONNAGE_DATABASE_URL and the other settings "
    "(docs/operations.md), or let `make dev` run and name its --state folder"
)


def import_into_database(result: ImportResult, state_dir: Path, *, dry_run: bool) -> str:
    """Import a release; return what happened as a sentence. Raises core.errors.Conflict."""
    release = new_release(result.meta, result.factors)
    name = result.meta.release
    if dry_run:
        try:
            with platform_engine(state_dir) as (engine, _), Session(engine) as session:
                outcome = check(session, release)
        except Misconfigured:
            return "dry run: read only; there is no database here to compare with"
        if outcome is Outcome.ALREADY_THERE:
            return f"dry run: {name} is in the database already, with the same content"
        return f"dry run: {name} would be imported"
    from runtime.adapters.embedder_onnx import OnnxEmbedder

    with platform_engine(state_dir) as (engine, threads):
        outcome = import_release(engine, release, OnnxEmbedder(threads=threads))
    if outcome is Outcome.ALREADY_THERE:
        return f"{name} is in the database already, with the same content; nothing was changed"
    follows = f", superseding {result.meta.supersedes}" if result.meta.supersedes else ""
    return f"{name} is imported{follows}; organizations use it once they pin it"


def releases_as_text(state_dir: Path) -> str:
    """Return the releases of the database as lines of text, each chain's newest marked."""
    with platform_engine(state_dir) as (engine, _), Session(engine) as session:
        found = library.list_releases(session)
    lines = []
    for one in found:
        facts = [
            f"{one['factor_count']} factors", f"data {one['data_year'] or 'year not stated'}",
            f"published {one['source_year']}", one["licence"],
        ]  # fmt: skip
        if one["share_alike"]:
            facts.append("share-alike")
        if one["supersedes"]:
            facts.append(f"supersedes {one['supersedes']}")
        if one["superseded_by"]:
            facts.append(f"superseded by {one['superseded_by']}")
        lines.append(f"{one['name']}: {', '.join(facts)}\n  {one['publisher']}, {one['title']}")
    return "\n".join(lines) or "there are no releases in the database"


@contextmanager
def platform_engine(state_dir: Path) -> Iterator[tuple[Engine, int]]:
    """Yield an engine of the platform role, and how many threads may embed.

    The environment's database, or that of the development stack that runs on `state_dir`.
    Raises Misconfigured when there is neither, Unavailable when it does not answer.
    """
    try:
        settings = Settings()
        url, threads = (
            settings.database_url_for(DatabaseRole.PLATFORM), settings.embedder_threads,
        )  # fmt: skip
    except ValidationError:
        url, threads = _url_of_stack(state_dir), 2
    engine = make_engine(url, pool_size=2, application_name="tonnage-factors")
    try:
        yield engine, threads
    except OperationalError as error:
        raise Unavailable("the database does not answer; is it running?") from error
    finally:
        engine.dispose()


def _url_of_stack(state_dir: Path) -> str:
    from runtime import dev
    from runtime.postgres import start_postgres
    from runtime.settings import with_driver, with_user

    if dev.running_stack(state_dir) is None:
        raise Misconfigured(_NO_DATABASE)
    server = start_postgres((state_dir / "pg").resolve())  # adopts the one that runs
    return with_driver(with_user(server.uri(dev.DATABASE), "tonnage_platform"))
