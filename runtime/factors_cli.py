"""`tonnage factors`: read a publisher's file, make an immutable release of it, list what is there.

    tonnage factors import FILE --source desnz|epa-hub|epa-supply-chain|oefdb|generic|gwp
    tonnage factors list

Without `--out` a release goes into the database; with it, into <release>.csv and sources.toml of a
folder, which is how the shipped releases are made. docs/factors.md tells it all.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import core.factors
from core.errors import FileRejected, InvalidInput, NotFound, TonnageError
from core.factors.importers import desnz, epa_hub, generic_csv, gwp, oefdb, supply_chain
from core.factors.importers.result import ImportResult, SourceMeta, factor_id
from core.factors.licences import may_ship
from core.factors.release_file import dump_factors, dump_sources, load_sources

DATA = Path(core.factors.__file__).parent / "data"
SOURCES = ("desnz", "epa-hub", "epa-supply-chain", "oefdb", "generic", "gwp")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
_RESERVED = frozenset({"own"})  # what factors of an organization's own are listed under
MAX_FILE_BYTES = 512 * 1024**2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command on its own; returns the exit code."""
    parser = argparse.ArgumentParser(prog="factors", description="Emission factor releases.")
    add_commands(parser)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except TonnageError as error:
        sys.stderr.write(f"tonnage: {error.message}\n")
        return 1


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add `import` and `list` to a parser; each names the function that runs it."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    reading = commands.add_parser("import", help="read a publisher's file as a new release")
    reading.add_argument("file", type=Path)
    reading.add_argument("--source", required=True, choices=SOURCES)
    reading.add_argument("--index", type=Path, help="NAICS-2017 index workbook (epa-supply-chain)")
    reading.add_argument("--release", default="", help="the release's name, e.g. acme-2026")
    reading.add_argument("--supersedes", default="", help="the release that it takes the place of")
    for name, what in (
        ("publisher", "who published the figures"), ("title", "of the publication"),
        ("release-version", "of the publication"), ("licence", "e.g. “CC BY 4.0”"),
        ("url", "where it was found"), ("retrieved-on", "ISO date"),
    ):  # fmt: skip
        reading.add_argument(f"--{name}", default="", help=what)
    reading.add_argument("--year", type=int, help="of publication")
    reading.add_argument("--out", type=Path, help="write files to a folder, not the database")
    reading.add_argument("--dry-run", action="store_true", help="read and check; write nothing")
    reading.set_defaults(run=run_import)
    listing = commands.add_parser("list", help="list the releases of the database")
    listing.set_defaults(run=run_list)
    for command in (reading, listing):
        command.add_argument("--state", type=Path, default=Path(".tonnage"),
                             help="of a running development stack")  # fmt: skip


def run_import(options: argparse.Namespace) -> int:
    """Import one file; everything of it or nothing."""
    content = read_bytes(options.file)
    try:
        if options.source == "gwp":
            return _import_gwp(options, content)
        result = named(read_file(options, content), options)
    except FileRejected as error:
        sys.stderr.write(f"refused: {error.message}\n")
        return 1
    tell(result, options.file.name)
    if options.out is not None:
        if not options.dry_run:
            _say(f"written to {write_release(result, options.out)}")
        return 0
    from runtime.factors_database import import_into_database

    _say(import_into_database(result, options.state, dry_run=options.dry_run))
    return 0


def run_list(options: argparse.Namespace) -> int:
    """List the releases of the database."""
    from runtime.factors_database import releases_as_text

    _say(releases_as_text(options.state))
    return 0


def read_bytes(path: Path) -> bytes:
    """Return a file's content. Raises core.errors.InvalidInput naming the remedy."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(f"{path.name} is larger than {MAX_FILE_BYTES // 1024**2} MB")
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error


def read_file(options: argparse.Namespace, content: bytes) -> ImportResult:
    """Read a file with the importer of its source. Raises core.errors.FileRejected."""
    name, on = options.file.name, options.retrieved_on
    if options.source == "desnz":
        return desnz.read(content, file_name=name, retrieved_on=on)
    if options.source == "epa-hub":
        return epa_hub.read(content, file_name=name, retrieved_on=on)
    if options.source == "oefdb":
        return oefdb.read(
            content, file_name=name, retrieved_on=on, release=options.release,
            licence=options.licence,
        )  # fmt: skip
    if options.source == "generic":
        if not options.release:
            raise InvalidInput("name the release: --release NAME")
        told = generic_csv.Provenance(
            release=options.release, publisher=options.publisher, title=options.title,
            version=options.release_version, year=options.year, licence=options.licence,
            url=options.url, retrieved_on=on,
        )  # fmt: skip
        return generic_csv.read(content, told, file_name=name)
    index = read_bytes(options.index) if options.index else None
    return supply_chain.read(content, index, file_name=name, retrieved_on=on)


def named(result: ImportResult, options: argparse.Namespace) -> ImportResult:
    """Put the release's name and its place in the chain on what was read.

    Raises core.errors.InvalidInput for a name or date that cannot be one.
    """
    name = options.release or result.meta.release
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise InvalidInput("a release's name has 2 to 64 of a-z 0-9 . _ - and is not “own”")
    if options.retrieved_on and not re.fullmatch(r"\d{4}-\d\d-\d\d", options.retrieved_on):
        raise InvalidInput("--retrieved-on is a date like 2026-11-23")
    meta = replace(result.meta, release=name, supersedes=options.supersedes)
    if name == result.meta.release:
        return replace(result, meta=meta)
    factors = tuple(
        replace(f, release=name, id=factor_id(name, f.source_id)) for f in result.factors
    )
    return replace(result, meta=meta, factors=factors)


def tell(result: ImportResult, file_name: str) -> None:
    """Print what was read, what was left out and why."""
    meta = result.meta
    _say(f"{meta.release}: {len(result.factors)} factors from {file_name}")
    _say(f"  {meta.citation}; data year {meta.data_year}, published {meta.year}")
    _say(f"  licence: {meta.licence}{' — share-alike' if meta.share_alike else ''}")
    _say(f"  GWP set: {meta.gwp_set}")
    for why, count in result.skipped_by_reason().items():
        _say(f"  skipped {count}: {why}")
    for notice in result.notices:
        _say(f"  note: {notice}")


def write_release(result: ImportResult, folder: Path = DATA) -> Path:
    """Write <release>.csv and its table in sources.toml; returns the CSV's path.

    Raises core.errors.InvalidInput where the project's own folder is to get what may not ship.
    """
    if folder.resolve() == DATA.resolve() and not may_ship(result.meta.licence):
        raise InvalidInput("only public-domain, OGL and CC0 figures are part of the project")
    folder.mkdir(parents=True, exist_ok=True)
    sources = folder / "sources.toml"
    known: dict[str, SourceMeta] = (
        load_sources(sources.read_text("utf-8")) if sources.exists() else {}
    )
    known[result.meta.release] = result.meta
    path = folder / f"{result.meta.release}.csv"
    path.write_text(dump_factors(result.factors, result.meta), "utf-8")
    sources.write_text(dump_sources(known.values()), "utf-8")
    return path


def _import_gwp(options: argparse.Namespace, content: bytes) -> int:
    text = gwp.read(content)
    _say(f"{len(text.splitlines()) - 1} gases")
    if options.dry_run:
        return 0
    if options.out is None:
        raise NotFound("GWP tables are part of the program: name its folder with --out")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gwp.csv").write_text(text, "utf-8")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
