"""What a target of messages is to whoever sends them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from brimline.deeds import Message

_log: Final = logging.getLogger(__name__)


class Sent(Enum):
    """What became of one try."""

    DELIVERED = auto()
    FAILED = auto()
    GONE = auto()  # the receiver wants no more (410)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receiver said."""

    sent: Sent
    detail: str = ""  # a sentence that holds no secret
    after: float | None = None  # seconds it asks to be left alone


class Sender(Protocol):
    """One target; a try takes a bounded time."""

    name: str

    async def send(self, message: Message) -> Receipt:
        """Try once."""
        ...


async def attempt(sender: Sender, message: Message) -> Receipt:
    """Try once; a bug in a sender is one more failure, so that the message is kept."""
    try:
        return await sender.send(message)
    except Exception as error:  # noqa: BLE001 - an action's run
        _log.exception("sending to %s failed", message.target)
        return Receipt(Sent.FAILED, f"Brimline failed to send it ({type(error).__name__}); its log says why")
