"""GET /api/v1/events: server-sent events, one `view` a tick, so that a page knows when to look again.

An event says only that there is something new. It is the one answer without an end, so it has its own bounds: a place
among a few, a client that reads, and an hour, after which a browser connects anew by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from brimline.web.api.about import ViewEvent
from brimline.web.envelope import RefusedError
from brimline.web.face import Face

STREAMS: Final = 32
PLACES: Final = web.AppKey("places", int)  # for connections of every kind
HEARTBEAT: Final = 15.0  # seconds of silence at most: a proxy closes what is silent for a minute
LIFETIME: Final = 3600.0
_RETRY: Final = b"retry: 3000\n\n"  # milliseconds after which a browser connects anew
_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",  # nginx would keep events back
    }
)


class Events:
    """Answers `/api/v1/events`."""

    def __init__(self, face: Face, places: int) -> None:
        self._face = face
        self._most = min(STREAMS, places // 4)  # of all connections: streams never end, the rest must get through
        self._streams: set[Stream] = set()
        self._over = asyncio.Event()

    async def get(self, _: web.Request) -> Stream:
        """Answer with a stream, where there is a place; who left without a word gives up theirs now."""
        for stream in [one for one in self._streams if one.left]:
            stream.give_up()
        if len(self._streams) >= self._most:
            sentence = f"{self._most} streams of events are open; close one, or ask for /api/v1/status now and then"
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, sentence, {"Retry-After": "30"})
        return Stream(self._face, self._streams, self._over)

    def close(self) -> None:
        """End every stream: Brimline stops."""
        self._over.set()


class Stream(web.StreamResponse):
    """Events to one client; whoever sends it must set no deadline for its end."""

    def __init__(self, face: Face, streams: set[Stream], over: asyncio.Event) -> None:
        super().__init__(headers=_HEADERS)
        self._face, self._streams, self._over = face, streams, over
        self._transport: asyncio.Transport | None = None
        self._given_up = asyncio.Event()

    @property
    def left(self) -> bool:
        """Whether its client is gone, which the stream itself notices when it writes the next time."""
        return self._transport is not None and self._transport.is_closing()

    def give_up(self) -> None:
        """Free the place at once and have the stream end."""
        self._streams.discard(self)
        self._given_up.set()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Take the place and send the headers."""
        self._streams.add(self)
        self._transport = request.transport
        try:
            return await super().prepare(request)
        except BaseException:
            self._streams.discard(self)
            raise

    async def write_eof(self, data: bytes = b"") -> None:
        """Send events until the client leaves, its hour is over or Brimline stops."""
        try:
            await self._tell()
        finally:
            self._streams.discard(self)
        await super().write_eof(data)

    async def _tell(self) -> None:
        loop, told = asyncio.get_running_loop(), None
        end = loop.time() + LIFETIME
        await self.write(_RETRY)
        while loop.time() < end:
            tick = self._face.next_tick  # before the look: what comes after it is not missed
            event = self._event()
            news, told = event != told, event
            await self._put(_spelled(event) if news else b":\n\n")
            if await self._rest(tick):
                return

    def _event(self) -> ViewEvent:
        view = self._face.view
        tick, at = (0, None) if view is None else (view.ticks, view.snapshot.at.wall)
        return ViewEvent(tick=tick, at=at, fresh=self._face.fresh())

    async def _put(self, data: bytes) -> None:
        """Send one event; a client that has not taken the one before by now does not read."""
        if self._transport is None or self.left:
            raise ConnectionResetError
        if self._transport.get_write_buffer_size():
            self._transport.abort()
            raise ConnectionResetError
        await self.write(data)

    async def _rest(self, tick: asyncio.Event) -> bool:
        """Wait for the next event; tell whether Brimline stops."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (tick, self._over, self._given_up)]
        try:
            await asyncio.wait(waiting, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        return self._over.is_set()


def _spelled(event: ViewEvent) -> bytes:
    return f"event: view\nid: {event.tick}\ndata: {event.model_dump_json()}\n\n".encode()
