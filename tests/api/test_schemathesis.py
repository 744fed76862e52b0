"""Everything the OpenAPI document allows, and what it does not, sent as everybody who may ask.

Schemathesis makes the requests from the document; the same ones in every run. More of them, with
another seed: `make fuzz-api`.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.python import asgi
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import text

from core.permissions import Role
from db.models import Recalculation, RememberedDecision

# What every answer must keep to.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ORDER = ("get", "head", "post", "put", "patch", "delete")  # what deletes comes last
# Requests an operation, right and wrong ones each; who may do most is asked most.
ASKERS = {"nobody": 1, "viewer": 2, "user": 2, "manager": 2, "limited": 2, "admin": 5}
ACTIVITY = {
    "key": "a" * 64, "name": "Red diesel", "type": None, "description": None, "unit": "l",
    "dimension": "volume", "basis": None, "region": "GB", "year": 2024, "currency": None,
}  # fmt: skip


@dataclass
class Asker:
    """Somebody who asks, and the ids that they may come across."""

    email: str | None
    examples: int
    known: Mapping[str, list[UUID]]


@pytest.fixture
def known(world, alpha, beta) -> dict[str, list[UUID]]:
    """Ids of rows that are there, by the name of the parameter: our own and another's."""
    found: dict[str, list[UUID]] = {"user_id": [world.user_id(alpha.email)]}
    for tenant in (alpha, beta):
        project = world.project(tenant.id, "Site")
        file_id = world.file(tenant.id, tenant.email, project_id=project, status="completed")
        factor = world.factor(tenant.id, unit="l", data_year=2024)
        candidate = {
            "factor_id": str(factor), "source_id": "own-1", "release": "own", "name": "Diesel",
            "value_per_unit": 2.57082, "unit": "l", "score": 0.4, "signals": {},
        }  # fmt: skip
        decision = world.decision(
            tenant.id, file_id, "a" * 64, activity=ACTIVITY, candidates=[candidate]
        )
        world.issue(tenant.id, file_id, 3)
        rows = {
            "organization_id": tenant.id,
            "project_id": project,
            "file_id": file_id,
            "emission_id": world.emission(tenant.id, file_id, 2, project_id=project),
            "review_id": world.review(tenant.id, file_id, decision),
            "report_id": world.report(tenant.id, tenant.email),
            "emission_factor_id": factor,
            "decision_id": world.add(
                RememberedDecision, organization_id=tenant.id, memory_key="k",
                activity={"name": "x"}, decided_by=world.user_id(tenant.email),
            ),
            "recalculation_id": world.add(
                Recalculation, organization_id=tenant.id, user_id=world.user_id(tenant.email),
                releases=["desnz-2025"], releases_before=["desnz-2024"], filter={},
                status="previewed",
            ),
        }  # fmt: skip
        for name, row_id in rows.items():
            found.setdefault(name, []).append(row_id)
    return found


@pytest.fixture
def asker(request: pytest.FixtureRequest, world, alpha, known) -> Asker:
    who = request.param
    if who == "nobody":
        return Asker(None, ASKERS[who], known)
    email = f"{who}@alpha.example"
    limited = who == "limited"
    world.person(
        email,
        (alpha.id, Role.USER if limited else Role(who)),
        permissions={"projects": [str(known["project_id"][0])]} if limited else None,
    )
    return Asker(email, ASKERS[who], known)


@pytest.fixture
def session(client) -> Iterator[Any]:
    """What Schemathesis sends with; the application's life is the client's business."""

    async def running(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("begun already")
        await client.app(scope, receive, send)

    with asgi.get_client(running) as made:
        yield made


@functools.cache
def operations(document: str) -> list[APIOperation]:
    """Read the document; its strategies are costly, so all askers share them."""
    schema = schemathesis.openapi.from_dict(json.loads(document))
    found = [result.ok() for result in schema.get_all_operations()]
    return sorted(found, key=lambda operation: ORDER.index(operation.method.lower()))


def name_what_is_there(case: Any, known: Mapping[str, list[UUID]], number: int) -> None:
    """Put ids into a case that was made of random ones: ours, ours, another's, none."""
    if number % 4 == 3:
        return
    for name in set(case.path_parameters or {}) & set(known):
        ids = known[name]
        case.path_parameters[name] = str(ids[-1 if number % 4 == 2 else 0])
    for name in list(case.headers or {}):
        if name.lower() == "authorization":
            del case.headers[name]
        elif name.lower() == "x-organization-id":
            case.headers[name] = str(known["organization_id"][0])


def failures_of(
    operation: APIOperation, mode: GenerationMode, session: Any, headers: Any, known: Any,
    examples: int, *, fixed: bool,
) -> list[str]:  # fmt: skip
    """Send `examples` requests; return what was wrong with the answers."""
    failed: dict[str, str] = {}
    numbers = itertools.count()

    @hypothesis.settings(
        max_examples=examples, derandomize=fixed, database=None, deadline=None,
        phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        name_what_is_there(case, known, next(numbers))
        answer = case.call(session=session, base_url="http://testserver", headers=headers)
        try:
            case.validate_response(answer, checks=CHECKS, headers=headers)
        except FailureGroup as group:
            for error in group.exceptions:
                title = str(error).splitlines()[0]
                failed.setdefault(
                    f"{operation.label}: {title}", f"{error}\n{case.as_curl_command()}"
                )

    send()
    return [f"{title}\n{told[:1500]}" for title, told in failed.items()]


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("asker", ASKERS, indirect=True)
def test_every_answer_is_one_that_the_document_names(
    asker: Asker, session, world, client, admin_engine, request
) -> None:
    examples = request.config.getoption("--api-examples") or asker.examples
    failed = []
    for operation in operations(client.get("/openapi.json").text):
        # anew for each: a logout or a new password ends the login, wrong ones throttle it
        with admin_engine.begin() as connection:
            connection.execute(text("TRUNCATE login_throttles"))
            connection.execute(
                text("UPDATE users SET password_hash = :hash WHERE password_hash <> ''"),
                {"hash": world.password_hash},
            )
        headers = world.log_in(asker.email) if asker.email else {}
        for mode in GenerationMode:
            if mode.is_negative and not takes_anything(operation):
                continue
            failed += failures_of(
                operation,
                mode,
                session,
                headers,
                asker.known,
                examples,
                fixed=examples <= max(ASKERS.values()),
            )
    assert failed == [], "\n\n".join(failed)


def takes_anything(operation: APIOperation) -> bool:
    """Tell whether there is anything to get wrong."""
    return bool(list(operation.iter_parameters()) or operation.body)
