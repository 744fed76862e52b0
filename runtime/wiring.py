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
    from runtime.adapters.storage_local import LocalStorage

    return LocalStorage(
        Path(unquote(urlsplit(settings.storage_url).path)),
        public_url=settings.public_url,
        secret=settings.secrets_newest_first[0],
        previous=settings.secrets_newest_first[1:],
    )


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
