"""/metrics: what this process measures, for Prometheus."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request, Response

from api.deps import ServicesDep
from api.errors import ApiError
from api.watching import Meters

router = APIRouter(tags=["health"])


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """Return the figures of this process as Prometheus reads them; no label names a tenant."""
    wanted = services.settings.metrics_token.get_secret_value()
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if wanted and not hmac.compare_digest(given.encode(), wanted.encode()):
        raise ApiError("unauthenticated")
    meters: Meters = request.app.state.meters
    for role, engine in (("app", services.app_engine), ("auth", services.auth_engine)):
        meters.hold(role, engine)
    content, media_type = meters.exposition()
    return Response(content, media_type=media_type)
