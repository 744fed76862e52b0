"""The storage on S3, against moto's server over HTTP: the contract, faults, parts, links."""

from __future__ import annotations

import base64
import hashlib
import io
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from core.errors import DamagedObject, NotFound, Unavailable
from core.ports import Storage
from runtime.adapters.storage_s3 import S3Storage, make_client
from tests.storage_contract import KEY, StorageContract, keys
from tests.storage_peers import BUCKET, Fault, FaultyProxy, moto_server

PART = 5 * 1024**2
DATA = random.Random(1).randbytes(3 * PART + 17)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as address:
        yield address


def client_of(address: str, **options: Any) -> Any:
    return make_client(endpoint=address, region="us-east-1", path_style=True, **options)


@pytest.fixture
def address(server: str) -> str:
    """An empty bucket."""
    client = client_of(server)
    for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=found["Key"])
    client.close()
    return server


@pytest.fixture
def proxy(address: str) -> Iterator[FaultyProxy]:
    with FaultyProxy(address).running() as running:
        yield running


@pytest.fixture
def faulty(proxy: FaultyProxy) -> Iterator[S3Storage]:
    client = client_of(proxy.address, timeout_s=0.5)
    yield S3Storage(client, BUCKET, part_bytes=PART)
    client.close()


class TestContract(StorageContract):
    @pytest.fixture
    def storage(self, address: str) -> Iterator[Storage]:
        client = client_of(address)
        yield S3Storage(client, BUCKET)
        client.close()


class TestContractBelowAPrefix(StorageContract):
    @pytest.fixture
    def storage(self, address: str) -> Iterator[Storage]:
        client = client_of(address)
        client.put_object(Bucket=BUCKET, Key="tonnage-other/a/files/1", Body=b"not ours")
        yield S3Storage(client, BUCKET, prefix="/tonnage/", copy_bytes=PART, part_bytes=PART)
        client.close()


def test_a_listing_goes_on_over_pages(address: str, proxy: FaultyProxy) -> None:
    class Small:
        """A client whose pages hold two keys."""

        def __init__(self, client: Any) -> None:
            self.client = client

        def __getattr__(self, name: str) -> Any:
            return getattr(self.client, name)

        def list_objects_v2(self, **asked: Any) -> Any:
            return self.client.list_objects_v2(**asked, MaxKeys=2)

    client = client_of(proxy.address)
    storage = S3Storage(Small(client), BUCKET)
    names = [f"a/files/{number}" for number in range(5)]
    for name in names:
        storage.put(name, io.BytesIO(b"x"))
    assert keys(storage, "a/") == names
    assert sum("list-type=2" in path for _, path in proxy.seen) == 3
    for listed in storage.list("a/"):
        storage.delete(listed.key)
    assert keys(storage, "a/") == []
    client.close()


def checksum_of(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_type_and_hash_are_kept_with_the_object_and_its_checksum_is_sent(
    faulty: S3Storage, proxy: FaultyProxy
) -> None:
    faulty.put(KEY, io.BytesIO(b"data"), content_type="text/csv")
    assert proxy.headers[-1]["x-amz-checksum-sha256"] == checksum_of(b"data")
    head = faulty.client.head_object(Bucket=BUCKET, Key=KEY)
    assert head["ContentType"] == "text/csv"
    assert head["Metadata"] == {"sha256": hashlib.sha256(b"data").hexdigest()}


def test_a_large_object_goes_in_parts_with_a_checksum_each(
    faulty: S3Storage, proxy: FaultyProxy
) -> None:
    faulty.put(KEY, io.BytesIO(DATA))
    parts = [path for method, path in proxy.seen if method == "PUT"]
    assert [parse_qs(urlsplit(path).query)["partNumber"] for path in parts] == [
        [str(number)] for number in range(1, 5)
    ]
    sent = [one["x-amz-checksum-sha256"] for one in proxy.headers if "x-amz-checksum-sha256" in one]
    assert sent == [checksum_of(DATA[start : start + PART]) for start in range(0, len(DATA), PART)]
    with faulty.open(KEY) as stream:
        assert stream.read() == DATA


def test_a_part_that_fails_leaves_the_old_object_and_no_half_upload(
    faulty: S3Storage, proxy: FaultyProxy
) -> None:
    faulty.put(KEY, io.BytesIO(b"old"))
    proxy.faults = [Fault(lambda method, path: "partNumber=3" in path, status=503)]
    with pytest.raises(Unavailable):
        faulty.put(KEY, io.BytesIO(DATA))
    with faulty.open(KEY) as stream:
        assert stream.read() == b"old"
    assert "Uploads" not in faulty.client.list_multipart_uploads(Bucket=BUCKET)


def test_a_large_object_is_copied_in_parts_on_the_store_s_side(proxy: FaultyProxy) -> None:
    client = client_of(proxy.address)
    storage = S3Storage(client, BUCKET, copy_bytes=PART)
    storage.put(KEY, io.BytesIO(DATA), content_type="text/csv")
    proxy.seen.clear()
    storage.move(KEY, "0f0e/quarantine/1")
    assert not [path for method, path in proxy.seen if method == "GET"]
    assert client.head_object(Bucket=BUCKET, Key="0f0e/quarantine/1")["ContentType"] == "text/csv"
    with storage.open("0f0e/quarantine/1") as stream:
        assert stream.read() == DATA
    client.close()


@pytest.mark.parametrize(
    "kind",
    [{"status": 500}, {"status": 503}, {"status": 403}, {"close": True}, {"delay_s": 1.2}],
    ids=["broken", "busy", "forbidden", "hangs up", "slow"],
)
def test_a_store_that_does_not_answer_well_is_unavailable(
    faulty: S3Storage, proxy: FaultyProxy, kind: dict[str, Any]
) -> None:
    faulty.put(KEY, io.BytesIO(b"x"))
    proxy.faults = [Fault(lambda *_: True, **kind)]
    proxy.seen.clear()
    calls = (
        lambda: faulty.put(KEY, io.BytesIO(b"y")),
        lambda: faulty.open(KEY).__enter__(),
        lambda: faulty.exists(KEY),
        lambda: faulty.delete(KEY),
        lambda: faulty.move(KEY, "a/b"),
        lambda: list(faulty.list("")),
    )
    for call in calls:
        with pytest.raises(Unavailable) as caught:
            call()
        assert KEY not in caught.value.message
    assert len(proxy.seen) <= 2 * len(calls)  # what the library repeats is bounded


def test_a_refused_moment_is_survived(faulty: S3Storage, proxy: FaultyProxy) -> None:
    proxy.faults = [Fault(lambda *_: True, close=True, times=1)]
    faulty.put(KEY, io.BytesIO(b"x"))
    assert faulty.exists(KEY)


def test_a_store_that_is_not_there_is_unavailable() -> None:
    client = client_of("http://127.0.0.1:1")
    with pytest.raises(Unavailable):
        S3Storage(client, BUCKET).exists(KEY)
    client.close()


def test_a_bucket_that_is_not_there_is_unavailable_to_who_writes(address: str) -> None:
    client = client_of(address)
    storage = S3Storage(client, "no-such-bucket")
    with pytest.raises(Unavailable):
        storage.put(KEY, io.BytesIO(b"x"))
    with pytest.raises(Unavailable):
        list(storage.list(""))
    client.close()


def test_a_body_that_is_cut_short_is_no_object(faulty: S3Storage, proxy: FaultyProxy) -> None:
    faulty.put(KEY, io.BytesIO(b"z" * 1_000_000))
    proxy.faults = [Fault(lambda method, _: method == "GET", cut=True)]
    with pytest.raises(Unavailable), faulty.open(KEY) as stream:
        stream.read()


def test_a_byte_that_changed_on_the_way_is_found_out(faulty: S3Storage, proxy: FaultyProxy) -> None:
    faulty.put(KEY, io.BytesIO(b"z" * 1_000_000))
    proxy.faults = [Fault(lambda method, _: method == "GET", flip=True, times=1)]
    with pytest.raises(DamagedObject), faulty.open(KEY) as stream:
        stream.read()
    with faulty.open(KEY) as stream:
        assert stream.read() == b"z" * 1_000_000


def test_an_object_that_someone_else_put_is_not_believed(faulty: S3Storage) -> None:
    faulty.client.put_object(Bucket=BUCKET, Key=KEY, Body=b"no hash")
    with pytest.raises(DamagedObject), faulty.open(KEY):
        pass


def test_an_object_that_goes_between_listing_and_reading_is_not_found(faulty: S3Storage) -> None:
    with pytest.raises(NotFound), faulty.open("a/files/gone"):
        pass


def test_a_presigned_link_downloads_under_its_name_and_says_when_it_ends(
    address: str,
) -> None:
    client = client_of(address)
    storage = S3Storage(client, BUCKET)
    storage.put(KEY, io.BytesIO(b"a;b"), content_type="text/csv")
    url = storage.signed_url(
        KEY, filename='Übersicht "2024".csv', content_type="text/csv", expires_s=90
    )
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert asked["X-Amz-Expires"] == "90"
    answer = httpx.get(url)
    assert answer.content == b"a;b"
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="_bersicht _2024_.csv"; '
        "filename*=UTF-8''%C3%9Cbersicht%20%222024%22.csv"
    )
    client.close()


def test_links_lead_to_the_address_that_clients_reach(address: str) -> None:
    client, signer = client_of(address), client_of("https://files.example.org")
    storage = S3Storage(client, BUCKET, signer=signer)
    url = storage.signed_url(KEY, filename="a", content_type="text/csv", expires_s=90)
    assert url.startswith(f"https://files.example.org/{BUCKET}/{KEY}?")
    client.close()
    signer.close()
