"""Reads a publisher's file and writes our release of it.

    python -m runtime.factors_cli import FILE --source desnz|epa-hub|epa-supply-chain|gwp
        [--index NAICS_INDEX.xlsx] [--retrieved-on 2026-11-22] [--out FOLDER] [--dry-run]

Prints what was read, what was skipped and why. A wrong file is refused as a whole.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import core.factors
from core.errors import TonnageError
from core.factors.importers import desnz, epa_hub, gwp, supply_chain
from core.factors.importers.result import ImportResult
from core.factors.release_file import dump_factors, dump_sources, load_sources

DATA = Path(core.factors.__file__).parent / "data"
SOURCES = ("desnz", "epa-hub", "epa-supply-chain", "gwp")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    content = options.file.read_bytes()
    try:
        if options.source == "gwp":
            text = gwp.read(content)
            if not options.dry_run:
                (options.out / "gwp.csv").write_text(text, "utf-8")
            _say(f"{len(text.splitlines()) - 1} gases")
            return 0
        result = _read(options, content)
    except TonnageError as error:
        sys.stderr.write(f"refused: {error.message}\n")
        return 1
    _say(f"{result.meta.release}: {len(result.factors)} factors from {options.file.name}")
    for why, count in result.skipped_by_reason().items():
        _say(f"  skipped {count}: {why}")
    if not options.dry_run:
        write_release(result, options.out)
    return 0


def write_release(result: ImportResult, folder: Path = DATA) -> Path:
    """Write <release>.csv and its table in sources.toml; returns the CSV's path."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = folder / "sources.toml"
    known = load_sources(sources.read_text("utf-8")) if sources.exists() else {}
    known[result.meta.release] = result.meta
    path = folder / f"{result.meta.release}.csv"
    path.write_text(dump_factors(result.factors), "utf-8")
    sources.write_text(dump_sources(known.values()), "utf-8")
    return path


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _read(options: argparse.Namespace, content: bytes) -> ImportResult:
    name, on = options.file.name, options.retrieved_on
    if options.source == "desnz":
        return desnz.read(content, file_name=name, retrieved_on=on)
    if options.source == "epa-hub":
        return epa_hub.read(content, file_name=name, retrieved_on=on)
    index = options.index.read_bytes() if options.index else None
    return supply_chain.read(content, index, file_name=name, retrieved_on=on)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="factors", description="Import emission factors.")
    commands = parser.add_subparsers(required=True)
    reading = commands.add_parser("import", help="read a publisher's file")
    reading.add_argument("file", type=Path)
    reading.add_argument("--source", required=True, choices=SOURCES)
    reading.add_argument("--index", type=Path, help="NAICS-2017 index workbook")
    reading.add_argument("--retrieved-on", default="", help="ISO date")
    reading.add_argument("--out", type=Path, default=DATA)
    reading.add_argument("--dry-run", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
