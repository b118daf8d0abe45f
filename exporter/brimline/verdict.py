"""The one sentence about a subject: what its numbers mean together, and what would help. Pure."""

from __future__ import annotations

from typing import Final

from brimline.model import Kind
from brimline.rules.diagnosis import NO_LIMIT, THRASHING, THROTTLED
from brimline.standing import Measures, Row, State
from brimline.units import format_bytes, format_ratio

# Healthy services measured stay below 1 %; with weights that no longer fit it was 23 % and the service 27 times slower.
FULL: Final = 0.10
AT_HIGH: Final = 0.95
# Of these the diagnosis says what this sentence would, with more to show for it.
_TELLING: Final = frozenset({NO_LIMIT, THRASHING, THROTTLED})


def verdict(row: Row, measures: Measures) -> str:
    """Return one sentence."""
    if row.ratio is None or row.used is None or row.limit is None:
        return f"Not known: {row.reason}." if row.reason else "Its memory could not be read."
    found = measures.diagnosis(row.subject)
    if found is not None and row.state is State.NORMAL:
        return found.sentence if found.name in _TELLING else _by_use(row, measures)
    full = measures.get(row.subject, "memory_pressure_full_ratio") or 0.0
    high = measures.get(row.subject, "memory_high_ratio") or 0.0
    if high >= AT_HIGH and row.state is State.NORMAL:
        return (
            f"It stands at its memory.high ({format_ratio(high)}): the kernel slows it down without an end instead of "
            "killing it; raise memory.high or lower its use."
        )
    if full >= FULL and row.state is State.NORMAL:
        return (
            f"It is slow, not full: all its tasks waited for memory {format_ratio(full)} of the last 10 s, because its "
            "page cache no longer fits; raise the limit, a restart would only make it colder."
        )
    return _by_use(row, measures)


def _by_use(row: Row, measures: Measures) -> str:
    ratio, used, limit = row.ratio or 0.0, row.used or 0.0, row.limit or 0.0
    of = f"{format_ratio(ratio)} of {format_bytes(limit)}"
    if row.subject.kind is Kind.HOST:
        return f"{format_ratio(ratio)} of the host's {format_bytes(limit)} cannot be had without swapping: {row.state}."
    if not row.limited:
        return (
            f"It has no limit: it holds {format_bytes(used)}, {format_ratio(ratio)} of the host's memory; "
            "set a limit, so that it cannot take its neighbours with it."
        )
    if row.state is not State.NORMAL:
        left = measures.get(row.subject, "memory_available_bytes")
        left = max(limit - used, 0) if left is None else left
        return (
            f"It holds {of} and nothing of that can be dropped: {row.state}, "
            f"{format_bytes(left)} are left before something is killed."
        )
    shown = measures.get(row.subject, "memory_working_set_bytes")
    if shown is not None and shown / limit > row.levels[0]:
        return (
            f"It is healthy at {of}: docker stats shows {format_ratio(shown / limit)}, but "
            f"{format_bytes(shown - used)} of that are file cache (weights by mmap), dropped before anything is killed."
        )
    return f"It holds {of} that cannot be dropped: normal."
