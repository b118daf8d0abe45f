"""A face made of plain values, a journal in memory behind it, and a real server before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import ClientResponse, ClientSession, DummyCookieJar
from yarl import URL

from brimline.config import Config, WebConfig
from brimline.deeds import Entry, Request
from brimline.errors import JournalError
from brimline.journal.history import Sample
from brimline.journal.hours import Key
from brimline.journal.lines import Wanted
from brimline.journal.minutes import Trace
from brimline.members import Members
from brimline.metrics.self import SelfMetrics
from brimline.model import Subject
from brimline.rules.terms import Levels, RuleSet
from brimline.view import View
from brimline.web.api.orders import Desk
from brimline.web.connections import Connections, Patience, Served, serve
from brimline.web.routes import make_app
from fakes import FakeClock

Ask = Callable[..., Awaitable[ClientResponse]]


@dataclass
class FakePast:
    """A journal in memory."""

    entries: list[Entry] = field(default_factory=list)
    samples: Mapping[Subject, tuple[Sample, ...]] = field(default_factory=dict)
    why: str = ""

    @property
    def up(self) -> bool:
        return not self.why

    def recent(self, subject: Subject) -> tuple[Sample, ...]:
        return self.samples.get(subject, ())

    def hour(self) -> Mapping[Key, Trace]:
        return {}

    def lines(self, wanted: Wanted) -> tuple[Entry, ...]:
        if self.why:
            raise JournalError(self.why)
        found = [e for e in reversed(self.entries) if wanted.before is None or e.seq < wanted.before]
        return tuple(found[: wanted.limit])


class FakeFace:
    """A Face; a test ticks it."""

    def __init__(self, view: View | None = None, rules: RuleSet | None = None, past: FakePast | None = None) -> None:
        self.self_metrics = SelfMetrics()
        self.config = Config()
        self.rules = rules or RuleSet((), Levels())
        self.past = past
        self.view = view
        self.is_fresh = True
        self.next_tick = asyncio.Event()

    @property
    def ready(self) -> bool:
        return self.view is not None

    def fresh(self) -> bool:
        return self.is_fresh

    async def members(self, _: Subject) -> Members | None:
        return None

    async def reload(self) -> list[str]:
        return []

    def tick(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the view
        """Publish the next view."""
        assert self.view is not None
        self.view = replace(self.view, **{"ticks": self.view.ticks + 1, **changes})
        ticked, self.next_tick = self.next_tick, asyncio.Event()
        ticked.set()


@dataclass
class FakeDesk:
    """Keeps what is handed in."""

    clock: FakeClock = field(default_factory=FakeClock)
    asked: list[Request] = field(default_factory=list)
    noted: list[Entry] = field(default_factory=list)
    then: Callable[[Request], None] = lambda _: None

    def desk(self) -> Desk:
        def ask(request: Request) -> None:
            self.asked.append(request)
            self.then(request)

        return Desk(ask, self.noted.append, self.clock)


@asynccontextmanager
async def served(
    face: FakeFace,
    desk: Desk | None = None,
    *,
    patience: Patience | None = None,
    **config: Any,  # noqa: ANN401 - fields of the configuration
) -> AsyncIterator[Served]:
    connections = Connections(patience or Patience())
    app = make_app(face, WebConfig(listen_address=("127.0.0.1:0",), **config), connections, desk=desk)
    running = await serve(app, [("127.0.0.1", 0)], connections)
    try:
        yield running
    finally:
        await running.close()


@asynccontextmanager
async def asking(running: Served) -> AsyncIterator[Ask]:
    """Hand out `ask(path, method)`, whose path is sent as it is written."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:

        async def ask(path: str, method: str = "GET", **more: Any) -> ClientResponse:  # noqa: ANN401 - aiohttp's
            url = URL(running.addresses[0] + path, encoded=True)
            answer = await session.request(method, url, allow_redirects=False, **more)
            await answer.read()
            return answer

        yield ask


def browse(check: Callable[[Ask], Awaitable[None]], face: FakeFace, desk: Desk | None = None, **config: Any) -> None:  # noqa: ANN401 - fields of the configuration
    """Run `check(ask)` against a server."""

    async def run() -> None:
        async with served(face, desk, **config) as running, asking(running) as ask:
            await check(ask)

    asyncio.run(run())


async def data(answer: ClientResponse, status: int = 200) -> Any:  # noqa: ANN401 - JSON
    """Return what is in the envelope of a success."""
    assert answer.status == status, await answer.text()
    assert answer.headers["Content-Type"] == "application/json"
    body = await answer.json()
    assert (set(body), body["status"]) == ({"status", "data"}, "success")
    return body["data"]


async def error(answer: ClientResponse, status: int, kind: str) -> str:
    """Return the sentence of a refusal."""
    body = await answer.json()
    assert (answer.status, body["status"], body["errorType"]) == (status, "error", kind), body
    assert set(body) == {"status", "errorType", "error"}
    return str(body["error"])
