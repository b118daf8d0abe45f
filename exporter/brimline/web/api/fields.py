"""The kinds of fields that the API answers with, as they are made and described.

A moment is seconds since the epoch, a size bytes, a ratio 0.85 for 85 %; null is what is not known or not there.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from brimline.journal.rows import clean
from brimline.standing import State


class Standing(StrEnum):
    """How a target stands against its own levels, or that it does not run."""

    NORMAL = State.NORMAL
    WARNING = State.WARNING
    CRITICAL = State.CRITICAL
    UNKNOWN = State.UNKNOWN
    STOPPED = "stopped"


class Condition(StrEnum):
    """Whether a target should get requests."""

    OK = "ok"
    STARTING = "starting"  # its start period is not over
    FAILING = "failing"  # a rule that restarts fires
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class Order(StrEnum):
    """What may be asked for."""

    RESTART = "restart"
    CLEANUP = "cleanup"
    PAUSE = "pause"
    RESUME = "resume"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _whole(value: float | None) -> int | None:
    return round(value) if value is not None and math.isfinite(value) else None


Text = Annotated[str, BeforeValidator(clean)]
Number = Annotated[float | None, BeforeValidator(_finite)]
Size = Annotated[int | None, BeforeValidator(_whole)]
Labels = dict[Text, Text]


class Answer(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())
