"""The scanner against a real clamd, over TCP and over its unix socket."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from core.errors import Unavailable
from runtime.adapters.scanner_clamav import ClamavScanner
from tests.clamd import EICAR, STREAM_MAX_BYTES, Clamd, running_clamd

CSV = b"activity,quantity,unit\n" + b"Diesel,10,litres\n" * 20_000


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    with running_clamd() as running:
        yield running


@pytest.fixture(params=["tcp", "unix"])
def address(request: pytest.FixtureRequest, clamd: Clamd) -> str:
    return str(getattr(clamd, request.param))


def test_a_clean_stream_is_clean_and_an_infected_one_is_named(address: str) -> None:
    scanner = ClamavScanner(address)
    assert scanner.scan(io.BytesIO(CSV)).clean
    for data in (EICAR, CSV + EICAR + CSV):
        verdict = scanner.scan(io.BytesIO(data))
        assert not verdict.clean
        assert verdict.signature == "Eicar-Test-Signature.UNOFFICIAL"


def test_a_stream_beyond_clamd_s_limit_has_no_verdict(address: str) -> None:
    assert ClamavScanner(address).scan(io.BytesIO(b"x" * (STREAM_MAX_BYTES - 1))).clean
    for size in (STREAM_MAX_BYTES + 1, 20 * STREAM_MAX_BYTES):
        with pytest.raises(Unavailable):
            ClamavScanner(address).scan(io.BytesIO(b"x" * size))


def test_a_clamd_that_says_nothing_is_given_up_on(clamd: Clamd, address: str) -> None:
    with clamd.stopped(), pytest.raises(Unavailable):
        ClamavScanner(address, timeout_s=0.5).scan(io.BytesIO(CSV))
    assert ClamavScanner(address).scan(io.BytesIO(CSV)).clean


def test_a_clamd_that_went_away_is_unavailable() -> None:
    with running_clamd() as own:
        own.end()
        for address in (own.tcp, own.unix):
            with pytest.raises(Unavailable):
                ClamavScanner(address).scan(io.BytesIO(CSV))
