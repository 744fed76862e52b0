"""Fill a database: schema, shipped factor releases, and the demo organization."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine
from sqlmodel import Session

from core.errors import Misconfigured
from core.factors.library import load_release, releases_in_order, shipped_digest, source_of
from core.permissions import Role
from db.engine import make_engine
from db.queries import library, organizations
from runtime import migrate
from runtime.factor_releases import NewRelease, Outcome, import_release
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
    """Load releases that the database does not hold yet; return their names.

    Raises Misconfigured when one of them is there with other content.
    """
    loaded = []
    embedder = None
    for name in releases_in_order():
        with Session(platform) as session:
            known = library.find_release(session, name)
        if known is not None and known.sha256 != shipped_digest(name):
            raise Misconfigured(
                f"the factor release {name} in the database differs from the shipped one; "
                "releases are immutable, so a correction needs a new name "
                "(in development: make clean)"
            )
        if known is not None and (known.supersedes or "") == source_of(name).supersedes:
            continue
        if embedder is None:
            from runtime.adapters.embedder_onnx import OnnxEmbedder

            embedder = OnnxEmbedder(threads=settings.embedder_threads)
        release = load_release(name)
        new = NewRelease(release.meta, release.factors, shipped_digest(name))
        if import_release(platform, new, embedder) is Outcome.IMPORTED:
            loaded.append(name)
    return loaded


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
