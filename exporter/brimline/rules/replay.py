"""What rules would have done on history: alerts, restarts and how many of them nothing followed. Pure.

Something followed a restart where, while its alert fired or within FOLLOWED, the kernel killed (or a restart was
counted), memory came within a hair of the limit, more than half was gone between two samples, or the subject ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from brimline.model import Alert, Column, Kind, Metric, Now, Phase, Snapshot, SourceReport, Subject, Transition
from brimline.rules.alertstore import MemoryAlertStore
from brimline.rules.derived import Derived
from brimline.rules.evaluator import Evaluator
from brimline.rules.terms import RuleSet

FOLLOWED: Final = 1800.0  # seconds
LOOK_BACK: Final = 300.0  # seconds for which a sample holds
BRIM: Final = 0.98  # of the limit
FELL: Final = 0.5  # of what was held
RATIO: Final = "memory_used_ratio"
DEATHS: Final = ("memory_oom_kills_total", "restarts_total")

Values = Mapping[Metric, Mapping[Subject, float]]


@dataclass(frozen=True, slots=True)
class Moment:
    """What was sampled at one time; subjects without a sample then are not in it."""

    at: float
    values: Values
    whole: bool = False  # what is not in it was gone by then; else its last sample holds for a while


@dataclass(slots=True)
class Episode:
    """One alert from its firing to its end; None: it fires still."""

    alert: Alert
    began: float
    ended: float | None = None


@dataclass(slots=True)
class Stand:
    """One subject over the whole history."""

    subject: Subject
    samples: int = 0
    highest: float = 0.0
    above_alert: float = 0.0  # seconds
    above_restart: float = 0.0
    restarts: list[Episode] = field(default_factory=list)  # whose beginning would have restarted it
    troubles: list[float] = field(default_factory=list)
    last: tuple[float, float] | None = None  # time and ratio
    deaths: dict[str, float] = field(default_factory=dict)

    def nothing_followed(self, until: float) -> int:
        """Return how many restarts nothing followed; one at the very end of history is given the benefit."""
        return sum(not self._followed(episode, until) for episode in self.restarts)

    def _followed(self, episode: Episode, until: float) -> bool:
        over = until if episode.ended is None else episode.ended
        end = max(episode.began + FOLLOWED, over)
        return episode.began + FOLLOWED > until or any(episode.began <= at <= end for at in self.troubles)


@dataclass(slots=True)
class Story:
    """What came out."""

    began: float = 0.0
    ended: float = 0.0
    moments: int = 0
    episodes: list[Episode] = field(default_factory=list)
    stands: dict[tuple[Kind, tuple[str, ...]], Stand] = field(default_factory=dict)


def replay(rules: RuleSet, moments: Iterable[Moment]) -> Story:
    """Judge every moment, in the order of time."""
    story, evaluator, derived = Story(), None, Derived(rules.levels)
    film = _Film()
    opened: dict[object, Episode] = {}
    for moment in moments:
        now = Now(moment.at, moment.at)
        if evaluator is None:
            evaluator, story.began = Evaluator(rules, MemoryAlertStore(), now), moment.at
        elif moment.at - story.ended > LOOK_BACK:  # nobody watched: that time counts for nothing
            blind = Now(story.ended + LOOK_BACK, story.ended + LOOK_BACK)
            evaluator.judge(Snapshot(blind, (SourceReport("history", (), error="nothing was recorded"),)))
        story.ended, story.moments = moment.at, story.moments + 1
        sampled = film.sampled(moment)
        evaluator.observe(sampled)
        standing = sampled if moment.whole else film.standing(moment.at)
        standing = Snapshot(now, (*standing.reports, derived.report(standing, now)))
        for change in evaluator.judge(standing).transitions:
            _note(story, opened, change, moment.at)
        _measure(story, moment, rules)
    for stand in story.stands.values():  # a subject that ended before the rest did
        if stand.last is not None and story.ended - stand.last[0] > LOOK_BACK:
            stand.troubles.append(stand.last[0])
    return story


def _note(story: Story, opened: dict[object, Episode], change: Transition, at: float) -> None:
    alert = change.alert
    if alert.phase is Phase.FIRING:
        episode = Episode(alert, at)
        opened[alert.key] = episode
        story.episodes.append(episode)
        if "restart" in alert.actions:
            restarts = _stand(story, alert.subject).restarts
            if not restarts or restarts[-1].began != at:  # two alerts at once restart once
                restarts.append(episode)
    elif alert.key in opened:
        opened.pop(alert.key).ended = at


def _stand(story: Story, subject: Subject) -> Stand:
    return story.stands.setdefault((subject.kind, subject.labels), Stand(subject))


def _measure(story: Story, moment: Moment, rules: RuleSet) -> None:
    """Add up the time above the levels, and note what went wrong."""
    for metric, values in moment.values.items():
        measure = metric.name.split("_", 2)[-1]
        for subject, value in values.items():
            if measure == RATIO:
                _measure_ratio(_stand(story, subject), moment.at, value, rules)
            elif measure in DEATHS:
                stand = _stand(story, subject)
                if value > stand.deaths.get(measure, value):
                    stand.troubles.append(moment.at)
                stand.deaths[measure] = value


def _measure_ratio(stand: Stand, at: float, ratio: float, rules: RuleSet) -> None:
    stand.samples += 1
    stand.highest = max(stand.highest, ratio)
    if stand.last is not None:
        since, before = stand.last
        held = min(at - since, LOOK_BACK)
        stand.above_alert += held * (before > rules.levels.alert_at)
        stand.above_restart += held * (before > rules.levels.restart_at)
        if ratio < before * FELL or at - since > LOOK_BACK:
            stand.troubles.append(since)
    if ratio >= BRIM:
        stand.troubles.append(at)
    stand.last = (at, ratio)


class _Film:
    """Samples as they come, and for a while what stands; the same tuples for the same subjects, as sources do."""

    def __init__(self) -> None:
        self._latest: dict[Metric, dict[Subject, tuple[float, float]]] = {}
        self._tuples: dict[Metric, tuple[Subject, ...]] = {}

    def sampled(self, moment: Moment) -> Snapshot:
        for metric, values in moment.values.items():
            latest = self._latest.setdefault(metric, {})
            for subject, value in values.items():
                latest[subject] = (moment.at, value)
        return self._snapshot(moment.at, lambda metric: moment.values.get(metric, {}))

    def standing(self, at: float) -> Snapshot:
        def now(metric: Metric) -> Mapping[Subject, float]:
            return {s: value for s, (when, value) in self._latest[metric].items() if at - when < LOOK_BACK}

        return self._snapshot(at, now)

    def _snapshot(self, at: float, of: Callable[[Metric], Mapping[Subject, float]]) -> Snapshot:
        columns = tuple(self._columns({metric: of(metric) for metric in self._latest}))
        return Snapshot(Now(at, at), (SourceReport("history", columns),))

    def _columns(self, values: Values) -> Iterator[Column]:
        for metric, found in values.items():
            subjects: Sequence[Subject] = tuple(found)
            if subjects != self._tuples.get(metric):
                self._tuples[metric] = tuple(found)
            if found:
                yield Column(metric, self._tuples[metric], tuple(found.values()))
