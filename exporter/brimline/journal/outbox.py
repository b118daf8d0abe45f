"""Messages until they are delivered: in memory for whoever sends them, in the file for the next life.

The file may lag behind: a message whose delivery was not written yet goes out again, with the same id. Each target has
a bound of its own: what waits beyond it is given up, the oldest first.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from brimline.deeds import Message
from brimline.journal.pending import Pending
from brimline.journal.reading import Reader
from brimline.journal.rows import clean
from brimline.journal.writer import Writer
from brimline.model import Clock, Now

ROOM: Final = 16 * 1024 * 1024  # bytes that wait for one target; as many bodies are kept of what was given up
BESIDE: Final = 1024  # bytes that a message takes beside its body
REMEMBERED: Final = 10_000  # of what was delivered, and of what was given up
QUEUED: Final = "queued"
DELIVERED: Final = "delivered"
DEAD: Final = "dead"
_KEPT: Final[Mapping[str, float]] = {DELIVERED: 86_400.0, DEAD: 30 * 86_400.0}  # seconds, by what became of it
_LONGEST_WAIT: Final = 6 * 3600.0  # of a message of an earlier boot, if the wall clock went back meanwhile
_SWEPT_EVERY: Final = 600.0
_SELECT: Final = "SELECT id, target, kind, body, created, state, tries, next_at, next_mono, boot, changed, error"
_INSERT: Final = (
    "INSERT OR IGNORE INTO outbox (id, target, kind, body, created, state, tries, next_at, next_mono, boot, changed, "
    "error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_BARE: Final = """
    UPDATE outbox SET body = x'' WHERE seq IN (SELECT seq FROM (
        SELECT seq, sum(length(body)) OVER (PARTITION BY target ORDER BY seq DESC) AS total
        FROM outbox WHERE state = 'dead' AND length(body) > 0
    ) WHERE total > ?)
"""


@dataclass(frozen=True, slots=True)
class _Held:
    message: Message
    due: float  # mono
    state: str
    changed: float  # wall time

    def jumped(self, now: Now) -> float:
        """Return by how much the wall clock was set since it changed."""
        then = self.due - max(0.0, self.message.next_at - self.changed)  # mono
        return now.wall - self.changed - (now.mono - then)

    @property
    def size(self) -> int:
        """Return how much room it takes while it waits."""
        return len(self.message.body) + BESIDE

    def row(self, boot: str) -> tuple[object, ...]:
        m = self.message
        names = clean(m.id), clean(m.target), clean(m.kind)
        told = m.tries, m.next_at, self.due, boot, self.changed, clean(m.error)
        return (*names, m.body, m.created, self.state, *told)


class OutboxTable:
    """The outbox that `actions.delivery` sends from."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock, boot: str) -> None:
        self._writer, self._reader, self._clock, self._boot = writer, reader, clock, boot
        self._queued: dict[str, dict[str, _Held]] = {}  # target -> id, oldest first
        self._sizes: Counter[str] = Counter()  # bytes queued for each target
        self._over: dict[str, dict[str, _Held]] = {DELIVERED: {}, DEAD: {}}  # oldest first, without their bodies
        self._counts = {DELIVERED: 0, DEAD: 0}  # of what is over, also of what is not remembered any more
        self._targets: dict[str, str] = {}  # of what is queued
        self._pending: Pending[str, _Held | None] = Pending(writer, self._write)
        self._swept = clock.now().mono

    def load(self) -> None:
        """Take over what an earlier life left."""
        now = self._clock.now()
        rows = self._reader.rows(f"{_SELECT} FROM outbox ORDER BY seq")
        for message_id, target, kind, body, created, state, tries, next_at, next_mono, boot, changed, error in rows:
            message = Message(message_id, target, kind, bytes(body), created, tries, next_at, error)
            if boot == self._boot and boot:
                self._keep(_rebased(_Held(message, next_mono, state, changed), now))
            else:
                self._keep(_Held(message, now.mono + min(next_at - now.wall, _LONGEST_WAIT), state, changed))

    def save_again(self) -> None:
        """Write what is queued into a file that was opened anew: it may be another one."""
        self._pending.put((held.message.id, held) for queue in self._queued.values() for held in queue.values())

    async def add(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return what had to give way, once all of them are on the disk; an id it holds or held already is left out."""
        return await asyncio.shield(asyncio.ensure_future(self._add(messages)))

    async def _add(self, messages: Sequence[Message]) -> Sequence[Message]:
        now = self._clock.now()
        held = [
            _Held(m, now.mono + max(0.0, m.next_at - now.wall), QUEUED, now.wall)
            for m in messages
            if not self._knows(m.id)
        ]
        rows = [one.row(self._boot) for one in held]
        await asyncio.wrap_future(
            self._writer.submit(lambda connection: connection.executemany(_INSERT, rows).rowcount)
        )
        for one in held:
            if not self._knows(one.message.id):
                self._keep(one)
        self._sweep(now)
        return [gone for target in {m.target: None for m in messages} for gone in self._make_room(target)]

    def _knows(self, message_id: str) -> bool:
        return message_id in self._targets or any(message_id in over for over in self._over.values())

    def _make_room(self, target: str) -> list[Message]:
        """Give up the oldest that wait beyond the bound, but not the first, which may be on its way, nor the last."""
        gone: list[Message] = []
        while self._sizes[target] > ROOM and len(self._queued[target]) > 2:  # noqa: PLR2004 - the first and the last
            message_id = next(islice(self._queued[target], 1, None))
            gone.append(self._queued[target][message_id].message)
            self._end(message_id, DEAD, f"given up unsent: more than {ROOM >> 20} MiB wait for {target}", sent=False)
        return gone

    def due(self, now: Now) -> Sequence[Message]:
        """Return of each target its oldest message that is not delivered, where its time has come."""
        heads = (next(iter(queue.values())) for queue in self._queued.values())
        return tuple(held.message for held in heads if held.due <= now.mono)

    def delivered(self, message_id: str) -> None:
        """Remember that it arrived."""
        self._end(message_id, DELIVERED, "")

    def dead(self, message_id: str, error: str) -> None:
        """Give it up."""
        self._end(message_id, DEAD, error)

    def retry(self, message_id: str, at: float, error: str) -> None:
        """Try it again from then on, and count the try."""
        if (target := self._targets.get(message_id)) is None:
            return
        now = self._clock.now()
        old = _rebased(self._queued[target][message_id], now)
        message = replace(old.message, tries=old.message.tries + 1, next_at=at, error=error)
        held = _Held(message, now.mono + max(0.0, at - now.wall), QUEUED, now.wall)
        self._queued[target][message_id] = held
        self._pending.put([(message_id, held)])

    def counts(self) -> Mapping[str, int]:
        """Return how many there are in each state; what is over is counted for a day, what was given up for a month."""
        return {QUEUED: len(self._targets), **self._counts}

    def _keep(self, held: _Held) -> None:
        message = held.message
        if held.state == QUEUED:
            self._queued.setdefault(message.target, {})[message.id] = held
            self._targets[message.id] = message.target
            self._sizes[message.target] += held.size
        else:
            self._put_away(held)

    def _put_away(self, held: _Held) -> None:
        over = self._over[held.state]
        self._counts[held.state] += held.message.id not in over
        over[held.message.id] = replace(held, message=replace(held.message, body=b""))
        if len(over) > REMEMBERED:
            oldest = next(iter(over))
            del over[oldest]
            self._pending.put([(oldest, None)])

    def _end(self, message_id: str, state: str, error: str, *, sent: bool = True) -> None:
        if (target := self._targets.pop(message_id, None)) is None:
            return
        now, queue = self._clock.now(), self._queued[target]
        held = queue.pop(message_id)
        self._sizes[target] -= held.size
        if not queue:
            del self._queued[target], self._sizes[target]
        old = held.message
        body = old.body if state == DEAD and sent else b""
        over = _Held(replace(old, body=body, tries=old.tries + sent, error=error), now.mono, state, now.wall)
        self._pending.put([(message_id, over)])
        self._put_away(over)

    def _sweep(self, now: Now) -> None:
        if now.mono - self._swept < _SWEPT_EVERY:
            return
        self._swept = now.mono
        for state, over in self._over.items():
            old = [key for key, held in over.items() if now.wall - held.changed > _KEPT[state]]
            for key in old:
                del over[key]
            self._counts[state] -= len(old)
            self._pending.put((key, None) for key in old)
        self._writer.post(lambda connection: connection.execute(_BARE, (ROOM,)))

    def _write(self, connection: sqlite3.Connection, changes: Sequence[tuple[str, _Held | None]]) -> None:
        connection.executemany(
            "DELETE FROM outbox WHERE id = ?", [(clean(key),) for key, held in changes if held is None]
        )
        kept = [held for _, held in changes if held is not None]
        connection.executemany(_INSERT, [held.row(self._boot) for held in kept])
        connection.executemany(
            "UPDATE outbox SET body = ?, created = ?, state = ?, tries = ?, next_at = ?, next_mono = ?, boot = ?, "
            "changed = ?, error = ? WHERE id = ?",
            [(*held.row(self._boot)[3:], clean(held.message.id)) for held in kept],
        )


def _rebased(held: _Held, now: Now) -> _Held:
    """Return the same by the wall clock of now: ages are counted over a jump of it, in another life too."""
    jumped, message = held.jumped(now), held.message
    moved = replace(message, created=message.created + jumped, next_at=message.next_at + jumped)
    return replace(held, message=moved, changed=held.changed + jumped)
