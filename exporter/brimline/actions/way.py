"""The way to one engine: connected at the first question, kept, and made anew after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from brimline.dockerapi import DockerApi
from brimline.errors import SourceError

Connect = Callable[[], Awaitable[DockerApi]]


class Way:
    """It ends at the engine it was made for, whatever the configuration says meanwhile."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._api: DockerApi | None = None
        self._connecting = asyncio.Lock()
        self._retired = False

    async def engine(self) -> DockerApi:
        """Return the engine; raises a SourceError where it is away."""
        async with self._connecting:
            if self._api is None:
                self._api = await self._connect()
            return self._api

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[DockerApi]:
        """Yield the engine; after a failure the next question connects anew: a newer one may stand in its place."""
        engine = await self.engine()
        try:
            yield engine
        except SourceError:
            if engine is self._api:
                self.close()
            raise
        finally:
            if self._retired:
                self.close()

    def retire(self) -> None:
        """Keep no connection any more; what is under way asks through it all the same."""
        self._retired = True
        self.close()

    def close(self) -> None:
        """Close the idle connections; the next question connects anew."""
        if self._api is not None:
            self._api.close()
            self._api = None
