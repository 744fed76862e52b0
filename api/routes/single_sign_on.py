"""Single sign-on: an organization's connection, and the way through its provider."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from api import sign_on, single_sign_on, throttles
from api.deps import Member, ServicesDep, requires_here
from api.errors import ApiError
from api.openapi import WITH_BODY, documented
from api.schemas.auth import Tokens
from api.schemas.single_sign_on import SignOnCode, SingleSignOn, SingleSignOnSettings
from api.services import Services
from core.permissions import Operation

router = APIRouter()
settings = APIRouter(
    prefix="/v1/organizations/{organization_id}/single-sign-on", tags=["organizations"]
)


def count_request(request: Request, services: ServicesDep) -> None:
    """Count a request of somebody whom nobody knows yet. Raises 429."""
    throttles.count_sign_on(services, request.client.host if request.client else "unknown")


browser = APIRouter(prefix="/v1/auth/sso", tags=["auth"], dependencies=[Depends(count_request)])

MANAGE = Operation.MANAGE_SINGLE_SIGN_ON
AdminHere = Annotated[Member, Depends(requires_here(MANAGE))]
# The code in the address is of no use to another page, but none of its business either.
QUIET = {"Referrer-Policy": "no-referrer"}
PROVIDER = ("sso_provider_unusable",)


@settings.get("", **documented(operation=MANAGE))
def get_single_sign_on(who: AdminHere, services: ServicesDep) -> SingleSignOn:
    """Return how the organization's people sign on. The client secret is never shown."""
    return single_sign_on.read(services, who.organization_id)


@settings.put("", **documented("conflict", *WITH_BODY, operation=MANAGE))
async def set_single_sign_on(
    body: SingleSignOnSettings, who: AdminHere, services: ServicesDep
) -> SingleSignOn:
    """Connect an OpenID Connect provider; its discovery document is read and checked.

    Another issuer or client, fewer domains, or `enabled: false` end the sessions of those who
    signed on through it.
    """
    return await single_sign_on.put(services, who, body)


@settings.delete("", status_code=204, **documented(operation=MANAGE))
def delete_single_sign_on(who: AdminHere, services: ServicesDep) -> None:
    """Forget the provider and its secret; end the sessions that it vouched for."""
    single_sign_on.delete(services, who)


@browser.get(
    "/{organization_id}/login",
    status_code=302,
    response_class=RedirectResponse,
    **documented("not_found", "too_many_attempts", *PROVIDER),
)
async def begin_sign_on(
    organization_id: UUID,
    request: Request,
    services: ServicesDep,
    challenge: Annotated[
        str | None,
        Query(pattern=r"^[A-Za-z0-9_-]{43}$", description="base64url(SHA-256(verifier))"),
    ] = None,
) -> RedirectResponse:
    """Send a browser to the organization's provider (authorization code, PKCE)."""
    url, cookie = await sign_on.begin(services, request, organization_id, challenge)
    answer = RedirectResponse(url, 302, QUIET)
    set_cookie(services, organization_id, answer, cookie)
    return answer


_callback = documented(
    "sso_state_invalid", "sso_denied", "sso_token_invalid", "sso_email_unverified",
    "sso_domain_not_allowed", "sso_not_a_member", "too_many_attempts", *PROVIDER,
)  # fmt: skip
_callback["responses"][303] = {
    "description": "Where the deployment names a page: back to it, with `code`"
}
# Said and not declared: a provider may send more than these, and the client library reads them.
_callback["openapi_extra"] = {
    "parameters": [
        {"name": name, "in": "query", "description": told, "schema": {"type": "string"}}
        for name, told in {
            "state": "As this API gave it to the provider",
            "code": "The provider's code for this sign-on",
            "iss": "The provider (RFC 9207)",
            "error": "Instead of a code: why the provider did not let the person in",
            "error_description": "The same in the provider's words, which are not repeated",
        }.items()
    ]
}


@browser.get("/{organization_id}/callback", response_model=Tokens, **_callback)
async def finish_sign_on(
    organization_id: UUID, request: Request, response: Response, services: ServicesDep
) -> Any:
    """Take a browser back from the organization's provider: answer tokens as a login does.

    Where the deployment names a page (`TONNAGE_SSO_RETURN_TO`) it is sent there with a code (303).
    The session counts in this organization alone.
    """
    set_cookie(services, organization_id, response, None)
    spent = response.headers["set-cookie"]
    try:
        found = await sign_on.finish(services, request, organization_id)
    except ApiError as error:
        error.headers = {**(error.headers or {}), **QUIET, "Set-Cookie": spent}
        raise
    if isinstance(found, str):
        return RedirectResponse(found, 303, {**QUIET, "Set-Cookie": spent})
    response.headers.update(QUIET)
    return found


@browser.post("/token", **documented("sso_code_invalid", "too_many_attempts", *WITH_BODY))
def exchange_sign_on_code(body: SignOnCode, services: ServicesDep) -> Tokens:
    """Exchange the code that a browser was sent back with, once and within a minute."""
    return sign_on.exchange(services, body)


def set_cookie(
    services: Services, organization_id: UUID, answer: Response, value: str | None
) -> None:
    """Set the cookie of a sign-on on its way; None takes it away."""
    name, path = sign_on.cookie_of(services, organization_id)
    answer.set_cookie(
        name,
        value or "",
        max_age=sign_on.LASTS_S if value else 0,
        path=path,
        secure=services.settings.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )


router.include_router(settings)
router.include_router(browser)
