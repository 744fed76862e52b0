"""A distinct activity of a file: what is matched, whatever the number of rows behind it."""

from __future__ import annotations

from dataclasses import dataclass

from core.records import ActivityQuery, ActivityRow


@dataclass(frozen=True, slots=True)
class DistinctActivity:
    """One distinct activity with the rows behind it; the total is in `query.unit`."""

    query: ActivityQuery
    row_count: int
    volume_total: float

    def as_row(self) -> ActivityRow:
        """Return the activity's total as if it were one row."""
        query = self.query
        return ActivityRow(
            sheet="", row_number=0, column_number=0, activity_key=query.key,
            activity_name=query.name, activity_type=query.type,
            activity_description=query.description, volume_text="", unit_text="",
            region_text=None, date_text=None, volume=self.volume_total, unit=query.unit,
            dimension=query.dimension, basis=query.basis, region=query.region, activity_on=None,
            year=query.year, currency=query.currency,
        )  # fmt: skip
