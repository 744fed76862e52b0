"""Scanning: structure first, then the scanner; only an explicit clean is clean."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from sqlalchemy import Engine

from activities.scan import ScanFile
from core.errors import NotFound, Unavailable
from core.ports import Scanner, ScanVerdict
from runtime.adapters.scanner_clamav import ClamavScanner
from runtime.parse_child import run_check
from tests import clamd
from tests.factories import Uploader

CSV = b"activity,quantity,unit\nDiesel,10,litres\n"
EICAR = b"activity,quantity,unit\nX5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR,1,kg\n"


class WordScanner:
    """Finds EICAR; may be away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away

    def scan(self, source: BinaryIO) -> ScanVerdict:
        if self.away:
            raise Unavailable("clamd is away")
        found = b"EICAR" in source.read()
        return ScanVerdict(clean=not found, signature="Eicar-Test" if found else None)


@pytest.fixture
def make(worker_engine: Engine, tmp_path: Path, uploader: Uploader) -> Callable[..., ScanFile]:
    def build(scanner: Scanner | None = None, *, required: bool = False) -> ScanFile:
        return ScanFile(
            worker_engine,
            uploader.storage,
            scanner,
            partial(run_check, timeout_s=60),
            scanner_required=required,
            work_dir=tmp_path / "work",
        )

    return build


def test_a_csv_without_a_scanner_is_accepted_and_says_it_was_not_scanned(
    uploader: Uploader, make: Callable[..., ScanFile], run: Callable[..., Any]
) -> None:
    ref = uploader.upload(CSV)
    result = run(make().scan_file, ref)
    assert (result.accepted, result.scan_state, result.detected_type) == (True, "unscanned", "csv")
    assert uploader.file(ref).scan_state == "unscanned"


def test_a_clean_file_is_recorded_as_clean_also_when_scanned_twice(
    uploader: Uploader, make: Callable[..., ScanFile], run: Callable[..., Any]
) -> None:
    ref = uploader.upload(CSV)
    for _ in range(2):
        assert run(make(WordScanner()).scan_file, ref).scan_state == "clean"
    assert uploader.file(ref).scan_state == "clean"


def test_an_infected_file_is_refused_and_its_signature_is_not_told(
    uploader: Uploader, make: Callable[..., ScanFile], run: Callable[..., Any]
) -> None:
    ref = uploader.upload(EICAR)
    result = run(make(WordScanner()).scan_file, ref)
    assert not result.accepted
    assert result.problem.code == "infected"
    assert "Eicar" not in result.problem.message
    assert uploader.file(ref).scan_state == "infected"


def test_an_absent_scanner_is_an_error_where_one_is_required(
    uploader: Uploader, make: Callable[..., ScanFile], run: Callable[..., Any]
) -> None:
    ref = uploader.upload(CSV)
    with pytest.raises(Unavailable):
        run(make(WordScanner(away=True), required=True).scan_file, ref)
    result = run(make(WordScanner(away=True)).scan_file, ref)
    assert (result.accepted, result.scan_state) == (True, "unscanned")


def test_content_that_is_not_what_the_name_says_is_refused(
    uploader: Uploader, make: Callable[..., ScanFile], run: Callable[..., Any]
) -> None:
    ref = uploader.upload(b"\x7fELF\x02\x01\x01\x00" + bytes(200), "list.csv")
    result = run(make().scan_file, ref)
    assert not result.accepted
    assert result.problem.code


def test_a_file_of_another_organization_does_not_exist(
    uploader: Uploader, make: Callable[..., ScanFile], run: Callable[..., Any]
) -> None:
    ref = uploader.upload(CSV)
    other = Uploader.make(uploader.engine, uploader.storage, "Other")
    with pytest.raises(NotFound):
        run(make().scan_file, ref.model_copy(update={"organization_id": other.organization_id}))


def test_a_real_clamd_decides_and_its_absence_counts_where_it_is_required(
    uploader: Uploader, make: Callable[..., ScanFile], run: Callable[..., Any]
) -> None:
    clean, infected = uploader.upload(CSV), uploader.upload(CSV + clamd.EICAR + b",1,kg\n")
    with clamd.running_clamd() as daemon:
        scanner = ClamavScanner(daemon.unix)
        assert run(make(scanner, required=True).scan_file, clean).scan_state == "clean"
        result = run(make(scanner, required=True).scan_file, infected)
        assert (result.accepted, result.problem.code) == (False, "infected")
        daemon.end()
        with pytest.raises(Unavailable):
            run(make(scanner, required=True).scan_file, clean)
        assert run(make(scanner).scan_file, clean).scan_state == "unscanned"
