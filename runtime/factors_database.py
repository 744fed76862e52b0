"""What `tonnage factors` does with a database: import as platform, list."""

from __future__ import annotations

from pathlib import Path

from sqlmodel import Session

from core.errors import Misconfigured
from core.factors.importers.result import ImportResult
from db.queries import library
from runtime.factor_releases import Outcome, check, import_release, new_release
from runtime.platform_database import platform_engine


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
