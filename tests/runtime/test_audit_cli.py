"""`tonnage audit` as an auditor types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from core.audit import canonical_json
from db.engine import tenant_session
from db.ids import uuid7
from db.queries import audit, organizations
from runtime.cli import main

PIPELINE = audit.Actor(user_id=None, kind="pipeline")


@pytest.fixture
def environment(settings, monkeypatch, clean_database, tmp_path) -> None:
    monkeypatch.setenv("TONNAGE_SECRET_KEY", settings.secret_key.get_secret_value())
    monkeypatch.setenv("TONNAGE_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TONNAGE_STORAGE_URL", settings.storage_url)
    monkeypatch.setenv("TONNAGE_WORK_DIR", str(tmp_path))


@pytest.fixture
def chains(environment, platform_engine: Engine, app_engine: Engine) -> list[UUID]:
    """Two organizations with four events each."""
    made = []
    for name in ("Alpha", "Beta"):
        with Session(platform_engine) as session:
            organization_id = organizations.create_organization(session, name=name)
            session.commit()
        with tenant_session(app_engine, organization_id) as session:
            for number in range(4):
                audit.record(
                    session, organization_id, PIPELINE, action="file.completed",
                    object_type="file", object_id=uuid7(), after={"rows": number},
                )  # fmt: skip
            session.commit()
        made.append(organization_id)
    return made


def tamper(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))


def test_what_a_restore_has_lost_is_noted_and_nothing_is_rewritten(
    chains, admin_engine, tmp_path, capsys
) -> None:
    alpha, beta = chains
    kept = tmp_path / "heads.json"
    assert main(["audit", "head", "--out", str(kept)]) == 0
    before = rows_of(admin_engine)
    cut(admin_engine, alpha)  # as a restore of an older backup leaves it
    told = ["audit", "restored", "--from-head", str(kept), "--reason", "disk failure"]
    assert main(told) == 0
    assert "noted in 1 chain;" in capsys.readouterr().out
    after = rows_of(admin_engine)
    assert {row for row in before if row in after} == {
        row for row in before if row.organization_id == beta or row.sequence <= 2
    }
    [noted] = [row for row in after if row not in before]
    [last] = [row for row in before if (row.organization_id, row.sequence) == (alpha, 4)]
    assert (noted.organization_id, noted.sequence, noted.actor) == (alpha, 3, "operator")
    with admin_engine.connect() as connection:
        event = connection.scalar(
            text("SELECT after FROM audit_events WHERE action = 'audit.restored'")
        )
    assert event == {
        "lost_from": 3, "lost_to": 4, "kept_hash": bytes(last.hash).hex(), "reason": "disk failure",
    }  # fmt: skip
    assert main(["audit", "verify"]) == 0
    # the note excuses nothing: the head that was kept still tells
    assert main(["audit", "verify", "--from-head", str(kept)]) == 1
    newer = tmp_path / "newer.json"
    assert main(["audit", "head", "--out", str(newer)]) == 0
    assert main(["audit", "verify", "--from-head", str(newer)]) == 0


def test_a_chain_that_lost_nothing_gets_no_note_and_an_unsigned_head_is_refused(
    chains, admin_engine, tmp_path, capsys
) -> None:
    kept = tmp_path / "heads.json"
    assert main(["audit", "head", "--out", str(kept)]) == 0
    told = ["audit", "restored", "--from-head", str(kept), "--reason", "none"]
    before = rows_of(admin_engine)
    assert main(told) == 0
    assert rows_of(admin_engine) == before
    document = json.loads(kept.read_text())
    del document["signature"]
    kept.write_text(json.dumps(document))
    assert main(told) != 0
    assert rows_of(admin_engine) == before


def rows_of(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(
            connection.execute(
                text(
                    "SELECT organization_id, sequence, actor, hash FROM audit_events"
                    " ORDER BY organization_id, sequence"
                )
            )
        )


def cut(engine: Engine, organization_id: UUID) -> None:
    """Take the last two events away, and set the head back."""
    tamper(
        engine,
        f"DELETE FROM audit_events WHERE organization_id = '{organization_id}' AND sequence > 2",
        "UPDATE audit_heads h SET sequence = 2, hash = e.hash FROM audit_events e"
        f" WHERE h.organization_id = '{organization_id}'"
        " AND e.organization_id = h.organization_id AND e.sequence = 2",
    )


def test_whole_chains_are_told_with_their_events(chains, capsys) -> None:
    assert main(["audit", "verify"]) == 0
    out = capsys.readouterr().out
    for organization_id in chains:
        assert str(organization_id) in out
    assert "2 chains, 8 events checked: all whole" in out


def test_a_broken_chain_is_exit_code_1_and_names_organization_row_and_reason(
    chains, admin_engine, capsys
) -> None:
    alpha, beta = chains
    tamper(
        admin_engine,
        f"UPDATE audit_events SET action = 'x' WHERE organization_id = '{beta}' AND sequence = 3",
    )
    assert main(["audit", "verify"]) == 1
    [told] = [line for line in capsys.readouterr().out.splitlines() if str(beta) in line]
    assert f"BROKEN {beta} at sequence 3: content:" in told
    assert "2 events before it are right" in told
    assert main(["audit", "verify", "--organization", str(alpha)]) == 0
    assert "1 chain, 4 events checked: all whole" in capsys.readouterr().out
    assert main(["audit", "verify", "--organization", str(beta)]) == 1


def test_a_kept_head_shows_that_the_end_was_cut_off(
    chains, admin_engine, capsys, tmp_path: Path
) -> None:
    kept = tmp_path / "head.json"
    assert main(["audit", "head", "--out", str(kept)]) == 0
    assert main(["audit", "verify", "--from-head", str(kept)]) == 0
    assert "signature right" in capsys.readouterr().out
    cut(admin_engine, chains[0])
    assert main(["audit", "verify"]) == 0  # without the kept head nothing tells
    assert main(["audit", "verify", "--from-head", str(kept)]) == 1
    out = capsys.readouterr().out
    assert "kept_head" in out
    assert "says 4 rows, 2 are there" in out


def test_a_head_is_printed_with_sequence_hash_time_and_signature(
    chains, admin_engine, capsys
) -> None:
    assert main(["audit", "head", "--organization", str(chains[1])]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"format", "taken_at", "heads", "signature"}
    with admin_engine.connect() as connection:
        stored = connection.execute(
            text("SELECT encode(hash, 'hex') AS hash FROM audit_heads WHERE organization_id = :o"),
            {"o": chains[1]},
        ).one()
    assert document["heads"] == [
        {"organization_id": str(chains[1]), "sequence": 4, "hash": stored.hash}
    ]


def test_a_changed_head_is_refused_and_one_of_the_previous_key_is_not(
    chains, capsys, tmp_path, monkeypatch, settings
) -> None:
    kept = tmp_path / "head.json"
    main(["audit", "head", "--out", str(kept)])
    monkeypatch.setenv("TONNAGE_SECRET_KEY", "another-" + settings.secret_key.get_secret_value())
    assert main(["audit", "verify", "--from-head", str(kept)]) == 1
    assert "signature that does not fit" in capsys.readouterr().err
    monkeypatch.setenv("TONNAGE_SECRET_KEYS_PREVIOUS", settings.secret_key.get_secret_value())
    assert main(["audit", "verify", "--from-head", str(kept)]) == 0
    document = json.loads(kept.read_text())
    document["heads"][0]["sequence"] = 2
    kept.write_text(canonical_json(document))
    assert main(["audit", "verify", "--from-head", str(kept)]) == 1
    assert "signature that does not fit" in capsys.readouterr().err


def test_a_head_without_signature_counts_and_says_so(
    chains, admin_engine, capsys, tmp_path
) -> None:
    kept = tmp_path / "head.json"
    main(["audit", "head", "--out", str(kept)])
    document = json.loads(kept.read_text())
    del document["signature"]
    kept.write_text(json.dumps(document))
    cut(admin_engine, chains[0])
    assert main(["audit", "verify", "--from-head", str(kept)]) == 1
    assert "signature not checked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        ("{", "is no JSON"),
        ("[]", "is no tonnage-audit-head-1 document"),
        ('{"format": "tonnage-audit-head-1"}', "cannot be read"),
        ('{"format": "tonnage-audit-head-1", "heads": [{"sequence": 1}]}', "cannot be read"),
    ],
)
def test_a_file_that_is_no_head_is_refused_with_the_reason(
    environment, capsys, tmp_path, content: str | None, told: str
) -> None:
    path = tmp_path / "kept.json"
    if content is not None:
        path.write_text(content)
    assert main(["audit", "verify", "--from-head", str(path)]) == 1
    assert told in capsys.readouterr().err
