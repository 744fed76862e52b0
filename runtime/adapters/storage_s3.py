"""Object storage on Amazon S3 and on what speaks its protocol."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from core.disposition import attachment
from core.errors import DamagedObject, InvalidInput, NotFound, Unavailable
from core.ports import ListedObject, StoredObject
from runtime.adapters.measuring import CHUNK_BYTES, SHA256, Measured, measured, verified

CONNECT_TIMEOUT_S = 5
PART_BYTES = 8 * 1024**2  # S3 takes at least 5 MiB; a part is held in memory while it is sent
MAX_PARTS = 10_000
COPY_BYTES = 5 * 1000**3  # S3 copies at most 5 GB in one call; then part by part, still on its side
MISSING = frozenset({"NoSuchKey", "404", "NotFound"})


def make_client(
    *,
    endpoint: str | None = None,
    region: str | None = None,
    path_style: bool = False,
    timeout_s: float = 60,
) -> Any:
    """Return a client with the credentials of the environment (AWS_*, profile, role)."""
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=timeout_s,
        # One more, for a kept connection that the other side had just closed. Waiting for a
        # service to come back is Temporal's business, and the API's caller's.
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=50,
        signature_version="s3v4",
        s3={"addressing_style": "path" if path_style else "auto"},
        # We send SHA-256 ourselves, as plain headers that compatible stores know as well, and
        # look at the hash of all bytes on the way out.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(
        "s3", endpoint_url=endpoint, region_name=region, config=config
    )


class S3Storage:
    """core.ports.Storage over a bucket, or a prefix within one."""

    def __init__(
        self,
        client: Any,
        bucket: str,
        *,
        prefix: str = "",
        signer: Any = None,
        part_bytes: int = PART_BYTES,
        copy_bytes: int = COPY_BYTES,
    ) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        # Signs download links only, for the address that clients reach; sends nothing.
        self.signer = signer or client
        self.part_bytes = part_bytes
        self.copying = TransferConfig(
            multipart_threshold=copy_bytes, multipart_chunksize=min(copy_bytes, 1000**3),
            use_threads=False,
        )  # fmt: skip

    def name(self, key: str) -> str:
        """Return the name of `key` within the bucket. Raises InvalidInput."""
        if not key or key.startswith("/") or ".." in key.split("/") or "\0" in key:
            raise InvalidInput("not a storage key")
        return self.prefix + key

    def url(self, key: str) -> str:
        """Return the s3:// URL of `key`."""
        return f"s3://{self.bucket}/{self.name(key)}"

    def key(self, url: str) -> str:
        """Return the key of a URL that `url` made."""
        start = f"s3://{self.bucket}/{self.prefix}"
        if not url.startswith(start) or len(url) == len(start):
            raise InvalidInput("the stored path lies outside this store")
        return url.removeprefix(start)

    def put(self, key: str, source: BinaryIO, *, content_type: str | None = None) -> StoredObject:
        """Send in one piece, or in parts that become an object only when all are there."""
        with measured(source) as found:
            target = {"Bucket": self.bucket, "Key": self.name(key)}
            described = {
                "Metadata": {SHA256: found.sha256},
                "ContentType": content_type or "application/octet-stream",
            }
            with translated():
                if found.size_bytes <= self.part_bytes:
                    self.client.put_object(
                        **target, **described, Body=found.source.read(),
                        ChecksumSHA256=base64.b64encode(found.digest).decode(),
                    )  # fmt: skip
                else:
                    self.put_parts(target, described, found)
        return StoredObject(key, self.url(key), found.size_bytes, found.sha256)

    def put_parts(self, target: dict[str, str], described: dict[str, Any], found: Measured) -> None:
        """Send part after part, each with its checksum; leave nothing half-sent behind."""
        begun = self.client.create_multipart_upload(
            **target, **described, ChecksumAlgorithm="SHA256"
        )
        upload = {**target, "UploadId": begun["UploadId"]}
        size = max(self.part_bytes, -(-found.size_bytes // MAX_PARTS))
        parts: list[dict[str, Any]] = []
        try:
            while part := found.source.read(size):
                checksum = base64.b64encode(hashlib.sha256(part).digest()).decode()
                numbered = {"PartNumber": len(parts) + 1, "ChecksumSHA256": checksum}
                sent = self.client.upload_part(**upload, **numbered, Body=part)
                parts.append({**numbered, "ETag": sent["ETag"]})
            self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            # What this misses, the bucket's lifecycle rule for incomplete uploads removes.
            with contextlib.suppress(BotoCoreError, ClientError):
                self.client.abort_multipart_upload(**upload)
            raise

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Open an object for streaming reads."""
        with translated():
            answer = self.client.get_object(Bucket=self.bucket, Key=self.name(key))
        with contextlib.closing(answer["Body"]) as body:
            if (expected := answer["Metadata"].get(SHA256)) is None:
                raise DamagedObject("a stored object has no hash; was it put here by other means?")
            size = answer["ContentLength"]
            yield verified(pieces(body), size_bytes=size, sha256=expected)

    def exists(self, key: str) -> bool:
        """Tell whether there is an object at `key`."""
        try:
            with translated():
                self.client.head_object(Bucket=self.bucket, Key=self.name(key))
        except NotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        with contextlib.suppress(NotFound), translated():
            self.client.delete_object(Bucket=self.bucket, Key=self.name(key))

    def move(self, source_key: str, target_key: str) -> None:
        """Copy on the store's side, then remove; one that was moved before is no error."""
        source = {"Bucket": self.bucket, "Key": self.name(source_key)}
        target = self.name(target_key)
        try:
            with translated():
                head = self.client.head_object(**source)
        except NotFound:
            if self.exists(target_key):
                return
            raise
        # A copy in parts takes nothing along by itself.
        described = {"Metadata": head["Metadata"], "ContentType": head["ContentType"]}
        with translated():
            self.client.copy(
                source, self.bucket, target, Config=self.copying,
                ExtraArgs={"MetadataDirective": "REPLACE", **described},
            )  # fmt: skip
            self.client.delete_object(**source)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with `prefix`, by key."""
        if prefix.startswith("/") or ".." in prefix.split("/"):
            raise InvalidInput("not a storage prefix")
        asked: dict[str, Any] = {"Bucket": self.bucket, "Prefix": self.prefix + prefix}
        with translated():
            page = self.client.list_objects_v2(**asked)
        while True:
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(self.prefix)
                yield ListedObject(key, found["Size"], found["LastModified"])
            if not page.get("IsTruncated"):
                return
            with translated():
                page = self.client.list_objects_v2(
                    **asked, ContinuationToken=page["NextContinuationToken"]
                )

    def signed_url(self, key: str, *, filename: str, content_type: str, expires_s: int) -> str:
        """Return a presigned link (Signature Version 4); it lives no longer than our role's."""
        asked = {
            "Bucket": self.bucket,
            "Key": self.name(key),
            "ResponseContentType": content_type,
            "ResponseContentDisposition": attachment(filename),
        }
        with translated():
            url: str = self.signer.generate_presigned_url(
                "get_object", Params=asked, ExpiresIn=expires_s
            )
        return url


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise NotFound or Unavailable for what the store says, without the names it speaks of."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in MISSING:
            raise NotFound("no such object") from error
        known = code if code.isascii() and code.isalnum() and len(code) < 60 else "an error"
        raise Unavailable(f"the object store answers {known}") from error
    except (BotoCoreError, Boto3Error, HTTPError) as error:
        raise Unavailable(f"the object store is away: {type(error).__name__}") from error


def pieces(body: Any) -> Iterator[bytes]:
    """Yield what a response holds."""
    with translated():
        while piece := body.read(CHUNK_BYTES):
            yield piece
