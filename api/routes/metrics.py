"""/metrics: what this process measures, for Prometheus."""

from __future__ import annotations

import hmac
from contextlib import suppress
from ipaddress import ip_address

from fastapi import APIRouter, Request, Response

from api.deps import ServicesDep
from api.errors import ApiError
from api.watching import Meters

router = APIRouter(tags=["health"])


def _near(request: Request) -> bool:
    """Tell whether it comes from this machine: what needs no token must not stand open."""
    if request.client is None:  # over a unix socket
        return True
    with suppress(ValueError):
        return ip_address(request.client.host).is_loopback
    return False


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """Return the figures of this process as Prometheus reads them; no label names a tenant."""
    wanted = services.settings.metrics_token.get_secret_value()
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), wanted.encode()) if wanted else not _near(request):
        raise ApiError("unauthenticated")
    meters: Meters = request.app.state.meters
    for role, engine in (("app", services.app_engine), ("auth", services.auth_engine)):
        meters.hold(role, engine)
    content, media_type = meters.exposition()
    return Response(content, media_type=media_type)
