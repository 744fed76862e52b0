"""Object storage on Google Cloud Storage."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import google.auth
import google_crc32c
from google.api_core.exceptions import GoogleAPIError
from google.api_core.exceptions import NotFound as Missing
from google.auth.credentials import AnonymousCredentials, Signing
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.cloud.storage import Bucket, Client
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.oauth2 import service_account
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from core.disposition import attachment
from core.errors import DamagedObject, InvalidInput, Misconfigured, NotFound, Unavailable
from core.ports import ListedObject, StoredObject
from runtime.adapters.measuring import SHA256, measured, verified

CONNECT_TIMEOUT_S = 5
PIECE_BYTES = 8 * 1024**2  # of a resumable upload and of a read: held in memory; n × 256 KiB
CONNECTIONS = 50
AWAY = (
    GoogleAPIError, GoogleAuthError, InvalidResponse, RequestException, HTTPError, ConnectionError,
)  # fmt: skip
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def make_client(
    *, endpoint: str | None = None, credentials_file: Path | None = None
) -> tuple[Client, Any]:
    """Return a client and what signs its links: a key file, else the environment's credentials.

    No credentials are sent to an endpoint without TLS: an emulator.
    """
    signer: Any = None
    project: str | None = "none"  # asked for by the library, and by no call of ours
    if credentials_file is not None:
        signer = service_account.Credentials.from_service_account_file(
            str(credentials_file), scopes=[SCOPE]
        )
    plain = endpoint is not None and urlsplit(endpoint).scheme == "http"
    if signer is None and not plain:
        signer, found = google.auth.default(scopes=[SCOPE])
        project = found or project
    client = Client(
        project=project,
        credentials=AnonymousCredentials() if plain else signer,
        client_options={"api_endpoint": endpoint} if endpoint else None,
    )
    # It would ask for the bucket's metadata behind our back, in a thread that tries for minutes.
    client._bucket_metadata_cache = None
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=CONNECTIONS))
    return client, signer


class GcsStorage:
    """core.ports.Storage over a bucket, or a prefix within one."""

    def __init__(
        self,
        client: Client,
        bucket: str,
        *,
        prefix: str = "",
        signer: Any = None,
        timeout_s: float = 60,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self.client = client
        self.bucket = Bucket(client, bucket)
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.signer = signer
        self.piece_bytes = piece_bytes
        # With every call. The library's own retries are off: they would be Temporal's twice.
        self.patience: dict[str, Any] = {"timeout": (CONNECT_TIMEOUT_S, timeout_s), "retry": None}

    def name(self, key: str) -> str:
        """Return the name of `key` within the bucket. Raises InvalidInput."""
        if not key or key.startswith("/") or ".." in key.split("/") or "\0" in key:
            raise InvalidInput("not a storage key")
        return self.prefix + key

    def url(self, key: str) -> str:
        """Return the gs:// URL of `key`."""
        return f"gs://{self.bucket.name}/{self.name(key)}"

    def key(self, url: str) -> str:
        """Return the key of a URL that `url` made."""
        start = f"gs://{self.bucket.name}/{self.prefix}"
        if not url.startswith(start) or len(url) == len(start):
            raise InvalidInput("the stored path lies outside this store")
        return url.removeprefix(start)

    def put(self, key: str, source: BinaryIO, *, content_type: str | None = None) -> StoredObject:
        """Upload, beyond 8 MiB resumably; the store compares CRC32C before there is an object."""
        crc = google_crc32c.Checksum()
        with measured(source, crc) as found:
            blob = self.bucket.blob(self.name(key), chunk_size=self.piece_bytes)
            blob.metadata = {SHA256: found.sha256}
            with translated(missing=Unavailable):
                blob.upload_from_file(
                    found.source,
                    size=found.size_bytes,
                    content_type=content_type or "application/octet-stream",
                    checksum="crc32c",
                    crc32c_checksum_value=base64.b64encode(crc.digest()).decode(),
                    **self.patience,
                )
        return StoredObject(key, self.url(key), found.size_bytes, found.sha256)

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Open an object for streaming reads."""
        with translated():
            blob = self.bucket.get_blob(self.name(key), **self.patience)
        if blob is None:
            raise NotFound("no such object")
        if (expected := (blob.metadata or {}).get(SHA256)) is None:
            raise DamagedObject("a stored object has no hash; was it put here by other means?")
        yield verified(self.pieces(blob), size_bytes=blob.size, sha256=expected)

    def pieces(self, blob: Any) -> Iterator[bytes]:
        """Yield what an object holds, a range a request, all of the same generation."""
        for start in range(0, blob.size, self.piece_bytes):
            with translated():
                yield blob.download_as_bytes(
                    start=start,
                    end=min(start + self.piece_bytes, blob.size) - 1,
                    raw_download=True,
                    checksum=None,  # the server knows one of the whole only
                    if_generation_match=blob.generation,
                    **self.patience,
                )

    def exists(self, key: str) -> bool:
        """Tell whether there is an object at `key`."""
        with translated():
            return bool(self.bucket.blob(self.name(key)).exists(**self.patience))

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        with contextlib.suppress(NotFound), translated():
            self.bucket.blob(self.name(key)).delete(**self.patience)

    def move(self, source_key: str, target_key: str) -> None:
        """Copy on the store's side, then remove; one that was moved before is no error."""
        source = self.bucket.blob(self.name(source_key))
        target = self.bucket.blob(self.name(target_key))
        try:
            with translated():
                token, _, _ = target.rewrite(source, **self.patience)
                while token is not None:
                    token, _, _ = target.rewrite(source, token=token, **self.patience)
        except NotFound:
            if self.exists(target_key):
                return
            raise
        self.delete(source_key)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with `prefix`, by key."""
        if prefix.startswith("/") or ".." in prefix.split("/"):
            raise InvalidInput("not a storage prefix")
        found = self.client.list_blobs(
            self.bucket, prefix=self.prefix + prefix or None,
            fields="items(name,size,timeCreated),nextPageToken", **self.patience,
        )  # fmt: skip
        blobs = iter(found)
        while True:
            with translated(missing=Unavailable):
                blob = next(blobs, None)
            if blob is None:
                return
            made = blob.time_created or dt.datetime.now(dt.UTC)
            yield ListedObject(blob.name.removeprefix(self.prefix), blob.size, made)

    def signed_url(self, key: str, *, filename: str, content_type: str, expires_s: int) -> str:
        """Return a link signed as V4: by our key, or by IAM for credentials that hold none."""
        with translated():
            url: str = self.bucket.blob(self.name(key)).generate_signed_url(
                version="v4",
                expiration=dt.timedelta(seconds=expires_s),
                method="GET",
                response_disposition=attachment(filename),
                response_type=content_type,
                api_access_endpoint=self.client.api_endpoint,
                **self.signing(),
            )
        return url

    def signing(self) -> dict[str, Any]:
        """Return with what links are signed. Raises Misconfigured where nothing can."""
        if isinstance(self.signer, Signing):
            return {"credentials": self.signer}
        email = getattr(self.signer, "service_account_email", None)
        if email is None:
            raise Misconfigured("download links need the credentials of a service account")
        if not self.signer.valid:
            self.signer.refresh(Request())
        return {"service_account_email": email, "access_token": self.signer.token}


@contextlib.contextmanager
def translated(*, missing: type[NotFound | Unavailable] = NotFound) -> Iterator[None]:
    """Raise NotFound or Unavailable for what the store says, without the names it speaks of.

    Where no object is asked for, it is the bucket that is missing: an operator's business.
    """
    try:
        yield
    except Missing as error:
        raise missing("no such object" if missing is NotFound else "no such bucket") from error
    except DataCorruption as error:
        raise DamagedObject("an object changed on its way to the store") from error
    except AWAY as error:
        code = getattr(error, "code", None)
        said = f"answers {code:d}" if isinstance(code, int) else f"is away: {type(error).__name__}"
        raise Unavailable(f"the object store {said}") from error
