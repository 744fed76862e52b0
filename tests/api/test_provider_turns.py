"""Whoever lets a provider hang holds up neither the others nor those who name one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from fastapi import Request

from api.errors import ApiError
from api.providers import SIGN_ONS_OF_CONNECTION, Client, Providers
from core.egress import EgressPolicy
from runtime.adapters.provider_http import ProviderTransport
from tests.sign_on_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider

TIMEOUT_S = 20.0  # nothing waits for it: what hangs is cancelled
RETURN_TO = "http://testserver/v1/auth/sso/x/callback"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as found:
        yield found


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(200)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def providers(patience_s: float = TIMEOUT_S) -> Providers:
    policy = EgressPolicy(allow_private=True)
    return Providers(policy, ProviderTransport(policy), patience_s)


def client_of(issuer: str, name: str = "one") -> Client:
    return Client(name, issuer, CLIENT_ID, CLIENT_SECRET)


def browser() -> Request:
    return Request({"type": "http", "headers": [], "session": {}, "query_string": b""})


async def while_they_hang(
    hanging: list[Awaitable[object]], then: Callable[[], Awaitable[object]]
) -> object:
    """Do something while requests wait for answers that never come."""
    tasks = [asyncio.ensure_future(one) for one in hanging]
    try:
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in tasks)
        return await then()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_one_organizations_settings_hold_up_neither_sign_ons_nor_anothers_settings(
    provider, silent
) -> None:
    async def scenario() -> None:
        talks, hostile = providers(), uuid4()
        hanging = [talks.try_out(f"{silent}/{i % 11}", hostile) for i in range(55)]

        async def others() -> None:
            assert await talks.send_there(browser(), client_of(provider.issuer), RETURN_TO)
            assert (await talks.try_out(provider.issuer, uuid4())).issuer == provider.issuer

        await while_they_hang(hanging, others)

    asyncio.run(scenario())


def test_one_connections_sign_ons_do_not_hold_up_anothers_even_with_the_same_issuer(
    provider, silent
) -> None:
    async def scenario() -> None:
        talks = providers()
        hanging = [talks.send_there(browser(), client_of(silent), RETURN_TO) for _ in range(60)]
        other = client_of(provider.issuer, "other")
        assert await while_they_hang(hanging, lambda: talks.send_there(browser(), other, RETURN_TO))

    asyncio.run(scenario())


def test_who_is_sent_to_a_known_provider_waits_for_no_turn(provider) -> None:
    async def scenario() -> None:
        talks, client = providers(), client_of(provider.issuer)
        await talks.send_there(browser(), client, RETURN_TO)
        talks._sign_ons._of_each.patience_s = 0.05
        async with AsyncExitStack() as held:
            for _ in range(SIGN_ONS_OF_CONNECTION):
                await held.enter_async_context(talks._sign_ons.take(client.name))
            assert await talks.send_there(browser(), client, RETURN_TO)
            talks._remembered.clear()
            with pytest.raises(ApiError) as refused:  # while one that has to ask has to wait
                await talks.send_there(browser(), client, RETURN_TO)
            assert refused.value.code == "busy"
        assert await talks.send_there(browser(), client, RETURN_TO)

    asyncio.run(scenario())
