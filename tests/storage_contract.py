"""What every adapter of core.ports.Storage must do; run once for each of them."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import random

import pytest

from core.errors import InvalidInput, NotFound
from core.ports import Storage

KEY = "0f0e/files/1"


def keys(storage: Storage, prefix: str) -> list[str]:
    """Return the keys that a listing yields, in its order."""
    return [listed.key for listed in storage.list(prefix)]


class Broken(io.BytesIO):
    """A source that dies halfway."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError("the client went away")
        return super().read(size)


class StorageContract:
    """Inherit and provide a `storage` fixture."""

    def test_what_is_put_can_be_read_and_is_described(self, storage: Storage) -> None:
        data = b"x" * 3_000_000
        stored = storage.put(KEY, io.BytesIO(data))
        assert stored.size_bytes == 3_000_000
        assert stored.sha256 == hashlib.sha256(data).hexdigest()
        assert storage.key(stored.url) == KEY
        assert storage.exists(KEY)
        with storage.open(KEY) as stream:
            assert stream.read() == data

    def test_an_empty_object_is_an_object(self, storage: Storage) -> None:
        stored = storage.put(KEY, io.BytesIO())
        assert (stored.size_bytes, stored.sha256) == (0, hashlib.sha256().hexdigest())
        with storage.open(KEY) as stream:
            assert stream.read() == b""

    def test_an_object_of_many_parts_is_read_in_pieces_as_it_was(self, storage: Storage) -> None:
        data = random.Random(7).randbytes(21_000_001)
        stored = storage.put(KEY, io.BytesIO(data), content_type="text/csv")
        assert stored.sha256 == hashlib.sha256(data).hexdigest()
        with storage.open(KEY) as stream:
            assert stream.read(5) == data[:5]
            parts = list(iter(lambda: stream.read(1_000_003), b""))
        assert b"".join(parts) == data[5:]

    def test_an_object_need_not_be_read_to_its_end(self, storage: Storage) -> None:
        storage.put(KEY, io.BytesIO(b"x" * 3_000_000))
        with storage.open(KEY) as stream:
            assert stream.read(2) == b"xx"

    @pytest.mark.parametrize("key", ["", "/etc/passwd", "a/../../b", "..", "a\0b"])
    def test_a_key_cannot_climb(self, storage: Storage, key: str) -> None:
        with pytest.raises(InvalidInput):
            storage.put(key, io.BytesIO(b"x"))

    @pytest.mark.parametrize("prefix", ["../", "..", "a/../../", "/", "/etc/"])
    def test_a_listing_cannot_climb(self, storage: Storage, prefix: str) -> None:
        with pytest.raises(InvalidInput):
            list(storage.list(prefix))

    def test_a_url_of_another_store_has_no_key(self, storage: Storage) -> None:
        for url in ("file:///etc/passwd", "s3://other/a", "gs://other/a", storage.url("x")[:-1]):
            with pytest.raises(InvalidInput):
                storage.key(url)

    def test_putting_again_replaces(self, storage: Storage) -> None:
        storage.put(KEY, io.BytesIO(b"one"))
        storage.put(KEY, io.BytesIO(b"two"))
        with storage.open(KEY) as stream:
            assert stream.read() == b"two"

    def test_a_broken_upload_leaves_what_was_there(self, storage: Storage) -> None:
        storage.put(KEY, io.BytesIO(b"good"))
        with pytest.raises(Exception, match=r"client went away|away|local storage"):
            storage.put(KEY, Broken(b"y" * 3_000_000))
        with storage.open(KEY) as stream:
            assert stream.read() == b"good"

    def test_a_missing_object_is_not_found(self, storage: Storage) -> None:
        assert not storage.exists(KEY)
        with pytest.raises(NotFound), storage.open(KEY):
            pass

    def test_deleting_twice_is_no_error(self, storage: Storage) -> None:
        storage.put(KEY, io.BytesIO(b"x"))
        storage.delete(KEY)
        storage.delete(KEY)
        assert not storage.exists(KEY)

    def test_moving_twice_is_no_error(self, storage: Storage) -> None:
        storage.put(KEY, io.BytesIO(b"x"))
        storage.move(KEY, "0f0e/quarantine/1")
        storage.move(KEY, "0f0e/quarantine/1")
        assert not storage.exists(KEY)
        assert storage.exists("0f0e/quarantine/1")

    def test_what_was_moved_is_what_was_put(self, storage: Storage) -> None:
        data = random.Random(8).randbytes(9_000_000)
        storage.put(KEY, io.BytesIO(data), content_type="text/csv")
        storage.move(KEY, "0f0e/quarantine/1")
        with storage.open("0f0e/quarantine/1") as stream:
            assert stream.read() == data

    def test_a_move_that_was_cut_short_is_done_again(self, storage: Storage) -> None:
        storage.put(KEY, io.BytesIO(b"new"))
        storage.put("0f0e/quarantine/1", io.BytesIO(b"half"))
        storage.move(KEY, "0f0e/quarantine/1")
        assert not storage.exists(KEY)
        with storage.open("0f0e/quarantine/1") as stream:
            assert stream.read() == b"new"

    def test_moving_nothing_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFound):
            storage.move(KEY, "0f0e/quarantine/1")

    def test_listing_names_the_keys_below_a_prefix(self, storage: Storage) -> None:
        for key in ("a/files/1", "a/files/2", "a/work/1/x", "ab/files/1"):
            storage.put(key, io.BytesIO(b"x"))
        assert keys(storage, "a/files/") == ["a/files/1", "a/files/2"]
        assert keys(storage, "a/") == ["a/files/1", "a/files/2", "a/work/1/x"]
        assert keys(storage, "nothing/") == []

    def test_listing_everything_names_what_is_in_the_store_and_nothing_else(
        self, storage: Storage
    ) -> None:
        for key in ("a/files/1", "b/files/2"):
            storage.put(key, io.BytesIO(b"x"))
        assert keys(storage, "") == ["a/files/1", "b/files/2"]
        assert keys(storage, "a") == ["a/files/1"]
        assert keys(storage, "a/files/1") == ["a/files/1"]

    def test_listing_says_how_large_an_object_is_and_since_when_it_is_there(
        self, storage: Storage
    ) -> None:
        # a day of slack: the clock of a store need not be ours
        slack = dt.timedelta(days=1)
        storage.put(KEY, io.BytesIO(b"x" * 12))
        storage.move(KEY, "0f0e/quarantine/1")
        [listed] = storage.list("0f0e/")
        assert (listed.key, listed.size_bytes) == ("0f0e/quarantine/1", 12)
        assert abs(dt.datetime.now(dt.UTC) - listed.modified_at) < slack

    def test_objects_may_be_deleted_while_they_are_listed(self, storage: Storage) -> None:
        for number in range(5):
            storage.put(f"a/files/{number}", io.BytesIO(b"x"))
        for listed in storage.list("a/"):
            storage.delete(listed.key)
        assert keys(storage, "a/") == []
