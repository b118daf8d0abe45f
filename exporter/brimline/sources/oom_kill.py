"""What is said of an OOM kill: whose limit it was, what died, and what of it the next Brimline goes on from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final

from brimline.model import Subject


class Cause(StrEnum):
    """Whose limit was hit."""

    OWN_LIMIT = "own_limit"
    ANCESTOR = "ancestor"
    HOST = "host"
    UNKNOWN = "unknown"


class Victim(StrEnum):
    """What died."""

    MAIN = "main"
    WORKER = "worker"


Pair = tuple[Cause, Victim]
PAIRS: Final = tuple(product(Cause, Victim))


@dataclass(frozen=True, slots=True)
class CarriedKills:
    """What one label set's count goes on from in the next Brimline."""

    subject: Subject
    kills: int
    by_cause: Mapping[Pair, int]
    counted: int | None  # by the kernel, for this very incarnation, when last seen; None: it has ended


def attribute(*, own: bool, ancestor: bool, whole: bool) -> Cause:
    """Return the cause of a kill from which levels were out of memory since the last look.

    `whole`: every level up to the host is in view, so that no level out of memory means the host was.
    """
    match (own, ancestor):
        case (True, False):
            return Cause.OWN_LIMIT
        case (False, True):
            return Cause.ANCESTOR
        case (False, False) if whole:
            return Cause.HOST
        case _:
            return Cause.UNKNOWN
