"""One message to one webhook: a real receiver on loopback that is slow, broken, busy, moved or gone; signatures."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from brimline.actions import signing
from brimline.actions.notify_options import WebhookOptions
from brimline.actions.sender import Receipt, Sent
from brimline.actions.webhook import Webhook
from brimline.engine import SystemClock
from brimline.httpclient import HttpClient
from fakes import FakeClock
from real.places import free_port
from unit.notify_parts import Answering, message, receiver

SECRET = "whsec_" + base64.b64encode(b"brimline-tests-do-sign-with-this").decode()


def sent(answer: Answering, clock: object = None, **options: object) -> Receipt:
    """Send one message to a receiver that answers so."""

    async def run() -> Receipt:
        client = HttpClient()
        try:
            async with receiver(answer) as url:
                hook = WebhookOptions.model_validate({"url": url, **options})
                return await Webhook(hook, client, clock or FakeClock()).send(message())  # type: ignore[arg-type]
        finally:
            await client.close()

    return asyncio.run(run())


def status(code: int, **headers: str) -> Answering:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


@pytest.mark.parametrize("code", [200, 201, 202, 204])
def test_any_success_is_a_delivery(code: int) -> None:
    assert sent(status(code)) == Receipt(Sent.DELIVERED)


@pytest.mark.parametrize("code", [400, 404, 500, 502])
def test_an_error_is_a_failure_that_hides_the_path(code: int) -> None:
    found = sent(status(code))
    assert (found.sent, found.after) == (Sent.FAILED, None)
    assert found.detail.endswith(f"/***: answered {code}")
    assert "hook" not in found.detail


def test_a_redirect_is_not_followed_and_says_where_it_leads() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=301, headers={"Location": "/elsewhere/token"})

    found = sent(answer)
    assert asked == ["/hook"]
    assert found.sent is Sent.FAILED
    assert "answered 301, a redirect to http://127.0.0.1" in found.detail
    assert "which is not followed" in found.detail
    assert "token" not in found.detail


def test_a_receiver_that_is_gone_says_so() -> None:
    assert sent(status(410)).sent is Sent.GONE


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize(
    ("asked", "after"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (formatdate(FakeClock().wall + 90, usegmt=True), 90.0),
        (formatdate(FakeClock().wall - 90, usegmt=True), 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("9" * 400, 999_999_999.0),
    ],
)
def test_a_busy_receiver_says_how_long_it_wants_to_be_left_alone(code: int, asked: str, after: float | None) -> None:
    found = sent(status(code, Retry_After=asked))
    assert (found.sent, found.after) == (Sent.FAILED, after)


def test_only_a_busy_receiver_is_asked_how_long() -> None:
    assert sent(status(500, Retry_After="120")).after is None


def test_a_slow_receiver_costs_no_more_than_its_timeout() -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    began = time.monotonic()
    found = sent(answer, timeout="200ms")
    assert found.sent is Sent.FAILED
    assert "no answer within 0.2 s" in found.detail
    assert time.monotonic() - began < 5


def test_nobody_there_is_a_failure_that_hides_path_and_password() -> None:
    async def run() -> Receipt:
        client = HttpClient()
        url = f"http://ann:pa55@127.0.0.1:{free_port()}/services/T0KEN?key=1"
        try:
            return await Webhook(WebhookOptions(url=url), client, FakeClock()).send(message())
        finally:
            await client.close()

    found = asyncio.run(run())
    assert found.sent is Sent.FAILED
    assert "Connection refused" in found.detail or "Connect call failed" in found.detail
    assert not [word for word in ("pa55", "T0KEN", "key=1") if word in found.detail]


def test_what_arrives_is_signed_as_standard_webhooks_says(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    arrived: list[tuple[bytes, dict[str, str]]] = []

    async def answer(request: web.Request) -> web.Response:
        arrived.append((await request.read(), dict(request.headers)))
        return web.Response()

    found = sent(answer, SystemClock(), secret_file=str(file), headers={"X-Team": "ml"})
    assert found.sent is Sent.DELIVERED
    ((body, headers),) = arrived
    assert Verifier(SECRET).verify(body, headers) == {"number": 0}
    assert (headers["webhook-id"], headers["X-Team"], headers["Content-Type"]) == (
        message().id,
        "ml",
        "application/json",
    )
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(body + b" ", headers)


def test_without_a_secret_a_message_is_named_and_dated_but_not_signed() -> None:
    arrived: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        arrived.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response()

    sent(answer)
    assert arrived[0]["webhook-id"] == message().id
    assert arrived[0]["webhook-timestamp"] == f"{int(FakeClock().wall)}"
    assert "webhook-signature" not in arrived[0]


def test_a_secret_that_changed_signs_the_next_message(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    signatures: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        signatures.append(request.headers["webhook-signature"])
        return web.Response()

    async def run() -> None:
        client = HttpClient()
        async with receiver(answer) as url:
            hook = Webhook(WebhookOptions(url=url, secret_file=str(file)), client, FakeClock())
            for key in (b"a" * 24, b"b" * 24):
                file.write_text(base64.b64encode(key).decode())
                await hook.send(message())
        await client.close()

    asyncio.run(run())
    assert len(set(signatures)) == 2


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: None, "cannot be read: No such file or directory"),
        (lambda file: file.mkdir(), "cannot be read: Is a directory"),
        (lambda file: file.write_text("not base64!"), "it is no secret"),
        (lambda file: file.write_text(""), "0 bytes long"),
        (lambda file: file.write_bytes(b"\xff\xfe"), "it is no text"),
        (lambda file: file.write_text("whsec_" + base64.b64encode(b"short").decode()), "5 bytes long"),
    ],
)
def test_a_secret_that_cannot_be_used_sends_nothing_and_says_why(
    tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    file = tmp_path / "secret"
    make(file)
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response()

    found = sent(answer, secret_file=str(file))
    assert found.sent is Sent.FAILED
    assert f"{file}: " in found.detail
    assert says in found.detail
    assert "the message waits" in found.detail
    assert asked == []


@given(key=st.binary(min_size=24, max_size=64), body=st.text(), name=st.text("abc_0", min_size=1))
def test_every_signature_is_one_to_the_reference_implementation(key: bytes, body: str, name: str) -> None:
    at = time.time()
    headers = signing.headers(key, message_id=name, at=at, body=body.encode())
    assert Verifier(key).verify(body, headers, json_parse=False) is None
    assert signing.key_of(signing.PREFIX + base64.b64encode(key).decode()) == key
