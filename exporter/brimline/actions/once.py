"""Messages that no outbox takes: while the journal is down each is sent once, in order, from a bounded memory."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final

from brimline.actions.sender import Sender, Sent, attempt
from brimline.deeds import Message

_log: Final = logging.getLogger(__name__)
_MOST: Final = 256  # messages of one target that wait

Find = Callable[[str], Sender | None]


class Once:
    """What waits, and what was lost of it."""

    def __init__(self) -> None:
        self.lost: Counter[str] = Counter()  # by target
        self._waiting: dict[str, deque[Message]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """Return what is under way."""
        return tuple(self._tasks.values())

    def send(self, messages: Sequence[Message], find: Find) -> None:
        """Begin to send them; `find` returns a target's sender, None where it cannot be sent to."""
        for message in messages:
            waiting = self._waiting.setdefault(message.target, deque())
            if len(waiting) >= _MOST:
                self._lose(message, "too many wait")
                continue
            waiting.append(message)
            if message.target not in self._tasks:
                self._tasks[message.target] = asyncio.create_task(self._drain(message.target, find))

    async def _drain(self, target: str, find: Find) -> None:
        waiting = self._waiting[target]
        try:
            while waiting:
                message = waiting.popleft()
                if (sender := find(target)) is None:
                    self._lose(message, "nothing is sent to it now")
                    continue
                receipt = await attempt(sender, message)
                if receipt.sent is not Sent.DELIVERED:
                    self._lose(message, receipt.detail)
        finally:
            del self._tasks[target], self._waiting[target]

    def _lose(self, message: Message, why: str) -> None:
        self.lost[message.target] += 1
        _log.error("a message to %s is lost, the journal is down and it could not be sent: %s", message.target, why)
