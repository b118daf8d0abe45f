"""What the tests of notifications hand around: an outbox in memory, a sender made of answers, alerts, a receiver."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from aiohttp import web
from aiohttp.test_utils import TestServer

from brimline.actions.delivery import Delivery
from brimline.actions.sender import Receipt, Sent
from brimline.deeds import Decision, Message, Outcome, Verdict
from brimline.errors import JournalError
from brimline.model import Alert, AlertKey, Kind, Now, Phase, Subject
from fakes import FakeClock

DELIVERED = Receipt(Sent.DELIVERED)
FAILED = Receipt(Sent.FAILED, "the receiver is down")


class MemoryTold:
    """What was told, for as long as the test; a text by its key."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def load(self) -> Mapping[str, str]:
        return dict(self._texts)

    def save(self, changes: Mapping[str, str | None]) -> None:
        for key, text in changes.items():
            if text is None:
                self._texts.pop(key, None)
            else:
                self._texts[key] = text


class MemoryOutbox:
    """An outbox as the journal's is: in order per target, each id once."""

    def __init__(self) -> None:
        self.messages: dict[str, Message] = {}
        self.states: dict[str, str] = {}
        self.up = True
        self.most = 100_000  # that wait

    def _written(self) -> None:
        if not self.up:
            raise JournalError("the disk is full")

    async def add(self, messages: Sequence[Message]) -> Sequence[Message]:
        self._written()
        for message in messages:
            self.messages.setdefault(message.id, message)
            self.states.setdefault(message.id, "queued")
        gone = [m for m in list(self.messages.values())[1 : -self.most] if self.states[m.id] == "queued"]
        for message in gone:
            self.dead(message.id, "too many wait")
        return gone

    def due(self, now: Now) -> Sequence[Message]:
        oldest: dict[str, Message] = {}
        for message in self.messages.values():
            if self.states[message.id] == "queued":
                oldest.setdefault(message.target, message)
        return [message for message in oldest.values() if message.next_at <= now.wall]

    def delivered(self, message_id: str) -> None:
        self._written()
        self.states[message_id] = "delivered"

    def retry(self, message_id: str, at: float, error: str) -> None:
        self._written()
        message = self.messages[message_id]
        self.messages[message_id] = replace(message, tries=message.tries + 1, next_at=at, error=error)

    def dead(self, message_id: str, error: str) -> None:
        self._written()
        self.states[message_id] = "dead"
        self.messages[message_id] = replace(self.messages[message_id], error=error)

    def counts(self) -> Mapping[str, int]:
        return Counter(self.states.values())


@dataclass
class ScriptedSender:
    """A target that answers as it is told, and remembers what it was sent."""

    name: str = "hook"
    answer: Callable[[Message], Receipt] = lambda _: DELIVERED
    sent: list[Message] = field(default_factory=list)
    block: asyncio.Event | None = None

    async def send(self, message: Message) -> Receipt:
        self.sent.append(message)
        if self.block is not None:
            await self.block.wait()
        return self.answer(message)


@dataclass
class Post:
    """The sender's end: clock, outbox, and what was noted."""

    clock: FakeClock = field(default_factory=FakeClock)
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    notes: list[str] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    jitter: float = 0.0

    def delivery(self, *senders: ScriptedSender) -> Delivery:
        made = Delivery(
            self.outbox, clock=self.clock, jitter=lambda: self.jitter, point=self.points.append, note=self.notes.append
        )
        made.use({sender.name: sender for sender in senders})
        return made


async def deliver(delivery: Delivery) -> None:
    """Let everything be tried that is due now."""
    while True:
        delivery.look()
        if not delivery._flying and not delivery._once.tasks:
            return
        await delivery.settle()


def message(number: int = 0, target: str = "hook", kind: str = "alert_fired") -> Message:
    return Message(f"msg_{target}_{number}", target, kind, f'{{"number": {number}}}'.encode(), 0.0)


def subject(name: str = "web", uid: str = "c1@1") -> Subject:
    return Subject(Kind.CONTAINER, name, (name, "shop", name), uid)


def alert(name: str = "web", *, since: float = 1_700_000_000.0, alertname: str = "High", **more: object) -> Alert:
    whose = subject(name)
    usual = Alert(
        key=AlertKey(f"group/{alertname}", whose.kind, whose.name, whose.labels),
        phase=Phase.FIRING,
        since=since,
        value=0.9,
        subject=whose,
        alertname=alertname,
        severity="critical",
        labels=(("team", "ml"),),
        actions=("notify", "restart"),
        threshold=0.85,
        unit="ratio",
    )
    return replace(usual, **more)  # type: ignore[arg-type]


def decision(of: Alert | None = None, verdict: Verdict = Verdict.RUN, **more: object) -> Decision:
    usual = Decision(
        id="01J0",
        at=Now(1_700_000_010.0, 1010.0),
        action="restart",
        subject=of.subject if of is not None else subject(),
        verdict=verdict,
        reason="2 of 3 restarts an hour are left",
        key=of.key if of is not None else None,
        alertname=of.alertname if of is not None else "",
        severity=of.severity if of is not None else "",
        episode=f"{of.since}" if of is not None else "",
        caller="rule" if of is not None else "cli ann",
    )
    return replace(usual, **more)  # type: ignore[arg-type]


def outcome(*, ok: bool = True) -> Outcome:
    detail = "running again after 2.0 s" if ok else "the engine did not answer"
    return Outcome("01J0", ok, detail, 1_700_000_011.0, 1_700_000_030.0, 900, 300, 2.0)


Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def receiver(answer: Answering) -> AsyncIterator[str]:
    """Serve `answer` for every POST on a free loopback port; yield the address."""
    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        yield str(server.make_url("/hook"))
    finally:
        await server.close()
