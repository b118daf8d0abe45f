"""How many messages a target gets, and what goes into one of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from brimline.actions.messages import Event, Notice


@dataclass(slots=True)
class Bucket:
    """Leave to send: `burst` messages at once, then one each `every` seconds. Time is of the clock that never jumps."""

    burst: int
    every: float
    left: float
    at: float

    def fill(self, mono: float) -> int:
        """Return how many messages may go out now."""
        self.left = min(float(self.burst), self.left + max(mono - self.at, 0.0) / self.every)
        self.at = mono
        return int(self.left + 1e-9)  # a rounding error is no message

    def take(self) -> None:
        """Use one up."""
        self.left -= 1

    def wait(self) -> float:
        """Return in how many seconds there is one again."""
        return max(0.0, (1 - self.left) * self.every)


def portions(notices: Sequence[Notice], allowed: int) -> Iterator[Sequence[Notice]]:
    """Yield what goes into each of at most `allowed` messages: one a group, and all the rest together in the last.

    What is told of one alert keeps its order, over the messages too.
    """
    groups = _groups(notices)
    if len(groups) <= allowed:
        yield from groups
    elif allowed:
        yield from groups[: allowed - 1]
        rest = {id(notice) for group in groups[allowed - 1 :] for notice in group}
        yield [notice for notice in notices if id(notice) in rest]


def _groups(notices: Sequence[Notice]) -> list[list[Notice]]:
    groups: list[list[Notice]] = []
    latest: dict[tuple[str, ...], int] = {}  # the last group of each kind
    behind: dict[str, int] = {}  # the group that holds what was told of an alert last; the next must come after it
    for notice in notices:
        # What was done is told alone, so that its message is the same whenever it is made.
        alone = notice.event in {Event.DONE, Event.FAILED}
        key = (notice.id,) if alone else (notice.event, notice.alertname, notice.severity)
        at = latest.get(key, -1)
        if at <= behind.get(notice.about, -1):
            at = latest[key] = len(groups)
            groups.append([])
        groups[at].append(notice)
        behind[notice.about] = at
    return groups
