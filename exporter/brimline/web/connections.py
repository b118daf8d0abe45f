"""The listening sockets, and a deadline for every connection: aiohttp has none for a request that never ends.

A connection is waiting (for a whole request) or busy (with an answer). When all places are taken, the one that has
waited longest gives up its place: a crowd of idle clients cannot lock a scraper out.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from brimline.errors import BrimlineError
from brimline.web.door import DOOR, Door

_MOST: Final = 512
# aiohttp writes a traceback for every malformed request, and who sends them would fill the log. What goes wrong in our
# own pages is told by their edge.
_unheard: Final = logging.getLogger(f"{__name__}.unheard")
_unheard.setLevel(logging.CRITICAL)
_FULL: Final = (  # without Content-Length: the connection's end is the answer's
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\n"
    b"Connection: close\r\n\r\nAll places are taken; try again in a few seconds.\n"
)


def _places() -> int:
    """Return how many connections there may be: the sources need most of the descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(1, min(_MOST, soft // 4))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds, and how many there may be."""

    request: float = 10.0  # from connecting, a TLS handshake included, to the end of the first request
    answer: float = 60.0  # to read an answer
    idle: float = 120.0  # between two requests: above the minute that is the usual interval between scrapes
    drain: float = 5.0  # to finish what is under way when Brimline stops
    connections: int = field(default_factory=_places)
    pages: int = 32  # sent at a time: each may hold the page of another tick


class Connections:
    """Every open connection's deadline."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._waiting: dict[asyncio.Transport, asyncio.TimerHandle] = {}  # the longest waiting first
        self._busy: set[asyncio.Transport] = set()

    @property
    def busy(self) -> int:
        """Return how many answers are under way."""
        return len(self._busy)

    def opened(self, transport: asyncio.Transport) -> None:
        """Give a new connection its first deadline, or turn it away where no place can be made."""
        self._make_room()
        if len(self._waiting) + len(self._busy) >= self.patience.connections:
            transport.write(_FULL)
            transport.close()
            return
        self._wait(transport, self.patience.request)

    def wrapped(self, plain: asyncio.Transport, secret: asyncio.Transport) -> None:
        """Keep the deadline of a connection that has agreed on TLS."""
        timer = self._waiting.pop(plain, None)
        if timer is None:  # it had to give up its place meanwhile
            secret.abort()
            return
        timer.cancel()
        self._waiting[secret] = asyncio.get_running_loop().call_at(timer.when(), self._give_up, secret)

    def left(self, transport: asyncio.Transport) -> None:
        """Forget a connection that did not come so far as to ask."""
        timer = self._waiting.pop(transport, None)
        if timer is not None:
            timer.cancel()

    def began(self, transport: asyncio.Transport) -> None:
        """Note that a whole request came."""
        timer = self._waiting.pop(transport, None)
        if timer is not None:
            timer.cancel()
        self._busy.add(transport)

    def ended(self, transport: asyncio.Transport) -> None:
        """Note that the answer was handed over; bytes the client has not fetched by the next deadline are lost."""
        self._busy.discard(transport)
        if not transport.is_closing():
            self._wait(transport, self.patience.idle)

    def _wait(self, transport: asyncio.Transport, seconds: float) -> None:
        self._waiting[transport] = asyncio.get_running_loop().call_later(seconds, self._give_up, transport)

    def _give_up(self, transport: asyncio.Transport) -> None:
        self._waiting.pop(transport).cancel()
        transport.abort()

    def _make_room(self) -> None:
        if len(self._waiting) + len(self._busy) < self.patience.connections:
            return
        gone = [transport for transport in self._waiting if transport.is_closing()]
        for transport in gone or list(self._waiting)[:1]:
            self._give_up(transport)


class _Threshold(asyncio.Protocol):
    """Where a connection comes in: it is noted, agrees on TLS where that is wanted, and is handed to aiohttp."""

    def __init__(self, connections: Connections, door: Door, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._door = door
        self._make_protocol = make_protocol
        self._handshake: asyncio.Task[None] | None = None
        self._early = b""  # what came with the last of the handshake, before aiohttp stands here

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a listening socket gives stream transports")
        self._connections.opened(transport)
        if transport.is_closing():
            return
        context = self._door.context
        if context is None:
            self._hand_over(transport)
        else:
            transport.pause_reading()
            self._handshake = asyncio.ensure_future(self._agree(transport, context))

    def data_received(self, data: bytes) -> None:
        self._early += data

    def _hand_over(self, transport: asyncio.Transport) -> None:
        protocol = self._make_protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._early:
            protocol.data_received(self._early)

    async def _agree(self, plain: asyncio.Transport, context: ssl.SSLContext) -> None:
        """Shake hands here and not in the listening socket, so that the place is counted and has its deadline."""
        loop, patience = asyncio.get_running_loop(), self._connections.patience
        try:
            secret = await loop.start_tls(
                plain, self, context, server_side=True, ssl_handshake_timeout=patience.request
            )
        except OSError:  # ssl.SSLError too: a client that does not trust us, or speaks no TLS
            secret = None
        if secret is None:
            self._connections.left(plain)
            plain.abort()
            return
        self._connections.wrapped(plain, secret)
        if not self._door.lets_in(secret.get_extra_info("peercert")):
            self._connections.left(secret)
            secret.abort()
        if not secret.is_closing():
            self._hand_over(secret)


class Served:
    """A running web server."""

    def __init__(self, runner: web.AppRunner, servers: Sequence[asyncio.Server], door: Door) -> None:
        self._runner = runner
        self._door = door
        self._servers = servers

    @property
    def addresses(self) -> list[str]:
        """Return where it listens, as `http://host:port`."""
        scheme = "http" if self._door.context is None else "https"
        names = (sock.getsockname() for server in self._servers for sock in server.sockets)
        return [f"{scheme}://{f'[{name[0]}]' if ':' in name[0] else name[0]}:{name[1]}" for name in names]

    async def close(self) -> None:
        """Take no new connection, finish what is under way, close the rest."""
        for server in self._servers:
            server.close()
        await self._runner.cleanup()


async def serve(app: web.Application, addresses: Sequence[tuple[str, int]], connections: Connections) -> Served:
    """Listen on every address (an empty host: all of this machine's) or on none."""
    patience = connections.patience
    runner = web.AppRunner(
        app, access_log=None, logger=_unheard, shutdown_timeout=patience.drain, keepalive_timeout=patience.idle
    )
    await runner.setup()
    make_protocol = runner.server
    if make_protocol is None:
        raise BrimlineError("the web server was not set up")
    loop = asyncio.get_running_loop()
    servers: list[asyncio.Server] = []
    served = Served(runner, servers, app[DOOR])

    def make_threshold() -> _Threshold:
        return _Threshold(connections, app[DOOR], make_protocol)

    for host, port in addresses:
        try:
            servers.append(await loop.create_server(make_threshold, host or None, port))
        except OSError as error:
            await served.close()
            raise BrimlineError(
                f"cannot listen on {host}:{port}: {error.strerror}; "
                "stop what uses it, or name another --web.listen-address"
            ) from error
    return served
