"""The life of one alert, as a table: what each truth does in each phase, as Prometheus at each evaluation.

MOVES says what happens, `step` only keeps the time. Time counts between two evaluations that both knew the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, assert_never

from brimline.model import Now, Phase
from brimline.rules.terms import Rule


class Truth(Enum):
    """What an evaluation says of a rule and a subject."""

    TRUE = auto()
    HELD = auto()  # `when` is false, but the `clear` level is not reached either
    FALSE = auto()  # absent and gone are false too
    UNKNOWN = auto()  # the source failed


class Move(Enum):
    """What a truth does to a phase."""

    STAY = auto()
    BEGIN = auto()
    WAIT = auto()
    DROP = auto()
    HOLD = auto()
    LINGER = auto()
    FREEZE = auto()


MOVES: Final[Mapping[tuple[Phase, Truth], Move]] = MappingProxyType(
    {
        (Phase.INACTIVE, Truth.TRUE): Move.BEGIN,
        (Phase.INACTIVE, Truth.HELD): Move.STAY,
        (Phase.INACTIVE, Truth.FALSE): Move.STAY,
        (Phase.INACTIVE, Truth.UNKNOWN): Move.STAY,
        (Phase.PENDING, Truth.TRUE): Move.WAIT,
        (Phase.PENDING, Truth.HELD): Move.DROP,  # `clear` keeps what fires, never what waits
        (Phase.PENDING, Truth.FALSE): Move.DROP,
        (Phase.PENDING, Truth.UNKNOWN): Move.FREEZE,
        (Phase.FIRING, Truth.TRUE): Move.HOLD,
        (Phase.FIRING, Truth.HELD): Move.HOLD,
        (Phase.FIRING, Truth.FALSE): Move.LINGER,
        (Phase.FIRING, Truth.UNKNOWN): Move.FREEZE,
    }
)


@dataclass(frozen=True, slots=True)
class State:
    """Where one alert stands. Moments are milliseconds of the clock that never jumps; `since` is for people."""

    phase: Phase
    since: float = 0.0  # wall time at which the phase began
    value: float = 0.0  # the last one that was known
    counted: int = 0  # `for`, or `keep_firing_for` while lingering, counts from here; unknown time moves it on
    lingering: bool = False  # it fires, and `when` is over
    seen: int = 0  # the last evaluation
    known: bool = True  # whether that one knew the truth


INACTIVE: Final = State(Phase.INACTIVE)


def step(rule: Rule, state: State, truth: Truth, value: float | None, now: Now) -> tuple[State, Phase | None]:
    """Return the next state, and the phase it left where it left one."""
    at = milliseconds(now.mono)
    known = truth is not Truth.UNKNOWN
    counted = state.counted if state.known and known else state.counted + at - state.seen
    seen = state.value if value is None else value  # the last known one stays
    match MOVES[state.phase, truth]:
        case Move.STAY:
            after = state
        case Move.BEGIN:
            after = _fire_if_due(rule, State(Phase.PENDING, now.wall, seen, counted=at, seen=at), now)
        case Move.DROP:
            after = INACTIVE
        case Move.WAIT:
            after = _fire_if_due(rule, State(Phase.PENDING, state.since, seen, counted, seen=at), now)
        case Move.HOLD:
            after = State(Phase.FIRING, state.since, seen, at, seen=at)
        case Move.LINGER:
            since = counted if state.lingering else at
            over = at - since >= milliseconds(rule.keep_firing_seconds)
            after = INACTIVE if over else State(Phase.FIRING, state.since, seen, since, lingering=True, seen=at)
        case Move.FREEZE:
            after = replace(state, counted=counted, seen=at, known=False)
        case never:
            assert_never(never)
    return after, None if after.phase is state.phase else state.phase


def milliseconds(seconds: float) -> int:
    """Return whole milliseconds: Prometheus counts in them, and so `for` never misses by a rounding error."""
    return round(seconds * 1000)


def _fire_if_due(rule: Rule, waiting: State, now: Now) -> State:
    if waiting.seen - waiting.counted < milliseconds(rule.for_seconds):
        return waiting
    return State(Phase.FIRING, now.wall, waiting.value, waiting.seen, seen=waiting.seen)
