"""The application: routes, errors, middleware, and the life of what they share."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial

from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool

from api import docs, errors, idempotency, openapi, parameters
from api.etags import Conditional
from api.json_bodies import StrictJson
from api.middleware import BodyLimit, HeadLimit, RequestContext
from api.openapi_words import TAGS
from api.routes import (
    api_keys,
    audit,
    auth,
    decisions,
    downloads,
    emissions,
    factors,
    files,
    health,
    lifecycle,
    mappings,
    members,
    metrics,
    organizations,
    passwords,
    projects,
    recalculations,
    reports,
    reviews,
    single_sign_on,
    webhooks,
)
from api.services import Services, build
from api.watching import Meters, Watch
from core import VERSION
from core.ports import Pipeline, Storage
from db.engine import refuse_dangerous_role
from runtime.logging import configure as configure_logging
from runtime.settings import Settings, told
from runtime.telemetry import Tracing, make_tracing

log = logging.getLogger("tonnage.api")

DESCRIPTION = """\
Upload a file of business activities, get an auditable carbon footprint.

Errors are `application/problem+json` (RFC 9457) with a stable `code`. Lists take `limit` and
`cursor`. Times are RFC 3339 UTC, figures kg CO2e.
"""


def lifespan_of(
    connect_pipeline: Callable[[], Awaitable[Pipeline]] | None,
    tracing: Tracing | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return what happens before the first request and after the last."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services: Services = app.state.services
        try:
            await run_in_threadpool(refuse_dangerous_roles, services)
            if connect_pipeline is not None:
                services = replace(services, pipeline=await connect_pipeline())
                app.state.services = services
            yield
        finally:
            if services.pipeline is not None:
                await services.pipeline.close()
            services.app_engine.dispose()
            services.auth_engine.dispose()
            if tracing is not None:
                await run_in_threadpool(tracing.close)

    return lifespan


def refuse_dangerous_roles(services: Services) -> None:
    """Stop a process that could look past row-level security. Raises Misconfigured."""
    try:
        refuse_dangerous_role(services.app_engine)
        refuse_dangerous_role(services.auth_engine)
    except OperationalError:
        log.warning("the database is away; /readyz tells when it is back")


# In the order of the documentation.
ROUTES = (
    auth,
    passwords,
    organizations,
    members,
    projects,
    audit,
    webhooks,
    api_keys,
    decisions,
    mappings,
    files,
    lifecycle,
    reviews,
    recalculations,
    reports,
    emissions,
    factors,
    single_sign_on,
    downloads,
    health,
    metrics,
)


def create_app(
    settings: Settings,
    *,
    storage: Storage,
    pipeline: Pipeline | None = None,
    connect_pipeline: Callable[[], Awaitable[Pipeline]] | None = None,
    tracing: Tracing | None = None,
) -> FastAPI:
    """Build the API. Without a pipeline uploads are stored and wait for the sweep.

    `connect_pipeline` makes one when the process starts, within its event loop.
    """
    services = build(settings, storage, pipeline)
    app = FastAPI(
        title="tonnage",
        version=VERSION,
        openapi_tags=TAGS,
        description=DESCRIPTION,
        lifespan=lifespan_of(connect_pipeline, tracing),
        generate_unique_id_function=openapi.operation_id,
        redirect_slashes=False,
        docs_url=None,  # api.docs serves it
        redoc_url=None,
    )
    app.state.services = services
    app.state.meters = meters = Meters()
    errors.install(app)
    idempotency.install(app)
    parameters.install(app)
    for module in ROUTES:
        app.include_router(module.router)
    openapi.install(app)
    docs.install(app)
    app.add_middleware(Conditional)
    app.add_middleware(idempotency.Idempotency)
    app.add_middleware(StrictJson)
    app.add_middleware(BodyLimit, upload_max_bytes=settings.upload_max_bytes)
    app.add_middleware(HeadLimit)
    app.add_middleware(Watch, meters=meters, tracer=tracing.tracer if tracing else None)
    app.add_middleware(RequestContext, https=settings.public_url.startswith("https://"))
    return app


def create_app_from_environment() -> FastAPI:
    """Build the API from the environment; the factory that uvicorn is given."""
    from runtime import wiring

    try:
        settings = Settings()
    except ValidationError as error:
        raise SystemExit(told(error)) from None
    configure_logging(as_json=settings.log_json, level=settings.log_level)
    # Quotes what it is sent, byte by byte.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    tracing = make_tracing(settings, "tonnage-api")
    return create_app(
        settings,
        storage=wiring.make_storage(settings),
        connect_pipeline=partial(wiring.connect_pipeline, settings, tracing),
        tracing=tracing,
    )
