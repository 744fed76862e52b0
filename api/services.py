"""What the routes work with: engines, storage, pipeline, keys. One per application."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import BoundedSemaphore

from anyio import CapacityLimiter
from fastapi import Request
from sqlalchemy import Engine

from api.limits import Limiter, quotas_of
from api.pagination import Cursors
from api.providers import Providers
from api.security import AccessTokens, RefreshTokens
from api.shares import Shares, Turns
from core.egress import EgressPolicy
from core.ports import Pipeline, Storage
from db.engine import make_engine
from runtime.adapters.provider_http import ProviderTransport
from runtime.passwords import Passwords
from runtime.settings import DatabaseRole, Settings
from runtime.vault import Vault, make_vault


@dataclass(slots=True)
class Shutdown:
    """How far the process is with leaving; set by runtime.server."""

    draining: bool = False  # still serves, and asks for no more
    stopping: bool = False  # what would not end by itself ends now


@dataclass(slots=True)
class StorageSeen:
    """When the store last took an object, on the monotonic clock; who may ask at once."""

    written_at: float | None = None
    askers: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(4))


@dataclass(frozen=True, slots=True)
class Services:
    """Collaborators of the API."""

    settings: Settings
    app_engine: Engine
    auth_engine: Engine
    storage: Storage
    pipeline: Pipeline | None
    passwords: Passwords
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    cursors: Cursors
    vault: Vault
    providers: Providers
    hashing: CapacityLimiter  # a burst of logins may not take all memory, nor all threads
    streams: CapacityLimiter  # open event streams of this process
    limiter: Limiter
    download_threads: CapacityLimiter  # make the pieces of downloads; not those of the routes
    lists: Turns  # lists and searches of one organization that run at once
    changes: Turns  # its changes at once: each may wait for a row that a worker holds
    streams_of_person: Shares = field(default_factory=lambda: Shares(MAX_STREAMS_OF_PERSON))
    streams_of_organization: Shares = field(
        default_factory=lambda: Shares(MAX_STREAMS_OF_ORGANIZATION)
    )
    # annotated uploads that one organization is being sent: each reads the database now and then
    downloads: Turns = field(
        default_factory=lambda: Turns(DOWNLOADS_OF_ORGANIZATION, DOWNLOAD_WAITS_S)
    )
    # of one organization that are received at once: each may fill a temporary file
    uploads: Turns = field(default_factory=lambda: Turns(UPLOADS_OF_ORGANIZATION, UPLOAD_WAITS_S))
    # signed links that are being read: anybody who has one may open it again and again
    links_of_object: Shares = field(default_factory=lambda: Shares(LINKS_OF_OBJECT))
    links_of_organization: Shares = field(default_factory=lambda: Shares(LINKS_OF_ORGANIZATION))
    storage_seen: StorageSeen = field(default_factory=StorageSeen)
    shutdown: Shutdown = field(default_factory=Shutdown)
    status_poll_s: float = 0.7
    stream_lasts_s: float = 1800  # then the client connects anew


MAX_STREAMS = 200
MAX_STREAMS_OF_ORGANIZATION = 60
MAX_STREAMS_OF_PERSON = 20
UPLOADS_OF_ORGANIZATION = 8
DOWNLOADS_OF_ORGANIZATION = 3
DOWNLOAD_WAITS_S = 30.0
LINKS_OF_OBJECT = 10
LINKS_OF_ORGANIZATION = 30
UPLOAD_WAITS_S = 60.0


def build(settings: Settings, storage: Storage, pipeline: Pipeline | None) -> Services:
    """Put the collaborators together; connects to nothing yet."""
    secrets = settings.secrets_newest_first
    app_engine = _engine(settings, DatabaseRole.APP)
    return Services(
        settings=settings,
        app_engine=app_engine,
        auth_engine=_engine(settings, DatabaseRole.AUTH),
        storage=storage,
        pipeline=pipeline,
        passwords=Passwords(settings),
        access_tokens=AccessTokens(secrets),
        refresh_tokens=RefreshTokens(secrets),
        cursors=Cursors(secrets),
        vault=make_vault(settings),
        providers=make_providers(settings),
        hashing=CapacityLimiter(settings.argon2_concurrency),
        streams=CapacityLimiter(MAX_STREAMS),
        limiter=Limiter(app_engine, quotas_of(settings)),
        download_threads=CapacityLimiter(max(1, settings.database_pool_size // 2)),
        # less than the pool holds, so that there is a connection for everybody else
        lists=Turns(max(1, settings.database_pool_size // 2), settings.database_pool_timeout_s),
        changes=Turns(max(1, settings.database_pool_size // 4), settings.database_pool_timeout_s),
    )


def make_providers(settings: Settings) -> Providers:
    """Return what talks to the organizations' sign-on providers."""
    policy = EgressPolicy(settings.egress_allow_private)
    return Providers(policy, ProviderTransport(policy), settings.sso_timeout_s)


def _engine(settings: Settings, role: DatabaseRole) -> Engine:
    return make_engine(
        settings.database_url_for(role),
        pool_size=settings.database_pool_size,
        pool_timeout_s=settings.database_pool_timeout_s,
        connect_timeout_s=settings.database_connect_timeout_s,
        application_name=f"tonnage-api-{role.value}",
    )


def services_of(request: Request) -> Services:
    """Return the services of the application that serves this request."""
    services: Services = request.app.state.services
    return services
