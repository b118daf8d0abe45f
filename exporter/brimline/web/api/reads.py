"""GET /api/v1/...: the view, the journal and the configuration as JSON; nothing is worked out here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar

from aiohttp import web
from pydantic import BaseModel

from brimline import __version__
from brimline.errors import JournalError
from brimline.journal.lines import Wanted
from brimline.mistakes import did_you_mean
from brimline.model import Kind
from brimline.redaction import hide_secrets
from brimline.standing import Row
from brimline.view import View
from brimline.web.api import queries
from brimline.web.api.about import ConfigAnswer, JournalState, Status
from brimline.web.api.lines import journal, pause, rules, source
from brimline.web.api.views import Counts, Shown
from brimline.web.envelope import RefusedError, answered, sent, wrapped
from brimline.web.face import Face, Past
from brimline.web.once import Crowd, Once
from brimline.web.slices import Slices

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
_READERS: Final = 16  # that may wait for the journal at a time
_SEARCHES: Final = 16  # that may wait beside the health checks, which share their thread
_SUGGESTED: Final = 20
T = TypeVar("T")


class Api:
    """Answers what only reads."""

    def __init__(self, face: Face, once: Once, *, actions_enabled: bool) -> None:
        self._face, self._once, self._actions_enabled = face, once, actions_enabled
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="brimline-journal-pages")
        self._readers = Crowd(_READERS, "too many wait for the journal; ask again in a moment")
        self._searches = Crowd(_SEARCHES, "too many ask for answers of their own; ask again in a moment")

    @property
    def handlers(self) -> Mapping[str, Answering]:
        """Return what answers, by the operation's name."""
        return {
            "targets": self.targets,
            "target": self.target,
            "alerts": self.alerts,
            "rules": self.rules,
            "journal": self.journal,
            "decisions": self.decisions,
            "status": self.status,
            "config": self.config,
        }

    def close(self) -> None:
        """Give back the thread."""
        self._reading.shutdown(wait=False, cancel_futures=True)

    async def shown(self) -> tuple[View, Shown]:
        """Return the view as the API shows it; refuses while what is known is old."""
        view = self._face.view
        if view is None:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the first reading is still under way; ask again")
        if not self._face.fresh():
            sentence = "nothing was read for longer than 3 intervals, so nothing is known now; see /api/v1/status"
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, sentence)
        return view, await self._made(view)

    async def row(self, request: web.Request) -> tuple[View, Shown, Row]:
        """Return the target that a path names."""
        name, kinds = request.match_info["name"], {str(kind): kind for kind in Kind}
        kind = kinds.get(request.match_info["kind"])
        if kind is None:
            hint = did_you_mean(request.match_info["kind"], kinds)
            raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no such kind of target{hint}")
        view, shown = await self.shown()
        row, hint = await self._apart(lambda: _found(shown, kind, name))
        if row is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no {kind} of this name{hint}")
        return view, shown, row

    async def targets(self, request: web.Request) -> Slices:
        """Answer with every target that is asked for."""
        query = queries.of(request, queries.TargetsQuery)
        view, shown = await self.shown()
        if query == queries.TargetsQuery():
            return sent(await self._once.of(view, "api targets", lambda: wrapped(shown.targets)))
        return sent(await self._apart(lambda: wrapped(shown.chosen(query))))

    async def target(self, request: web.Request) -> Slices:
        """Answer with everything about one target."""
        queries.of(request, queries.NoQuery)
        _, shown, row = await self.row(request)
        past = self._face.past
        history = () if past is None else past.recent(row.subject)
        return sent(await self._apart(lambda: wrapped(shown.detail(row, history))))

    async def alerts(self, request: web.Request) -> Slices:
        """Answer with what is pending or firing."""
        return await self._of_view(request, "api alerts", Shown.alerts)

    async def decisions(self, request: web.Request) -> Slices:
        """Answer with what policy says now."""
        return await self._of_view(request, "api decisions", Shown.decisions)

    async def rules(self, request: web.Request) -> Slices:
        """Answer with the rules in force."""
        queries.of(request, queries.NoQuery)
        return sent(await self._apart(lambda: wrapped(rules(self._face.rules))))

    async def journal(self, request: web.Request) -> Slices:
        """Answer with a page of the journal."""
        query = queries.of(request, queries.JournalQuery)
        wanted = Wanted(
            limit=query.limit + 1,  # one more, to know whether there is a next page
            before=query.cursor,
            kinds=query.kind,
            subject_kind=query.target_kind,
            name=query.name,
            action=query.action,
            since=query.since,
            until=query.until,
        )
        past = self._face.past
        if past is None:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "nothing is written down here")
        return sent(await self._read(lambda: _page(past, wanted, query.limit)))

    async def status(self, request: web.Request) -> web.Response:
        """Answer how Brimline itself fares."""
        queries.of(request, queries.NoQuery)
        face, view, past = self._face, self._face.view, self._face.past
        fresh = face.fresh()
        counts: Counts = ({}, {})
        if view is not None and fresh:
            shown = await self._made(view)
            counts = await self._once.of(view, "api counts", shown.counts)
        told = Status(
            version=__version__,
            at=None if view is None else view.snapshot.at.wall,
            ticks=0 if view is None else view.ticks,
            tick_seconds=0.0 if view is None else view.tick_seconds,
            interval_seconds=face.config.interval,
            fresh=fresh,
            ready=face.ready,
            dry_run=view is not None and view.dry_run,
            actions_enabled=self._actions_enabled,
            journal=None if past is None else JournalState(up=past.up, why=past.why),
            sources=() if view is None else tuple(map(source, view.sources)),
            pauses=() if view is None else tuple(map(pause, view.pauses)),
            targets=counts[0],
            alerts=counts[1],
        )
        return answered(told)

    async def config(self, request: web.Request) -> web.Response:
        """Answer with the configuration as its options print themselves, which hides what is secret."""
        queries.of(request, queries.NoQuery)
        return answered(ConfigAnswer.model_validate({"config": _hidden(self._face.config.model_dump(mode="json"))}))

    async def _made(self, view: View) -> Shown:
        return await self._once.of(view, "api", partial(Shown, view, self._face.rules))

    async def _of_view(self, request: web.Request, key: str, make: Callable[[Shown], BaseModel]) -> Slices:
        queries.of(request, queries.NoQuery)
        view, shown = await self.shown()
        return sent(await self._once.of(view, key, lambda: wrapped(make(shown))))

    async def _apart(self, make: Callable[[], T]) -> T:
        """Make an answer for one who asks."""
        with self._searches.one():
            return await self._once.apart(make)

    async def _read(self, look: Callable[[], T]) -> T:
        """Look into the journal in a thread of its own: a disk may be slow."""
        with self._readers.one():
            try:
                return await asyncio.get_running_loop().run_in_executor(self._reading, look)
            except JournalError as error:
                raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, f"the journal cannot be read: {error}") from None


def _found(shown: Shown, kind: Kind, name: str) -> tuple[Row | None, str]:
    """Return the target, or what was probably meant."""
    row = shown.of(kind, name)
    return row, "" if row is not None else did_you_mean(name, shown.names(kind), listed=_SUGGESTED)


def _page(past: Past, wanted: Wanted, limit: int) -> bytes:
    return wrapped(journal(past.lines(wanted), limit))


def _hidden(value: object) -> object:
    match value:
        case str():
            return hide_secrets(value)
        case dict():
            return {key: _hidden(item) for key, item in value.items()}
        case list():
            return [_hidden(item) for item in value]
        case _:
            return value
