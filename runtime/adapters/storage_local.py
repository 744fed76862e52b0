"""Object storage in a directory: the embedded default. Atomic, durable, with signed links."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import errno
import hashlib
import hmac
import json
import logging
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
from runtime.adapters.measuring import CHUNK_BYTES, verified

TEMPORARY = ".incoming-"
BROKEN_S = 24 * 3600  # nothing is written for so long
# Renamed and replaced together with the bytes it speaks of, which a file beside it would not be.
HASH_ATTRIBUTE = "user.tonnage.sha256"
# The file system, or the platform, keeps no attributes.
UNKEPT = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EINVAL)

log = logging.getLogger("tonnage.storage")


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
        parts = urlsplit(url)
        path = Path(unquote(parts.path))
        if parts.scheme != "file" or path == self.root or self.root not in path.parents:
            raise InvalidInput("the stored path lies outside this store")
        return str(PurePosixPath(path.relative_to(self.root)))

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
        with translated():
            self.make_folder(target.parent)
            handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=target.parent)
            try:
                with os.fdopen(handle, "wb") as sink:
                    while chunk := source.read(CHUNK_BYTES):
                        digest.update(chunk)
                        size += len(chunk)
                        sink.write(chunk)
                    keep_hash(sink.fileno(), digest.hexdigest())
                    sink.flush()
                    os.fsync(sink.fileno())
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            sync_directory(target.parent)
        return StoredObject(key=key, url=self.url(key), size_bytes=size, sha256=digest.hexdigest())

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Open an object for streaming reads."""
        with translated():
            stream = self.path(key).open("rb")
        with stream:
            with translated():
                size = os.fstat(stream.fileno()).st_size
                expected = kept_hash(stream.fileno())
            yield verified(pieces(stream), size_bytes=size, sha256=expected)

    def exists(self, key: str) -> bool:
        """Tell whether there is an object at `key`."""
        try:
            with translated():
                return stat.S_ISREG(self.path(key).stat().st_mode)
        except NotFound:
            return False

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        with contextlib.suppress(NotFound), translated():
            self.path(key).unlink()

    def move(self, source_key: str, target_key: str) -> None:
        """Rename; one that was moved before is no error."""
        source, target = self.path(source_key), self.path(target_key)
        if not self.exists(source_key):
            if self.exists(target_key):
                return
            raise NotFound("no such object")
        with translated():
            self.make_folder(target.parent)
            source.replace(target)
            sync_directory(target.parent)
            sync_directory(source.parent)

    def make_folder(self, folder: Path) -> None:
        """Make a folder that is still there after a power cut: each new one within its parent."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            new.mkdir(exist_ok=True)
            sync_directory(new.parent)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects below `prefix`, by key."""
        if prefix.startswith("/") or ".." in PurePosixPath(prefix).parts:
            raise InvalidInput("not a storage prefix")
        folder = self.root / prefix.rpartition("/")[0]  # never above the root, not even for ""
        with translated():
            found = sorted(folder.rglob("*")) if folder.is_dir() else []
        for path in found:
            key = str(PurePosixPath(path.relative_to(self.root)))
            if not key.startswith(prefix):
                continue
            if path.name.startswith(TEMPORARY):
                self.forget_broken(path)
                continue
            try:
                with translated():
                    status = path.stat()
            except NotFound:  # deleted while it was listed
                continue
            if stat.S_ISREG(status.st_mode):
                changed = dt.datetime.fromtimestamp(status.st_ctime, dt.UTC)
                yield ListedObject(key, status.st_size, changed)

    @staticmethod
    def forget_broken(path: Path) -> None:
        """Remove what a process left that was killed while it wrote; nobody else would know it.

        The nightly comparison of store and database lists everything.
        """
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - BROKEN_S:
                path.unlink()

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


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise NotFound or Unavailable for what the operating system says; names stay out of it."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound("no such object") from None
    except OSError as error:
        raise Unavailable(f"local storage: {error.strerror}") from error


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what a file holds."""
    with translated():
        while piece := stream.read(CHUNK_BYTES):
            yield piece


def keep_hash(handle: int, sha256: str) -> None:
    """Note the hash beside the bytes, where the file system can."""
    try:
        os.setxattr(handle, HASH_ATTRIBUTE, sha256.encode())
    except AttributeError:  # only Linux has it
        log.debug("this platform keeps no hashes beside files")
    except OSError as error:
        if error.errno not in UNKEPT:
            raise
        log.warning("the file system of the store keeps no hashes (extended attributes)")


def kept_hash(handle: int) -> str | None:
    """Return the hash that was noted; None where there is none: an older file, or file system."""
    try:
        return os.getxattr(handle, HASH_ATTRIBUTE).decode("ascii", "replace")
    except AttributeError:
        return None
    except OSError as error:
        if error.errno in (errno.ENODATA, *UNKEPT):
            return None
        raise


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
