"""Single sign-on of an organization."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from api.schemas.common import Answer, Body, storable
from core.permissions import Role

DOMAIN = r"^(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$"

Address = Annotated[
    str, StringConstraints(min_length=8, max_length=500), AfterValidator(storable)
]  # fmt: skip
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=500), AfterValidator(storable)
]  # fmt: skip


def domain(text: str) -> str:
    """Return a domain name in lower case. Raises ValueError."""
    lower = text.strip().lower()
    if not re.fullmatch(DOMAIN, lower):
        raise ValueError("must be a domain name in ASCII, for example example.com")
    return lower


Domain = Annotated[str, StringConstraints(max_length=253), AfterValidator(domain)]


class SingleSignOnSettings(Body):
    """How an organization's people sign on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "issuer": "https://login.alpha.example",
                    "client_id": "tonnage",
                    "client_secret": "what the provider gave you",
                    "allowed_domains": ["alpha.example"],
                }
            ]
        }
    )

    issuer: Address = Field(description="https://…, exactly as the provider's discovery says")
    client_id: Name = Field(description="What the provider calls tonnage")
    client_secret: Name | None = Field(
        default=None,
        description="Kept when left out, unless issuer or client change; never shown again",
    )
    allowed_domains: Annotated[list[Domain], Field(min_length=1, max_length=50)] = Field(
        description="Mail addresses of other domains are refused"
    )
    default_role: Literal[Role.VIEWER, Role.USER, Role.MANAGER] = Field(
        default=Role.USER, description="Of whoever signs on for the first time"
    )
    enabled: bool = True


class SingleSignOn(Answer):
    """How an organization's people sign on, without the secret."""

    issuer: str
    client_id: str
    allowed_domains: list[str]
    default_role: Role
    enabled: bool
    login_url: str = Field(description="Where a browser begins")
    redirect_uri: str = Field(description="Register this at the provider")
    created_at: dt.datetime
    updated_at: dt.datetime


class SignOnCode(Body):
    """What a browser was sent back with, and what only its page knows."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"code": "q" * 43, "verifier": "v" * 43}]}
    )

    code: Annotated[
        str, StringConstraints(min_length=43, max_length=43, pattern=r"^[A-Za-z0-9_-]+$")
    ]
    verifier: Annotated[
        str, StringConstraints(min_length=43, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$")
    ] = Field(description="Its SHA-256 in base64url was the `challenge` of the login")
