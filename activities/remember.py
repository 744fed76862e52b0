"""Mappings that are remembered when their upload completes, and followed by the next one."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from core.contracts import FileRef
from core.parsing.columns import mapped_columns
from core.parsing.report import SETTINGS, ParseReport
from db.engine import TenantSession
from db.queries import audit, mappings, pipeline


def remember_mapping(
    session: TenantSession, ref: FileRef, actor: audit.Actor, read: Callable[[], ParseReport]
) -> None:
    """Remember the mapping of a file that completes, once a table, within its transaction.

    `read` returns what parsing recognized: the file's row may not list all of it. Keys that name
    no column of a table are not kept for it; the settings are.
    """
    organization_id, file_id = ref.organization_id, ref.file_id
    file = pipeline.get_file(session, organization_id, file_id)
    if not (file.remember_mapping and file.mapping and file.recognized):
        return
    for table in read().tables:
        headings = table.headings()
        kept = {
            key: value
            for key, value in file.mapping.items()
            if key in SETTINGS or mapped_columns(headings, {key: value})
        }
        if set(kept) <= set(SETTINGS) or not any(headings) or not table.signature:
            continue  # nothing was said of its columns, or it cannot be found again
        mapping_id = mappings.remember(
            session, organization_id, file_id, signature=table.signature, headings=headings,
            mapping=kept,
        )  # fmt: skip
        if mapping_id is not None:
            audit.record(
                session, organization_id, actor, action="mapping.remembered",
                object_type="column_mapping", object_id=mapping_id,
                after={"file_id": str(file_id), "columns": len(headings), "fields": kept},
            )  # fmt: skip


def mappings_used(report: ParseReport) -> list[UUID]:
    """Return the remembered mappings that a file was read by."""
    found = (table.remembered_id for table in report.tables)
    return list(dict.fromkeys(mapping_id for mapping_id in found if mapping_id))
