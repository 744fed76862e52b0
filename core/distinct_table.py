"""The distinct activities of a file as a table; apart, since the API needs no pyarrow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.activity_key import fold
from core.distinct import DistinctActivity
from core.records import ActivityQuery, Basis, Dimension
from core.units import convert, unit

DISTINCT_SCHEMA = pa.schema(
    [
        pa.field("activity_key", pa.string(), nullable=False),
        pa.field("activity_name", pa.string(), nullable=False),
        pa.field("activity_type", pa.string()),
        pa.field("activity_description", pa.string()),
        pa.field("unit", pa.string(), nullable=False),
        pa.field("dimension", pa.string(), nullable=False),
        pa.field("basis", pa.string()),
        pa.field("region", pa.string()),
        pa.field("year", pa.int32()),
        pa.field("currency", pa.string()),
        pa.field("row_count", pa.int32(), nullable=False),
        pa.field("volume_total", pa.float64(), nullable=False),
    ]
)
DESCRIPTION_CHARACTERS = 2_000  # core.matching.reading reads no more
DESCRIBING = [name for name in DISTINCT_SCHEMA.names if name not in ("row_count", "volume_total")]


def shortened(descriptions: pa.Array) -> pa.Array:
    """Cut descriptions to what matching reads of them, and tell apart those that begin alike.

    A cell holds up to 32,767 characters, and a file a million of them. What is remembered of an
    activity goes by its description, so what was cut leaves its hash there.
    """
    longest = pc.max(pc.utf8_length(descriptions)).as_py()
    if longest is None or longest <= DESCRIPTION_CHARACTERS:
        return descriptions
    texts = descriptions.to_pylist()
    return pa.array([text and _shortened(text) for text in texts], type=descriptions.type)


def _shortened(text: str) -> str:
    if len(text) <= DESCRIPTION_CHARACTERS:
        return text
    digest = hashlib.sha256(fold(text).encode()).hexdigest()[:16]
    return f"{text[:DESCRIPTION_CHARACTERS]}… {digest}"


def distinct_activities(parts: Iterable[pa.Table]) -> pa.Table:
    """Return one row (DISTINCT_SCHEMA) for each activity_key of typed parts, sorted by key.

    An activity takes name, spelling and unit from its first row; quantities in other units of the
    same dimension are converted.
    """
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        grouped = part.group_by(["activity_key", "unit"], use_threads=False).aggregate(
            [
                *((name, "first") for name in DESCRIBING if name not in ("activity_key", "unit")),
                ("volume", "sum"),
                ("volume", "count"),
            ]
        )
        for row in grouped.to_pylist():
            _add(found, row)
    rows = [found[key] for key in sorted(found)]
    return pa.Table.from_pylist(rows, schema=DISTINCT_SCHEMA)


def _add(found: dict[str, dict[str, Any]], row: dict[str, Any]) -> None:
    key, volume, count = row["activity_key"], row["volume_sum"], row["volume_count"]
    known = found.get(key)
    if known is None:
        entry = {
            name: row[name] if name in ("activity_key", "unit") else row[f"{name}_first"]
            for name in DESCRIBING
        }
        found[key] = entry | {"row_count": count, "volume_total": volume}
        return
    known["row_count"] += count
    known["volume_total"] += convert(volume, unit(row["unit"]), unit(known["unit"])).value


def read_activities(table: pa.Table) -> Iterator[DistinctActivity]:
    """Yield the activities of a DISTINCT_SCHEMA table."""
    for row in table.to_pylist():
        query = ActivityQuery(
            key=row["activity_key"],
            name=row["activity_name"],
            type=row["activity_type"],
            description=row["activity_description"],
            unit=row["unit"],
            dimension=Dimension(row["dimension"]),
            basis=Basis(row["basis"]) if row["basis"] else None,
            region=row["region"],
            year=row["year"],
            currency=row["currency"],
        )
        yield DistinctActivity(query, row["row_count"], row["volume_total"])
