"""What was decided and done, as metrics: counters since the start, and the last action on each container.

A histogram's bucket bears the action's id as exemplar, so that a point in a graph leads to its line in the journal.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from brimline.deeds import Decision, Fate, Outcome, Pause
from brimline.model import SUBJECT_LABELS, Kind, Metric, MetricKind, Subject

_SUBJECT: Final = tuple(
    dict.fromkeys(label for kind in (Kind.CONTAINER, Kind.PROCESS) for label in SUBJECT_LABELS[kind])
)
DECISIONS: Final = Metric(
    "brimline_decisions_total",
    "Decisions by verdict, counted when one changes.",
    MetricKind.COUNTER,
    ("action", "verdict"),
)
ACTIONS: Final = Metric("brimline_actions_total", "Actions that were done.", MetricKind.COUNTER, ("action",))
FAILURES: Final = Metric(
    "brimline_action_failures_total", "Actions that were begun and did not succeed.", MetricKind.COUNTER, ("action",)
)
DURATION: Final = Metric(
    "brimline_action_duration_seconds",
    "How long actions took, until the world showed them.",
    MetricKind.HISTOGRAM,
    ("action",),
)
DOWNTIME: Final = Metric(
    "brimline_restart_downtime_seconds",
    "How long restarted containers were away, until healthy or running.",
    MetricKind.HISTOGRAM,
    (),
)
FREED: Final = Metric(
    "brimline_action_freed_bytes",
    "What the last action of a kind freed; negative where more is used than before.",
    MetricKind.GAUGE,
    ("action", *_SUBJECT),
)
AT: Final = Metric(
    "brimline_action_timestamp_seconds",
    "When the last action of a kind ended, since the epoch.",
    MetricKind.GAUGE,
    ("action", "outcome", *_SUBJECT),
)
OUTBOX: Final = Metric(
    "brimline_outbox_messages", "Messages by what became of them so far.", MetricKind.GAUGE, ("state",)
)
JOURNAL_UP: Final = Metric(
    "brimline_journal_up", "1 where the journal can be written, else 0: then nothing is done.", MetricKind.GAUGE, ()
)
PAUSED: Final = Metric(
    "brimline_paused",
    "1 for every pause in force; an empty glob is everything, and 0 while that is not paused.",
    MetricKind.GAUGE,
    ("glob",),
)
OVERPRIVILEGED: Final = Metric(
    "brimline_docker_overprivileged",
    "1 where the way to the engine for actions also lets create containers, which is root on the host, else 0.",
    MetricKind.GAUGE,
    (),
)
METRICS: Final[tuple[Metric, ...]] = (
    DECISIONS,
    ACTIONS,
    FAILURES,
    DURATION,
    DOWNTIME,
    FREED,
    AT,
    OUTBOX,
    JOURNAL_UP,
    PAUSED,
    OVERPRIVILEGED,
)
_BOUNDS: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
_NAMED: Final = ("restart", "cleanup", "recycle")  # present from the start: a counter that appears hides its first step


@dataclass(slots=True)
class _Durations:
    """One histogram, and for each bucket the last one that fell into it."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))
    exemplars: list[Exemplar | None] = field(default_factory=lambda: [None] * (len(_BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float, action_id: str, at: float) -> None:
        place = bisect_left(_BOUNDS, seconds)
        self.counts[place] += 1
        self.exemplars[place] = Exemplar({"action_id": action_id}, seconds, at)
        self.total += seconds

    def buckets(self) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
        found: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        seen = 0
        for bound, count, exemplar in zip((*map(str, _BOUNDS), "+Inf"), self.counts, self.exemplars, strict=True):
            seen += count
            found.append((bound, float(seen)) if exemplar is None else (bound, float(seen), exemplar))
        return found


class Acted(Collector):
    """What was decided and done since the start."""

    def __init__(self) -> None:
        self.journal_up = False
        self.overprivileged: bool | None = None  # None: not asked, or not answered
        self.pauses: Sequence[Pause] = ()
        self.outbox: Mapping[str, int] = {}
        self._decisions: Counter[tuple[str, str]] = Counter()
        self._done: Counter[str] = Counter(dict.fromkeys(_NAMED, 0))
        self._failed: Counter[str] = Counter(dict.fromkeys(_NAMED, 0))
        self._durations: dict[str, _Durations] = {}
        self._downtimes = _Durations()
        self._last: dict[tuple[str, ...], tuple[str, Outcome]] = {}

    def decided(self, decision: Decision) -> None:
        """Count a decision that is new, or whose verdict is."""
        self._decisions[decision.action, str(decision.verdict)] += 1

    def concluded(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Count what was done."""
        (self._done if outcome.ok else self._failed)[decision.action] += 1
        seconds = max(0.0, outcome.ended - outcome.started)
        self._durations.setdefault(decision.action, _Durations()).add(seconds, outcome.decision_id, outcome.ended)
        if outcome.downtime is not None:
            self._downtimes.add(outcome.downtime, outcome.decision_id, outcome.ended)
        self._last[decision.action, *_row(decision.subject)] = (str(fate), outcome)

    def forget(self, present: Iterable[Subject]) -> None:
        """Forget the last actions on containers that are not among these; of groups there are as many as are named."""
        rows = {_row(subject) for subject in present}
        self._last = {key: last for key, last in self._last.items() if key[1:] in rows or not key[1]}

    def collect(self) -> Iterator[Family]:
        """Yield every family."""
        yield _counter(DECISIONS, self._decisions.items())
        yield _counter(ACTIONS, (((name,), count) for name, count in self._done.items()))
        yield _counter(FAILURES, (((name,), count) for name, count in self._failed.items()))
        durations = HistogramMetricFamily(DURATION.name, DURATION.help, labels=DURATION.labels)
        for action, seen in sorted(self._durations.items()):
            durations.add_metric([action], seen.buckets(), seen.total)
        yield durations
        downtimes = HistogramMetricFamily(DOWNTIME.name, DOWNTIME.help)
        downtimes.add_metric([], self._downtimes.buckets(), self._downtimes.total)
        yield downtimes
        last = sorted(self._last.items())
        freed = ((key, outcome.freed_bytes) for key, (_, outcome) in last)
        yield _gauge(FREED, ((key, float(b)) for key, b in freed if b is not None))
        yield _gauge(AT, (((key[0], fate, *key[1:]), outcome.ended) for key, (fate, outcome) in last))
        yield _gauge(OUTBOX, (((state,), count) for state, count in sorted(self.outbox.items())))
        yield _gauge(JOURNAL_UP, [((), float(self.journal_up))])
        yield _gauge(OVERPRIVILEGED, [] if self.overprivileged is None else [((), float(self.overprivileged))])
        globs = {"": 0.0, **{pause.glob: 1.0 for pause in self.pauses}}
        yield _gauge(PAUSED, (((glob,), value) for glob, value in sorted(globs.items())))


def _row(subject: Subject) -> tuple[str, ...]:
    own = dict(zip(SUBJECT_LABELS[subject.kind], subject.labels, strict=True))
    return tuple(own.get(label, "") for label in _SUBJECT)


def _counter(metric: Metric, rows: Iterable[tuple[tuple[str, ...], float]]) -> Family:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for values, value in sorted(rows):
        family.add_metric(values, value)
    return family


def _gauge(metric: Metric, rows: Iterable[tuple[tuple[str, ...], float]]) -> Family:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
