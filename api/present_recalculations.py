"""From the rows of recalculations to answers."""

from __future__ import annotations

from uuid import UUID

from api.recalculations import Found
from api.schemas.common import AuditEntry
from api.schemas.recalculations import (
    CitedFactor,
    RecalculatedFigure,
    RecalculationDetail,
    RecalculationItem,
    RecalculationProgress,
    RecalculationRowItem,
    WhyChanged,
)
from core.recalculation import Cited, ReasonCode, Status, sentence
from db.models import Recalculation
from db.queries.recalculations import Progress, ShownRow


def item(found: Recalculation) -> RecalculationItem:
    """Return a recalculation as lists show it."""
    return RecalculationItem.model_validate(found)


def detail(found: Found) -> RecalculationDetail:
    """Return a recalculation with all that is known of it."""
    return RecalculationDetail.model_validate(
        {
            **dict(item(found.recalculation)),
            "selection": found.recalculation.filter,
            "progress": progress(found.recalculation, found.progress),
            "audit": [AuditEntry.model_validate(event) for event in found.events],
        }
    )


def progress(found: Recalculation, done: Progress) -> RecalculationProgress:
    """Return how far a recalculation is."""
    activities, rows = found.activities or 0, found.rows or 0
    return RecalculationProgress(
        files=done.files,
        files_committed=done.files_committed,
        files_left_out=done.files_left_out,
        activities=activities,
        activities_matched=done.activities_matched,
        rows=rows,
        rows_previewed=done.rows_previewed,
        rows_changed=done.rows_changed,
        percent=percent(found, done),
    )


def percent(found: Recalculation, done: Progress) -> float:
    """Return how far the preview is, and then how far the commit is."""
    if found.status == Status.PREVIEWING:
        matched = done.activities_matched / found.activities if found.activities else 0.0
        shown = done.rows_previewed / found.rows if found.rows else 0.0
        return min(round(50 * matched + 50 * shown, 1), 99.0)
    if found.status == Status.COMMITTING:
        settled = done.files_committed + done.files_left_out
        return min(round(100 * settled / done.files, 1), 99.0) if done.files else 0.0
    return 100.0


def row_item(shown: ShownRow) -> RecalculationRowItem:
    """Return one figure: old, new, why."""
    row, code = shown.row, ReasonCode(shown.row.reason_code)
    return RecalculationRowItem(
        emission_id=row.emission_id,
        file_id=row.file_id,
        filename=shown.filename,
        sheet=shown.sheet,
        row=shown.row_number,
        activity_name=shown.activity_name,
        old=RecalculatedFigure(
            kg_co2e=row.old_kg, scope=row.old_scope, biogenic=row.old_biogenic,
            factor=cited(row.old_factor_id, shown.old),
        ),
        new=RecalculatedFigure(
            kg_co2e=row.new_kg, scope=row.new_scope, biogenic=row.new_biogenic,
            factor=cited(row.new_factor_id, shown.new),
        ),
        difference_kg_co2e=row.difference_kg,
        changed=row.changed,
        reason=WhyChanged(code=code, sentence=sentence(code, shown.old, shown.new)),
    )  # fmt: skip


def cited(factor_id: UUID | None, factor: Cited | None) -> CitedFactor | None:
    """Return a factor as a row names it."""
    if factor_id is None or factor is None:
        return None
    return CitedFactor(
        id=factor_id,
        release=factor.release,
        source_id=factor.source_id,
        name=factor.name,
        value_kg_co2e_per_unit=factor.value_per_unit,
        unit=factor.unit,
    )
