"""A real Alertmanager: it holds what is posted to it, and what it posts to us is what our own shape looks like."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from brimline.actions import messages
from brimline.actions.alertmanager import Alertmanagers
from brimline.actions.messages import Notice
from brimline.actions.shapes import SHAPES, Frame, fingerprint
from brimline.deeds import Fate, Request
from brimline.engine import SystemClock
from brimline.httpclient import HttpClient
from brimline.redaction import SecretAddress
from brimline.web.inbound import Inbound
from real.places import MissingPartError
from real.prometheus import Alertmanager
from unit.notify_parts import alert, decision, outcome, receiver

CLOCK = SystemClock()


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    try:
        with Alertmanager() as running:
            yield running
    except MissingPartError as missing:
        pytest.skip(str(missing))


class Scene:
    """What fires, and the Alertmanagers that are told."""

    def __init__(self, *addresses: str) -> None:
        self.firing: dict[str, Notice] = {}
        self.client = HttpClient()
        self.all = Alertmanagers(
            [SecretAddress(address) for address in addresses],
            self.client,
            interval=5.0,
            external_url="http://127.0.0.1:12746/",
            latest=self.latest,
        )

    def latest(self, about: str) -> Notice | None:
        return self.firing.get(about)

    def fire(self, *names: str) -> None:
        notices = [messages.fired(alert(name, since=CLOCK.now().wall - 1), {"summary": name}) for name in names]
        self.firing = {notice.about: notice for notice in notices}

    async def post(self) -> None:
        now = CLOCK.now()
        self.all.observe({about: notice.id for about, notice in self.firing.items()}, now)
        self.all.post(now)
        await self.all.settle()


def active(alertmanager: Alertmanager) -> dict[str, dict[str, Any]]:
    return {one["labels"]["container"]: one for one in alertmanager.alerts()}


def test_an_alert_is_there_while_it_fires_with_what_was_done_and_is_gone_when_it_is_over(
    alertmanager: Alertmanager,
) -> None:
    async def check() -> None:
        scene = Scene(alertmanager.url)
        names = [f"web-{n}" for n in range(100)]
        scene.fire(*names)
        await scene.post()
        held = await asyncio.to_thread(active, alertmanager)
        assert sorted(held) == sorted(names)
        one = held["web-0"]
        notice = next(n for n in scene.firing.values() if n.subject == "web-0")
        assert one["fingerprint"] == fingerprint(notice.labels), "ours is the name Alertmanager gives it"
        assert one["labels"] == notice.labels
        assert one["generatorURL"] == "http://127.0.0.1:12746/"
        assert datetime.fromisoformat(one["endsAt"]).timestamp() - time.time() == pytest.approx(240, abs=20)
        asked = decision(alert("web-0"))
        scene.all.acted(messages.concluded(asked, outcome(), Fate.DONE, notice))
        await scene.post()
        annotations = (await asyncio.to_thread(active, alertmanager))["web-0"]["annotations"]
        assert annotations == {"summary": "web-0", "action": "restart", "action_id": "01J0", "outcome": "done"}
        scene.firing = {}
        await scene.post()
        deadline = time.monotonic() + 20
        while held := await asyncio.to_thread(active, alertmanager):
            assert time.monotonic() < deadline, f"{len(held)} alerts are still active"
            await asyncio.sleep(0.2)
        assert scene.all.errors == {}
        await scene.client.close()

    asyncio.run(check())


def outline(value: object) -> object:
    """Return the types of a JSON value, key by key; of texts by name only that they are."""
    match value:
        case dict():
            return {key: outline(item) for key, item in value.items()}
        case list():
            return [outline(value[0])] if value else []
        case _:
            return type(value).__name__


def test_our_message_has_the_keys_types_and_fingerprints_of_its_own(tmp_path: Any) -> None:  # noqa: ANN401 - pytest's
    """The real one posts to us: first it is held against our shape, then handed to what takes it in."""
    arrived: list[dict[str, Any]] = []
    token = tmp_path / "token"
    token.write_text("secret")
    requests: list[Request] = []
    inbound = Inbound(str(token), requests.append, CLOCK)

    async def answer(request: web.Request) -> web.StreamResponse:
        arrived.append(json.loads(await request.read()))
        return web.Response()

    async def check() -> None:
        async with receiver(answer) as url:
            try:
                running = Alertmanager(url)
            except MissingPartError as missing:
                pytest.skip(str(missing))
            await asyncio.to_thread(running.__enter__)
            try:
                await told_by(running)
            finally:
                await asyncio.to_thread(running.__exit__)

    async def told_by(running: Alertmanager) -> None:
        scene = Scene(running.url)
        scene.fire("web")
        (notice,) = scene.firing.values()
        await scene.post()
        await until(lambda: bool(arrived), "it told of the firing alert")
        scene.firing = {}
        await scene.post()
        await until(lambda: arrived[-1]["status"] == "resolved", "it told of the end")
        over = scene.all._held[notice.about].notice
        for real, ours in ((arrived[0], notice), (arrived[-1], over)):
            frame = Frame("test", [ours], external_url=real["externalURL"])
            made = json.loads(SHAPES["alertmanager"](frame))
            assert outline({**made, "groupLabels": {}}) == outline({**real, "groupLabels": {}})
            told, expected = made["alerts"][0], real["alerts"][0]
            for key in ("status", "labels", "annotations", "fingerprint"):
                assert told[key] == expected[key], key
            assert (made["commonLabels"], made["commonAnnotations"]) == (
                real["commonLabels"],
                real["commonAnnotations"],
            )
            assert (made["version"], made["truncatedAlerts"]) == (real["version"], real["truncatedAlerts"])
            for key in ("startsAt", "endsAt"):
                assert moment_of(told[key]) == pytest.approx(moment_of(expected[key]), abs=0.01), key
        assert made["groupKey"].startswith(real["groupKey"].split("{")[0] + "{}:{")
        await scene.client.close()

    asyncio.run(check())
    asyncio.run(takes(inbound, arrived[0]))
    assert [(one.action, one.name, one.caller) for one in requests] == [("restart", "web", "alertmanager test")]


async def takes(inbound: Inbound, body: dict[str, Any]) -> None:
    """Post what the real one sent, with an annotation, as it would."""
    body["alerts"][0]["annotations"]["brimline_action"] = "restart"
    client = HttpClient()
    async with receiver(inbound.post) as url:
        answer = await client.send(
            "POST", url, seconds=5, body=json.dumps(body).encode(), headers={"Authorization": "Bearer secret"}
        )
    assert answer.status == 200
    await client.close()


async def until(holds: Any, what: str) -> None:  # noqa: ANN401 - a callable
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


def moment_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() if not text.startswith("0001") else 0.0
