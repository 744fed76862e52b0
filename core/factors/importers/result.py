"""What every importer returns, and the few things all importers share. Pure: bytes in, rows out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from core.errors import FileRejected
from core.factors.licences import is_share_alike
from core.records import EmissionFactor

# A name space of our own, so that a factor of a release has the same id in every deployment.
_NAMESPACE = UUID("5b1a0a3e-7f0c-5d5c-9c53-0f6a6d2a4c11")
_SHOWN = 100  # faults in a message; all of them are in `faults`


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
    supersedes: str = ""  # the release that this one takes the place of

    @property
    def citation(self) -> str:
        """Return publisher, title and version as one line."""
        return f"{self.publisher}, {self.title}, {self.version}"

    @property
    def share_alike(self) -> bool:
        """Tell whether the licence passes its terms on; such a release is never shipped."""
        return is_share_alike(self.licence)


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
    notices: tuple[str, ...] = ()  # what a person should know and nothing was refused for

    def skipped_by_reason(self) -> dict[str, int]:
        """Count the skipped rows by reason, most frequent first."""
        counts: dict[str, int] = {}
        for row in self.skipped:
            counts[row.why] = counts.get(row.why, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a factor file: where it is, what it is, and the remedy."""

    row: int  # 1-based, the header included, as an editor shows it
    column: str
    problem: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column}: {self.problem}"


class FaultyFile(FileRejected):
    """A factor file has faults; nothing of it was imported."""

    code = "factor_file_rejected"

    def __init__(self, faults: Sequence[Fault]) -> None:
        count = len(faults)
        super().__init__(
            f"{count} {'fault' if count == 1 else 'faults'}; nothing was imported.\n"
            + "\n".join(f"  {fault}" for fault in faults[:_SHOWN])
            + (f"\n  … and {count - _SHOWN} more" if count > _SHOWN else "")
        )
        self.faults = tuple(faults)


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
        found = float(f"{float(str(value).strip()):.15g}")
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def decimal_number(text: str, *, comma: bool) -> float | None:
    """Read a figure of a CSV; with `comma`, "1.234,5" is 1234.5. None for blank and for text."""
    bare = text.strip().replace("\u00a0", "").replace(" ", "")
    return number(bare.replace(".", "").replace(",", ".") if comma else bare)


def tidy(value: object) -> str:
    """Return a cell's text with runs of white space made single blanks; "" for an empty cell."""
    return "" if value is None else " ".join(str(value).split())
