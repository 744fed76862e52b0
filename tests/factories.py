"""Uploads as the API would have left them, for tests of the pipeline."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, insert, text
from sqlmodel import Session

from core.contracts import FileRef, workflow_id
from core.keys import upload_key
from core.permissions import Role
from core.ports import Storage
from db.ids import uuid7
from db.models import File
from db.queries import organizations


@dataclass(frozen=True)
class Uploader:
    """An organization whose user uploads files."""

    engine: Engine  # platform
    storage: Storage
    organization_id: UUID
    user_id: UUID

    @classmethod
    def make(cls, engine: Engine, storage: Storage, name: str = "Harbour & Hill") -> Uploader:
        """Add an organization with one admin."""
        with Session(engine) as session:
            organization_id = organizations.create_organization(session, name=name, country="GB")
            user_id = organizations.create_user(
                session, email=f"{organization_id}@example.org", password_hash="x"
            )
            organizations.add_member(session, organization_id, user_id, Role.ADMIN)
            session.commit()
        return cls(engine, storage, organization_id, user_id)

    def upload(self, data: bytes, filename: str = "activities.csv", **values: Any) -> FileRef:
        """Store bytes and insert their row."""
        file_id = uuid7()
        stored = self.storage.put(upload_key(self.organization_id, file_id), io.BytesIO(data))
        row = {
            "id": file_id,
            "organization_id": self.organization_id,
            "user_id": self.user_id,
            "filename": filename,
            "object_storage_path": stored.url,
            "file_size": stored.size_bytes,
            "file_type": filename.rpartition(".")[2],
            "sha256": stored.sha256,
            "region": "GB",
            "processing_job_id": workflow_id(file_id),
        } | values
        with Session(self.engine) as session:
            session.execute(insert(File).values(**row))
            session.commit()
        return FileRef(organization_id=self.organization_id, file_id=file_id)

    def file(self, ref: FileRef) -> Any:
        """Return the file's row."""
        return self.rows("SELECT * FROM files WHERE id = :file_id", ref)[0]

    def rows(self, query: str, ref: FileRef) -> list[Any]:
        """Return what a query with :organization_id and :file_id finds."""
        with Session(self.engine) as session:
            return list(session.execute(text(query), ref.model_dump()).all())
