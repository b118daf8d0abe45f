"""Names looked up in threads of their own: a name server that hangs costs its own names and nothing else that waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from brimline.dockerthreads import Calls
from brimline.errors import UnreachableError

MOST: Final = 32  # names that hang at once; the next one is not looked up
_LONGEST: Final = 86_400.0  # seconds; who asks waits as long as its request may take, the thread as long as it must

Ask = Callable[..., list[Any]]
_Key = tuple[str, int, socket.AddressFamily]


class Lookups(AbstractResolver):
    """One thread for each name at a time: whoever asks for it meanwhile waits for the same answer."""

    def __init__(self, ask: Ask = socket.getaddrinfo) -> None:
        self._ask = ask
        self._calls = Calls(MOST)
        self._asked: dict[_Key, asyncio.Task[list[Any]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return its addresses; raises OSError where it has none, or nobody is left to ask."""
        key = host, port, family
        if (asked := self._asked.get(key)) is None:
            asked = self._asked[key] = asyncio.create_task(self._look(key))
            asked.add_done_callback(partial(self._over, key))
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=of,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for of, _, proto, _, address in await asyncio.shield(asked)
        ]

    async def close(self) -> None:
        """Wait for nobody any more."""
        for asked in list(self._asked.values()):
            asked.cancel()

    async def _look(self, key: _Key) -> list[Any]:
        host, port, family = key
        ask = partial(self._ask, host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG)
        try:
            return await self._calls.result(ask, _LONGEST)
        except UnreachableError:
            raise OSError(None, f"{host} is not looked up: {MOST} other names still wait for an answer") from None

    def _over(self, key: _Key, done: asyncio.Task[list[Any]]) -> None:
        del self._asked[key]
        if not done.cancelled():
            done.exception()  # nobody may be left who asked
