"""What every importer returns, and the few things all importers share. Pure: bytes in, rows out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid5

from core.errors import FileRejected
from core.records import EmissionFactor

# A name space of our own, so that a factor of a release has the same id in every deployment.
_NAMESPACE = UUID("5b1a0a3e-7f0c-5d5c-9c53-0f6a6d2a4c11")


@dataclass(frozen=True, slots=True)
class SourceMeta:
    """Where a release comes from: what an auditor asks first."""

    release: str
    publisher: str
    title: str
    version: str
    year: int  # of publication
    data_year: int
    licence: str
    url: str
    retrieved_on: str  # ISO date
    file_name: str
    file_sha256: str
    gwp_set: str  # "AR5", "AR5; waste AR4", or "not stated"
    note: str = ""

    @property
    def citation(self) -> str:
        """Return publisher, title and version as one line."""
        return f"{self.publisher}, {self.title}, {self.version}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row of the publisher's file that is no factor of ours, and why."""

    row: str
    why: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What was read from one publisher's file."""

    meta: SourceMeta
    factors: tuple[EmissionFactor, ...]
    skipped: tuple[Skipped, ...]

    def skipped_by_reason(self) -> dict[str, int]:
        """Count the skipped rows by reason, most frequent first."""
        counts: dict[str, int] = {}
        for row in self.skipped:
            counts[row.why] = counts.get(row.why, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def factor_id(release: str, source_id: str) -> UUID:
    """Return the id of a library factor: the same in every deployment."""
    return uuid5(_NAMESPACE, f"{release}/{source_id}")


def sha256_hex(content: bytes) -> str:
    """Return the sha256 of a file, for the release's metadata."""
    return hashlib.sha256(content).hexdigest()


def refuse(source: str, problem: str) -> FileRejected:
    """Build the error for a file that is not what it was said to be; nothing of it is imported."""
    return FileRejected(f"not a {source} file: {problem}", code="factor_file_rejected")


def number(value: object) -> float | None:
    """Read a cell as a float; None for blank and for text.

    To 15 significant digits, as spreadsheet programs show it: 0.10107000000000001 was 0.10107.
    """
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(f"{value:.15g}")
    try:
        return float(str(value).strip())
    except ValueError:
        return None


def tidy(value: object) -> str:
    """Return a cell's text with runs of white space made single blanks; "" for an empty cell."""
    return "" if value is None else " ".join(str(value).split())
