"""Named points at which a test lets the process die, so that every half-done state is seen. Off without a variable."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Final

VARIABLE: Final = "BRIMLINE_TEST_DIE_AT"
POINTS: Final = (
    "decided",  # policy says run, nothing is written
    "locked",  # the lock is held
    "intending",  # the intent is handed to the journal
    "intended",  # it is committed
    "calling",  # right before the request to the engine
    "called",  # the request is on its way, no answer yet
    "answered",  # the engine answered
    "verified",  # the world shows the new incarnation
    "concluding",  # right before the outcome is written
    "concluded",  # it is committed
    "queueing",  # a message is handed to the outbox
    "queued",  # it is committed
    "sending",  # right before a message goes out
    "sent",  # the receiver answered, the outbox does not know yet
)

Point = Callable[[str], None]


def points(environ: Mapping[str, str]) -> Point:
    """Return what is called at every point: it kills this very process at the one the environment names."""
    chosen = environ.get(VARIABLE)
    if chosen is None:
        return _pass
    if chosen not in POINTS:
        raise ValueError(f'{VARIABLE}: found "{chosen}"; write one of {", ".join(POINTS)}')

    def reached(point: str) -> None:
        if point == chosen:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _pass(_: str) -> None:
    pass
