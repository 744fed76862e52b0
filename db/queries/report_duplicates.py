"""What a report counts more than once: files that hold the same bytes as another one of it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session

from core import exact
from core.permissions import Reach
from core.reporting import Duplicates
from db.models import Emission, File
from db.queries.emissions import EmissionFilter, conditions, exact_sum
from db.queries.report_figures import CELLS
from db.queries.report_files import files_concerned

E: Any = Emission
FILE: Any = File


def duplicates(
    session: Session, organization_id: UUID, reach: Reach, wanted: EmissionFilter
) -> Duplicates:
    """Return what the copies among the files add to the sums; of the same bytes the first is none.

    Figures are only summed where files have the same bytes: mostly there are none.
    """
    found = files_concerned(organization_id, reach, wanted)
    same = select(FILE.sha256).where(*found).group_by(FILE.sha256).having(func.count() > 1)
    copies = select(FILE.id).where(*found, FILE.sha256.in_(same))
    alike = session.execute(
        copies.add_columns(FILE.sha256).order_by(FILE.created_at, FILE.id)
    ).all()
    if not alike:
        return Duplicates()
    figures = session.execute(
        select(E.file_id, func.count(), exact_sum(CELLS["kg_co2e"]))
        .where(*conditions(organization_id, reach, wanted), E.file_id.in_(copies))
        .group_by(E.file_id)
    )
    sums = {file_id: (int(count), Decimal(kg)) for file_id, count, kg in figures}
    return _again((sha256, sums[file_id]) for file_id, sha256 in alike if file_id in sums)


def _again(files: Iterable[tuple[str, tuple[int, Decimal]]]) -> Duplicates:
    """Add up the files whose bytes came before."""
    seen: set[str] = set()
    again = Duplicates()
    for sha256, (count, kg) in files:
        if sha256 in seen:
            again = Duplicates(again.files + 1, again.figures + count, exact.add(again.kg_co2e, kg))
        seen.add(sha256)
    return again
