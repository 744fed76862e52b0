"""Where a file's objects lie in storage. Every key begins with the organization."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

# What the second part of a key says of whose it is: a row of which table.
OBJECT_KINDS = {
    "files": "files",
    "quarantine": "files",
    "deleted": "files",
    "work": "files",
    "reports": "reports",
}


@dataclass(frozen=True, slots=True)
class Traced:
    """Which row an object belongs to."""

    table: str
    id: UUID


def trace(key: str) -> Traced | None:
    """Return whose object this is; None for a key that is not made here."""
    parts = key.split("/")
    table = OBJECT_KINDS.get(parts[1]) if len(parts) > 2 else None
    if table is None:
        return None
    try:
        return Traced(table, UUID(parts[2].partition(".")[0]))
    except ValueError:
        return None


def upload_key(organization_id: UUID, file_id: UUID) -> str:
    """Return the key of the uploaded bytes."""
    return f"{organization_id}/files/{file_id}"


def quarantine_key(organization_id: UUID, file_id: UUID) -> str:
    """Return where a dangerous upload is moved: no download link is ever made for this prefix."""
    return f"{organization_id}/quarantine/{file_id}"


def trash_key(organization_id: UUID, file_id: UUID) -> str:
    """Return where a deleted upload waits for its purge: links to where it lay lead nowhere."""
    return f"{organization_id}/deleted/{file_id}"


def work_prefix(organization_id: UUID, file_id: UUID) -> str:
    """Return the prefix of everything derived from an upload."""
    return f"{organization_id}/work/{file_id}/"


def raw_part_key(organization_id: UUID, file_id: UUID, part: int) -> str:
    """Return the key of a parsed part: texts as written."""
    return f"{work_prefix(organization_id, file_id)}raw/part-{part:05d}.parquet"


def typed_prefix(organization_id: UUID, file_id: UUID) -> str:
    """Return the prefix of a file's validated parts."""
    return f"{work_prefix(organization_id, file_id)}typed/"


def typed_part_key(organization_id: UUID, file_id: UUID, part: int) -> str:
    """Return the key of a validated part: typed rows."""
    return f"{typed_prefix(organization_id, file_id)}part-{part:05d}.parquet"


def parse_report_key(organization_id: UUID, file_id: UUID) -> str:
    """Return the key of what parsing recognized."""
    return f"{work_prefix(organization_id, file_id)}report.json"


def activities_key(organization_id: UUID, file_id: UUID) -> str:
    """Return the key of the file's distinct activities."""
    return f"{work_prefix(organization_id, file_id)}activities.parquet"


def report_key(organization_id: UUID, report_id: UUID, file_format: str) -> str:
    """Return the key of a generated report."""
    return f"{organization_id}/reports/{report_id}.{file_format}"


def annex_key(organization_id: UUID, report_id: UUID) -> str:
    """Return the key of the CSV beside a PDF. A report has one format, so the name is free."""
    return report_key(organization_id, report_id, "csv")
