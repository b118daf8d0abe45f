"""How long to wait between two actions on one subject: doubling, until it was well for twice the longest wait. Pure.

Restarts wait 10 s, doubled up to 5 min, and begin anew after 10 min; everybody's count. A cleanup waits 1 min up to
10 min, a recycling 1 min up to 30 min: none has a budget, so its waits end higher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from brimline.deeds import CLEANUP, RECYCLE, RESTART, Deed, Fate, Verdict
from brimline.policy.book import end_of
from brimline.policy.case import Case
from brimline.policy.terms import Refusal
from brimline.units import format_duration

_DOUBLINGS: Final = 32  # beyond any longest wait, and far from an overflow


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds of the first wait and of the longest."""

    first: float
    most: float

    @property
    def reset(self) -> float:
        """Return after how much health the next wait is the first again."""
        return 2 * self.most

    def wait(self, times: int) -> float:
        """Return how long to wait after so many in a row."""
        return min(self.most, self.first * 2 ** min(times - 1, _DOUBLINGS)) if times else 0.0


BACKOFFS: Final[Mapping[str, Backoff]] = {
    RESTART: Backoff(10.0, 300.0),
    RECYCLE: Backoff(60.0, 1800.0),
    CLEANUP: Backoff(60.0, 600.0),
}


def in_a_row(deeds: Sequence[Deed], backoff: Backoff) -> int:
    """Return how many of the last ones followed each other without health between them, the oldest first.

    Health is the time from the end of one to the next; after one that failed there was none, however long it took.
    """
    times, last = 0, None
    for deed in deeds:
        if last is not None and last.fate is not Fate.FAILED and deed.began - end_of(last) >= backoff.reset:
            times = 0
        times, last = times + 1, deed
    return times


def cooldown(case: Case) -> Refusal | None:
    """Refuse what comes too soon after the last of its kind."""
    backoff, deeds = BACKOFFS.get(case.wish.action), case.done(case.wish.action)
    if backoff is None or not deeds:
        return None
    times = in_a_row(deeds, backoff)
    ago = case.tick.mono - max(end_of(deed) for deed in deeds)
    wait = backoff.wait(times)
    if ago >= wait:
        return None
    nth = f"{times} in a row" if times > 1 else "one"
    return Verdict.COOLDOWN, (
        f"the last {case.wish.action} of {case.name} ended {format_duration(round(ago))} ago; after {nth} "
        f"{format_duration(wait)} pass: the next is possible in {_left(wait - ago)}"
    )


def _left(seconds: float) -> str:
    return format_duration(max(1, round(seconds)))
