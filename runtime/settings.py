"""Everything the environment may say, in one place. Nothing else reads it.

Variables carry the prefix TONNAGE_ (`TONNAGE_DATABASE_URL`, …); docs/operations.md lists them.
"""

from __future__ import annotations

import json
from enum import StrEnum
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_SECRET_BYTES = 32  # HS256 wants a key as long as its digest (RFC 7518 §3.2)


class DatabaseRole(StrEnum):
    """Who connects; the roles are made by the first migration."""

    ADMIN = "admin"  # whoever may create roles and extensions; migrations only
    APP = "app"
    WORKER = "worker"
    PLATFORM = "platform"
    AUTH = "auth"


class ScanMode(StrEnum):
    """Whether uploads meet a virus scanner."""

    OFF = "off"  # structural checks only; the file says it was not scanned
    OPTIONAL = "optional"  # scanned when the scanner answers
    REQUIRED = "required"  # waits for the scanner


class Settings(BaseSettings):
    """Settings of one process. Building it validates; a wrong value stops the process."""

    model_config = SettingsConfigDict(
        env_prefix="TONNAGE_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # what is wrong may be a secret, and errors are logged
    )

    secret_key: SecretStr = Field(description="Signs tokens, cursors and links; >= 32 bytes")
    secret_keys_previous: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        max_length=10,
        description="Verify what they signed, sign nothing; a comma between",
    )

    database_url: str = Field(description="postgresql://…; other roles derive from it unless given")
    app_database_url: str | None = None
    worker_database_url: str | None = None
    platform_database_url: str | None = None
    auth_database_url: str | None = None
    database_pool_size: int = Field(default=10, ge=1, le=200)
    database_pool_timeout_s: float = Field(default=5, gt=0, le=60)
    database_connect_timeout_s: int = Field(default=5, ge=1, le=60)

    temporal_address: str | None = Field(
        default=None, description="host:port; without it TEMPORAL_* and temporal.toml are read"
    )
    temporal_namespace: str = "tonnage"
    temporal_ui_url: str | None = Field(default=None, description="Web UI, for links")

    storage_url: str = Field(description="file:///dir, gs://bucket[/prefix], s3://bucket[/prefix]")
    storage_endpoint: str | None = Field(default=None, description="Another than the cloud's own")
    storage_public_endpoint: str | None = Field(
        default=None, description="S3: where clients reach it, for download links"
    )
    storage_region: str | None = Field(default=None, description="S3: of the bucket")
    storage_path_style: bool = Field(default=False, description="S3: bucket in the path")
    storage_credentials_file: Path | None = Field(
        default=None, description="Google Cloud: the key of a service account; none: the default"
    )
    storage_timeout_s: float = Field(default=60, gt=0, le=600, description="A silence of the store")
    public_url: str = Field(default="http://127.0.0.1:8000", description="The API from outside")
    trusted_proxies: str = Field(
        default="127.0.0.1", description="Whose X-Forwarded-For is believed; a comma between"
    )
    work_dir: Path = Field(description="Scratch space and caches of this machine; may be emptied")

    upload_max_bytes: int = Field(default=200 * 1024**2, ge=1024, le=10 * 1024**3)
    upload_daily_max_bytes: int = Field(
        default=20 * 1024**3, ge=0, description="An organization's a UTC day; 0: no limit"
    )
    rate_limit_organization: int = Field(
        default=1200, ge=0, le=10**9, description="Requests a minute; 0: no limit, as below"
    )
    rate_limit_user: int = Field(default=600, ge=0, le=10**9, description="Of a user or API key")
    rate_limit_uploads: int = Field(default=120, ge=0, le=10**9, description="Of an organization")
    rate_limit_reports: int = Field(default=60, ge=0, le=10**9, description="Of an organization")
    rate_limit_recalculations: int = Field(default=30, ge=0, le=10**9, description="The same")

    download_expires_s: int = Field(default=300, ge=10, le=24 * 3600)

    purge_after_days: int = Field(
        default=30, ge=1, le=3650, description="What was deleted is kept so long"
    )

    scan_mode: ScanMode = ScanMode.OFF
    clamd_address: str | None = Field(default=None, description="host:port or unix:/path")

    parse_memory_mb: int = Field(default=1024, ge=256, le=65536)
    parse_timeout_s: int = Field(default=1500, ge=5, le=24 * 3600)
    match_batch_size: int = Field(
        default=200, ge=1, le=2000, description="Activities a batch; 20 with a language model"
    )
    pipeline_slots: int = Field(default=8, ge=1, le=500, description="Activities a process")
    organization_slots: int = Field(
        default=4,
        ge=1,
        le=500,
        description="Of one organization a process: scans and parses; batches of matching",
    )
    report_slots: int = Field(default=3, ge=1, le=100, description="CSV and Excel, a process")
    pdf_slots: int = Field(default=3, ge=1, le=100, description="PDFs a process")
    pdf_memory_mb: int = Field(default=1024, ge=256, le=65536, description="Of a layout")
    pdf_cpu_s: int = Field(default=120, ge=5, le=3600, description="Of a layout")
    webhook_slots: int = Field(default=20, ge=1, le=500, description="Deliveries a process")
    ai_slots: int = Field(default=10, ge=1, le=1000, description="AI calls in flight, overall")
    embedder_threads: int = Field(default=2, ge=1, le=64)

    openai_base_url: str | None = Field(
        default=None, description="https://host/v1 of an OpenAI-compatible server; none: offline"
    )
    openai_api_key: SecretStr = Field(default=SecretStr(""), description="Its key")
    openai_model: str | None = Field(default=None, description="The model that chooses factors")
    openai_embedding_model: str | None = Field(
        default=None, description="Embeddings of that server instead of the shipped model"
    )
    openai_timeout_s: float = Field(default=600, gt=0, le=660, description="A call's")
    openai_input_usd_per_mtok: float = Field(default=0, ge=0, description="Price a million tokens")
    openai_output_usd_per_mtok: float = Field(default=0, ge=0, description="Price a million tokens")
    ai_daily_budget_tokens: int = Field(
        default=5_000_000, ge=0, description="An organization's a day; 0: no limit"
    )
    ai_daily_budget_usd: float = Field(
        default=0, ge=0, description="An organization's a day, by the prices; 0: no limit"
    )
    ai_ask_below: float = Field(
        default=1.0, ge=0, le=1, description="Ask the model below this offline confidence only"
    )

    sso_return_to: str | None = Field(
        default=None, description="Page that browsers are sent to with a code after a sign-on"
    )
    sso_timeout_s: float = Field(default=10, gt=0, le=60, description="A talk with a provider")

    argon2_memory_kib: int = Field(default=19 * 1024, ge=8, le=1024**2)
    argon2_time_cost: int = Field(default=2, ge=1, le=20)
    argon2_concurrency: int = Field(default=4, ge=1, le=64)

    egress_allow_private: bool = Field(
        default=False, description="URLs of tenants may be http and lead to private addresses"
    )
    metrics_address: str | None = Field(
        default=None, description="host:port where a worker serves /metrics; the API has its own"
    )
    metrics_token: SecretStr = Field(
        default=SecretStr(""), description="Bearer token that the API's /metrics asks for"
    )
    otlp_endpoint: str | None = Field(
        default=None, description="http(s)://host:4318 of an OpenTelemetry collector"
    )
    otlp_headers: SecretStr = Field(
        default=SecretStr(""), description="name=value,… sent to it, for example its key"
    )

    drain_s: float = Field(
        default=5, ge=0, le=300, description="Served on after SIGTERM, while /readyz says no"
    )
    shutdown_timeout_s: int = Field(
        default=30, ge=1, le=3600, description="Then for the requests that are still running"
    )

    log_json: bool = True
    log_level: str = "INFO"

    @field_validator("secret_keys_previous", mode="before")
    @classmethod
    def keys_are_a_list(cls, value: object) -> object:
        """Read keys with commas between, or a JSON list."""
        if not isinstance(value, str):
            return value
        if not value.lstrip().startswith("["):
            return [key.strip() for key in value.split(",") if key.strip()]
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("is no JSON list; or write the keys with commas between") from None

    @field_validator("secret_key")
    @classmethod
    def secret_is_long_enough(cls, value: SecretStr) -> SecretStr:
        """Refuse a key that could be guessed."""
        return strong(value)

    @field_validator("secret_keys_previous")
    @classmethod
    def secrets_are_long_enough(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """Refuse them as the newest: what they signed is still believed."""
        return tuple(strong(key) for key in value)

    @field_validator("storage_url")
    @classmethod
    def storage_scheme_is_known(cls, value: str) -> str:
        """Refuse a store that we have no adapter for."""
        parts = urlsplit(value)
        if parts.scheme == "file" or (parts.scheme in ("gs", "s3") and parts.netloc):
            return value
        raise ValueError(
            "must begin with file://, gs:// or s3://, for example file:///var/lib/tonnage or "
            "s3://bucket/prefix"
        )

    @field_validator("storage_endpoint", "storage_public_endpoint")
    @classmethod
    def store_is_an_address(cls, value: str | None) -> str | None:
        """Refuse what nothing could be sent to."""
        if value and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("must begin with https:// or http://")
        return value or None

    @field_validator("trusted_proxies")
    @classmethod
    def proxies_are_addresses(cls, value: str) -> str:
        """Refuse names and "*": whoever is believed says where guesses at passwords come from."""
        for proxy in filter(None, (part.strip() for part in value.split(","))):
            ip_network(proxy)
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def collector_is_an_address(cls, value: str | None) -> str | None:
        """Refuse what no span could be sent to."""
        if value and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("must begin with https:// or http://")
        return value

    @field_validator("metrics_address")
    @classmethod
    def metrics_have_a_port(cls, value: str | None) -> str | None:
        """Refuse what nothing could listen on, a name too."""
        if value:
            host, _, port = value.rpartition(":")
            try:
                ip_address(host.strip("[]"))
                if not 0 < int(port) < 65_536:
                    raise ValueError
            except ValueError:
                raise ValueError("must be address:port, for example 127.0.0.1:9464") from None
        return value

    @field_validator("sso_return_to")
    @classmethod
    def page_is_one(cls, value: str | None) -> str | None:
        """Refuse what a browser must not be sent to with a code."""
        if value is not None:
            parts = urlsplit(value)
            local = parts.hostname in ("localhost", "127.0.0.1")
            if not (parts.scheme == "https" or (parts.scheme == "http" and local)):
                raise ValueError("must begin with https://, or be http://localhost")
            if parts.fragment or not parts.netloc:
                raise ValueError("must name a host and have no fragment")
        return value

    @model_validator(mode="after")
    def scanner_has_an_address(self) -> Settings:
        """A scanner that is wanted must be named."""
        if self.scan_mode is not ScanMode.OFF and not self.clamd_address:
            raise ValueError("clamd_address is needed when scan_mode is optional or required")
        return self

    @model_validator(mode="after")
    def model_has_a_server(self) -> Settings:
        """A model that is wanted must be reachable."""
        wanted = self.openai_model or self.openai_embedding_model
        if wanted and not self.openai_base_url:
            raise ValueError("openai_base_url is needed when a model is named")
        if self.openai_base_url and urlsplit(self.openai_base_url).scheme not in ("http", "https"):
            raise ValueError("openai_base_url must begin with https:// or http://")
        return self

    @property
    def secrets_newest_first(self) -> tuple[bytes, ...]:
        """The secret that signs, then those that only verify."""
        every = (self.secret_key, *self.secret_keys_previous)
        return tuple(key.get_secret_value().encode() for key in every)

    @property
    def activities_a_batch(self) -> int:
        """Activities in one matching task: with a language model one call's, so that each call
        shows in the Web UI and is retried by itself."""
        return min(self.match_batch_size, 20) if self.openai_model else self.match_batch_size

    def database_url_for(self, role: DatabaseRole) -> str:
        """Return the SQLAlchemy URL with which `role` connects."""
        if role is DatabaseRole.ADMIN:
            return with_driver(self.database_url)
        own: str | None = getattr(self, f"{role.value}_database_url")
        return with_driver(own or with_user(self.database_url, f"tonnage_{role.value}"))


def strong(value: SecretStr) -> SecretStr:
    """Return a key that cannot be guessed. Raises ValueError."""
    key = value.get_secret_value()
    if len(key.encode()) < MIN_SECRET_BYTES or len(set(key)) < 10:
        raise ValueError(
            f"must have at least {MIN_SECRET_BYTES} bytes of randomness; make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return value


def with_driver(url: str) -> str:
    """Return `url` with psycopg as its driver."""
    return f"postgresql+psycopg://{url.partition('://')[2]}"


def with_user(url: str, user: str) -> str:
    """Return `url` with another user, keeping password, host and options."""
    parts = urlsplit(url)
    password = f":{parts.password}" if parts.password else ""
    host = parts.netloc.rpartition("@")[2]
    # Join by hand: urlunsplit drops the // of an empty host, which a unix socket has.
    netloc = f"{user}{password}@{host}"
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))


def told(error: ValidationError) -> str:
    """Return what is wrong with the environment, a line a variable, without its value."""
    lines = ["tonnage: the settings are not right:"]
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        words = fault["msg"].removeprefix("Value error, ")
        # a rule about several settings names them itself
        name = f"TONNAGE_{str(fault['loc'][0]).upper()}: " if fault["loc"] else ""
        lines.append(f"  {name}{words}")
    return "\n".join(lines)
