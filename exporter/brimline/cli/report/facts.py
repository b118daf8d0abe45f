"""What a report tells, made from the journal's samples and lines: one standing a subject, and what happened. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from brimline.cli.report.events import Action, Episode, Killed, Restarts, action, episodes, kills, restarts
from brimline.cli.report.leaks import Leak, leaks
from brimline.deeds import Entry, EntryKind
from brimline.journal.history import Sample, Spread
from brimline.levels import LevelBook
from brimline.model import Subject
from brimline.standing import State, qualified, state_of

POINTS: Final = 120  # of a curve


@dataclass(frozen=True, slots=True)
class Standing:
    """One subject over the time of the report."""

    subject: Subject
    curve: tuple[Sample, ...]  # its samples, in a report thinned to POINTS
    levels: tuple[float, float]  # alert and restart
    peak: int  # bytes used
    peak_at: float
    last: int
    limit: int | None
    highest: float | None  # of used to limit
    above_alert: float  # seconds; a sample counts by its average
    above_restart: float
    seconds: float  # for which there are samples with a limit
    leaks: tuple[Leak, ...]

    @property
    def state(self) -> State:
        """Return how it stood at its worst."""
        return State.UNKNOWN if self.highest is None else state_of(self.highest, self.levels)

    @property
    def name(self) -> str:
        """Return `container/whisper`."""
        return qualified(self.subject)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report tells."""

    began: float
    ended: float
    levels: tuple[float, float]
    standings: tuple[Standing, ...]  # the worst first
    episodes: tuple[Episode, ...]  # oldest first, as all that follows
    killed: tuple[Killed, ...]
    actions: tuple[Action, ...]
    restarts: tuple[Restarts, ...]  # the busiest first
    refused: Mapping[tuple[str, str], int]  # (action, verdict) -> how often that was decided

    @property
    def leaks(self) -> list[tuple[Standing, Leak]]:
        """Return every leak with whose it is."""
        return [(standing, leak) for standing in self.standings for leak in standing.leaks]

    @property
    def freed(self) -> int:
        """Return the bytes that actions freed; what used more afterwards does not count against it."""
        return sum(max(action.freed or 0, 0) for action in self.actions)


@dataclass(frozen=True, slots=True)
class Terms:
    """By what the past is judged: the levels, and which alerts tell of OOM kills."""

    book: LevelBook
    of_kills: Collection[str]  # names of alerts


def report(
    samples: Iterable[tuple[Subject, Sequence[Sample]]],
    entries: Sequence[Entry],
    span: tuple[float, float],
    terms: Terms,
) -> Report:
    """Put a report together from what was read; `span` is its beginning and its end."""
    anew = restarts(entries)
    starts = {found.name: found.times for found in anew}
    width = max((span[1] - span[0]) / POINTS, 1.0)
    standings = []
    for subject, seen in samples:  # a day of a thousand subjects is a million samples: none is kept
        one = standing(subject, seen, terms.book, starts.get(qualified(subject), ()))
        if one is not None:
            standings.append(replace(one, curve=thinned(seen, span[0], width)))
    ranks = {State.CRITICAL: 0, State.WARNING: 1, State.UNKNOWN: 3, State.NORMAL: 2}
    standings.sort(key=lambda s: (ranks[s.state], not s.leaks, -(s.highest or 0.0), s.name))
    fired = episodes(entries)
    refused = Counter(
        (entry.action, str(entry.facts.get("verdict"))) for entry in entries if entry.kind is EntryKind.REFUSED
    )
    return Report(
        began=span[0],
        ended=span[1],
        levels=(terms.book.alert_at, terms.book.restart_at),
        standings=tuple(standings),
        episodes=fired,
        killed=tuple(kills(fired, terms.of_kills)),
        actions=tuple([action(entry) for entry in entries if entry.kind is EntryKind.OUTCOME]),
        restarts=anew,
        refused=dict(refused.most_common()),
    )


def thinned(samples: Iterable[Sample], began: float, width: float) -> tuple[Sample, ...]:
    """Return what was used as one sample every `width` seconds."""
    bins: dict[int, list[tuple[Sample, Spread]]] = {}
    for sample in samples:
        if sample.used is not None:
            bins.setdefault(int((sample.at - began) // width), []).append((sample, sample.used))
    return tuple([_joined([s for s, _ in found], [u for _, u in found], width) for found in bins.values()])


def _joined(samples: Sequence[Sample], used: Sequence[Spread], width: float) -> Sample:
    least, greatest = min(one.least for one in used), max(one.greatest for one in used)
    average = sum(one.average for one in used) // len(used)
    seconds = max(int(width), samples[0].seconds)
    return Sample(samples[0].at, seconds, Spread(least, average, greatest), None, None)


def standing(
    subject: Subject, samples: Sequence[Sample], book: LevelBook, starts: Sequence[float] = ()
) -> Standing | None:
    """Return how a subject stood; None where nothing of its use is known."""
    known = [(sample, sample.used) for sample in samples if sample.used is not None]
    if not known:
        return None
    levels = book.of(subject)
    top, most = max(known, key=lambda pair: pair[1].greatest)
    highest, above, seconds = None, [0.0, 0.0], 0.0
    for sample, used in known:
        if sample.limit is None or not sample.limit.greatest:
            continue
        limit = sample.limit.greatest
        highest = max(highest or 0.0, used.greatest / limit)
        seconds += sample.seconds
        for place, level in enumerate(levels):
            above[place] += sample.seconds if used.average / limit > level else 0.0
    limits = [sample.limit.greatest for sample in samples if sample.limit is not None and sample.limit.greatest]
    return Standing(
        subject=subject,
        curve=tuple(samples),
        levels=levels,
        peak=most.greatest,
        peak_at=top.at,
        last=known[-1][1].average,
        limit=limits[-1] if limits else None,
        highest=highest,
        above_alert=above[0],
        above_restart=above[1],
        seconds=seconds,
        leaks=leaks(samples, starts),
    )
