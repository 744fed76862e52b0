"""Deliveries over real PostgreSQL: what is logged, tried again, given up and switched off."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.deliver_webhook import DeliverWebhooks
from activities.sweep_deliveries import SweepDeliveries
from core.contracts_webhooks import DeliveryRef, DeliveryResult, SweepDeliveriesInput
from core.errors import Misconfigured
from core.webhooks import (
    DELAYS_S,
    DISABLE_AFTER,
    MAX_ATTEMPTS,
    SECRET_PURPOSE,
    Answer,
    NoAnswer,
    delay_after,
    place_of,
)
from db.engine import tenant_session
from db.queries import webhook_events, webhooks
from runtime.vault import Vault
from tests.factories import Uploader
from tests.fakes_api import FakePipeline
from tests.webhook_rows import SECRET, VAULT, Endpoints, RecordingSender

pytestmark = pytest.mark.anyio

OK, BROKEN = Answer(204, 12), Answer(500, 30)


@pytest.fixture
def endpoints(uploader: Uploader) -> Endpoints:
    return Endpoints(uploader.engine, uploader.organization_id, uploader.user_id)


def deliveries(engine: Engine, *answers: Answer) -> tuple[DeliverWebhooks, RecordingSender]:
    sender = RecordingSender(list(answers))
    return DeliverWebhooks(engine, VAULT, sender), sender


async def attempt(deliver: DeliverWebhooks, ref: DeliveryRef) -> DeliveryResult | float:
    """Try once; return the result, or the seconds until the next attempt."""
    try:
        return await ActivityEnvironment().run(deliver.deliver_webhook, ref)
    except ApplicationError as error:
        if error.type != "NotDelivered" or error.next_retry_delay is None:
            raise
        return error.next_retry_delay.total_seconds()


async def exhaust(deliver: DeliverWebhooks, ref: DeliveryRef) -> list[float]:
    """Try until it ends; return the delays."""
    delays: list[float] = []
    while not isinstance(found := await attempt(deliver, ref), DeliveryResult):
        delays.append(found)
    assert found.status == "failed"
    return delays


async def test_a_delivery_is_sent_with_its_secret_and_logged(worker_engine, endpoints) -> None:
    endpoints.add(url="https://hooks.example.org/x")
    [ref] = endpoints.emit()
    deliver, sender = deliveries(worker_engine, OK)
    assert await attempt(deliver, ref) == DeliveryResult(status="delivered", attempts=1)
    [sent] = sender.sent
    assert (sent.url, sent.event_id) == ("https://hooks.example.org/x", ref.event_id)
    assert sent.secrets == [SECRET]
    assert json.loads(sent.payload)["type"] == "file.completed"
    row = endpoints.delivery(ref)
    assert (row.status, row.attempts, row.last_status_code) == ("delivered", 1, 204)
    assert row.ended_at is not None
    [logged] = endpoints.rows("SELECT * FROM webhook_attempts")
    assert (logged.number, logged.status_code, logged.duration_ms) == (1, 204, 12)


async def test_a_delivered_one_is_not_sent_again(worker_engine, endpoints) -> None:
    endpoints.add()
    [ref] = endpoints.emit()
    deliver, sender = deliveries(worker_engine, OK)
    for _ in range(2):
        assert (await attempt(deliver, ref)).status == "delivered"  # type: ignore[union-attr]
    assert len(sender.sent) == 1


async def test_eight_attempts_over_a_day_with_the_same_id_and_body(
    worker_engine, endpoints
) -> None:
    webhook_id = endpoints.add()
    [ref] = endpoints.emit()
    deliver, sender = deliveries(
        worker_engine, BROKEN, Answer(None, 15_000, problem=NoAnswer.TIMEOUT), Answer(302, 5)
    )
    delays = await exhaust(deliver, ref)
    assert len(delays) == MAX_ATTEMPTS - 1
    for delay, own in zip(delays, DELAYS_S, strict=True):
        assert 0.8 * own <= delay <= 1.2 * own
    assert 0.8 * 86_000 < sum(delays) < 1.2 * 86_400
    assert len({(m.event_id, m.payload) for m in sender.sent}) == 1
    row = endpoints.delivery(ref)
    assert (row.status, row.attempts) == ("failed", MAX_ATTEMPTS)
    logged = endpoints.rows("SELECT status_code, problem FROM webhook_attempts ORDER BY number")
    assert [r.status_code for r in logged] == [500, None] + [302] * 6
    assert [r.problem for r in logged] == [None, "timeout"] + [None] * 6
    assert endpoints.webhook(webhook_id).consecutive_failures == 1
    assert endpoints.webhook(webhook_id).enabled


async def test_an_endpoint_that_asks_for_time_gets_it(worker_engine, endpoints) -> None:
    endpoints.add()
    [ref] = endpoints.emit()
    deliver, _ = deliveries(worker_engine, Answer(429, 1, 1234.0))
    assert await attempt(deliver, ref) == 1234.0
    assert 1200 < endpoints.delivery(ref).due_in_s <= 1234


@pytest.mark.parametrize(
    ("tried", "asked", "expected"),
    [(1, None, 5), (1, 0.5, 5), (2, 60, 300), (1, 10**9, 21_600), (7, None, 28_800)],
)
def test_the_longer_of_both_delays_holds_up_to_six_hours(tried, asked, expected) -> None:
    assert delay_after(tried, 0.5, asked) == expected


def test_after_the_last_attempt_there_is_none_whatever_the_endpoint_asks() -> None:
    assert delay_after(MAX_ATTEMPTS, 0.5, 10) is None


async def test_an_endpoint_that_is_gone_is_switched_off_at_once(worker_engine, endpoints) -> None:
    webhook_id = endpoints.add()
    [ref], [waiting] = endpoints.emit(), endpoints.emit()
    deliver, sender = deliveries(worker_engine, Answer(410, 1))
    assert (await attempt(deliver, ref)).status == "failed"  # type: ignore[union-attr]
    row = endpoints.webhook(webhook_id)
    assert (row.enabled, row.disabled_by) == (False, "gone")
    assert row.disabled_at is not None
    [event] = endpoints.rows("SELECT * FROM audit_events WHERE action = 'webhook.disabled'")
    assert (event.object_id, event.after["disabled_by"]) == (webhook_id, "gone")
    # what waits is not sent any more, and nothing new begins
    assert (await attempt(deliver, waiting)).status == "failed"  # type: ignore[union-attr]
    assert len(sender.sent) == 1
    assert endpoints.emit() == ()


async def test_ten_failed_events_in_a_row_switch_it_off_and_a_success_begins_anew(
    worker_engine, endpoints
) -> None:
    webhook_id = endpoints.add()
    deliver, _ = deliveries(worker_engine, BROKEN)
    good, _ = deliveries(worker_engine, OK)
    for _ in range(DISABLE_AFTER - 1):
        await exhaust(deliver, endpoints.emit()[0])
    await attempt(good, endpoints.emit()[0])
    assert endpoints.webhook(webhook_id).consecutive_failures == 0
    for number in range(DISABLE_AFTER):
        assert endpoints.webhook(webhook_id).enabled, number
        await exhaust(deliver, endpoints.emit()[0])
    row = endpoints.webhook(webhook_id)
    assert (row.enabled, row.disabled_by) == (False, "failures")
    assert len(endpoints.rows("SELECT FROM audit_events WHERE action = 'webhook.disabled'")) == 1


async def test_a_deleted_endpoint_gets_nothing(worker_engine, endpoints) -> None:
    webhook_id = endpoints.add()
    [ref] = endpoints.emit()
    with tenant_session(endpoints.engine, endpoints.organization_id) as session:
        webhooks.delete_webhook(session, endpoints.organization_id, webhook_id)
        session.commit()
    deliver, sender = deliveries(worker_engine, OK)
    assert (await attempt(deliver, ref)).status == "failed"  # type: ignore[union-attr]
    assert sender.sent == []


async def test_an_erased_delivery_is_a_result(worker_engine, endpoints) -> None:
    webhook_id = endpoints.add()
    [ref] = endpoints.emit()
    unknown = ref.model_copy(update={"organization_id": webhook_id})
    deliver, sender = deliveries(worker_engine, OK)
    assert (await attempt(deliver, unknown)).status == "deleted"  # type: ignore[union-attr]
    assert sender.sent == []


async def test_during_a_rotation_both_secrets_sign_the_newest_first_and_never_a_third(
    worker_engine, platform_engine, endpoints
) -> None:
    webhook_id = endpoints.add()
    organization_id = endpoints.organization_id
    place = place_of(organization_id, webhook_id)
    deliver, sender = deliveries(worker_engine, OK)
    for name in ("second", "third"):
        sealed = VAULT.encrypt(SECRET_PURPOSE, name.encode(), place)
        with tenant_session(platform_engine, organization_id) as session:
            webhooks.add_secret(session, organization_id, webhook_id, sealed)
            session.commit()
        await attempt(deliver, endpoints.emit()[0])
    assert [m.secrets for m in sender.sent] == [["second", SECRET], ["third", "second"]]
    with platform_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE webhook_secrets SET expires_at = now() - interval '1s'"
                                   " WHERE expires_at IS NOT NULL")  # fmt: skip
    await attempt(deliver, endpoints.emit()[0])
    assert sender.sent[-1].secrets == ["third"]


async def test_a_secret_that_no_key_opens_is_an_operators_fault_and_sends_nothing(
    worker_engine, endpoints
) -> None:
    endpoints.add()
    [ref] = endpoints.emit()
    sender = RecordingSender([OK])
    deliver = DeliverWebhooks(worker_engine, Vault([b"another key"]), sender)
    with pytest.raises(Misconfigured):
        await ActivityEnvironment().run(deliver.deliver_webhook, ref)
    assert sender.sent == []
    failed = ActivityEnvironment().run(deliver.fail_delivery, ref)
    assert (failed.status, endpoints.delivery(ref).status) == ("failed", "failed")


async def test_the_sweep_starts_what_nobody_works_on(
    platform_engine, worker_engine, endpoints
) -> None:
    endpoints.add()
    [old], [fresh], [later], [done] = (endpoints.emit() for _ in range(4))
    deliver, _ = deliveries(worker_engine, OK)
    await attempt(deliver, done)
    with tenant_session(worker_engine, endpoints.organization_id) as session:
        for ref, delay_s in ((old, -120), (later, 3600), (done, -120)):
            row = webhook_events.get_delivery(session, ref)
            assert row is not None
            webhook_events.postpone(session, ref.organization_id, row.delivery.id, delay_s)
        session.commit()
    pipeline = FakePipeline()
    sweep = SweepDeliveries(platform_engine, pipeline)
    result = await ActivityEnvironment().run(sweep.start_deliveries, SweepDeliveriesInput())
    assert (pipeline.deliveries, result.started) == ([old], 1)
    assert fresh not in pipeline.deliveries
