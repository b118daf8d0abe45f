"""What Alertmanagers are posted, and when: again while it fires, the end for five minutes, each by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from brimline.actions import messages
from brimline.actions.alertmanager import BATCH, RESOLVED_FOR, Alertmanagers
from brimline.actions.messages import Notice
from brimline.deeds import Fate
from brimline.httpclient import HttpClient
from brimline.model import Alert
from brimline.redaction import SecretAddress
from fakes import FakeClock
from unit.notify_parts import alert, decision, outcome, receiver


class Peer:
    """An Alertmanager that remembers what it was posted."""

    def __init__(self) -> None:
        self.posts: list[list[dict[str, Any]]] = []
        self.status = 200
        self.held: asyncio.Event | None = None

    async def answer(self, request: web.Request) -> web.Response:
        assert request.path == "/prefix/api/v2/alerts"
        if self.held is not None:
            await self.held.wait()
        self.posts.append(await request.json())
        return web.Response(status=self.status, text='"no such label"' if self.status != 200 else "")

    def take(self) -> list[list[dict[str, Any]]]:
        posts, self.posts = self.posts, []
        return posts


class Scene:
    """Alertmanagers, and what fires."""

    def __init__(self, client: HttpClient, *addresses: str) -> None:
        self.clock = FakeClock()
        self.firing: dict[str, Alert] = {}
        peers = [SecretAddress(address) for address in addresses]
        self.all = Alertmanagers(peers, client, interval=5.0, external_url="http://brimline/", latest=self.latest)

    def latest(self, about: str) -> Notice | None:
        one = self.firing.get(about)
        return messages.fired(one, {"summary": f"{one.value:.0%}"}) if one is not None else None

    async def tick(self, seconds: float, alerts: Sequence[Alert] | None = None) -> None:
        now = self.clock.pass_(seconds)
        if alerts is not None:
            self.firing = {messages.about_alert(one.key): one for one in alerts}
        self.all.observe({about: messages.fired(one, {}).id for about, one in self.firing.items()}, now)
        self.all.post(now)
        await self.all.settle()


def run(check: Callable[[Scene, Peer], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        peer, client = Peer(), HttpClient()
        async with receiver(peer.answer) as url:
            await check(Scene(client, url.replace("/hook", "/prefix/")), peer)
        await client.close()

    asyncio.run(all_of_it())


def seconds_from(clock: FakeClock, text: str) -> float:
    return datetime.fromisoformat(text).timestamp() - clock.wall


def test_what_fires_is_posted_at_once_and_again_every_minute_with_its_values_of_then() -> None:
    async def check(scene: Scene, peer: Peer) -> None:
        await scene.tick(5, [alert()])
        ((first,),) = peer.take()
        assert first["labels"]["alertname"] == "High"
        assert first["startsAt"] == "2023-11-14T22:13:20.000Z"
        assert seconds_from(scene.clock, first["endsAt"]) == pytest.approx(240)
        assert first["generatorURL"] == "http://brimline/"
        for _ in range(11):
            await scene.tick(5, [alert(value=0.95)])
        assert peer.take() == []
        await scene.tick(5)
        ((again,),) = peer.take()
        assert again["annotations"] == {"summary": "95%"}
        assert seconds_from(scene.clock, again["endsAt"]) == pytest.approx(240)

    run(check)


def test_an_end_is_posted_at_once_and_again_for_five_minutes() -> None:
    async def check(scene: Scene, peer: Peer) -> None:
        await scene.tick(5, [alert()])
        peer.take()
        await scene.tick(5, [])
        ended = scene.clock.wall
        ((over,),) = peer.take()
        assert datetime.fromisoformat(over["endsAt"]).timestamp() == pytest.approx(ended)
        posts = 0
        for _ in range(200):
            await scene.tick(5)
            posts += len(peer.take())
        assert posts == RESOLVED_FOR // 60
        assert not scene.all._held

    run(check)


def test_what_fires_anew_has_a_new_beginning() -> None:
    async def check(scene: Scene, peer: Peer) -> None:
        await scene.tick(5, [alert()])
        await scene.tick(5, [])
        await scene.tick(5, [alert(since=1_700_000_010.0)])
        told = [post[0] for post in peer.take()]
        assert [one["startsAt"][-8:-5] for one in told] == [":20", ":20", ":30"]
        assert seconds_from(scene.clock, told[-1]["endsAt"]) == pytest.approx(240)

    run(check)


@pytest.mark.parametrize("over", [False, True])
def test_what_was_done_is_written_on_the_alert_after_its_end_too(over: bool) -> None:  # noqa: FBT001 - a case
    async def check(scene: Scene, peer: Peer) -> None:
        await scene.tick(5, [alert()])
        if over:
            await scene.tick(5, [])
        peer.take()
        of = next(iter(scene.all._held.values())).notice
        scene.all.acted(messages.concluded(decision(alert()), outcome(), Fate.DONE, of))
        await scene.tick(0)
        ((told,),) = peer.take()
        assert {k: told["annotations"][k] for k in ("action", "action_id", "outcome")} == {
            "action": "restart",
            "action_id": "01J0",
            "outcome": "done",
        }

    run(check)


def test_what_is_under_way_is_written_on_the_alert_until_it_is_done() -> None:
    async def check(scene: Scene, peer: Peer) -> None:
        await scene.tick(5, [alert()])
        peer.take()
        scene.all.begun(decision(alert()))
        await scene.tick(0)
        ((told,),) = peer.take()
        assert (told["annotations"]["action_id"], told["annotations"]["outcome"]) == ("01J0", "begun")

    run(check)


def test_many_go_in_batches() -> None:
    async def check(scene: Scene, peer: Peer) -> None:
        await scene.tick(5, [alert(f"web-{n}") for n in range(150)])
        assert [len(post) for post in peer.take()] == [BATCH, BATCH, 150 - 2 * BATCH]

    run(check)


@pytest.mark.parametrize("status", [400, 500, 301])
def test_what_was_refused_is_posted_again_soon(status: int) -> None:
    async def check(scene: Scene, peer: Peer) -> None:
        peer.status = status
        await scene.tick(5, [alert()])
        await scene.tick(1)
        assert len(peer.take()) == 1, "a breath after a failure"
        ((_, error),) = scene.all.errors.items()
        assert f"answered {status}" in error
        peer.status = 200
        await scene.tick(5)
        assert len(peer.take()) == 1
        assert scene.all.errors == {}

    run(check)


def test_one_that_hangs_or_is_down_delays_no_other_and_learns_all_later() -> None:
    async def all_of_it() -> None:
        slow, fast, client = Peer(), Peer(), HttpClient()
        slow.held = asyncio.Event()
        async with receiver(slow.answer) as one, receiver(fast.answer) as other:
            scene = Scene(client, *(url.replace("/hook", "/prefix") for url in (one, other)))
            scene.firing = {messages.about_alert(alert().key): alert()}
            now = scene.clock.pass_(5)
            scene.all.observe(dict.fromkeys(scene.firing, "1"), now)
            scene.all.post(now)
            async with asyncio.timeout(5):
                while not fast.posts:  # noqa: ASYNC110 - it arrives in the server's own task
                    await asyncio.sleep(0.01)
            assert slow.posts == []
            slow.held.set()
            await scene.all.settle()
            assert slow.posts == fast.posts
        await client.close()

    asyncio.run(all_of_it())


def test_an_address_shows_no_secret_in_an_error() -> None:
    async def all_of_it() -> str:
        client = HttpClient()
        scene = Scene(client, "http://ann:S3cret@127.0.0.1:1/S3cret")
        await scene.tick(5, [alert()])
        await client.close()
        return json.dumps(dict(scene.all.errors))

    told = asyncio.run(all_of_it())
    assert "127.0.0.1:1" in told
    assert "S3cret" not in told


def test_what_changes_while_a_post_is_under_way_is_posted_after_it() -> None:
    async def all_of_it() -> None:
        peer, client = Peer(), HttpClient()
        peer.held = asyncio.Event()
        async with receiver(peer.answer) as url:
            scene = Scene(client, url.replace("/hook", "/prefix"))
            scene.firing = {messages.about_alert(alert().key): alert()}
            now = scene.clock.now()
            ids = {about: messages.fired(one, {}).id for about, one in scene.firing.items()}
            scene.all.observe(ids, now)
            scene.all.post(now)
            await asyncio.sleep(0)
            scene.all.acted(messages.refused(decision(alert()), next(iter(scene.all._held.values())).notice))
            peer.held.set()
            await scene.all.settle()
            scene.all.post(now)
            await scene.all.settle()
            assert [("action" in post[0]["annotations"]) for post in peer.posts][-1]
        await client.close()

    asyncio.run(all_of_it())
