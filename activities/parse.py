"""Parse: from bytes to Parquet parts of texts, in a limited child process."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import FailureError

from activities.failures import for_good, is_away
from activities.heartbeat import beating
from activities.objects import fetch, scratch
from activities.remember import mappings_used
from activities.tries import counted_try
from core.contracts import FileRef, ParseResult, Problem
from core.errors import FileRejected, ParserFailed
from core.keys import parse_report_key, raw_part_key, upload_key
from core.parsing.recognized import shown
from core.parsing.report import ParseOptions, ParseReport
from core.ports import Storage
from db.engine import tenant_session
from db.queries import mappings, pipeline

log = logging.getLogger(__name__)

MOST_TRIES = 6
PARSER_TRIES = 2  # a defect of the parser is met again; once may have been the machine


def unreadable() -> FileRejected:
    """Return the reason for a file that we fail to read, without knowing why."""
    return FileRejected(
        "The file could not be read, and not for a reason that we know. Save the table anew as "
        ".csv, or split it, and upload that.",
        code="file_resource_limit",
    )


def given_up(failed: ParserFailed, attempt: int) -> Problem:
    """Return why a file is given up on which the parser broke again; raise it the first time."""
    if attempt < PARSER_TRIES:
        raise failed
    log.error("the parser fails each time: %s", failed.message)  # a place, no data
    return Problem(code=failed.code, message=unreadable().message)


class ParseRunner(Protocol):
    """Parses one file somewhere where it can do no harm."""

    def __call__(
        self,
        source: Path,
        out_dir: Path,
        options: ParseOptions,
        *,
        on_tick: Callable[[], None],
    ) -> ParseReport:
        """Write parts below `out_dir`; raise FileRejected for a file that cannot be parsed."""


class ParseFile:
    """Finds tables and columns; only references and counts leave this stage."""

    def __init__(
        self, engine: Engine, storage: Storage, run_parser: ParseRunner, *, work_dir: Path
    ) -> None:
        self.engine = engine
        self.storage = storage
        self.run_parser = run_parser
        self.work_dir = work_dir

    @activity.defn(name="parse_file")
    def parse_file(self, ref: FileRef) -> ParseResult:
        """Store raw parts and what was recognized; a file that cannot be parsed is a result."""
        with counted_try() as attempt:
            return self.limited(ref, attempt)

    def limited(self, ref: FileRef, attempt: int) -> ParseResult:
        """Parse unless too many tries came to nothing."""
        try:
            if attempt > MOST_TRIES:  # and nothing of the last one was heard: its worker died
                raise unreadable()
            report = self.parse(ref, attempt)
        except FileRejected as rejected:
            problem = Problem(code=rejected.code, message=rejected.message)
            return ParseResult(problem=problem, attempt=attempt)
        except ParserFailed as failed:
            return ParseResult(problem=given_up(failed, attempt), attempt=attempt)
        except Exception as error:
            if attempt < MOST_TRIES or is_away(error) or isinstance(error, FailureError):
                raise
            log.warning("activity failed for the last time", exc_info=error)
            raise for_good(error) from None
        return ParseResult(parts=len(report.parts), rows=report.rows_total, attempt=attempt)

    def parse(self, ref: FileRef, attempt: int) -> ParseReport:
        """Parse the upload into parts and store them. Raises FileRejected, ParserFailed."""
        with tenant_session(self.engine, ref.organization_id) as session:
            file = pipeline.get_file(session, ref.organization_id, ref.file_id)
            remembered = mappings.recall(session, ref.organization_id)
        beat = partial(activity.heartbeat, attempt)
        # An upload may come out of a slow store, and a part go into it, for minutes.
        with beating(details=lambda: (attempt,)), scratch(self.work_dir) as directory:
            key = upload_key(ref.organization_id, ref.file_id)
            source = fetch(self.storage, key, directory / "upload")
            options = ParseOptions.from_upload(
                filename=file.filename,
                region=file.region,
                reporting_year=file.reporting_year,
                mapping=file.mapping,
                remembered=remembered,
            )
            out_dir = directory / "parts"
            out_dir.mkdir()
            # The child reports by its exit; each tick is a heartbeat, and raises when the
            # file was cancelled, which kills the child.
            report = self.run_parser(source, out_dir, options, on_tick=beat)
            self.store(ref, out_dir, report)
        return report

    def store(self, ref: FileRef, out_dir: Path, report: ParseReport) -> None:
        """Put the parts into storage, then the report that names them."""
        for number, part in enumerate(report.parts):
            with (out_dir / part.name).open("rb") as stream:
                self.storage.put(raw_part_key(ref.organization_id, ref.file_id, number), stream)
        text = report.model_dump_json()
        self.storage.put(
            parse_report_key(ref.organization_id, ref.file_id), io.BytesIO(text.encode())
        )
        with tenant_session(self.engine, ref.organization_id) as session:
            # The lines above the tables are for the annotated download, not for every answer.
            answer = shown(report).model_dump(
                mode="json", exclude={"tables": {"__all__": {"outside"}}}
            )
            pipeline.save_recognized(session, ref.organization_id, ref.file_id, answer)
            mappings.note_use(session, ref.organization_id, ref.file_id, mappings_used(report))
            session.commit()


def read_report(storage: Storage, ref: FileRef) -> ParseReport:
    """Return what parsing recognized of a file."""
    with storage.open(parse_report_key(ref.organization_id, ref.file_id)) as stream:
        return ParseReport.model_validate_json(stream.read())
