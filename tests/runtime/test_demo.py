"""A demo deletes what demos uploaded before it, and nothing that a person did."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from runtime.demo import Api, delete_former, with_basis
from runtime.demo_uploads import NAME, remember, remembered
from runtime.dev import Addresses, DevStack

WORKBOOK = b"a workbook"
OTHER = b"another workbook"


class Files:
    """The part of the API that keeps files."""

    def __init__(self, **files: bytes) -> None:
        self.sha256 = {name: hashlib.sha256(held).hexdigest() for name, held in files.items()}

    def answer(self, request: httpx.Request) -> httpx.Response:
        file_id = request.url.path.rpartition("/")[2]
        if file_id not in self.sha256:
            return httpx.Response(404, json={"title": "Not found"})
        if request.method == "DELETE":
            del self.sha256[file_id]
            return httpx.Response(200, json={"deleted": True})
        return httpx.Response(200, json={"sha256": self.sha256[file_id]})


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    path = tmp_path / "demo.xlsx"
    path.write_bytes(WORKBOOK)
    return path


@pytest.fixture
def files() -> Files:
    return Files(person=WORKBOOK, demo=WORKBOOK, other=OTHER)


@pytest.fixture
def api(files: Files) -> Iterator[Api]:
    where = Addresses("http://api", "", "", "demo@tonnage.example", "", 0, [])
    with httpx.Client(
        base_url=where.api_url, transport=httpx.MockTransport(files.answer)
    ) as client:
        asked = Api(where, Console(quiet=True))
        asked.client.close()
        asked.client = client
        yield asked


def test_a_persons_own_upload_of_the_same_workbook_stays(
    tmp_path: Path, workbook: Path, api: Api, files: Files
) -> None:
    remember(tmp_path, ["demo", "other"])
    delete_former(api, workbook, tmp_path)
    assert set(files.sha256) == {"person", "other"}
    assert remembered(tmp_path) == ["other"]  # a demo of that workbook deletes it


def test_without_a_note_nothing_is_deleted(
    tmp_path: Path, workbook: Path, api: Api, files: Files
) -> None:
    delete_former(api, workbook, tmp_path)
    assert set(files.sha256) == {"person", "demo", "other"}


def test_an_upload_that_somebody_deleted_is_forgotten(
    tmp_path: Path, workbook: Path, api: Api, files: Files
) -> None:
    remember(tmp_path, ["gone", "demo"])
    delete_former(api, workbook, tmp_path)
    assert remembered(tmp_path) == []
    assert set(files.sha256) == {"person", "other"}


@pytest.mark.parametrize(
    ("basis", "shown"), [("net", "Natural gas (net calorific value)"), (None, "Natural gas")]
)
def test_factors_of_one_name_are_told_apart_by_their_calorific_value(
    api: Api, basis: str | None, shown: str
) -> None:
    answer = httpx.Response(200, json={"basis": basis})
    with httpx.Client(
        base_url="http://api", transport=httpx.MockTransport(lambda _: answer)
    ) as client:
        before, api.client = api.client, client
        assert with_basis(api, {"factor_id": "x", "name": "Natural gas"}) == shown
        api.client = before


@pytest.mark.parametrize("held", ["", "{", "{}", "[1, null]"])
def test_a_note_that_is_broken_counts_as_none(tmp_path: Path, held: str) -> None:
    (tmp_path / NAME).write_text(held)
    assert remembered(tmp_path) == []


def test_a_stack_says_that_it_stops_once(tmp_path: Path) -> None:
    said: list[str] = []
    stack = DevStack(tmp_path, said.append)
    stack.stop()
    assert said == []  # nothing was started
    stack.lock = (tmp_path / "dev.lock").open("a")
    stack.stop()
    stack.stop()
    assert said == ["stopping"]
