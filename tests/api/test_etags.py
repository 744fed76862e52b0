"""ETag, If-None-Match and If-Match on single resources."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db.models import Recalculation

ACTIVITY = {
    "key": "k", "name": "Red diesel", "type": None, "description": None, "unit": "l",
    "dimension": "volume", "basis": None, "region": "GB", "year": 2024, "currency": None,
}  # fmt: skip
Ids = dict[str, UUID]


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return dict(answer.json())


@pytest.fixture
def rows(world, alpha) -> Ids:
    """One of each resource."""
    file_id = world.file(alpha.id, alpha.email, sha256="f" * 64)
    decision = world.decision(alpha.id, file_id, "k", activity=ACTIVITY)
    return {
        "organization_id": alpha.id,
        "file_id": file_id,
        "emission_id": world.emission(alpha.id, file_id, 2),
        "review_id": world.review(alpha.id, file_id, decision),
        "report_id": world.report(alpha.id, alpha.email),
        "emission_factor_id": world.factor(alpha.id),
        "recalculation_id": world.add(
            Recalculation,
            organization_id=alpha.id,
            user_id=world.user_id(alpha.email),
            releases=["desnz-2025"],
            releases_before=["desnz-2024"],
            filter={},
            status="previewed",
        ),
    }


SINGLE = [
    "/v1/organizations/{organization_id}",
    "/v1/files/{file_id}",
    "/v1/emissions/{emission_id}",
    "/v1/emissions/reviews/{review_id}",
    "/v1/emissions/reports/{report_id}",
    "/v1/emissions/recalculations/{recalculation_id}",
    "/v1/emission-factors/{emission_factor_id}",
]
# What takes If-Match → the resource whose tag it compares, and a body.
GUARDED: list[tuple[str, str, str, Any]] = [
    ("patch", SINGLE[0], SINGLE[0], {"name": "Other"}),
    ("post", SINGLE[3], SINGLE[3], {"action": "reject"}),
    ("delete", SINGLE[4], SINGLE[4], None),
    ("delete", SINGLE[5], SINGLE[5], None),
    ("post", SINGLE[5] + "/cancel", SINGLE[5], None),
    ("delete", SINGLE[6], SINGLE[6], None),
]


def test_every_single_resource_is_in_the_table(client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    found = {path for path, methods in paths.items() if path.endswith("}") and "get" in methods}
    assert found >= set(SINGLE)


@pytest.mark.parametrize("path", SINGLE)
def test_an_unchanged_resource_is_304_without_a_body(client, alpha, rows, path) -> None:
    url = path.format(**rows)
    first = client.get(url, headers=alpha.headers)
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]+\.[0-9a-f]{16}"', tag), "version and digest"
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(url, headers=alpha.headers | {"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b""), known
        assert again.headers["etag"] == tag
        assert "content-length" not in again.headers
        assert again.headers["x-request-id"]
    other = client.get(url, headers=alpha.headers | {"If-None-Match": '"other"'})
    assert (other.status_code, other.content != b"") == (200, True)


def test_a_304_hides_no_audit_event_that_the_row_does_not_know_of(
    client, alpha, rows, app_engine
) -> None:
    from db.engine import tenant_session
    from db.queries import audit

    url = SINGLE[1].format(**rows)
    tag = client.get(url, headers=alpha.headers).headers["etag"]
    with tenant_session(app_engine, alpha.id) as session:
        audit.record(
            session, alpha.id, audit.Actor(None, "system"), action="file.seen",
            object_type="file", object_id=rows["file_id"],
        )  # fmt: skip
        session.commit()
    answer = client.get(url, headers=alpha.headers | {"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["etag"].partition(".")[0] == tag.partition(".")[0]


def test_anothers_resource_is_404_whatever_tag_comes_along(client, alpha, beta, rows) -> None:
    for path in SINGLE[1:]:
        for header in ("If-None-Match", "If-Match"):
            headers = beta.headers | {header: "*"}
            assert client.get(path.format(**rows), headers=headers).status_code == 404


@pytest.mark.parametrize(("method", "path", "read", "body"), GUARDED)
def test_a_stale_tag_is_412_and_changes_nothing(
    client, alpha, rows, admin_engine, method, path, read, body
) -> None:
    url, read = path.format(**rows), read.format(**rows)
    before = client.get(read, headers=alpha.headers)
    tag = before.headers["etag"]
    for stale in ('"0.0"', f"W/{tag}", tag.strip('"'), ""):
        headers = alpha.headers | {"If-Match": stale}
        problem(client.request(method, url, headers=headers, json=body), 412, "precondition_failed")
    assert client.get(read, headers=alpha.headers).content == before.content
    table = re.findall(r"\{(\w+)_id\}", path)[-1] + "s"
    with admin_engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET created_at = created_at"))
    headers = alpha.headers | {"If-Match": tag}
    problem(client.request(method, url, headers=headers, json=body), 412, "precondition_failed")


@pytest.mark.parametrize("current", [True, False])
@pytest.mark.parametrize(("method", "path", "read", "body"), GUARDED)
def test_the_present_tag_and_the_star_let_pass(
    client, alpha, rows, method, path, read, body, current
) -> None:
    url = path.format(**rows)
    tag = client.get(read.format(**rows), headers=alpha.headers).headers["etag"]
    headers = alpha.headers | {"If-Match": f'"old", {tag}' if current else "*"}
    answer = client.request(method, url, headers=headers, json=body)
    assert answer.status_code < 300, answer.text


def test_a_signed_link_does_not_change_the_tag(client, alpha, storage, rows, admin_engine) -> None:
    key = f"{alpha.id}/files/{rows['file_id']}"
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE files SET status = 'completed'"))
    from io import BytesIO

    stored = storage.put(key, BytesIO(b"a,b\n"), content_type="text/csv")
    with admin_engine.begin() as connection:
        connection.execute(text("UPDATE files SET object_storage_path = :u"), {"u": stored.url})
    from starlette.datastructures import MutableHeaders

    from api.etags import complete

    tags = {
        complete(
            MutableHeaders({"ETag": '"1"'}),
            b'{"annex_url":"%b","x":1,"download_url":"%b"}' % (annex, link),
        )
        for link in (b"a", b"b")
        for annex in (b"c", b"d")
    }
    assert len(tags) == 1
    assert complete(MutableHeaders({"ETag": '"1"'}), b'{"x":2}') not in tags


def test_what_must_not_be_stored_has_no_tag(client, alpha) -> None:
    assert "etag" not in client.get("/v1/auth/me", headers=alpha.headers).headers
