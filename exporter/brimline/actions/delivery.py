"""Sends what the outbox holds: in order per target, again and again for a day, no target waiting for another.

An alert never depends on this: what cannot be delivered costs its own target only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from brimline.actions.once import Once
from brimline.actions.sender import Receipt, Sender, Sent, attempt
from brimline.deeds import Message
from brimline.errors import JournalError
from brimline.faults import Point
from brimline.model import Clock, Now

_log: Final = logging.getLogger(__name__)
# What comes after each failed try, then the last one again and again; the tries add up to a day.
PAUSES: Final = (5.0, 30.0, 300.0, 1800.0, 7200.0, 14_400.0)
LONGEST_AGE: Final = 86_400.0  # seconds after which a message that fails once more is dead
_SHORTEST: Final = 1.0  # a receiver that asks for less than that is not hurried
_LOOK_EVERY: Final = 5.0  # what an earlier process put off is found so late at most


class Outbox(Protocol):
    """Where messages wait, over a restart too; what it cannot write it refuses with a JournalError."""

    async def add(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return what had to give way, once all of them are on the disk; an id it holds or held already is left out."""
        ...

    def due(self, now: Now) -> Sequence[Message]:
        """Return of each target its oldest message that is not delivered, where its time has come."""
        ...

    def delivered(self, message_id: str) -> None:
        """Remember that it arrived."""
        ...

    def retry(self, message_id: str, at: float, error: str) -> None:
        """Try it again from then on, and count the try."""
        ...

    def dead(self, message_id: str, error: str) -> None:
        """Give it up."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Return how many there are in each state."""
        ...


class Delivery:
    """One try at a time for each target. Ages are of the clock that never jumps: setting a clock gives nothing up."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        point: Point,
        note: Callable[[str], None],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._jitter = jitter  # a share of a pause, -0.1 to 0.1
        self._point = point
        self._note = note
        self._began = clock.now()
        self._senders: Mapping[str, Sender] = {}
        self._gone: dict[str, str] = {}
        self._queued: dict[str, float] = {}  # mono at which this process queued a message
        self._flying: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, tuple[str, int, Callable[[], None]]] = {}  # the last try of each target
        self._later: dict[str, float] = {}  # mono
        self._crowded: set[str] = set()  # targets of which it was said that too much waits
        self._once = Once()
        self._woken = asyncio.Event()

    @property
    def gone(self) -> Mapping[str, str]:
        """Return the targets that want no more until the configuration is read again, and why."""
        return self._gone

    @property
    def lost(self) -> Mapping[str, int]:
        """Return how many messages were lost while the journal was down, by target."""
        return self._once.lost

    def use(self, senders: Mapping[str, Sender]) -> None:
        """Send to these from now on."""
        self._senders = dict(senders)
        self._gone.clear()
        self._woken.set()

    async def queue(self, messages: Sequence[Message]) -> None:
        """Return once they are on the disk; raises JournalError, and then they are not queued."""
        now = self._clock.now()
        self._point("queueing")
        crowded_out = await self._outbox.add([replace(message, created=now.wall) for message in messages])
        self._point("queued")
        for message in messages:
            self._queued.setdefault(message.id, now.mono)
        self._forget(crowded_out)
        self._woken.set()

    def send_once(self, messages: Sequence[Message]) -> None:
        """Send what the journal does not take, once and in order; what is too much is lost, counted and logged."""
        self._once.send(messages, lambda target: None if target in self._gone else self._senders.get(target))

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._woken.clear()
            rest = self.look()
            try:
                async with asyncio.timeout(rest):
                    await self._woken.wait()
            except TimeoutError:
                pass

    def look(self) -> float:
        """Begin a try for each target that is free and has something due; return when to look again at the latest."""
        now = self._clock.now()
        try:
            due = self._outbox.due(now)
        except JournalError as error:
            _log.debug("the outbox cannot be read: %s", error)
            return _LOOK_EVERY
        for message in due:
            if message.target not in self._flying:
                self._begin(message, now)
        return max(0.0, min([_LOOK_EVERY, *(at - now.mono for at in self._later.values())]))

    async def settle(self) -> None:
        """Wait until nothing is under way any more."""
        while tasks := [*self._flying.values(), *self._once.tasks]:
            await asyncio.wait(tasks)

    async def empty(self) -> None:
        """Try what is due until nothing is, where nobody runs any more."""
        while True:
            self.look()
            if not (tasks := [*self._flying.values(), *self._once.tasks]):
                return
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Break off what is under way; the outbox still holds it."""
        tasks = [*self._flying.values(), *self._once.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, crowded_out: Sequence[Message]) -> None:
        """Say once of each target, until it takes messages again, that the outbox gives up the oldest unsent."""
        for message in crowded_out:
            self._queued.pop(message.id, None)
            if message.target not in self._crowded:
                self._crowded.add(message.target)
                told = f"too many messages wait for {message.target}: the oldest are given up unsent"
                _log.error("%s", told)
                self._note(told)

    def _begin(self, message: Message, now: Now) -> None:
        last = self._ended.get(message.target)
        if last is not None and last[:2] == (message.id, message.tries):
            last[2]()  # the outbox did not take in what became of it: it was down
            return
        self._later.pop(message.target, None)
        sender, why = self._senders.get(message.target), self._gone.get(message.target)
        if sender is None or why is not None:
            if self._age(message, now) >= LONGEST_AGE:
                self._bury(message, why or "no such target is configured any more")
            return
        self._flying[message.target] = asyncio.create_task(self._try(message, sender))

    async def _try(self, message: Message, sender: Sender) -> None:
        try:
            self._point("sending")
            receipt = await attempt(sender, message)
            self._point("sent")
            self._conclude(message, receipt)
        finally:
            self._flying.pop(message.target, None)
            self._woken.set()

    def _conclude(self, message: Message, receipt: Receipt) -> None:
        now = self._clock.now()
        match receipt.sent:
            case Sent.DELIVERED:
                self._end(message, lambda: self._outbox.delivered(message.id))
                self._queued.pop(message.id, None)
                self._crowded.discard(message.target)
                if message.tries:
                    _log.info("%s takes messages again", message.target)
            case Sent.GONE:
                self._gone[message.target] = receipt.detail
                self._note(f"{message.target} is off until the configuration is read again: {receipt.detail}")
                _log.error("%s is off until the configuration is read again: %s", message.target, receipt.detail)
            case Sent.FAILED if self._age(message, now) >= LONGEST_AGE:
                self._bury(message, receipt.detail)
            case Sent.FAILED:
                if not message.tries:
                    _log.warning("a message to %s failed and is tried again: %s", message.target, receipt.detail)
                wait = min(self._pause(message, receipt.after), LONGEST_AGE - self._age(message, now))
                self._later[message.target] = now.mono + wait
                self._end(message, lambda: self._outbox.retry(message.id, now.wall + wait, receipt.detail))

    def _pause(self, message: Message, asked: float | None) -> float:
        if asked is None:
            return PAUSES[min(message.tries, len(PAUSES) - 1)] * (1 + self._jitter())
        return max(_SHORTEST, min(asked, PAUSES[-1])) * (1 + abs(self._jitter()))  # never before it asks for

    def _bury(self, message: Message, why: str) -> None:
        _log.error("a message to %s was not delivered within a day and is given up: %s", message.target, why)
        self._note(f"message {message.id} to {message.target} is given up after a day: {why}")
        self._end(message, lambda: self._outbox.dead(message.id, why))
        self._queued.pop(message.id, None)
        self._woken.set()

    def _end(self, message: Message, conclude: Callable[[], None]) -> None:
        """Tell the outbox, and remember what to tell it again should it not have listened."""

        def tell() -> None:
            try:
                conclude()
            except JournalError as error:
                _log.debug("the outbox does not take in what became of %s: %s", message.id, error)

        self._ended[message.target] = (message.id, message.tries, tell)
        tell()

    def _age(self, message: Message, now: Now) -> float:
        before = self._began.mono - (self._began.wall - message.created)  # where an earlier process queued it
        return now.mono - self._queued.setdefault(message.id, before)
