"""From an upload to the signed message at the customer's own receiver."""

from __future__ import annotations

import asyncio

import pytest
from standardwebhooks import Webhook

from tests.e2e.conftest import Deployment
from tests.receiver import Receiver, receiving

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

CSV = b"activity,quantity,unit\nDiesel,100,litre\n"


async def test_an_upload_ends_in_a_signed_event_that_verifies(deployment: Deployment) -> None:
    me = await deployment.get("/v1/auth/me")
    path = f"/v1/organizations/{me['organizations'][0]['id']}/webhooks"
    with receiving(Receiver()) as receiver:
        body = {"url": receiver.url, "events": ["file.completed", "file.failed"]}
        made = await deployment.api.post(path, json=body)
        assert made.status_code == 201, made.text
        webhook = made.json()
        file_id = await deployment.upload(CSV, "webhooks.csv", region="GB")
        await deployment.finished(file_id)
        while not receiver.received:
            await asyncio.sleep(0.05)
        event = Webhook(webhook["secret"]).verify(receiver.bodies[0], receiver.received[0])
        assert (event["type"], event["data"]["file_id"]) == ("file.completed", file_id)
        log = f"{path}/{webhook['id']}/deliveries"
        while (found := (await deployment.get(log))["deliveries"][0])["status"] == "pending":
            await asyncio.sleep(0.05)
        assert found["status"] == "delivered"
        assert found["event_id"] == receiver.received[0]["webhook-id"]
        await deployment.api.delete(f"{path}/{webhook['id']}")
