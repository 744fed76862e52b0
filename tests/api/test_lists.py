"""Every list of the API: pages, cursors, limits, links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from core.permissions import Role
from db.models import Recalculation, RememberedDecision, Webhook

ACTIVITY = {
    "key": "k", "name": "Red diesel", "type": None, "description": None, "unit": "l",
    "dimension": "volume", "basis": None, "region": "GB", "year": 2024, "currency": None,
}  # fmt: skip
# Lists that the test can fill → how one more row is made. Others are held to the rules of
# parameters and cursors, which need no row.
FILLED = {
    "/v1/files", "/v1/emissions", "/v1/emissions/reviews", "/v1/emissions/reports",
    "/v1/emissions/recalculations", "/v1/emission-factors", "/v1/organizations",
    "/v1/files/{file_id}/issues", "/v1/organizations/{organization_id}/decisions",
    "/v1/organizations/{organization_id}/webhooks",
}  # fmt: skip


class Filler:
    """Makes one more row of each list."""

    def __init__(self, world: Any, tenant: Any) -> None:
        self.world, self.tenant = world, tenant
        self.file = world.file(tenant.id, tenant.email)
        self.rows = 0

    def one(self, path: str) -> None:
        self.rows += 1
        n, world, who = self.rows, self.world, self.tenant
        make: dict[str, Callable[[], Any]] = {
            "/v1/files": lambda: world.file(who.id, who.email),
            "/v1/emissions": lambda: world.emission(who.id, self.file, n),
            "/v1/emissions/reviews": lambda: self.review(n),
            "/v1/emissions/reports": lambda: world.report(who.id, who.email),
            "/v1/emissions/recalculations": lambda: world.add(
                Recalculation, organization_id=who.id, user_id=world.user_id(who.email),
                releases=["a"], releases_before=["b"], filter={}, status="committed",
            ),
            "/v1/emission-factors": lambda: world.factor(
                who.id, source_id=f"own-{n}", name=f"Factor {n}"
            ),
            "/v1/organizations": lambda: self.organization(n),
            "/v1/files/{file_id}/issues": lambda: world.issue(who.id, self.file, n),
            "/v1/organizations/{organization_id}/decisions": lambda: world.add(
                RememberedDecision, organization_id=who.id, memory_key=f"k{n}", activity=ACTIVITY,
                decided_by=world.user_id(who.email),
            ),
            "/v1/organizations/{organization_id}/webhooks": lambda: world.add(
                Webhook, organization_id=who.id, created_by=world.user_id(who.email),
                url=f"https://hooks.example.org/{n}", events=["file.completed"],
            ),
        }  # fmt: skip
        make[path]()

    def review(self, n: int) -> None:
        decision = self.world.decision(self.tenant.id, self.file, f"k{n}", activity=ACTIVITY)
        self.world.review(self.tenant.id, self.file, decision)

    def organization(self, n: int) -> None:
        from sqlmodel import Session

        from db.queries import organizations

        made = self.world.organization(f"Zeta {n}")
        with Session(self.world.engine) as session:
            user_id = self.world.user_id(self.tenant.email)
            organizations.add_member(session, made, user_id, Role.VIEWER, None)
            session.commit()


def lists(client: Any) -> dict[str, dict[str, Any]]:
    """Return the list operations: those that take a cursor."""
    found = {}
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        parameters = methods.get("get", {}).get("parameters", [])
        names = {p["name"]: p for p in parameters if p["in"] == "query"}
        if "cursor" in names:
            found[path] = names
    assert set(found) > FILLED
    return found


def url_of(path: str, filler: Filler) -> str:
    """Fill the ids of a path; what the test has none of is another's."""
    ids = {"organization_id": filler.tenant.id, "file_id": filler.file}
    while "{" in path:
        name = path[path.index("{") + 1 : path.index("}")]
        path = path.replace(f"{{{name}}}", str(ids.get(name, uuid4())))
    return path


def rows_of(body: dict[str, Any]) -> list[Any]:
    [rows] = [value for value in body.values() if isinstance(value, list)]
    return rows


@pytest.fixture
def filler(world, alpha) -> Filler:
    return Filler(world, alpha)


def headers_of(who: Any) -> dict[str, str]:
    return who.headers | {"X-Organization-Id": str(who.id)}


@pytest.mark.parametrize("path", sorted(FILLED))
def test_walking_a_list_while_rows_are_added_repeats_and_loses_none(
    client, alpha, filler, path
) -> None:
    for _ in range(4):
        filler.one(path)
    url, headers = url_of(path, filler), headers_of(alpha)
    whole = client.get(url, headers=headers, params={"include": "total"}).json()
    before = [str(row) for row in rows_of(whole)]
    assert whole["pagination"]["total"] == len(before) >= 4
    assert (whole["pagination"]["limit"], whole["pagination"]["has_more"]) == (50, False)
    seen: list[str] = []
    link = f"{url}?limit=1"
    while True:
        answer = client.get(link, headers=headers)
        body = answer.json()
        assert answer.status_code == 200, answer.text
        assert len(rows_of(body)) == 1
        seen += [str(row) for row in rows_of(body)]
        if not body["pagination"]["has_more"]:
            break
        link = answer.links["next"]["url"]
        [cursor] = parse_qs(urlsplit(link).query)["cursor"]
        assert cursor == body["pagination"]["next_cursor"]
        assert parse_qs(urlsplit(link).query)["limit"] == ["1"]
        if len(seen) < 3:
            filler.one(path)
        assert len(seen) < 20
    assert "next" not in answer.links
    assert body["pagination"]["next_cursor"] is None
    assert len(set(seen)) == len(seen)
    identity = {row.split(",")[0] for row in seen}
    assert {row.split(",")[0] for row in before} <= identity


@pytest.mark.parametrize("path", sorted(FILLED))
def test_a_cursor_opens_nothing_but_its_own_list(client, world, alpha, beta, filler, path) -> None:
    for _ in range(2):
        filler.one(path)
    url, headers = url_of(path, filler), headers_of(alpha)
    cursor = client.get(f"{url}?limit=1", headers=headers).json()["pagination"]["next_cursor"]
    assert cursor
    known = lists(client)[path]

    def refused(params: dict[str, str], who: dict[str, str] = headers, at: str = url) -> None:
        answer = client.get(at, headers=who, params={"cursor": cursor} | params)
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid"), answer.text
        assert answer.json()["errors"][0]["pointer"] == "query/cursor"
        assert cursor not in answer.text

    assert client.get(url, headers=headers, params={"cursor": cursor}).status_code == 200
    for tampered in (cursor[:-2] + "AA", "A" + cursor[1:], cursor[:20], "x", "é", cursor + "A"):
        if tampered != cursor:
            refused({"cursor": tampered})
    filters = {
        "status": None, "q": "x", "file_id": str(uuid4()), "role": "viewer", "severity": "warning",
    }  # fmt: skip
    told = {name: value for name, value in filters.items() if value and name in known}
    for name, value in told.items():
        refused({name: value})
    if "sort" in known:
        schema = known["sort"]["schema"]
        for sort in set(schema["enum"]) - {schema["default"]}:
            refused({"sort": sort})
    for other in FILLED - {path}:
        refused({}, at=url_of(other, filler))
    if "{" not in path and path != "/v1/organizations":
        refused({}, who=headers_of(beta))


def test_every_list_has_the_same_parameters_and_refuses_what_is_none(client, alpha, filler) -> None:
    headers = headers_of(alpha)
    for path, names in lists(client).items():
        limit = names["limit"]["schema"]
        assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 200, 50), path
        assert "include" in names, path
        url = url_of(path, filler)
        for query in ("limit=0", "limit=201", "limit=x", "include=all", "limt=5"):
            answer = client.get(f"{url}?{query}", headers=headers)
            assert answer.status_code == 422, (url, query, answer.text)
            assert answer.json()["code"] == "validation_failed"


def test_a_link_keeps_every_parameter_also_those_that_come_twice(client, alpha, filler) -> None:
    for _ in range(3):
        filler.one("/v1/emissions")
    query = "scope=1&scope=2&name=Die&sort=-emission&limit=1&include=total"
    answer = client.get(f"/v1/emissions?{query}", headers=alpha.headers)
    link = urlsplit(answer.links["next"]["url"])
    assert (link.scheme, link.netloc, link.path) == ("", "", "/v1/emissions")
    sent, linked = parse_qs(query), parse_qs(link.query)
    del linked["cursor"]
    assert linked == sent


def test_files_are_filtered_and_sorted_as_the_contract_says(client, world, alpha) -> None:
    project = world.project(alpha.id, "P")
    world.file(alpha.id, alpha.email, filename="a.csv", file_size=3, created_at="2026-01-01T00:00Z")
    world.file(
        alpha.id, alpha.email, filename="B.xlsx", file_type="xlsx", file_size=1,
        created_at="2026-01-02T00:00Z", project_id=project, status="failed",
    )  # fmt: skip
    world.file(alpha.id, alpha.email, filename="c.csv", file_size=2, created_at="2026-01-03T00:00Z")

    def names(**query: Any) -> str:
        answer = client.get("/v1/files", headers=alpha.headers, params=query)
        assert answer.status_code == 200, answer.text
        return " ".join(file["filename"] for file in answer.json()["files"])

    assert names() == names(sort="-created_at") == "c.csv B.xlsx a.csv"
    assert names(sort="created_at") == "a.csv B.xlsx c.csv"
    assert names(sort="size") == "B.xlsx c.csv a.csv"
    assert names(sort="-size") == "a.csv c.csv B.xlsx"
    assert set(names(sort="filename").split()) == set(names(sort="-filename").split())
    assert names(status="failed") == "B.xlsx"
    assert names(project_id=str(project)) == "B.xlsx"
    assert names(file_type="csv") == "c.csv a.csv"
    assert names(q="CSV") == "c.csv a.csv"
    # from is included, to is not
    between = {"uploaded_from": "2026-01-01T00:00:00Z", "uploaded_to": "2026-01-03T00:00:00Z"}
    assert names(**between) == "B.xlsx a.csv"


def test_reports_are_filtered_as_the_contract_says(client, world, alpha) -> None:
    world.report(alpha.id, alpha.email, name="one", created_at="2026-01-01T00:00Z")
    world.report(
        alpha.id, alpha.email, name="two", created_at="2026-01-02T00:00Z", status="failed",
        report_type="detailed",
    )  # fmt: skip

    def names(**query: Any) -> str:
        answer = client.get("/v1/emissions/reports", headers=alpha.headers, params=query)
        assert answer.status_code == 200, answer.text
        return " ".join(report["name"] for report in answer.json()["reports"])

    assert names() == "two one"
    assert names(status="failed") == names(report_type="detailed") == "two"
    assert names(created_from="2026-01-02T00:00:00Z") == "two"
    assert names(created_to="2026-01-02T00:00:00Z") == "one"
