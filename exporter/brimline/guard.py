"""Keeps an eye on where our own connections lead, so that nothing Brimline leans on is acted upon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from brimline.config import Config
from brimline.dockerthreads import Calls
from brimline.endpoints import leans_on, remembering, resolved
from brimline.errors import UnreachableError
from brimline.policy.guarded import Guarded

_EVERY: Final = 300.0  # seconds between two looks
_PATIENCE: Final = 60.0  # seconds for one; a resolver that hangs longer costs its own thread

Tell = Callable[[Guarded], None]


class Guard:
    """Tells at once what the names say, and what addresses they have once a thread has looked them up.

    What cannot be looked up keeps the addresses it had: a resolver that is down must not expose Alertmanager.
    """

    def __init__(self, config: Config, environ: Mapping[str, str], tell: Tell) -> None:
        self._config, self._environ, self._tell = config, environ, tell
        self._calls = Calls(limit=1)
        self._due = asyncio.Event()
        self._known = Guarded()
        self._take(leans_on(config, environ))

    def use(self, config: Config) -> None:
        """Look by another configuration, now."""
        self._config = config
        self._take(remembering(leans_on(config, self._environ), self._known))
        self._due.set()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self._due.clear()
            with suppress(TimeoutError, UnreachableError):
                found = await self._calls.result(self._look, _PATIENCE)
                if not self._due.is_set():  # else it is of an earlier configuration
                    self._take(found)
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._due.wait()

    def _look(self) -> Guarded:
        return resolved(remembering(leans_on(self._config, self._environ), self._known))

    def _take(self, found: Guarded) -> None:
        self._known = found
        self._tell(found)
