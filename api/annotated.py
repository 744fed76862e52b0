"""The annotated upload: every row as it was sent, with what became of it. Never held as a whole.

Rows come from the parts that the pipeline stored, figures and issues from the database, some
thousand at a time, each batch in a short transaction: a slow reader holds no connection.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from io import BytesIO
from itertools import chain, groupby
from typing import Any
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from fastapi.responses import StreamingResponse

from api.errors import ApiError, Fault
from api.routes.downloads import saved_as
from api.sending import SentInTime
from api.services import Services
from core.annotated import (
    COLUMNS,
    Figure,
    Issue,
    Note,
    Outside,
    Place,
    RawRow,
    Record,
    annotate,
    read_rows,
)
from core.annotated_tables import csv_chunks, sheet_chunks
from core.contracts import FileStatus
from core.errors import DamagedObject, NotFound
from core.keys import parse_report_key, raw_part_key, typed_part_key
from core.parsing.kinds import extension_of
from core.parsing.report import ParseReport
from core.reporting import MEDIA_TYPES, ReportFormat
from db.engine import tenant_session
from db.models import File
from db.queries import outcomes

JSON, CSV = "application/json", "text/csv"
XLSX = MEDIA_TYPES[ReportFormat.EXCEL]
OFFERED = (JSON, CSV, XLSX)
BATCH_ROWS = 5_000
RESPONSE: dict[str, Any] = {
    "description": "The list, or as `text/csv` or XLSX the upload with the outcome of every row",
    "content": {
        CSV: {
            "schema": {"type": "string"},
            "example": f"{','.join(COLUMNS)},Activity,Quantity,Unit\r\n"
            ",1,,skipped,heading,Headings of a table.,,,,,,Activity,Quantity,Unit\r\n"
            ",2,,calculated,,,3084.984,,Diesel (average biofuel blend),desnz-2025,"
            "1_101_1011_8_1,Diesel,1200,litres\r\n",
        },
        XLSX: {
            "schema": {"type": "string", "format": "binary"},
            "example": "PK… (a workbook with a sheet for each sheet of the upload)",
        },
    },
}
_PLACE = ("sheet", "row_number", "column_number", "activity_key")


def download(services: Services, file: File, media: str) -> StreamingResponse:
    """Return the annotated upload. Raises 409 while it is processed, or when nothing was read."""
    if file.status not in (FileStatus.COMPLETED, FileStatus.FAILED):
        raise ApiError("file_not_ended")
    rows = Rows(services, file)
    make, ending = (csv_chunks, "csv") if media == CSV else (sheet_chunks, "xlsx")
    chunks = make(rows.report, rows.records())
    # The first piece is made now: a store that is away is then a 503, not half a file.
    body = pieces(chain([next(chunks)], chunks), services.download_threads)
    stem = re.sub(rf"\.{re.escape(extension_of(file.filename))}$", "", file.filename, flags=re.I)
    headers = saved_as(f"{stem[:150]} (annotated).{ending}") | {"Vary": "Accept"}
    return SentInHalfAnHour(body, media_type=media, headers=headers)


async def pieces(chunks: Iterator[bytes], threads: CapacityLimiter) -> AsyncIterator[bytes]:
    """Make one piece after the other in a thread of `threads`, and none before it is asked for."""
    while (piece := await to_thread.run_sync(next, chunks, None, limiter=threads)) is not None:
        yield piece


class SentInHalfAnHour(SentInTime):
    """Each holds one of its organization's places: for so long and no longer."""

    lasts_s = 1800


def refuse_filters(request: Request) -> None:
    """Refuse what only means something for the list: a download holds every row. Raises 422."""
    faults = [
        Fault(f"query/{name}", "only_with_json", "is for the JSON list; a download holds all rows")
        for name in request.query_params
    ]
    if faults:
        raise ApiError("validation_failed", faults=faults)


class Rows:
    """Reads a file's parts and what the database holds of them."""

    def __init__(self, services: Services, file: File) -> None:
        self._services = services
        self._where: tuple[UUID, UUID] = (file.organization_id, file.id)
        self._failed: Note | None = None
        if file.status == FileStatus.FAILED:
            self._failed = Note(file.error_code or "file_failed", file.error_message or "")
        try:
            with services.storage.open(parse_report_key(*self._where)) as source:
                self.report = ParseReport.model_validate_json(source.read())
        except NotFound:
            raise ApiError("file_not_read") from None

    def records(self) -> Iterator[Record]:
        """Yield every row of the upload in its order."""
        outside, sheet = Outside(self.report), None
        for part in range(len(self.report.parts)):
            for record in self._of_part(part):
                place = record.row.place
                if sheet is not None and sheet != place[0]:
                    yield from outside.before(sheet)
                sheet = place[0]
                yield from outside.before(sheet, place[1])
                yield record
        if sheet is not None:
            yield from outside.before(sheet)

    def _of_part(self, part: int) -> Iterator[Record]:
        keys: dict[Place, str] = {}
        read = False
        raw = self._object(raw_part_key(*self._where, part))
        for batch in read_rows(raw, self.report, BATCH_ROWS):
            for sheet, group in groupby(batch, key=lambda row: row.place[0]):
                rows = list(group)
                figures, issues = self._known(sheet, rows)
                open_rows = [
                    row.place for row in rows
                    if row.place not in figures
                    and not ((issue := issues.get(row.place)) and issue.rejected)
                ]  # fmt: skip
                if open_rows and self._failed is None and not read:
                    keys, read = self._keys(part), True
                waiting = self._waiting(open_rows, keys)
                yield from annotate(rows, figures, issues, waiting, self._failed)

    def _known(
        self, sheet: str, rows: Sequence[RawRow]
    ) -> tuple[dict[Place, Figure], dict[Place, Issue]]:
        wanted = outcomes.Range(sheet, rows[0].place[1], rows[-1].place[1])
        with tenant_session(self._services.app_engine, self._where[0]) as session:
            return (
                outcomes.figures_of(session, *self._where, wanted),
                outcomes.issues_of(session, *self._where, wanted),
            )

    def _waiting(self, places: Sequence[Place], keys: dict[Place, str]) -> dict[Place, Note]:
        wanted = {place: keys[place] for place in places if place in keys}
        if not wanted:
            return {}
        with tenant_session(self._services.app_engine, self._where[0]) as session:
            found = outcomes.waiting(session, *self._where, set(wanted.values()))
        return {place: found[key] for place, key in wanted.items() if key in found}

    def _keys(self, part: int) -> dict[Place, str]:
        """Return which activity each row of a part is, by its place."""
        import pyarrow.parquet as pq  # a process that nobody asks for this goes without it

        typed = self._object(typed_part_key(*self._where, part))
        table = pq.read_table(BytesIO(typed), columns=list(_PLACE))
        columns = (table.column(name).to_pylist() for name in _PLACE)
        return {(s, row, column): key for s, row, column, key in zip(*columns, strict=True)}

    def _object(self, key: str) -> bytes:
        try:
            with self._services.storage.open(key) as source:
                return source.read()
        except NotFound as error:  # the file is there: 404 would be no answer
            raise DamagedObject("a part of the file is not in the store") from error
