"""The API over real PostgreSQL, with two organizations that must never meet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, insert, update
from sqlmodel import Session

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes_api import FakePipeline

from api.app import create_app
from core.permissions import Role
from db.ids import uuid7
from db.models import Decision, Emission, EmissionFactor, File, Report, Review, RowIssue
from db.queries import organizations
from runtime.adapters.storage_local import LocalStorage
from runtime.passwords import Passwords
from runtime.settings import Settings

FILES: Any = File
PASSWORD = "a pass phrase of several words"


@pytest.fixture
def api_settings(settings: Settings) -> Settings:
    """Small limits: tests meet them with small files."""
    return settings.model_copy(update={"upload_max_bytes": 400_000})


@pytest.fixture
def pipeline() -> FakePipeline:
    return FakePipeline()


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path, public_url="http://testserver", secret=b"s" * 32)


@pytest.fixture
def client(
    api_settings: Settings, storage: LocalStorage, pipeline: FakePipeline, clean_database: None
) -> Iterator[TestClient]:
    """A client of the running application."""
    app = create_app(api_settings, storage=storage, pipeline=pipeline)
    with TestClient(app, client=("127.0.0.1", 50000)) as client:
        yield client


@dataclass
class World:
    """Arranges organizations, people and rows as an operator or the pipeline would."""

    engine: Engine
    client: TestClient
    password_hash: str
    tokens: dict[str, str] = field(default_factory=dict)

    def organization(self, name: str = "Alpha") -> UUID:
        with Session(self.engine) as session:
            made = organizations.create_organization(session, name=name, country="GB")
            session.commit()
        return made

    def person(
        self, email: str, *memberships: tuple[UUID, Role], permissions: Any = None
    ) -> dict[str, str]:
        """Add a person; return the headers of their requests."""
        with Session(self.engine) as session:
            user_id = organizations.create_user(
                session, email=email, password_hash=self.password_hash, first_name="Ada"
            )
            for organization_id, role in memberships:
                organizations.add_member(session, organization_id, user_id, role, permissions)
            session.commit()
        return self.log_in(email)

    def log_in(self, email: str) -> dict[str, str]:
        answer = self.client.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def user_id(self, email: str) -> UUID:
        with Session(self.engine) as session:
            found = organizations.find_user(session, email)
        assert found is not None
        return found

    def project(self, organization_id: UUID, name: str) -> UUID:
        with Session(self.engine) as session:
            made = organizations.add_project(session, organization_id, name)
            session.commit()
        return made

    def add(self, table: Any, **values: Any) -> UUID:
        row_id = values.setdefault("id", uuid7())
        with Session(self.engine) as session:
            session.execute(insert(table).values(**values))
            session.commit()
        return row_id

    def file(self, organization_id: UUID, email: str, **values: Any) -> UUID:
        file_id = values.pop("id", uuid7())
        given = {
            "user_id": self.user_id(email),
            "filename": "travel.csv",
            "object_storage_path": f"file:///nowhere/{file_id}",
            "file_size": 10,
            "mime_type": "text/csv",
            "file_type": "csv",
            "sha256": file_id.hex,
            "processing_job_id": f"file/{file_id}",
        } | values
        return self.add(File, id=file_id, organization_id=organization_id, **given)

    def emission(self, organization_id: UUID, file_id: UUID, row: int, **values: Any) -> UUID:
        given = {
            "activity_name": "Diesel",
            "unit": "litre",
            "volume": 1.0,
            "calculated_emission": 1.0,
            "scope": 1,
            "confidence_score": 0.9,
        } | values
        with Session(self.engine) as session:  # figures show once their file is complete
            session.execute(
                update(FILES)
                .where(FILES.id == file_id, FILES.status == "uploaded")
                .values(status="completed")
            )
            session.commit()
        return self.add(
            Emission, organization_id=organization_id, file_id=file_id, row_number=row, **given
        )

    def factor(self, organization_id: UUID, **values: Any) -> UUID:
        given = {
            "source_id": "own-1",
            "name": "Diesel (average biofuel blend)",
            "category": "Fuels",
            "unit": "litre",
            "dimension": "volume",
            "value_per_unit": 2.57082,
            "activity_kind": "fuel",
        } | values
        return self.add(EmissionFactor, organization_id=organization_id, **given)

    def decision(self, organization_id: UUID, file_id: UUID, key: str, **values: Any) -> UUID:
        given = {
            "activity": {"name": "Diesel", "unit": "litre"},
            "row_count": 1,
            "volume_total": 1.0,
            "outcome": "held",
            "method": "offline",
            "confidence": 0.2,
            "candidates": [{"name": "Diesel", "score": 0.2}],
        } | values
        return self.add(
            Decision, organization_id=organization_id, file_id=file_id, activity_key=key, **given
        )

    def review(
        self, organization_id: UUID, file_id: UUID, decision_id: UUID, **values: Any
    ) -> UUID:
        with Session(self.engine) as session:  # what waits for review is of completed files
            session.execute(update(File).where(File.id == file_id).values(status="completed"))
            session.commit()
        given = {"reason_code": "low_confidence", "reason": "Unsure.", "row_count": 1} | values
        return self.add(
            Review, organization_id=organization_id, file_id=file_id, decision_id=decision_id,
            **given,
        )  # fmt: skip

    def report(self, organization_id: UUID, email: str, **values: Any) -> UUID:
        criteria = {
            "criteria": {}, "filter": {}, "projects": None, "group_by": [],
            "include_details": False, "rows_expected": 0,
            "estimated_completion": "2026-11-22T14:00:00+00:00",
        }  # fmt: skip
        given = {
            "user_id": self.user_id(email), "name": "Year", "file_format": "csv",
            "query_criteria": criteria,
        } | values  # fmt: skip
        return self.add(Report, organization_id=organization_id, **given)

    def issue(self, organization_id: UUID, file_id: UUID, row: int, **values: Any) -> UUID:
        given = {
            "part": 0, "code": "unit_missing", "severity": "rejected", "message": "Name a unit.",
        } | values  # fmt: skip
        return self.add(
            RowIssue, organization_id=organization_id, file_id=file_id, row_number=row, **given
        )


@pytest.fixture
def world(client: TestClient, platform_engine: Engine, settings: Settings) -> World:
    return World(platform_engine, client, Passwords(settings).hash(PASSWORD))


@dataclass
class Tenant:
    """An organization with one admin."""

    id: UUID
    email: str
    headers: dict[str, str]


@pytest.fixture
def alpha(world: World) -> Tenant:
    organization_id = world.organization("Alpha")
    headers = world.person("ada@alpha.example", (organization_id, Role.ADMIN))
    return Tenant(organization_id, "ada@alpha.example", headers)


@pytest.fixture
def beta(world: World) -> Tenant:
    organization_id = world.organization("Beta")
    headers = world.person("bob@beta.example", (organization_id, Role.ADMIN))
    return Tenant(organization_id, "bob@beta.example", headers)


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Assert that an answer is this problem, well formed; return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail", "instance"} <= set(body)
    return body
