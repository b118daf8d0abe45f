"""What happened within a report's time, out of the journal's lines: alerts, OOM kills, actions, restarts. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final

from brimline.deeds import RESTART, Entry, EntryKind, Fate
from brimline.labels import printable
from brimline.model import Kind, Phase
from brimline.standing import State, qualified

HOUR: Final = 3600.0
OFTEN: Final = 5  # restarts within an hour, as the bundled rules ServiceRestartsOften and ServiceRestartsTooOften
TOO_OFTEN: Final = 20


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert from its beginning to its end."""

    alertname: str
    severity: str
    name: str
    began: float | None  # None: before the report begins
    ended: float | None  # None: it goes on
    value: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Killed:
    """What an alert about OOM kills told."""

    at: float
    name: str
    number: int  # at least


@dataclass(frozen=True, slots=True)
class Action:
    """One action that was done, or tried."""

    at: float
    action: str
    name: str
    ok: bool
    text: str
    before: int | None
    after: int | None
    downtime: float | None

    @property
    def freed(self) -> int | None:
        """Return the bytes by which less was used afterwards."""
        return None if self.before is None or self.after is None else self.before - self.after


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often one container was started anew."""

    name: str
    times: tuple[float, ...]
    ours: int

    @property
    def busiest(self) -> int:
        """Return the most within any hour."""
        return max(bisect_left(self.times, at + HOUR) - place for place, at in enumerate(self.times))

    @property
    def state(self) -> State:
        """Judge it as the bundled rules do."""
        busiest = self.busiest
        return State.CRITICAL if busiest > TOO_OFTEN else State.WARNING if busiest > OFTEN else State.NORMAL


def episodes(entries: Iterable[Entry]) -> tuple[Episode, ...]:
    """Return the alerts that fired, by when they are told of first."""
    found: list[Episode] = []
    open_: dict[tuple[str, str], int] = {}
    for entry in entries:
        if entry.kind is not EntryKind.ALERT or entry.subject is None:
            continue
        facts, name = entry.facts, qualified(entry.subject)
        key = str(facts.get("rule") or facts.get("alertname")), name
        if facts.get("phase") == Phase.FIRING:
            open_[key] = len(found)
            found.append(_episode(entry, name, entry.at.wall, None))
        elif key in open_:
            began = found[open_[key]]
            found[open_.pop(key)] = _episode(entry, name, began.began, entry.at.wall, began.value)
        else:
            found.append(_episode(entry, name, None, entry.at.wall))
    return tuple(found)


def _episode(entry: Entry, name: str, began: float | None, ended: float | None, value: float | None = None) -> Episode:
    facts = entry.facts
    told, threshold = facts.get("value") if value is None else value, facts.get("threshold")
    return Episode(
        alertname=str(facts.get("alertname") or ""),
        severity=str(facts.get("severity") or ""),
        name=name,
        began=began,
        ended=ended,
        value=told if isinstance(told, int | float) else None,
        threshold=threshold if isinstance(threshold, int | float) else None,
    )


def kills(fired: Iterable[Episode], of_kills: Collection[str]) -> Iterator[Killed]:
    """Yield what alerts of these names told of."""
    for episode in fired:
        if episode.alertname in of_kills and episode.began is not None:
            yield Killed(episode.began, episode.name, max(1, ceil(episode.value or 0.0)))


def action(entry: Entry) -> Action:
    """Return what an outcome's line tells."""
    before, after, downtime = (entry.facts.get(name) for name in ("before_bytes", "after_bytes", "downtime"))
    return Action(
        at=entry.at.wall,
        action=entry.action,
        name="" if entry.subject is None else qualified(entry.subject),
        ok=entry.facts.get("ok") is True,
        text=printable(entry.text.partition(": ")[2] or entry.text),
        before=int(before) if isinstance(before, int | float) else None,
        after=int(after) if isinstance(after, int | float) else None,
        downtime=float(downtime) if isinstance(downtime, int | float) else None,
    )


def restarts(entries: Iterable[Entry]) -> tuple[Restarts, ...]:
    """Return the restarts: ours, and others' that were seen. What a restart policy does is not written down."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    ours: Counter[str] = Counter()
    for entry in entries:
        if entry.action != RESTART or entry.subject is None or entry.subject.kind is not Kind.CONTAINER:
            continue
        done = entry.kind is EntryKind.OUTCOME and entry.facts.get("fate") == Fate.DONE
        if done or entry.kind is EntryKind.OBSERVED:
            name = qualified(entry.subject)
            times[name].append(entry.at.wall)
            ours[name] += done
    found = [Restarts(name, tuple(sorted(at)), ours[name]) for name, at in times.items()]
    return tuple(sorted(found, key=lambda restarts: (-restarts.busiest, restarts.name)))
