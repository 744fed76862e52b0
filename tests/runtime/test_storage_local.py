"""The storage in a directory: the common contract, and what only it has."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from core.errors import DamagedObject, InvalidInput, NotFound, Unavailable
from core.ports import Storage
from runtime.adapters.storage_local import LocalStorage, decode, encode, kept_hash
from tests.storage_contract import KEY, StorageContract

NOW = 1_800_000_000.0


def make(root: Path, secret: bytes = b"s" * 32) -> LocalStorage:
    return LocalStorage(root, public_url="http://api/", secret=secret, clock=lambda: NOW)


class TestContract(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return make(tmp_path / "objects with space")


@pytest.mark.parametrize("key", ["", "/etc/passwd", "a/../../b", "..", "a\0b"])
def test_a_key_cannot_leave_the_store(tmp_path: Path, key: str) -> None:
    with pytest.raises(InvalidInput):
        make(tmp_path).put(key, io.BytesIO(b"x"))


@pytest.mark.parametrize("prefix", ["../", "..", "a/../../", "/", "/etc/"])
def test_a_listing_cannot_leave_the_store(tmp_path: Path, prefix: str) -> None:
    storage = make(tmp_path / "store")
    (tmp_path / "neighbour").write_text("not ours")
    with pytest.raises(InvalidInput):
        list(storage.list(prefix))


def test_listing_everything_does_not_meet_the_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour").write_text("not ours")
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "unreadable").chmod(0)
    storage = make(tmp_path / "store")
    storage.put("a/1", io.BytesIO(b"x"))
    assert [listed.key for listed in storage.list("")] == ["a/1"]


def test_a_url_of_another_store_has_no_key(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        make(tmp_path / "one").key("file:///etc/passwd")


def test_an_unwritable_store_is_unavailable(tmp_path: Path) -> None:
    storage = make(tmp_path)
    (tmp_path / "0f0e").write_text("a file where a folder must be")
    with pytest.raises(Unavailable):
        storage.put(KEY, io.BytesIO(b"x"))


def test_half_written_objects_are_not_listed_and_not_left(tmp_path: Path) -> None:
    storage = make(tmp_path)
    source = io.BytesIO(b"x")
    source.close()
    with pytest.raises(ValueError, match="closed"):
        storage.put(KEY, source)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_what_a_killed_process_left_half_written_goes_a_day_later(tmp_path: Path) -> None:
    storage = make(tmp_path)
    storage.put(KEY, io.BytesIO(b"x"))
    folder = storage.path(KEY).parent
    left, at_work = folder / ".incoming-left", folder / ".incoming-at-work"
    for path, age_h in ((left, 25), (at_work, 1)):
        path.write_bytes(b"a customer's")
        os.utime(path, (time.time() - age_h * 3600,) * 2)
    assert [listed.key for listed in storage.list("")] == [KEY]
    assert (left.exists(), at_work.exists()) == (False, True)


def token_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["token"][0]


def test_a_signed_link_grants_one_object_until_it_expires(tmp_path: Path) -> None:
    storage = make(tmp_path)
    url = storage.signed_url(KEY, filename="ü.csv", content_type="text/csv", expires_s=60)
    assert url.startswith("http://api/v1/downloads?token=")
    grant = storage.read_token(token_of(url))
    assert (grant.key, grant.filename, grant.content_type) == (KEY, "ü.csv", "text/csv")
    storage.clock = lambda: NOW + 61
    with pytest.raises(NotFound):
        storage.read_token(token_of(url))


def test_a_forged_link_grants_nothing(tmp_path: Path) -> None:
    storage = make(tmp_path)
    url = storage.signed_url(KEY, filename="a", content_type="text/csv", expires_s=60)
    body, _, signature = token_of(url).partition(".")
    other = encode(decode(body).replace(b"files/1", b"files/2"))
    for token in (f"{other}.{signature}", body, f"{body}.", f"{body}.AAAA", "", ".", "é.é"):
        with pytest.raises(NotFound):
            storage.read_token(token)
    with pytest.raises(NotFound):
        make(tmp_path, b"t" * 32).read_token(token_of(url))


def test_a_byte_that_changed_on_disk_is_found_out(tmp_path: Path) -> None:
    storage = make(tmp_path)
    storage.put(KEY, io.BytesIO(b"x" * 100))
    if kept(storage.path(KEY)) is None:
        pytest.skip("this file system keeps no extended attributes")
    with storage.path(KEY).open("r+b") as raw:
        raw.seek(50)
        raw.write(b"y")
    with pytest.raises(DamagedObject), storage.open(KEY) as stream:
        stream.read()


def kept(path: Path) -> str | None:
    with path.open("rb") as stream:
        return kept_hash(stream.fileno())


def test_a_file_of_an_older_version_has_no_hash_and_is_read(tmp_path: Path) -> None:
    storage = make(tmp_path)
    storage.path("a").write_bytes(b"older")
    with storage.open("a") as stream:
        assert stream.read() == b"older"


def test_a_moved_object_keeps_its_hash(tmp_path: Path) -> None:
    storage = make(tmp_path)
    storage.put(KEY, io.BytesIO(b"x"))
    before = kept(storage.path(KEY))
    storage.move(KEY, "0f0e/quarantine/1")
    assert kept(storage.path("0f0e/quarantine/1")) == before


def test_a_store_that_is_no_directory_is_unavailable_whatever_is_asked(tmp_path: Path) -> None:
    storage = make(tmp_path)
    (tmp_path / "0f0e").write_text("a file where a folder must be")
    for call in (
        lambda: storage.exists(KEY),
        lambda: storage.delete(KEY),
        lambda: storage.open(KEY).__enter__(),
        lambda: storage.move(KEY, "a/b"),
    ):
        with pytest.raises(Unavailable):
            call()
