"""Keeps a roster true to an engine: connect, follow its events, list, inspect; and again, with back-off, when it fails.

The stream is opened before the list is asked for, so nothing falls between the two.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from brimline.dockerapi import DockerApi
from brimline.dockerthreads import Calls, EventStream, StreamEndError
from brimline.errors import SourceError
from brimline.model import Wake
from brimline.sources.docker_container import parse_inspection, parse_listing
from brimline.sources.docker_events import FILTERS, PODMAN_FILTERS, parse_event
from brimline.sources.docker_roster import Roster

log = logging.getLogger(__name__)

INSPECTIONS: Final = 4  # at a time
REPLAY: Final = 1.0  # seconds asked for again on a new stream; the roster knows what it has seen


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait for what, in seconds."""

    first_retry: float = 0.5
    longest_retry: float = 30.0
    ping: float = 15.0  # of silence on the event stream, then the engine is asked whether it lives
    renew: float = 300.0  # of silence, then the stream is opened anew and the list compared
    inspect_again: float = 5.0


@dataclass(frozen=True, slots=True)
class Engine:
    """Where the roster comes from."""

    find: Callable[[], str | None]  # the host; None: there is none on this machine
    environ: Mapping[str, str]
    timeout: float


class Follower:
    """The background half of the Docker source; lives on the event loop."""

    def __init__(
        self,
        engine: Engine,
        roster: Roster,
        wake: Wake,
        sample: Callable[[DockerApi], Coroutine[None, None, None]],
        pace: Pace,
    ) -> None:
        self.error: str | None = None
        self.info: dict[str, str] = {}
        self.complete = asyncio.Event()  # the first list is in, inspections too
        self.settled = asyncio.Event()  # that, or the first attempt failed
        self._engine = engine
        self._roster = roster
        self._wake = wake
        self._sample = sample
        self._pace = pace
        self._calls = Calls()
        self._doubt = True
        self._slots = asyncio.Semaphore(INSPECTIONS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._names: dict[str, str] = {}

    async def run(self) -> None:
        """Follow the engine until cancelled."""
        loop = asyncio.get_running_loop()
        delay = self._pace.first_retry
        while True:
            began = loop.time()
            try:
                await self._attempt()
            except StreamEndError as end:
                self._doubt = not end.silent
                log.info("%s", end)
            except SourceError as error:
                self._fail(str(error))
            except Exception as error:  # the source's read: an answer nobody foresaw must not end the following
                log.exception("following the engine failed")
                self._fail(f"{type(error).__name__}: {error}")
            self.settled.set()
            steady = loop.time() - began > self._pace.longest_retry
            delay = self._pace.first_retry if steady else delay
            await asyncio.sleep(delay)
            delay = min(delay * 2, self._pace.longest_retry)

    async def first(self, timeout: float) -> bool:  # noqa: ASYNC109 - not being complete in time is an answer
        """Wait until the first list is complete or failed; return whether it is complete."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.settled.wait()
        return self.complete.is_set()

    def _fail(self, why: str) -> None:
        self._doubt = True
        if why != self.error:
            log.warning("%s", why)
            self.error = why
            self._wake("docker")

    async def _attempt(self) -> None:
        host = self._engine.find()
        if host is None:
            if self.complete.is_set():
                raise SourceError("the engine's socket is gone; is the engine running?")
            return  # no engine on this machine so far, which is no error
        api = await DockerApi.connect(host, self._engine.environ, self._calls, self._engine.timeout)
        stream: EventStream | None = None
        try:
            since = self._roster.last_event
            filters = PODMAN_FILTERS if api.engine == "podman" else FILTERS
            stream = await api.events(None if since is None else since - REPLAY, filters, self._pace.renew)
            if since is None:
                self._roster.last_event = stream.began
            await self._list(api, stream)
            self._task(self._sample(api))
            await self._follow(api, stream)
        finally:
            if stream is not None:
                stream.close()
            await self._stop_tasks()
            api.close()

    async def _list(self, api: DockerApi, stream: EventStream) -> None:
        listing = parse_listing(await api.containers())
        self._names = {entry.id: entry.name for entry in listing}
        due = self._roster.listed(listing, doubt=self._doubt)
        inspections = [self._inspect(api, container_id, listing=True) for container_id in due]
        for answer in await stream.arrivals(0):  # what a replay brings is counted before the inspections come in
            self._take(api, answer)
        await asyncio.gather(*(task for task in inspections if task is not None))
        self._doubt = False
        self.error = None
        self.info = {"api": api.api_version, "engine": api.engine}
        self.complete.set()
        self.settled.set()
        self._wake("docker")

    async def _follow(self, api: DockerApi, stream: EventStream) -> None:
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while True:
            seen = self._roster.version
            answers = await stream.arrivals(self._pace.ping)
            if answers:
                heard = loop.time()
            elif loop.time() - heard < self._pace.renew:
                await api.ping()
            else:  # an engine that answers can still have forgotten us
                raise StreamEndError("nothing happened for long", silent=True)
            for answer in answers:
                self._take(api, answer)
            if self._roster.version != seen:
                self._wake("docker")

    def _take(self, api: DockerApi, answer: Mapping[str, object]) -> None:
        event = parse_event(answer)
        if event is None:
            return
        if self._roster.happened(event) or event.id in self._busy:
            self._inspect(api, event.id, listing=False)

    def _inspect(self, api: DockerApi, container_id: str, *, listing: bool) -> asyncio.Task[None] | None:
        if container_id in self._busy:  # the answer under way may be older than what happened since
            self._again.add(container_id)
            return None
        self._busy.add(container_id)
        return self._task(self._inspection(api, container_id, listing=listing))

    async def _inspection(self, api: DockerApi, container_id: str, *, listing: bool) -> None:
        seen = self._roster.version
        try:
            while not await self._ask(api, container_id, listing=listing):
                pass
        except SourceError as error:  # a container at its limit can hang its own inspection, and nobody else's
            self._roster.failed(container_id, self._names.get(container_id, ""), str(error))
            self._task(self._inspect_later(api, container_id))
        finally:
            self._busy.discard(container_id)
            self._again.discard(container_id)
        if self.complete.is_set() and self._roster.version != seen:
            self._wake("docker")

    async def _ask(self, api: DockerApi, container_id: str, *, listing: bool) -> bool:
        async with self._slots:
            self._again.discard(container_id)
            answer = await api.inspect(container_id)
        if answer is None:
            self._roster.gone(container_id)
        elif container_id in self._again:
            return False
        else:
            self._roster.inspected(parse_inspection(answer), listing=listing)
        return True

    async def _inspect_later(self, api: DockerApi, container_id: str) -> None:
        await asyncio.sleep(self._pace.inspect_again)
        self._inspect(api, container_id, listing=False)

    def _task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _stop_tasks(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._busy.clear()
        self._again.clear()
