"""POST /api/v1/targets/.../{restart|cleanup|pause|resume}: what a person or a tool asks for.

Nothing is done here: a request is taken into the next tick, where policy decides as it does for an alert.
"""

from __future__ import annotations

import asyncio
import glob
import shlex
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from aiohttp import web

from brimline.deeds import CLEANUP, RESTART, Decision, Entry, Pause, Request
from brimline.journal import told
from brimline.labels import sanitise
from brimline.model import Clock, Subject
from brimline.policy.pauses import pause_of, sentence
from brimline.web.api import queries
from brimline.web.api.about import Asked
from brimline.web.api.fields import Order
from brimline.web.api.operations import ORDERED
from brimline.web.api.reads import Answering, Api
from brimline.web.api.views import decision_answer
from brimline.web.door import USER
from brimline.web.envelope import RefusedError, answered
from brimline.web.face import Face

_WAITERS: Final = 16
_OFF: Final = "actions over HTTP are off; start Brimline with --web.enable-actions"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where orders are handed in."""

    ask: Callable[[Request], None]
    note: Callable[[Entry], None]
    clock: Clock


class Orders:
    """Takes orders; without a desk it refuses all."""

    def __init__(self, face: Face, api: Api, desk: Desk | None) -> None:
        self._face, self._api, self._desk = face, api, desk
        self._waiters = 0

    def handlers(self) -> dict[str, Answering]:
        """Return what answers, by the operation's name."""
        return {
            "restart": partial(self._act, RESTART),
            "cleanup": partial(self._act, CLEANUP),
            "pause": self._pause,
            "resume": self._resume,
        }

    async def _act(self, action: str, request: web.Request) -> web.Response:
        desk = self._opened()
        query = queries.of(request, queries.AskQuery)
        subject = await self._subject(request)
        if subject.kind not in ORDERED:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST, f"only a container can be asked a {action} for, no {subject.kind}"
            )
        now, by = desk.clock.now(), caller(request)
        asked = Request(
            f"{int(now.wall * 1000):013d}-{uuid.uuid4().hex[:8]}", now.wall, action, subject.name, by, query.dry_run
        )
        decision = await self._decided(desk, asked, query.wait)
        answer = Asked(
            request=asked.id,
            action=Order(action),
            kind=subject.kind,
            name=subject.name,
            dry_run=query.dry_run,
            caller=by,
            decision=None if decision is None else decision_answer(decision),
        )
        return answered(answer, HTTPStatus.ACCEPTED if decision is None else HTTPStatus.OK)

    async def _pause(self, request: web.Request) -> web.Response:
        desk = self._opened()
        query = queries.of(request, queries.PauseQuery)
        subject = await self._subject(request)
        now, by = desk.clock.now(), caller(request)
        until = None if query.seconds is None else now.wall + query.seconds
        asked = Pause(glob.escape(subject.name), now.wall, until, by, now.mono, query.seconds)
        return self._write(desk, Order.PAUSE, subject, None if query.dry_run else told.paused(asked, now), by)

    async def _resume(self, request: web.Request) -> web.Response:
        desk = self._opened()
        query = queries.of(request, queries.ResumeQuery)
        subject = await self._subject(request)
        now, by, own = desk.clock.now(), caller(request), glob.escape(subject.name)
        others = [] if (view := self._face.view) is None else [pause for pause in view.pauses if pause.glob != own]
        if (wider := pause_of(others, subject, now.mono)) is not None:
            raise RefusedError(HTTPStatus.CONFLICT, _held(wider, subject, now.mono))
        entry = None if query.dry_run else told.resumed(own, by, now)
        return self._write(desk, Order.RESUME, subject, entry, by)

    def _write(self, desk: Desk, order: Order, subject: Subject, entry: Entry | None, by: str) -> web.Response:
        if entry is not None:
            desk.note(entry)
        answer = Asked(
            request=None,
            action=order,
            kind=subject.kind,
            name=subject.name,
            dry_run=entry is None,
            caller=by,
            decision=None,
        )
        return answered(answer, HTTPStatus.ACCEPTED)

    def _opened(self) -> Desk:
        if self._desk is None:
            raise RefusedError(HTTPStatus.FORBIDDEN, _OFF)
        return self._desk

    async def _subject(self, request: web.Request) -> Subject:
        """Return the target; refuses while nothing could be written down."""
        _, _, row = await self._api.row(request)
        past = self._face.past
        if past is None or not past.up:
            why = "nothing is written down here" if past is None else past.why
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, f"nothing is done without a journal: {why}")
        return row.subject

    async def _decided(self, desk: Desk, asked: Request, seconds: int) -> Decision | None:
        """Ask, and wait so long for what policy says of it."""
        if not seconds or self._waiters >= _WAITERS:
            desk.ask(asked)
            return None
        self._waiters += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    return await self._decision(desk, asked)
        finally:
            self._waiters -= 1
        return None

    async def _decision(self, desk: Desk, asked: Request) -> Decision:
        tick = self._face.next_tick
        desk.ask(asked)
        while True:
            await tick.wait()
            tick, view = self._face.next_tick, self._face.view
            decisions = () if view is None else view.decisions
            found = next((d for d in decisions if d.episode == asked.id), None)
            if found is not None:
                return found


def _held(pause: Pause, subject: Subject, mono: float) -> str:
    """Say which pause a target's own resume does not end, and what does."""
    word = f" {shlex.quote(sanitise(pause.glob))}" if pause.glob else ""
    ends = f"ends that: brimline resume{word}" if word else "ends that, and every other pause: brimline resume"
    return f"{subject.name or subject.kind} stays paused: {sentence(pause, mono)}. On the command line this {ends}"


def caller(request: web.Request) -> str:
    """Return who asks, as the journal says it."""
    user = request.get(USER)
    return f"api {sanitise(user)}" if isinstance(user, str) and user else f"api anonymous@{request.remote or 'nowhere'}"
