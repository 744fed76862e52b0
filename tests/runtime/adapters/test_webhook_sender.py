"""Webhooks over real HTTP: signed by the specification, and calling nothing they must not call."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook, WebhookVerificationError

from core.egress import EgressPolicy
from core.webhooks import NoAnswer, Outgoing
from db.ids import uuid7
from runtime.adapters.egress import Refused, make_client
from runtime.adapters.webhook_sender import HttpWebhookSender, retry_after_s
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.anyio

FIRST = "whsec_" + "Zmlyc3Qtc2VjcmV0LW9mLTMyLWJ5dGVzLS0tLS0tLS0="
SECOND = "whsec_" + "c2Vjb25kLXNlY3JldC1vZi0zMi1ieXRlcy0tLS0tLS0="
OPEN = EgressPolicy(allow_private=True)
PAYLOAD = '{"type":"file.completed","timestamp":"2026-11-25T10:00:00Z","data":{"ü":1}}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as receiver:
        yield receiver


def message(url: str, *secrets: str) -> Outgoing:
    return Outgoing(url, uuid7(), PAYLOAD, secrets or (FIRST,))


async def test_a_message_verifies_with_the_library_of_the_specification(receiver) -> None:
    sent = message(receiver.url)
    answer = await HttpWebhookSender(OPEN).send(sent)
    assert (answer.status, answer.delivered) == (204, True)
    [headers], [body] = receiver.received, receiver.bodies
    assert Webhook(FIRST).verify(body, headers) == json.loads(PAYLOAD)
    assert headers["webhook-id"] == str(sent.event_id)
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECOND).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(FIRST).verify(body + b" ", headers)


async def test_during_a_rotation_either_secret_verifies(receiver) -> None:
    await HttpWebhookSender(OPEN).send(message(receiver.url, SECOND, FIRST))
    [headers], [body] = receiver.received, receiver.bodies
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (FIRST, SECOND):
        assert Webhook(secret).verify(body, headers)


async def test_a_redirect_is_an_answer_and_is_not_followed(receiver) -> None:
    with receiving(Receiver()) as elsewhere:
        receiver.status, receiver.headers = 307, {"location": elsewhere.url}
        answer = await HttpWebhookSender(OPEN).send(message(receiver.url))
    assert (answer.status, answer.delivered) == (307, False)
    assert elsewhere.received == []


@pytest.mark.parametrize(
    ("status", "given", "expected"),
    [(429, "120", 120), (503, "7", 7), (500, "120", None), (410, "", None), (429, "soon", None)],
)
async def test_only_busy_endpoints_say_when_to_come_back(receiver, status, given, expected) -> None:
    receiver.status, receiver.headers = status, {"retry-after": given}
    answer = await HttpWebhookSender(OPEN).send(message(receiver.url))
    assert (answer.status, answer.retry_after_s) == (status, expected)
    assert answer.gone is (status == 410)


def test_retry_after_may_be_a_date() -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    assert 3500 < (retry_after_s(format_datetime(soon, usegmt=True)) or 0) <= 3600
    far = "Mon, 20 Nov 1995 19:12:08 +99999999999999999999999"
    further = "Mon, 01 Jan 0001 00:00:00 +2359"
    for text in ("-5", "nan", "inf", "", "Wed, 99 Nov", far, further):
        assert retry_after_s(text) is None


async def test_an_endpoint_that_does_not_answer_in_time_gave_no_answer(receiver) -> None:
    receiver.silent = threading.Event()
    answer = await HttpWebhookSender(OPEN, timeout_s=0.2).send(message(receiver.url))
    assert (answer.status, answer.delivered) == (None, False)
    assert answer.problem is NoAnswer.TIMEOUT
    assert len(receiver.received) == 1


async def test_a_body_without_end_is_not_read_to_the_end(receiver) -> None:
    receiver.status, receiver.endless = 200, True
    answer = await HttpWebhookSender(OPEN).send(message(receiver.url))
    assert answer.delivered


async def test_nothing_listens_there(receiver) -> None:
    answer = await HttpWebhookSender(OPEN).send(message("http://127.0.0.1:1/"))
    assert (answer.status, answer.problem) == (None, NoAnswer.CONNECTION_FAILED)


async def test_a_name_that_leads_nowhere_is_told_like_one_that_leads_to_where_it_may_not() -> None:
    def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    for resolver in (nowhere, lambda *_: [], lambda *_: ["10.0.0.1"]):
        sender = HttpWebhookSender(EgressPolicy(), resolver=resolver)
        answer = await sender.send(message("https://hooks.example.org/"))
        assert (answer.status, answer.problem) == (None, NoAnswer.ADDRESS_UNUSABLE)


async def test_a_deployment_that_is_not_open_sends_nothing_to_itself(receiver) -> None:
    calls: list[str] = []

    def resolver(host: str, port: int) -> Sequence[str]:
        calls.append(host)
        return ["127.0.0.1"]

    for url in (receiver.url, f"https://localhost:{receiver.port}/", "https://localhost:8443/"):
        sender = HttpWebhookSender(EgressPolicy(), resolver=resolver)
        assert (await sender.send(message(url))).status is None
    assert receiver.received == []
    assert calls == ["localhost"]  # the others were refused by scheme and port


async def test_one_private_address_among_public_ones_condemns_a_name(receiver) -> None:
    both = Rebinding(["8.8.8.8", "10.0.0.1"])
    async with make_client(EgressPolicy(), timeout_s=5, resolver=both) as client:
        with pytest.raises(Refused):
            await client.post("https://hooks.example.org/")


async def test_a_proxy_of_the_environment_is_not_used(receiver, monkeypatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await HttpWebhookSender(OPEN).send(message(receiver.url))).delivered


class Rebinding:
    """A name server that gives another answer every time: what was judged, then the metadata."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0)


def certified(directory: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS contexts of a server called `name` and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (directory / "cert.pem").write_bytes(pem)
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_the_judged_address_is_called_under_the_name_of_its_certificate(tmp_path) -> None:
    server, client = certified(tmp_path, "hooks.example.org")
    with receiving(Receiver(), server) as receiver:
        rebinding = Rebinding(["127.0.0.1"])  # a second question would be an IndexError
        sender = HttpWebhookSender(OPEN, resolver=rebinding, verify=client)
        answer = await sender.send(message(f"https://hooks.example.org:{receiver.port}/x?y=z"))
        assert answer.delivered
        assert receiver.received[0]["host"] == f"hooks.example.org:{receiver.port}"
        assert receiver.paths == ["/x?y=z"]
        sender = HttpWebhookSender(OPEN, resolver=Rebinding(["127.0.0.1"]), verify=client)
        answer = await sender.send(message(f"https://other.example.org:{receiver.port}/"))
        assert answer.status is None  # a certificate of another name
        assert answer.problem is NoAnswer.TLS_FAILED
        assert len(receiver.received) == 1


async def test_a_name_that_is_bound_anew_is_judged_anew(receiver) -> None:
    refused = Rebinding(["10.1.2.3"], ["169.254.169.254"], ["::ffff:127.0.0.1"])
    async with make_client(EgressPolicy(), timeout_s=5, resolver=refused) as client:
        for _ in range(3):
            with pytest.raises(Refused):
                await client.get("https://rebind.example.org/")
    assert refused.answers == []


async def test_another_address_is_tried_when_the_first_takes_no_connection(receiver) -> None:
    sender = HttpWebhookSender(OPEN, resolver=lambda *_: ["::1", "127.0.0.1"])
    answer = await sender.send(message(f"http://hooks.example.org:{receiver.port}/hook"))
    assert answer.delivered
