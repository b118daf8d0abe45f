"""Counters that outlive Brimline itself: what the sources go on from, out of the journal, and what is put there.

Only what changed is written. What was counted after the last writing before a SIGKILL is counted again where the kernel
or StartedAt still tells of it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from brimline.model import SUBJECT_LABELS, Kind, Subject
from brimline.sources.cgroup import KINDS, MEMORY_OOM_KILLS, OOM_KILLS_BY_CAUSE, START_TIME_SECONDS
from brimline.sources.docker import RESTARTS
from brimline.sources.docker_roster import Tallies, Tally
from brimline.sources.oom_kill import PAIRS, CarriedKills, Pair

Key = tuple[str, tuple[str, ...]]
Values = Mapping[Key, float]

_KERNEL: Final = "_kernel"  # after a counter's name, its labels and a uid: the kernel's own count of that incarnation
_BY_NAME: Final[Mapping[tuple[str, ...], Pair]] = {
    (str(cause), str(victim)): (cause, victim) for cause, victim in PAIRS
}
_STARTED: Final = START_TIME_SECONDS[Kind.CONTAINER].name
_NAMES: Final = frozenset(
    {
        *(metric.name for metric in MEMORY_OOM_KILLS.values()),
        *(f"{metric.name}{_KERNEL}" for metric in MEMORY_OOM_KILLS.values()),
        OOM_KILLS_BY_CAUSE.name,
        RESTARTS.name,
        _STARTED,
    }
)
_EVERY: Final = 5.0  # seconds between two writings, where anything was counted
_MOST: Final = 2.0**53  # above it a float is no count


class Store(Protocol):
    """Where values survive by name and labels."""

    def load(self) -> Values:
        """Return every value saved last."""
        ...

    def save(self, values: Values, over: Sequence[Key]) -> None:
        """Keep these values and forget those that are over; never waits."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """What has been counted so far."""

    kills: Sequence[CarriedKills] = ()
    restarts: Tallies = field(default_factory=dict)


class Carrying:
    """Carries counts from one Brimline to the next. `openings` tells how often the store was opened."""

    def __init__(self, store: Store, openings: Callable[[], int]) -> None:
        self._store, self._openings = store, openings
        self._opened, self._saved = openings(), self._load()

    def counts(self) -> Counts:
        """Return what was counted before us."""
        return counts_of(self._saved)

    def keep(self, counts: Counts) -> None:
        """Write what changed since the last call; all of it where the store has been opened anew."""
        if self._opened != (opened := self._openings()):
            self._opened, self._saved = opened, self._load()
        values = values_of(counts)
        changed = {key: value for key, value in values.items() if self._saved.get(key) != value}
        over = [key for key in self._saved if key not in values]
        if changed or over:
            self._store.save(changed, over)
            self._saved = values

    async def run(self, counts: Callable[[], Counts]) -> None:
        """Keep what is counted now and then, however we end; until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            self.keep(counts())

    def _load(self) -> Values:
        return {key: value for key, value in self._store.load().items() if key[0] in _NAMES}


def values_of(counts: Counts) -> dict[Key, float]:
    """Return counts as values by name and labels; a 0 is left out."""
    values: dict[Key, float] = {}
    for one in counts.kills:
        name, labels = MEMORY_OOM_KILLS[one.subject.kind].name, one.subject.labels
        if one.kills:
            values[name, labels] = one.kills
        if one.counted is not None:
            values[f"{name}{_KERNEL}", (*labels, one.subject.uid)] = one.counted
        if one.subject.kind is Kind.CONTAINER:
            pairs = {(*labels, str(cause), str(victim)): kills for (cause, victim), kills in one.by_cause.items()}
            values |= {(OOM_KILLS_BY_CAUSE.name, pair): kills for pair, kills in pairs.items() if kills}
    for labels, tally in counts.restarts.items():
        values[_STARTED, labels] = tally.last
        if tally.restarts:
            values[RESTARTS.name, labels] = tally.restarts
    return values


def counts_of(values: Values) -> Counts:
    """Return the counts that values tell of; what is no count of ours counts nothing."""
    kills = tuple([one for kind in KINDS for one in _kills(kind, values)])
    restarts = _named(RESTARTS.name, values)
    tallies = {
        labels: Tally(Subject(Kind.CONTAINER, labels[0], labels, ""), started, _count(restarts.get(labels, 0.0)))
        for labels, started in _named(_STARTED, values).items()
        if len(labels) == len(SUBJECT_LABELS[Kind.CONTAINER])
    }
    return Counts(kills, tallies)


def _named(name: str, values: Values) -> Mapping[tuple[str, ...], float]:
    return {labels: value for (found, labels), value in values.items() if found == name}


def _kills(kind: Kind, values: Values) -> Iterator[CarriedKills]:
    name, width = MEMORY_OOM_KILLS[kind].name, len(SUBJECT_LABELS[kind])
    totals = _named(name, values)
    lives = {key[:width]: (key[width:], value) for key, value in _named(f"{name}{_KERNEL}", values).items()}
    by_cause = _by_cause(values) if kind is Kind.CONTAINER else {}
    for labels in dict.fromkeys((*totals, *lives)):
        if len(labels) == width:
            uid, counted = lives.get(labels, ((), 0.0))
            subject = Subject(kind, labels[0], labels, "".join(uid))
            yield CarriedKills(
                subject, _count(totals.get(labels, 0.0)), by_cause.get(labels, {}), _count(counted) if uid else None
            )


def _by_cause(values: Values) -> Mapping[tuple[str, ...], Mapping[Pair, int]]:
    found: defaultdict[tuple[str, ...], dict[Pair, int]] = defaultdict(dict)
    for labels, value in _named(OOM_KILLS_BY_CAUSE.name, values).items():
        if (pair := _BY_NAME.get(labels[-2:])) is not None:
            found[labels[:-2]][pair] = _count(value)
    return found


def _count(value: float) -> int:
    return int(value) if 0.0 <= value < _MOST else 0
