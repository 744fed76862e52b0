"""Builds collaborators from settings. Vendors are imported only by the process that needs them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Engine

from core.ports import Pipeline, Scanner, Storage
from db.engine import make_engine, refuse_dangerous_role
from runtime.settings import DatabaseRole, ScanMode, Settings
from runtime.telemetry import Tracing


def make_storage(settings: Settings) -> Storage:
    """Return the object storage that storage_url names."""
    scheme = urlsplit(settings.storage_url).scheme
    if scheme == "gs":
        return make_gcs_storage(settings)
    if scheme == "s3":
        return make_s3_storage(settings)
    from runtime.adapters.storage_local import LocalStorage

    return LocalStorage(
        Path(unquote(urlsplit(settings.storage_url).path)),
        public_url=settings.public_url,
        secret=settings.secrets_newest_first[0],
        previous=settings.secrets_newest_first[1:],
    )


def make_gcs_storage(settings: Settings) -> Storage:
    """Return a bucket of Google Cloud Storage."""
    from runtime.adapters.storage_gcs import GcsStorage, make_client

    client, signer = make_client(
        endpoint=settings.storage_endpoint, credentials_file=settings.storage_credentials_file
    )
    bucket = urlsplit(settings.storage_url)
    return GcsStorage(
        client, bucket.netloc, prefix=bucket.path, signer=signer,
        timeout_s=settings.storage_timeout_s,
    )  # fmt: skip


def make_s3_storage(settings: Settings) -> Storage:
    """Return a bucket of S3 or of what speaks its protocol."""
    from runtime.adapters.storage_s3 import S3Storage, make_client

    def client_of(endpoint: str | None) -> object:
        return make_client(
            endpoint=endpoint, region=settings.storage_region,
            path_style=settings.storage_path_style, timeout_s=settings.storage_timeout_s,
        )  # fmt: skip

    public = settings.storage_public_endpoint
    bucket = urlsplit(settings.storage_url)
    return S3Storage(
        client_of(settings.storage_endpoint), bucket.netloc, prefix=bucket.path,
        signer=client_of(public) if public else None,
    )  # fmt: skip


def make_scanner(settings: Settings) -> Scanner | None:
    """Return the virus scanner, or None when scanning is off."""
    if settings.scan_mode is ScanMode.OFF or settings.clamd_address is None:
        return None
    from runtime.adapters.scanner_clamav import ClamavScanner

    return ClamavScanner(settings.clamd_address)


async def connect_pipeline(settings: Settings, tracing: Tracing | None = None) -> Pipeline:
    """Return the pipeline; the connection to Temporal is made when it is first used."""
    from runtime.temporal import TemporalPipeline, connect

    interceptors = [tracing.interceptor] if tracing else []
    client = await connect(settings, lazy=True, interceptors=interceptors)
    return TemporalPipeline(client, match_batch_size=settings.activities_a_batch)


def make_role_engine(settings: Settings, role: DatabaseRole, name: str, **options: int) -> Engine:
    """Return an engine for `role`, refusing one that could look past row-level security."""
    engine = make_engine(
        settings.database_url_for(role),
        pool_size=options.get("pool_size", settings.database_pool_size),
        pool_timeout_s=settings.database_pool_timeout_s,
        connect_timeout_s=settings.database_connect_timeout_s,
        application_name=name,
    )
    if role in (DatabaseRole.APP, DatabaseRole.WORKER, DatabaseRole.AUTH):
        refuse_dangerous_role(engine)
    return engine
