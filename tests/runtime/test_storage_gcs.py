"""The storage on Google Cloud, against the emulator over HTTP: the contract, faults, links."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.oauth2 import service_account

from core.errors import DamagedObject, Misconfigured, Unavailable
from core.ports import Storage
from runtime.adapters.storage_gcs import GcsStorage, make_client
from tests.storage_contract import KEY, StorageContract, keys
from tests.storage_peers import BUCKET, Fault, FaultyProxy, gcs_server

DATA = random.Random(1).randbytes(9 * 1024**2 + 17)
PIECE = 1024**2
EMAIL = "tonnage@example.iam.gserviceaccount.com"


@pytest.fixture
def address() -> Iterator[str]:
    with gcs_server() as found:
        yield found


@pytest.fixture
def proxy(address: str) -> Iterator[FaultyProxy]:
    with FaultyProxy(address).running() as running:
        yield running


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def key_file(key: rsa.RSAPrivateKey, tmp_path: Path) -> Path:
    """A service account's file, as Google hands it out."""
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account", "project_id": "example", "private_key_id": "1",
        "private_key": pem.decode(), "client_email": EMAIL, "client_id": "1",
        "token_uri": "https://oauth2.invalid/token",
    }  # fmt: skip
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    return path


def make(address: str, **options: Any) -> GcsStorage:
    client, signer = make_client(endpoint=address, credentials_file=options.pop("key_file", None))
    return GcsStorage(client, BUCKET, **{"signer": signer, **options})


@pytest.fixture
def faulty(proxy: FaultyProxy) -> Iterator[GcsStorage]:
    storage = make(proxy.address, timeout_s=0.5, piece_bytes=PIECE)
    yield storage
    storage.client.close()


class TestContract(StorageContract):
    @pytest.fixture
    def storage(self, address: str) -> Iterator[Storage]:
        storage = make(address)
        yield storage
        storage.client.close()


class TestContractBelowAPrefix(StorageContract):
    @pytest.fixture
    def storage(self, address: str) -> Iterator[Storage]:
        whole = make(address)
        whole.put("tonnage-other/a/files/1", io.BytesIO(b"not ours"))
        storage = make(address, prefix="/tonnage/", piece_bytes=PIECE)
        yield storage
        whole.client.close()
        storage.client.close()


def test_type_and_hash_are_kept_with_the_object(faulty: GcsStorage) -> None:
    faulty.put(KEY, io.BytesIO(b"data"), content_type="text/csv")
    blob = faulty.bucket.get_blob(KEY)
    assert blob.content_type == "text/csv"
    assert blob.metadata == {"sha256": hashlib.sha256(b"data").hexdigest()}
    faulty.move(KEY, "0f0e/quarantine/1")
    moved = faulty.bucket.get_blob("0f0e/quarantine/1")
    assert (moved.content_type, moved.metadata) == (blob.content_type, blob.metadata)


def test_a_large_object_is_uploaded_resumably_and_read_by_ranges(
    faulty: GcsStorage, proxy: FaultyProxy
) -> None:
    faulty.put(KEY, io.BytesIO(DATA))
    assert [method for method, _ in proxy.seen] == ["POST"] + ["PUT"] * 10
    assert "uploadType=resumable" in proxy.seen[0][1]
    proxy.seen.clear()
    with faulty.open(KEY) as stream:
        assert stream.read() == DATA
    assert [method for method, _ in proxy.seen] == ["GET"] * 11


def test_a_chunk_that_fails_leaves_the_old_object(faulty: GcsStorage, proxy: FaultyProxy) -> None:
    faulty.put(KEY, io.BytesIO(b"old"))
    sent: list[str] = []

    def fifth(method: str, path: str) -> bool:
        sent.extend([path] if method == "PUT" else [])
        return method == "PUT" and len(sent) == 5

    proxy.faults = [Fault(fifth, status=503)]
    with pytest.raises(Unavailable):
        faulty.put(KEY, io.BytesIO(DATA))
    assert len(sent) == 5  # nothing was tried again
    with faulty.open(KEY) as stream:
        assert stream.read() == b"old"


@pytest.mark.parametrize("size", [1000, len(DATA)], ids=["in one request", "resumable"])
def test_a_byte_that_changes_on_the_way_in_makes_no_object(
    faulty: GcsStorage, proxy: FaultyProxy, size: int
) -> None:
    faulty.put(KEY, io.BytesIO(b"old"))
    proxy.faults = [
        Fault(lambda method, path: method == "PUT" or "multipart" in path, garble=True, times=1)
    ]
    with pytest.raises(Unavailable):
        faulty.put(KEY, io.BytesIO(DATA[:size]))
    with faulty.open(KEY) as stream:
        assert stream.read() == b"old"


@pytest.mark.parametrize(
    "kind",
    [{"status": 500}, {"status": 503}, {"status": 403}, {"close": True}, {"delay_s": 0.8}],
    ids=["broken", "busy", "forbidden", "hangs up", "slow"],
)
def test_a_store_that_does_not_answer_well_is_unavailable(
    faulty: GcsStorage, proxy: FaultyProxy, kind: dict[str, Any]
) -> None:
    faulty.put(KEY, io.BytesIO(b"x"))
    proxy.faults = [Fault(lambda *_: True, **kind)]
    proxy.seen.clear()
    calls = (
        lambda: faulty.put(KEY, io.BytesIO(b"y")),
        lambda: faulty.put(KEY, io.BytesIO(DATA)),
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
    assert len(proxy.seen) == len(calls)  # the library tries nothing again


def test_a_store_that_is_not_there_is_unavailable() -> None:
    storage = make("http://127.0.0.1:1")
    with pytest.raises(Unavailable):
        storage.exists(KEY)
    storage.client.close()


def test_a_bucket_that_is_not_there_is_unavailable_to_who_writes(address: str) -> None:
    client, _ = make_client(endpoint=address)
    storage = GcsStorage(client, "no-such-bucket")
    with pytest.raises(Unavailable):
        storage.put(KEY, io.BytesIO(b"x"))
    with pytest.raises(Unavailable):
        list(storage.list(""))
    client.close()


@pytest.mark.parametrize("kind", [{"cut": True}, {"status": 503}, {"delay_s": 0.8}])
def test_a_read_that_breaks_off_is_unavailable(
    faulty: GcsStorage, proxy: FaultyProxy, kind: dict[str, Any]
) -> None:
    faulty.put(KEY, io.BytesIO(DATA))
    with faulty.open(KEY) as stream:
        stream.read(PIECE)
        proxy.faults = [Fault(lambda method, _: method == "GET", **kind)]
        with pytest.raises(Unavailable):
            stream.read()


def test_a_byte_that_changed_on_the_way_out_is_found_out(
    faulty: GcsStorage, proxy: FaultyProxy
) -> None:
    faulty.put(KEY, io.BytesIO(DATA))
    proxy.faults = [Fault(lambda _, path: "alt=media" in path, flip=True, times=1)]
    with pytest.raises(DamagedObject), faulty.open(KEY) as stream:
        stream.read()
    with faulty.open(KEY) as stream:
        assert stream.read() == DATA


def test_an_object_that_someone_else_put_is_not_believed(faulty: GcsStorage) -> None:
    faulty.bucket.blob(KEY).upload_from_string(b"no hash")
    with pytest.raises(DamagedObject), faulty.open(KEY):
        pass


def test_a_listing_asks_for_what_it_needs_only(faulty: GcsStorage, proxy: FaultyProxy) -> None:
    faulty.put(KEY, io.BytesIO(b"x"))
    assert keys(faulty, "") == [KEY]
    assert "fields=items" in proxy.seen[-1][1]


def test_a_signed_link_downloads_under_its_name(address: str, key_file: Path) -> None:
    storage = make(address, key_file=key_file)
    storage.put(KEY, io.BytesIO(b"a;b"), content_type="text/csv")
    url = storage.signed_url(KEY, filename="Ü.csv", content_type="text/csv", expires_s=90)
    answer = httpx.get(url)
    assert answer.content == b"a;b"
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"_.csv\"; filename*=UTF-8''%C3%9C.csv"
    )
    storage.client.close()


def test_the_signature_of_a_link_is_what_google_s_v4_process_says(
    key: rsa.RSAPrivateKey, key_file: Path
) -> None:
    """The emulator looks at no signature: recompute what is signed, by the published steps."""
    client, _ = make_client(endpoint="http://storage.example.org", credentials_file=key_file)
    signer = service_account.Credentials.from_service_account_file(str(key_file))
    storage = GcsStorage(client, BUCKET, signer=signer)
    url = storage.signed_url(KEY, filename="a b.csv", content_type="text/csv", expires_s=90)
    parts = urlsplit(url)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    signature = bytes.fromhex(asked.pop("X-Goog-Signature"))
    assert asked["X-Goog-Expires"] == "90"
    assert asked["response-content-disposition"].startswith("attachment; ")
    query = "&".join(f"{n}={quote(v, safe='-_.~')}" for n, v in sorted(asked.items()))
    request = "\n".join(
        ("GET", parts.path, query, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD")
    )
    scope = asked["X-Goog-Credential"].removeprefix(f"{EMAIL}/")
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join((asked["X-Goog-Algorithm"], asked["X-Goog-Date"], scope, hashed))
    key.public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    client.close()


def test_credentials_that_cannot_sign_are_told_so(address: str) -> None:
    storage = make(address)
    with pytest.raises(Misconfigured, match="service account"):
        storage.signed_url(KEY, filename="a", content_type="text/csv", expires_s=90)
    storage.client.close()
