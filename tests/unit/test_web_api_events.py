"""Server-sent events on real sockets: one a tick, heartbeats, and clients that come in crowds, leave or never read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import ClientSession

from brimline.web.api import events
from brimline.web.connections import Patience
from unit.api_scene import face
from unit.web_faces import FakeFace, asking, error, served

Read = Callable[[], Awaitable[str]]


@asynccontextmanager
async def listening(base: str) -> AsyncIterator[Read]:
    """Hand out a function that returns the next event, or a heartbeat, as it was sent."""
    async with ClientSession() as session, session.get(f"{base}/api/v1/events") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"

        async def read() -> str:
            async with asyncio.timeout(20):
                return (await answer.content.readuntil(b"\n\n")).decode()

        yield read


def event(text: str) -> dict[str, object]:
    name, number, content = text.rstrip("\n").split("\n")
    found = json.loads(content.removeprefix("data: "))
    assert (name, number) == ("event: view", f"id: {found['tick']}")
    return dict(found)


def listen(check: Callable[[FakeFace, Read, str], Awaitable[None]], there: FakeFace | None = None) -> None:
    async def run() -> None:
        seen = there or face()
        async with served(seen) as running:
            base = running.addresses[0]
            async with listening(base) as read:
                assert await read() == "retry: 3000\n\n"
                await check(seen, read, base)

    asyncio.run(run())


def test_every_tick_is_one_event() -> None:
    async def check(there: FakeFace, read: Read, _: str) -> None:
        assert event(await read()) == {"tick": 1, "at": 1_700_000_000.0, "fresh": True}
        for tick in (2, 3, 4):
            there.tick()
            assert event(await read())["tick"] == tick

    listen(check)


def test_silence_is_broken_by_heartbeats_and_staleness_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.05)

    async def check(there: FakeFace, read: Read, _: str) -> None:
        event(await read())
        assert await read() == ":\n\n"
        there.is_fresh = False
        while (text := await read()) == ":\n\n":
            pass
        assert event(text) == {"tick": 1, "at": 1_700_000_000.0, "fresh": False}

    listen(check)


def test_before_the_first_tick_there_is_an_event_too() -> None:
    async def check(_: FakeFace, read: Read, __: str) -> None:
        assert event(await read()) == {"tick": 0, "at": None, "fresh": True}

    listen(check, FakeFace())


def test_a_crowd_of_listeners_is_bounded_and_a_place_comes_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STREAMS", 2)
    monkeypatch.setattr(events, "HEARTBEAT", 3600.0)

    async def run() -> None:
        async with served(face()) as running, asking(running) as ask:
            base = running.addresses[0]
            async with listening(base) as first:
                await first()
                async with listening(base) as second:
                    await second()
                    refused = await ask("/api/v1/events")
                    assert "streams of events are open" in await error(refused, 503, "unavailable")
                    assert refused.headers["Retry-After"] == "30"
            async with asyncio.timeout(20):  # without a tick: who comes next notices that they left
                while (await _status(base)) != 200:  # noqa: ASYNC110 - it is the asking that frees a place
                    await asyncio.sleep(0.01)

    asyncio.run(run())


@pytest.mark.parametrize(("places", "streams"), [(8, 2), (11, 2), (12, 3), (512, events.STREAMS)])
def test_streams_take_no_more_than_a_quarter_of_all_places(places: int, streams: int) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            running = await stack.enter_async_context(served(face(), patience=Patience(connections=places)))
            base = running.addresses[0]
            for _ in range(streams):
                await (await stack.enter_async_context(listening(base)))()
            ask = await stack.enter_async_context(asking(running))
            refused = await error(await ask("/api/v1/events"), 503, "unavailable")
            assert refused.startswith(f"{streams} streams of events are open")
            assert (await ask("/health/shop-api-1")).status == 200

    asyncio.run(run())


async def _status(base: str) -> int:
    async with ClientSession() as session, session.get(f"{base}/api/v1/events") as answer:
        return answer.status


def test_a_stream_outlives_the_deadline_of_an_answer_and_ends_after_its_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.02)

    async def run() -> None:
        async with served(face(), patience=Patience(answer=0.05)) as running:
            base = running.addresses[0]
            async with listening(base) as read:
                while await read() != ":\n\n":
                    pass
                for _ in range(4):
                    assert await read() == ":\n\n"
            monkeypatch.setattr(events, "LIFETIME", 0.1)
            async with asyncio.timeout(20), ClientSession() as session, session.get(f"{base}/api/v1/events") as answer:
                assert (await answer.content.read()).startswith(b"retry: ")  # it would fail had it been cut off

    asyncio.run(run())


class Stuck:
    """A transport whose client does not read."""

    aborted = False

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return 100

    def abort(self) -> None:
        self.aborted = True


def test_a_client_that_does_not_read_is_dropped() -> None:
    async def run() -> None:
        stream = events.Stream(face(), set(), asyncio.Event())
        stream._transport = stuck = Stuck()  # type: ignore[assignment] # a stand-in
        with pytest.raises(ConnectionResetError):
            await stream._put(b":\n\n")
        assert stuck.aborted

    asyncio.run(run())


def test_stopping_ends_every_stream_at_once() -> None:
    async def run() -> None:
        async with served(face(), patience=Patience(drain=60)) as running, ClientSession() as session:
            answer = await session.get(f"{running.addresses[0]}/api/v1/events")
            await answer.content.readuntil(b"}\n\n")
            async with asyncio.timeout(30):  # below the patience for what is under way
                await running.close()
            assert await answer.content.read() == b""

    asyncio.run(run())


def test_only_get_opens_a_stream() -> None:
    async def run() -> None:
        async with served(face()) as running, asking(running) as ask:
            for method in ("HEAD", "POST"):
                assert (await ask("/api/v1/events", method)).status == 405

    asyncio.run(run())
