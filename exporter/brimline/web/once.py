"""What is made of a view on request: made once in a thread, shared by all who ask until the next tick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar, cast

from brimline.view import View
from brimline.web.envelope import RefusedError

T = TypeVar("T")


class Once:
    """Remembers what was made of the last view; a client that leaves does not cancel what others wait for."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="brimline-web")
        self._view: View | None = None
        self._made: dict[Hashable, asyncio.Future[object]] = {}

    async def of(self, view: View, key: Hashable, make: Callable[[], T]) -> T:
        """Return `make()` as it was made first for this view and key."""
        if view is not self._view:
            self._view, self._made = view, {}
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = asyncio.get_running_loop().run_in_executor(self._thread, make)
        return cast("T", await asyncio.shield(made))

    async def apart(self, make: Callable[[], T]) -> T:
        """Return `make()` as it is made now, for one who asks, in the same thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, make)

    def close(self) -> None:
        """Give back the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class Crowd:
    """How many may wait for a thread at a time: one more is refused before it holds up the others."""

    def __init__(self, most: int, sentence: str) -> None:
        self._most, self._sentence = most, sentence
        self._waiting = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one that waits, for the time of the block."""
        if self._waiting >= self._most:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, self._sentence, {"Retry-After": "5"})
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
