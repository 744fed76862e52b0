"""What one tenant holds of a process does not shut out the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from itertools import takewhile
from threading import Thread
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from anyio import CapacityLimiter
from fastapi.dependencies.utils import get_dependant
from sqlalchemy import Engine, text
from sqlmodel import Session

from api import annotated, deps, sending
from api.errors import ApiError
from api.routes.downloads import CHUNK_BYTES
from api.shares import Shares, Turns
from tests.api.conftest import problem

LISTS = [
    "/v1/files", "/v1/emissions", "/v1/emissions/reviews", "/v1/emissions/reports",
    "/v1/emissions/recalculations", "/v1/emission-factors?q=diesel", "/v1/organizations/{id}/audit",
]  # fmt: skip


def test_a_holder_of_all_its_shares_gets_no_more_and_the_others_do() -> None:
    shares = Shares(2)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(shares.hold("alpha"))
        with pytest.raises(ApiError, match="Too much at once"), shares.hold("alpha"):
            pass
        with shares.hold("beta"):
            pass
    assert not shares.held


@pytest.mark.anyio
async def test_what_is_too_much_waits_its_turn_in_order() -> None:
    turns, served = Turns(1, patience_s=60), []

    async def one(number: int) -> None:
        async with turns.take("alpha"):
            served.append(number)
            await asyncio.sleep(0)

    async with turns.take("alpha"):
        waiting = [asyncio.create_task(one(number)) for number in range(3)]
        await asyncio.sleep(0)
        assert served == []
        async with turns.take("beta"):
            pass
    await asyncio.gather(*waiting)
    assert served == [0, 1, 2]
    assert not turns.queues


@pytest.mark.anyio
async def test_patience_ends_and_a_failure_gives_its_turn_back() -> None:
    turns = Turns(1, patience_s=0.01)
    async with turns.take("alpha"):
        with pytest.raises(ApiError, match="Too much at once"):
            async with turns.take("alpha"):
                pass
    with pytest.raises(ZeroDivisionError):
        async with turns.take("alpha"):
            raise ZeroDivisionError
    async with turns.take("alpha"):
        pass
    assert not turns.queues


@pytest.mark.parametrize("path", LISTS)
def test_lists_of_one_organization_leave_connections_to_the_others(
    client, alpha, beta, path
) -> None:
    services = client.app.state.services
    assert services.lists.each < services.settings.database_pool_size
    turns = Turns(1, patience_s=0.01)
    client.app.state.services = replace(services, lists=turns)
    stack = AsyncExitStack()

    def get(who: Any) -> Any:
        return client.get(path.format(id=who.id), headers=who.headers)

    client.portal.call(stack.enter_async_context, turns.take(alpha.id))
    answer = get(alpha)
    problem(answer, 503, "busy")
    assert int(answer.headers["retry-after"]) > 0
    assert get(beta).status_code == 200
    client.portal.call(stack.aclose)
    assert get(alpha).status_code == 200
    assert not turns.queues


def test_uploads_of_one_organization_are_received_a_few_at_a_time(client, alpha, beta) -> None:
    services = client.app.state.services
    turns = Turns(1, patience_s=0.01)
    client.app.state.services = replace(services, uploads=turns)
    stack = AsyncExitStack()

    def send(who: Any) -> Any:
        file = {"file": ("a.csv", b"Activity,Amount,Unit\nDiesel,1,litre\n", "text/csv")}
        return client.post("/v1/files", headers=who.headers, files=file)

    client.portal.call(stack.enter_async_context, turns.take(alpha.id))
    problem(send(alpha), 503, "busy")
    assert send(beta).status_code == 202
    client.portal.call(stack.aclose)
    assert send(alpha).status_code == 202


CHANGES = [
    ("POST", "/v1/files/{id}/retry"), ("DELETE", "/v1/files/{id}"),
    ("DELETE", "/v1/emissions/{id}"),
    ("POST", "/v1/emissions/reviews/{id}"), ("POST", "/v1/organizations/{organization}/projects"),
    ("PATCH", "/v1/organizations/{organization}"), ("POST", "/v1/emissions/recalculations"),
    ("DELETE", "/v1/organizations/{organization}/webhooks/{id}"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_changes_of_one_organization_leave_connections_to_the_others(
    client, alpha, beta, method, path
) -> None:
    services = client.app.state.services
    assert services.lists.each + services.changes.each < services.settings.database_pool_size
    turns = Turns(1, patience_s=0.01)
    client.app.state.services = replace(services, changes=turns)
    stack = AsyncExitStack()

    def change(who: Any) -> Any:
        url = path.format(organization=who.id, id=uuid4())
        body = None if method == "DELETE" or "{id}/retry" in path else {}
        return client.request(method, url, headers=who.headers, json=body)

    client.portal.call(stack.enter_async_context, turns.take(alpha.id))
    problem(change(alpha), 503, "busy")
    assert change(beta).status_code != 503
    listed = client.get("/v1/files", headers=alpha.headers)
    assert listed.status_code == 200
    client.portal.call(stack.aclose)
    assert change(alpha).status_code != 503
    assert not turns.queues


def test_changes_that_wait_for_a_row_leave_connections_to_the_others(
    client, world, alpha, beta
) -> None:
    failed = world.file(alpha.id, alpha.email, status="failed")
    services = client.app.state.services
    path, answers = f"/v1/files/{failed}/retry", []

    def retry() -> None:
        answers.append(client.post(path, headers=alpha.headers).status_code)

    with Session(world.engine) as writer:
        writer.execute(text("SELECT 1 FROM files WHERE id = :id FOR UPDATE"), {"id": failed})
        threads = [Thread(target=retry) for _ in range(2 * services.settings.database_pool_size)]
        for thread in threads:
            thread.start()
        most = 0
        while most < services.changes.each and len(answers) < len(threads):
            most = waiting_for_a_lock(world.engine)
        for _ in range(5):
            assert client.get("/v1/files", headers=beta.headers).status_code == 200
            most = max(most, waiting_for_a_lock(world.engine))
        assert most == services.changes.each, answers
        writer.rollback()
        for thread in threads:
            thread.join(timeout=60)
    assert set(answers) <= {202, 503}
    assert not services.changes.queues


def waiting_for_a_lock(engine: Engine) -> int:
    """Return how many transactions of this test's database wait for another's row."""
    query = (
        "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = current_database()"
    )
    with engine.connect() as connection:
        found = connection.execute(text(query))
        return int(found.scalar_one())


def test_a_list_that_waits_for_its_turn_holds_no_connection(client) -> None:
    """An open session takes its connection with the first query: what queries comes after."""
    listed = 0
    for route in routes_of(client.app):
        needs = get_dependant(path=route.path, call=route.endpoint).dependencies
        before = list(takewhile(lambda one: deps.turn not in below(one), needs))
        if len(before) < len(needs):
            listed += 1
            assert not any(deps.tenant in below(one) for one in before), route.path
    assert listed > 10


def routes_of(router: Any) -> Iterator[Any]:
    """Yield the routes of a router and of those within it."""
    for one in router.routes:
        if hasattr(one, "original_router"):
            yield from routes_of(one.original_router)
        elif hasattr(one, "endpoint"):
            yield one


def below(dependant: Any) -> set[Any]:
    """Return what a dependency depends on."""
    return {call for one in dependant.dependencies for call in (one.call, *below(one))}


@pytest.mark.anyio
async def test_a_reader_who_takes_nothing_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr(sending, "PIECE_LASTS_S", 0.05)
    taken: list[Any] = []

    async def send(message: Any) -> None:
        taken.append(message)
        if message.get("body") == b"second":
            await asyncio.Event().wait()

    threads = CapacityLimiter(1)
    body = annotated.pieces(iter([b"first", b"second", b"third"]), threads)
    with pytest.raises(TimeoutError):
        await sending.SentInTime(body).stream_response(send)
    assert [message.get("body") for message in taken[1:]] == [b"first", b"second"]
    assert threads.borrowed_tokens == 0


def test_a_reader_of_a_signed_link_who_takes_nothing_is_given_up(
    client, alpha, storage, monkeypatch
) -> None:
    monkeypatch.setattr(sending, "PIECE_LASTS_S", 0.05)
    key = f"{alpha.id}/files/{alpha.id}"
    storage.put(key, BytesIO(b"x" * 3 * CHUNK_BYTES), content_type="text/csv")
    url = storage.signed_url(key, filename="a.csv", content_type="text/csv", expires_s=60)
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": "GET", "scheme": "http", "path": "/v1/downloads", "raw_path": b"/v1/downloads",
        "query_string": urlsplit(url).query.encode(), "root_path": "", "headers": [],
        "client": ("127.0.0.1", 1), "server": ("testserver", 80),
    }  # fmt: skip
    taken: list[Any] = []

    async def send(message: Any) -> None:
        taken.append(message)
        if len(taken) == 3:
            await asyncio.Event().wait()

    async def read() -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(30) as patience:
                await client.app(scope, asyncio.Event().wait, send)
        return patience.expired()

    seen: list[str] = []

    @contextmanager
    def opening(key: str) -> Iterator[BinaryIO]:
        seen.append("opened")
        try:
            with plain(key) as source:
                yield source
        finally:
            seen.append("closed")

    plain = storage.open
    monkeypatch.setattr(storage, "open", opening)
    assert client.portal.call(read) is False
    assert [message.get("status") for message in taken] == [200, None, None]
    assert seen == ["opened", "closed"]
    assert not client.app.state.services.links_of_object.held
    assert not client.app.state.services.links_of_organization.held


@pytest.mark.parametrize("which", ["links_of_object", "links_of_organization"])
def test_a_link_that_is_opened_again_and_again_leaves_the_others_theirs(
    client, alpha, beta, storage, which
) -> None:
    urls = {}
    for who in (alpha, beta):
        key = f"{who.id}/files/{who.id}"
        storage.put(key, BytesIO(b"Activity\n"), content_type="text/csv")
        urls[who.id] = storage.signed_url(
            key, filename="a.csv", content_type="text/csv", expires_s=60
        )
    shares = Shares(2)
    client.app.state.services = replace(client.app.state.services, **{which: shares})
    held = f"{alpha.id}/files/{alpha.id}" if which == "links_of_object" else str(alpha.id)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(shares.hold(held))
        answer = client.get(urls[alpha.id])
        problem(answer, 503, "busy")
        assert int(answer.headers["retry-after"]) > 0
        assert client.get(urls[beta.id]).content == b"Activity\n"
    assert client.get(urls[alpha.id]).content == b"Activity\n"
    assert not shares.held
