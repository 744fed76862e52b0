"""Object storage in a directory: the embedded default. Atomic, durable, with signed links."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from core.errors import InvalidInput, NotFound, Unavailable
from core.ports import ListedObject, SignedDownload, StoredObject

CHUNK_BYTES = 1024 * 1024
TEMPORARY = ".incoming-"


class LocalStorage:
    """core.ports.Storage over a directory tree."""

    def __init__(
        self,
        root: Path,
        *,
        public_url: str,
        secret: bytes,
        previous: Sequence[bytes] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.root = root.resolve()
        self.public_url = public_url.rstrip("/")
        # A key of its own: a download link must never pass for another kind of signed token.
        # The first signs; links that one of the others signed stay valid until they expire.
        self.signing_keys = [
            hmac.digest(one, b"tonnage download links", "sha256") for one in (secret, *previous)
        ]
        self.clock = clock
        self.root.mkdir(parents=True, exist_ok=True)

    def url(self, key: str) -> str:
        """Return the file:// URL of `key`."""
        return f"file://{quote(str(self.path(key)))}"

    def key(self, url: str) -> str:
        """Return the key of a URL that `url` made."""
        path = Path(unquote(urlsplit(url).path))
        try:
            return str(PurePosixPath(path.relative_to(self.root)))
        except ValueError:
            raise InvalidInput("the stored path lies outside this store") from None

    def path(self, key: str) -> Path:
        """Return the path of `key`; raise InvalidInput for one that climbs out of the store."""
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts or "\0" in key:
            raise InvalidInput("not a storage key")
        return self.root.joinpath(*parts)

    def put(
        self,
        key: str,
        source: BinaryIO,
        *,
        content_type: str | None = None,  # noqa: ARG002 — a directory keeps none
    ) -> StoredObject:
        """Write to a neighbour, sync, rename: a reader sees all of it or nothing."""
        target = self.path(key)
        digest = hashlib.sha256()
        size = 0
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=target.parent)
            try:
                with os.fdopen(handle, "wb") as sink:
                    while chunk := source.read(CHUNK_BYTES):
                        digest.update(chunk)
                        size += len(chunk)
                        sink.write(chunk)
                    sink.flush()
                    os.fsync(sink.fileno())
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            sync_directory(target.parent)
        except OSError as error:
            raise Unavailable(f"local storage: {error.strerror}") from error
        return StoredObject(key=key, url=self.url(key), size_bytes=size, sha256=digest.hexdigest())

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Open an object for streaming reads."""
        try:
            stream = self.path(key).open("rb")
        except (FileNotFoundError, IsADirectoryError):
            raise NotFound("no such object") from None
        with stream:
            yield stream

    def exists(self, key: str) -> bool:
        """Tell whether there is an object at `key`."""
        return self.path(key).is_file()

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        self.path(key).unlink(missing_ok=True)

    def move(self, source_key: str, target_key: str) -> None:
        """Rename; one that was moved before is no error."""
        source, target = self.path(source_key), self.path(target_key)
        if not source.is_file():
            if target.is_file():
                return
            raise NotFound("no such object")
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        sync_directory(target.parent)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects below `prefix`, by key."""
        if prefix.startswith("/") or ".." in PurePosixPath(prefix).parts:
            raise InvalidInput("not a storage prefix")
        folder = self.root / prefix.rpartition("/")[0]  # never above the root, not even for ""
        if not folder.is_dir():
            return
        for path in sorted(folder.rglob("*")):
            key = str(PurePosixPath(path.relative_to(self.root)))
            if not key.startswith(prefix) or path.name.startswith(TEMPORARY):
                continue
            try:
                found = path.stat()
            except FileNotFoundError:  # deleted while it was listed
                continue
            if stat.S_ISREG(found.st_mode):
                changed = dt.datetime.fromtimestamp(found.st_ctime, dt.UTC)
                yield ListedObject(key, found.st_size, changed)

    def signed_url(self, key: str, *, filename: str, content_type: str, expires_s: int) -> str:
        """Return a link to the API's own download route."""
        grant = {
            "key": key,
            "filename": filename,
            "content_type": content_type,
            "expires": int(self.clock()) + expires_s,
        }
        body = encode(json.dumps(grant, separators=(",", ":")).encode())
        return f"{self.public_url}/v1/downloads?token={body}.{encode(self.signatures(body)[0])}"

    def read_token(self, token: str) -> SignedDownload:
        """Return what a link grants; a forged or expired one raises NotFound."""
        body, _, signature = token.partition(".")
        try:
            given = decode(signature)
            genuine = any(hmac.compare_digest(given, one) for one in self.signatures(body))
            grant = json.loads(decode(body)) if genuine else None
        except ValueError:
            grant = None
        if not grant or grant["expires"] < self.clock():
            raise NotFound("this download link is not valid, or no longer")
        return SignedDownload(grant["key"], grant["filename"], grant["content_type"])

    def signatures(self, body: str) -> tuple[bytes, ...]:
        """Return the signature of an encoded grant by each key."""
        return tuple(hmac.digest(key, body.encode(), "sha256") for key in self.signing_keys)


def sync_directory(path: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def encode(raw: bytes) -> str:
    """Return unpadded URL-safe base64."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of unpadded URL-safe base64; ValueError if it is none."""
    return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
