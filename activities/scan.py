"""Scan: may this upload be opened at all?"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine
from temporalio import activity

from activities.heartbeat import beating
from activities.objects import fetch, scratch
from activities.parse import given_up
from activities.tries import counted_try
from core.contracts import FileRef, Problem, ScanResult
from core.errors import ParserFailed, Unavailable
from core.keys import upload_key
from core.parsing.structure import StructureVerdict
from core.ports import Scanner, ScanVerdict, Storage
from db.engine import tenant_session
from db.queries import pipeline


class StructureCheck(Protocol):
    """Judges a file by its bytes, somewhere where that can do no harm."""

    def __call__(self, source: Path, declared_name: str) -> StructureVerdict:
        """Return whether the file is what its name says, and harmless to open."""


class ScanFile:
    """Structural checks first, then the virus scanner when there is one."""

    def __init__(
        self,
        engine: Engine,
        storage: Storage,
        scanner: Scanner | None,
        check: StructureCheck,
        *,
        scanner_required: bool,
        work_dir: Path,
    ) -> None:
        self.engine = engine
        self.storage = storage
        self.scanner = scanner
        self.check = check
        self.scanner_required = scanner_required
        self.work_dir = work_dir

    @activity.defn(name="scan_file")
    def scan_file(self, ref: FileRef) -> ScanResult:
        """Say whether the upload is what it claims to be, and clean.

        A dangerous file is a result; a scanner that is away is an error, to be retried.
        """
        with counted_try() as attempt:
            return self.scan(ref, attempt)

    def scan(self, ref: FileRef, attempt: int) -> ScanResult:
        """Check, scan and keep the verdict."""
        with tenant_session(self.engine, ref.organization_id) as session:
            file = pipeline.get_file(session, ref.organization_id, ref.file_id)
        key = upload_key(ref.organization_id, ref.file_id)
        with beating(details=lambda: (attempt,)), scratch(self.work_dir) as directory:
            path = fetch(self.storage, key, directory / "upload")
            try:
                structure = self.check(path, file.filename)
            except ParserFailed as failed:
                return ScanResult(
                    accepted=False, problem=given_up(failed, attempt), attempt=attempt
                )
            if not structure.ok:
                problem = Problem(code=structure.code, message=structure.message)
                return ScanResult(accepted=False, problem=problem, attempt=attempt)
            state, verdict = self.ask_scanner(path)
        with tenant_session(self.engine, ref.organization_id) as session:
            pipeline.save_scan(session, ref.organization_id, ref.file_id, state)
            session.commit()
        if verdict and not verdict.clean:
            problem = Problem(
                code="infected",
                message="The virus scanner found something. The file is in quarantine.",
            )
            return ScanResult(accepted=False, scan_state=state, problem=problem, attempt=attempt)
        return ScanResult(
            accepted=True,
            detected_type=structure.detected_type,
            scan_state=state,
            attempt=attempt,
        )

    def ask_scanner(self, path: Path) -> tuple[str, ScanVerdict | None]:
        """Return (scan state, verdict); only `required` waits for a scanner that is away."""
        if self.scanner is None:
            return "unscanned", None
        try:
            with path.open("rb") as stream:
                verdict = self.scanner.scan(stream)
        except Unavailable:
            if self.scanner_required:
                raise
            return "unscanned", None
        return ("clean" if verdict.clean else "infected"), verdict
