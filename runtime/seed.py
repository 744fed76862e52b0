"""Fill a database: schema, shipped factor releases, and the demo organization."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine
from sqlmodel import Session

from core.errors import Misconfigured
from core.factors.library import Release, load_release, releases
from core.factors.release_file import dump_factors
from core.permissions import Role
from core.ports import CachingEmbedder
from db.engine import make_engine
from db.queries import library, organizations
from runtime import migrate
from runtime.adapters.library_vectors import describing_text
from runtime.passwords import Passwords
from runtime.settings import DatabaseRole, Settings

DEMO_ORGANIZATION = "Harbour & Hill Ltd"


def prepare(settings: Settings, email: str, password: str) -> None:
    """Migrate, load the shipped releases and make the demo login; all of it only once."""
    admin = make_engine(settings.database_url_for(DatabaseRole.ADMIN), pool_size=2)
    with admin.connect() as connection:
        migrate.upgrade(connection)
    admin.dispose()
    platform = make_engine(settings.database_url_for(DatabaseRole.PLATFORM), pool_size=2)
    load_shipped_releases(platform, settings)
    make_demo_login(platform, settings, email, password)
    platform.dispose()


def load_shipped_releases(platform: Engine, settings: Settings) -> list[str]:
    """Load releases that the database does not hold yet; return their names."""
    loaded = []
    for name in releases():
        release = load_release(name)
        with Session(platform) as session:
            digest = library.release_digest(session, name)
            if digest == digest_of(release):
                continue
            if digest is not None:
                raise Misconfigured(
                    f"the factor release {name} in the database differs from the shipped one; "
                    "releases are immutable, so a correction needs a new name "
                    "(in development: make clean)"
                )
            from runtime.adapters.embedder_onnx import OnnxEmbedder

            embedder = OnnxEmbedder(threads=settings.embedder_threads)
            load_release_into(session, release, embedder, settings.work_dir / "embeddings")
            session.commit()
        loaded.append(name)
    return loaded


def load_release_into(
    session: Session, release: Release, embedder: CachingEmbedder, cache_dir: Path
) -> None:
    """Insert one release with the embeddings of its factors' names."""
    texts = [describing_text(f) for f in release.factors]
    vectors = embedder.embed_cached(texts, cache_dir)
    library.insert_release(
        session,
        release_row(release),
        release.factors,
        {f.id: v.tolist() for f, v in zip(release.factors, vectors, strict=True)},
    )


def digest_of(release: Release) -> str:
    """Return the digest of a release's normalized table: what may never change under its name."""
    return hashlib.sha256(dump_factors(release.factors).encode()).hexdigest()


def release_row(release: Release) -> dict[str, Any]:
    """Return a release as a row of factor_releases."""
    meta = release.meta
    return {
        "name": meta.release,
        "publisher": meta.publisher,
        "title": meta.title,
        "version": meta.version,
        "source_year": meta.year,
        "licence": meta.licence,
        "url": meta.url,
        "retrieved_on": meta.retrieved_on,
        "sha256": digest_of(release),
        "gwp_set": meta.gwp_set,
        "supersedes": None,
        "factor_count": len(release.factors),
    }


def make_demo_login(platform: Engine, settings: Settings, email: str, password: str) -> UUID:
    """Return the demo user, made as admin of an organization of its own on first use."""
    with Session(platform) as session:
        if existing := organizations.find_user(session, email):
            return existing
        organization_id = organizations.create_organization(
            session, name=DEMO_ORGANIZATION, country="GB", industry="Manufacturing"
        )
        user_id = organizations.create_user(
            session,
            email=email,
            password_hash=Passwords(settings).hash(password),
            first_name="Demo",
            last_name="User",
        )
        organizations.add_member(session, organization_id, user_id, Role.ADMIN)
        session.commit()
        return user_id
