"""What the inner layers ask of the outside world. Adapters live in runtime/adapters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from core.contracts import (
    FileProgress,
    FileRef,
    RecalculationRef,
    ReportProgress,
    ReportRef,
    ReviewRef,
    Stage,
)
from core.contracts_webhooks import DeliveryRef
from core.matching.prompt import Request
from core.reporting import ReportContent

if TYPE_CHECKING:  # the API, which embeds nothing, starts without it
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it was written."""

    key: str
    url: str  # file://, gs:// or s3://
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as a listing names it. `modified_at` is aware: when it was put or moved there."""

    key: str
    size_bytes: int
    modified_at: dt.datetime


class Storage(Protocol):
    """Object storage. Keys are `{organization_id}/…`, without a leading slash.

    Raises core.errors.NotFound for a missing object, core.errors.Unavailable when the service is
    away, and its kind DamagedObject when what is read is not what was put. Everything is safe to
    repeat, and nothing is tried again in here: that is the caller's.
    """

    def url(self, key: str) -> str:
        """Return the full URL of `key`, as stored in object_storage_path."""

    def key(self, url: str) -> str:
        """Return the key of a URL that `url` made."""

    def put(self, key: str, source: BinaryIO, *, content_type: str | None = None) -> StoredObject:
        """Stream `source` to `key`, all or nothing, hashing and counting on the way."""

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for streaming reads; the last bytes come only if all were as put."""

    def exists(self, key: str) -> bool:
        """Tell whether there is an object at `key`."""

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""

    def move(self, source_key: str, target_key: str) -> None:
        """Rename within the store; done already is no error."""

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with `prefix`, by key."""

    def signed_url(self, key: str, *, filename: str, content_type: str, expires_s: int) -> str:
        """Return a URL from which anyone may download the object until it expires."""


@dataclass(frozen=True, slots=True)
class SignedDownload:
    """What a download link stands for once its signature was checked."""

    key: str
    filename: str
    content_type: str


@runtime_checkable
class ReadsDownloadTokens(Protocol):
    """A store without a web server of its own: the API serves its signed links."""

    def read_token(self, token: str) -> SignedDownload:
        """Return what `token` allows. Raises NotFound when it is forged or expired."""


@dataclass(frozen=True, slots=True)
class ScanVerdict:
    """What a virus scanner says of a stream. Only `clean` is clean."""

    clean: bool
    signature: str | None = None
    scanner: str = ""


class Scanner(Protocol):
    """A virus scanner. Raises core.errors.Unavailable when it is away."""

    def scan(self, source: BinaryIO) -> ScanVerdict:
        """Scan a stream to its end."""


class Embedder(Protocol):
    """Turns short texts into unit vectors."""

    @property
    def name(self) -> str:
        """Identify model and version; part of every cache key."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array (len(texts), dimensions) of L2-normalized vectors."""


@runtime_checkable
class CachingEmbedder(Embedder, Protocol):
    """An embedder that can keep what it embedded in a directory of the caller's."""

    def embed_cached(self, texts: Sequence[str], cache_dir: Path) -> NDArray[np.float32]:
        """As `embed`, reading and writing a file in `cache_dir`; safe for racing processes."""


@dataclass(frozen=True, slots=True)
class RankReply:
    """A model's answer to one request. `stopped` is the finish reason as the server says it."""

    text: str
    model: str  # the snapshot that answered
    stopped: str
    refused: bool
    input_tokens: int
    output_tokens: int


class Ranker(Protocol):
    """A language model that chooses among candidates. It tries once; retries are the caller's.

    Raises core.errors.RateLimited, Unavailable (away, slow, broken) or Misconfigured (the key, the
    model's name or the schema is refused: the same call will fail again).
    """

    @property
    def provider(self) -> str:
        """Identify the server; with `model` it names the breaker."""

    @property
    def model(self) -> str:
        """Return the model that is asked for; part of every question's hash."""

    @property
    def timeout_s(self) -> float:
        """Return how long a call may take."""

    @property
    def max_answer_tokens(self) -> int:
        """Return how long an answer may be; the server is told to stop there."""

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """Return what a call costs."""

    def ask(self, request: Request) -> RankReply:
        """Send one request."""


class ExchangeRates(Protocol):
    """Annual average exchange rates."""

    def annual_average(self, currency: str, quote: str, year: int) -> tuple[float, str] | None:
        """Return (units of `quote` for one unit of `currency`, the source in words), or None."""


class ReportRenderer(Protocol):
    """Writes reports in one format. Neither the network nor other files are within its reach."""

    @property
    def content_type(self) -> str:
        """Return the media type of what is written."""

    @property
    def wants_overview(self) -> bool:
        """Tell whether content.overview is needed: it takes a second pass over the figures."""

    def render(self, content: ReportContent, target: BinaryIO) -> None:
        """Write `content` to `target`, row by row; texts are data, never markup or formulas.

        Call `content.all_read` when only work is left that needs none of it.
        """


@dataclass(frozen=True, slots=True)
class PendingAttempt:
    """An activity that failed and will be tried again."""

    stage: Stage | None
    attempt: int
    last_error: str | None
    next_try_at: dt.datetime | None


class Pipeline(Protocol):
    """The durable processing of files, as the API sees it. Nothing here waits longer than 3 s."""

    async def start_file(
        self, ref: FileRef, *, filename_summary: str, organization_name: str
    ) -> str:
        """Start this run of a file's workflow, once; return its id. Raises Unavailable."""

    async def cancel_file(self, ref: FileRef) -> bool:
        """Ask the workflow of a file to stop; tell whether there was one that had not ended.

        Raises Unavailable.
        """

    async def file_runs(self, ref: FileRef) -> bool:
        """Tell whether the workflow of a file has not ended. Raises Unavailable."""

    async def file_progress(self, ref: FileRef) -> FileProgress | None:
        """Ask the workflow how far it is; None when it does not answer within a second."""

    async def attempts(self, ref: FileRef) -> Sequence[PendingAttempt]:
        """Return what is being retried; empty when unknown."""

    async def start_report(self, ref: ReportRef, *, name: str, organization_name: str) -> str:
        """Start the workflow of a report, once; return its id. Raises Unavailable."""

    async def cancel_report(self, ref: ReportRef) -> None:
        """Ask the workflow of a report to stop; none or a closed one is no error.

        Raises Unavailable.
        """

    async def report_progress(self, ref: ReportRef) -> ReportProgress | None:
        """Return how far a report is; None when it is not known."""

    async def apply_review(self, ref: ReviewRef, *, wait_s: float = 0.0) -> bool:
        """Start the workflow of a resolution, once; tell whether it was done within `wait_s`.

        Raises Unavailable.
        """

    async def preview_recalculation(self, ref: RecalculationRef, *, organization_name: str) -> str:
        """Start the workflow of a preview, once; return its id. Raises Unavailable."""

    async def commit_recalculation(self, ref: RecalculationRef, *, organization_name: str) -> str:
        """Start the workflow of a commit, once; return its id. Raises Unavailable."""

    async def cancel_recalculation(self, ref: RecalculationRef) -> None:
        """Ask the workflow of a preview to stop; none or a closed one is no error.

        Raises Unavailable.
        """

    async def start_delivery(self, ref: DeliveryRef) -> str:
        """Start the delivery of a webhook unless it runs; return its id. Raises Unavailable."""

    async def ready(self) -> bool:
        """Tell whether the workflow service answers."""

    async def close(self) -> None:
        """Let go of connections."""


class Deliveries(Protocol):
    """Starts what was just committed to the outbox of webhooks; a sweep finds what gets lost."""

    def start(self, refs: Sequence[DeliveryRef]) -> None:
        """Start deliveries, without waiting. Never raises."""
