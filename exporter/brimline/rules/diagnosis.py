"""What is the matter with a container or cgroup, in one word and one sentence with numbers. Pure.

What the kernel does not tell is None here and named as missing in the sentence; nothing is guessed in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from brimline.model import Diagnosis
from brimline.units import format_bytes, format_duration, format_ratio

OK: Final = "ok"
LEAKING: Final = "leaking"
THRASHING: Final = "thrashing"
THROTTLED: Final = "throttled"
IDLE_ABOVE_THRESHOLD: Final = "idle_above_threshold"
NO_LIMIT: Final = "no_limit"
STARTING: Final = "starting"
DIAGNOSES: Final = (OK, LEAKING, THRASHING, THROTTLED, IDLE_ABOVE_THRESHOLD, NO_LIMIT, STARTING)

# Measured: healthy services stay below 1 %; mapped weights a little too large for the limit gave 23 % at 28,000 pages a
# second (and 27 times slower answers), a process held at memory.high 84 %.
FULL: Final = 0.10
REFAULTS: Final = 100.0  # pages a second
HITS: Final = 1.0  # of the limit a second
AT_HIGH: Final = 0.95
STEADY: Final = 0.10  # of the limit


class Facts(NamedTuple):
    """What a subject is judged by; None: not told by this kernel, or not yet known."""

    age: float = 0.0  # seconds since its start
    waiting: bool = False  # its start period is not over
    ratio: float = 0.0
    limit: float = 0.0  # bytes
    limited: bool = True
    level: float = 0.8  # the one at which it alerts
    left: float | None = None  # seconds to the limit
    lowest: float | None = None  # ratio since it is watched, if it never was at the level or below, for long enough
    highest: float = 0.0  # ratio since then
    watched: float = 0.0  # seconds since then
    full: float | None = None  # share of time in which all tasks waited for memory
    refaults: float | None = None  # a second
    hits: float | None = None  # of the limit, a second
    high: float | None = None  # memory.high in bytes
    high_ratio: float | None = None
    high_hits: float | None = None  # a second


def diagnose(facts: Facts) -> Diagnosis:
    """Judge a subject."""
    name = name_of(facts)
    return Diagnosis(name, _SENTENCES[name](facts))


def name_of(facts: Facts) -> str:  # noqa: PLR0911 - the order of precedence, one line each
    """Return the first that holds: what stops it now, then what will, then what only looks so."""
    if facts.waiting:
        return STARTING
    if facts.high is not None and _throttled(facts):
        return THROTTLED
    if facts.full is not None and facts.full >= FULL and _reclaims(facts):
        return THRASHING
    if facts.left is not None:
        return LEAKING
    if facts.lowest is not None and facts.highest - facts.lowest <= STEADY:
        return IDLE_ABOVE_THRESHOLD
    if not facts.limited:
        return NO_LIMIT
    return OK


def _throttled(facts: Facts) -> bool:
    if facts.high_ratio is None or facts.high_ratio < AT_HIGH:
        return False
    return facts.full >= FULL if facts.full is not None else bool(facts.high_hits)


def _reclaims(facts: Facts) -> bool:
    """Tell whether it is its own memory that is short: pressure may come from the host alone."""
    if facts.refaults is None and facts.hits is None:
        return True
    return (facts.refaults or 0.0) >= REFAULTS or (facts.hits or 0.0) >= HITS


def _of(facts: Facts) -> str:
    return f"{format_ratio(facts.ratio)} of {format_bytes(facts.limit)}"


def _busy(facts: Facts) -> str:
    told = []
    if facts.refaults is not None:
        told.append(f"{facts.refaults:,.0f} pages a second are read back right after they were dropped")
    if facts.hits is not None:
        told.append(f"the limit is hit {facts.hits:,.1f} times a second")
    return " and ".join(told)


def _starting(facts: Facts) -> str:
    return f"It started {format_duration(facts.age)} ago and is not judged before its start period is over."


def _throttled_why(facts: Facts) -> str:
    if facts.full is not None:
        evidence = f"all its tasks waited for memory {format_ratio(facts.full)} of the last 10 s"
    else:
        evidence = f"it ran into it {facts.high_hits or 0:,.1f} times a second (without PSI the waiting is not known)"
    return (
        f"It is held at its memory.high of {format_bytes(facts.high or 0)} ({format_ratio(facts.high_ratio or 0)}) and "
        f"{evidence}: the kernel slows it down without an end and kills nothing; raise memory.high or lower its use."
    )


def _thrashing_why(facts: Facts) -> str:
    busy = _busy(facts) or "what it reads back is not counted here"
    return (
        f"All its tasks waited for memory {format_ratio(facts.full or 0)} of the last 10 s, at {_of(facts)}; {busy}: "
        "its page cache (mapped weights) no longer fits. Raise the limit; a restart makes it colder."
    )


def _leaking_why(facts: Facts) -> str:
    left = format_duration(facts.left or 0)
    return f"Its floor keeps rising: {_of(facts)} now, and at this rate a burst reaches the limit in {left}."


def _idle_why(facts: Facts) -> str:
    between = f"{format_ratio(facts.lowest or 0)} and {format_ratio(facts.highest)}"
    return (
        f"It has stood between {between} for the {format_duration(facts.watched)} it has been watched, never below its "
        f"level of {format_ratio(facts.level)}: a restart would bring it back to the same. Raise the limit or the "
        "level, or load less."
    )


def _no_limit_why(facts: Facts) -> str:
    return (
        f"It has no limit: it holds {format_ratio(facts.ratio)} of the host's {format_bytes(facts.limit)} and can take "
        "its neighbours with it." + _missing(facts)
    )


def _ok_why(facts: Facts) -> str:
    where = "above" if facts.ratio > facts.level else "not above"
    return f"It holds {_of(facts)}, {where} its level of {format_ratio(facts.level)}, and does not leak." + _missing(
        facts
    )


def _missing(facts: Facts) -> str:
    if facts.full is not None:
        return ""
    if (facts.refaults or 0.0) >= REFAULTS or (facts.hits or 0.0) >= HITS:
        return f" It may be thrashing ({_busy(facts)}), but this kernel keeps no memory pressure (PSI) of it to tell."
    return " Thrashing could not be told: this kernel keeps no memory pressure (PSI) of it."


_SENTENCES: Final[Mapping[str, Callable[[Facts], str]]] = MappingProxyType(
    {
        OK: _ok_why,
        LEAKING: _leaking_why,
        THRASHING: _thrashing_why,
        THROTTLED: _throttled_why,
        IDLE_ABOVE_THRESHOLD: _idle_why,
        NO_LIMIT: _no_limit_why,
        STARTING: _starting,
    }
)
