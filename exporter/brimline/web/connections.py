"""The listening sockets, and a deadline for every connection: aiohttp has none for a request that never ends.

A connection is waiting (for a whole request) or busy (with an answer). When all places are taken, the one that has
waited longest gives up its place: a crowd of idle clients cannot lock a scraper out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from brimline.errors import BrimlineError


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, in seconds, and how many there may be."""

    request: float = 10.0  # from connecting to the end of the first request
    answer: float = 60.0  # to read an answer
    idle: float = 120.0  # between two requests: above the minute that is the usual interval between scrapes
    drain: float = 5.0  # to finish what is under way when Brimline stops
    connections: int = 512
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
            transport.abort()
            return
        self._wait(transport, self.patience.request)

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


class _Door(asyncio.Protocol):
    """Stands where a connection comes in, notes it and hands it to aiohttp."""

    def __init__(self, connections: Connections, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._make_protocol = make_protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a listening socket gives stream transports")
        self._connections.opened(transport)
        if transport.is_closing():
            return
        protocol = self._make_protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


class Served:
    """A running web server."""

    def __init__(self, runner: web.AppRunner, servers: Sequence[asyncio.Server]) -> None:
        self._runner = runner
        self._servers = servers

    @property
    def addresses(self) -> list[str]:
        """Return where it listens, as `http://host:port`."""
        names = (sock.getsockname() for server in self._servers for sock in server.sockets)
        return [f"http://[{name[0]}]:{name[1]}" if ":" in name[0] else f"http://{name[0]}:{name[1]}" for name in names]

    async def close(self) -> None:
        """Take no new connection, finish what is under way, close the rest."""
        for server in self._servers:
            server.close()
        await self._runner.cleanup()


async def serve(app: web.Application, addresses: Sequence[tuple[str, int]], connections: Connections) -> Served:
    """Listen on every address (an empty host: all of this machine's) or on none."""
    patience = connections.patience
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=patience.drain, keepalive_timeout=patience.idle)
    await runner.setup()
    make_protocol = runner.server
    if make_protocol is None:
        raise BrimlineError("the web server was not set up")
    loop = asyncio.get_running_loop()
    servers: list[asyncio.Server] = []
    served = Served(runner, servers)
    for host, port in addresses:
        try:
            servers.append(await loop.create_server(lambda: _Door(connections, make_protocol), host or None, port))
        except OSError as error:
            await served.close()
            raise BrimlineError(
                f"cannot listen on {host}:{port}: {error.strerror}; "
                "stop what uses it, or name another --web.listen-address"
            ) from error
    return served
