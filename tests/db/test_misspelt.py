"""Misspelt words, where the server has similarity(); without it a search is what was typed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, text

from core.permissions import Reach
from db.engine import tenant_session
from db.ids import uuid7
from db.queries.misspelt import corrected

NAMES = ("Diesel vans", "Electricity, office", "Natural gas", "Flights to Berlin", "Dienstreise")
CASES = {
    "diezel": "diesel",
    "electrcity office": "electricity office",
    "Electrcity OR diezel": "electricity OR diesel",
    'naturall "gas"': 'natural "gas"',
    "diesel": None,
    "flight": None,  # the stem is known
    "the": None,
    "coats": None,  # nothing is near
    "diesel -diezel": None,  # what is excluded stays
    "gaz": None,  # too short to tell
    "d1ezel": None,
    "": None,
}


@pytest.fixture
def organizations(clean_database: None, platform_engine: Engine) -> list[tuple[UUID, UUID]]:
    """(organization, project) of two tenants: one has the names above, one another."""
    found = []
    with platform_engine.begin() as connection:
        user = uuid7()
        connection.execute(
            text("INSERT INTO users (id, email, password_hash) VALUES (:u, 'x@x', 'x')"),
            {"u": user},
        )
        for names in (NAMES, ("Kerosene",)):
            ids = {"o": uuid7(), "p": uuid7(), "f": uuid7(), "u": user}
            found.append((ids["o"], ids["p"]))
            for statement in (
                "INSERT INTO organizations (id, name) VALUES (:o, 'x')",
                "INSERT INTO projects (organization_id, id, name) VALUES (:o, :p, 'x')",
                "INSERT INTO files (organization_id, id, user_id, filename, object_storage_path,"
                " file_size, file_type, sha256, processing_job_id, status) VALUES (:o, :f, :u,"
                " 'a.csv', 'file:///a', 1, 'csv', 'x', 'f', 'completed')",
            ):
                connection.execute(text(statement), ids)
            for number, name in enumerate(names):
                connection.execute(
                    text(
                        "INSERT INTO emissions (organization_id, id, file_id, row_number,"
                        " activity_name, unit, volume, calculated_emission, project_id) VALUES"
                        " (:o, gen_random_uuid(), :f, :n, :name, 'kg', 1, 1, :p)"
                    ),
                    {**ids, "n": number, "name": name, "p": ids["p"] if number else None},
                )
    return found


def correct(engine: Engine, organization: UUID, typed: str, reach: Reach) -> str | None:
    with tenant_session(engine, organization) as session:
        return corrected(session, organization, reach, typed)


@pytest.mark.parametrize("typed", CASES)
def test_an_unknown_word_becomes_the_nearest_known_one(
    organizations, app_engine, similarity, typed: str
) -> None:
    assert correct(app_engine, organizations[0][0], typed, Reach(None)) == CASES[typed]


def test_words_of_other_tenants_and_projects_are_not_offered(
    organizations, app_engine, similarity
) -> None:
    (mine, project), (theirs, _) = organizations
    assert correct(app_engine, theirs, "diezel kerozene", Reach(None)) == "diezel kerosene"
    assert correct(app_engine, mine, "kerozene", Reach(None)) is None
    # the row about diesel is in no project
    assert correct(app_engine, mine, "diezel", Reach(frozenset({project}))) is None
    assert correct(app_engine, mine, "electrcity", Reach(frozenset({project}))) == "electricity"


def test_without_similarity_words_are_taken_as_typed(organizations, app_engine) -> None:
    assert correct(app_engine, organizations[0][0], "diezel", Reach(None)) is None


def programs() -> Path | None:
    """Return where a PostgreSQL of this machine has its programs, if one is installed."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)  # Debian's
    return next((folder for folder in found if (folder / "initdb").exists()), None)


@pytest.fixture(scope="module")
def trigrams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A PostgreSQL with pg_trgm; the one that the other tests run on has none."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL is installed beside the tests' own, which has no pg_trgm")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if user not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("a PostgreSQL does not run as root, and there is no user postgres")
    home = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    shutil.chown(home, user)
    as_user = {"user": user, "check": True, "capture_output": True, "cwd": home}
    if os.geteuid() != 0:
        del as_user["user"]
    subprocess.run(
        [folder / "initdb", "-D", home / "pg", "-U", "postgres", "-E", "UTF8"], **as_user
    )
    options = f"-c listen_addresses='' -c unix_socket_directories={home}"
    control = [folder / "pg_ctl", "-D", home / "pg", "-l", home / "log", "-w"]
    subprocess.run([*control, "-o", options, "start"], **as_user)
    engine = create_engine(f"postgresql+psycopg://postgres@/postgres?host={home}")
    try:
        with engine.begin() as connection:
            ships = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'"
            if not connection.scalar(text(ships)):
                pytest.skip("the PostgreSQL that is installed has no pg_trgm")
            connection.execute(text("CREATE EXTENSION pg_trgm"))
        yield engine
    finally:
        engine.dispose()
        subprocess.run([*control, "-m", "immediate", "stop"], **as_user)
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("typed", CASES)
def test_pg_trgm_itself_corrects_the_same(trigrams: Engine, typed: str) -> None:
    organization = uuid7()
    with trigrams.connect() as connection:  # what a search looks at; gone with the transaction
        connection.execute(text("CREATE TABLE organizations (id uuid, search_language regconfig)"))
        connection.execute(
            text("INSERT INTO organizations VALUES (:o, 'english')"), {"o": organization}
        )
        connection.execute(
            text(
                "CREATE TABLE tenant_emission_texts AS SELECT CAST(:o AS uuid) AS organization_id,"
                " NULL::uuid AS project_id, name AS activity_name, to_tsvector('english', name)"
                " AS search_vector FROM unnest(CAST(:names AS text[])) AS name"
            ),
            {"o": organization, "names": list(NAMES)},
        )
        with tenant_session(connection, organization) as session:
            assert corrected(session, organization, Reach(None), typed) == CASES[typed]
