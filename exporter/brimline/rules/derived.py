"""Derived readings: the time to the limit and the diagnosis of containers and cgroups, from a tick's snapshot. Pure.

They make a report like a source's, before the rules judge; where the cgroups could not be read it says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, compress
from types import MappingProxyType
from typing import Final, NamedTuple

from brimline.model import (
    SUBJECT_LABELS,
    Column,
    Container,
    Diagnosis,
    Kind,
    Metric,
    MetricKind,
    Now,
    Snapshot,
    SourceReport,
    Subject,
)
from brimline.rules.alongside import Alongside, Subjects
from brimline.rules.diagnosis import DIAGNOSES, Facts, diagnose, name_of
from brimline.rules.forecast import START_PERIOD, Forecast
from brimline.rules.terms import Levels
from brimline.rules.watched import Base, Rates, Watched, keep

KINDS: Final = (Kind.CONTAINER, Kind.CGROUP)
TIME_TO_LIMIT: Final[Mapping[Kind, Metric]] = MappingProxyType(
    {
        Kind.CONTAINER: Metric(
            "brimline_container_memory_time_to_limit_seconds",
            "When a leak reaches the limit at its present rate; absent while nothing leaks.",
            MetricKind.GAUGE,
            SUBJECT_LABELS[Kind.CONTAINER],
        ),
        Kind.CGROUP: Metric(
            "brimline_cgroup_memory_time_to_limit_seconds",
            "When a leak reaches the limit at its present rate; absent while nothing leaks.",
            MetricKind.GAUGE,
            SUBJECT_LABELS[Kind.CGROUP],
        ),
    }
)
DIAGNOSIS: Final[Mapping[Kind, Metric]] = MappingProxyType(
    {
        Kind.CONTAINER: Metric(
            "brimline_container_diagnosis",
            "1 for what is the matter with it, 0 for everything else.",
            MetricKind.GAUGE,
            (*SUBJECT_LABELS[Kind.CONTAINER], "diagnosis"),
        ),
        Kind.CGROUP: Metric(
            "brimline_cgroup_diagnosis",
            "1 for what is the matter with it, 0 for everything else.",
            MetricKind.GAUGE,
            (*SUBJECT_LABELS[Kind.CGROUP], "diagnosis"),
        ),
    }
)
METRICS: Final[tuple[Metric, ...]] = (*TIME_TO_LIMIT.values(), *DIAGNOSIS.values())

_MEASURES: Final = (
    "start_time_seconds",
    "memory_used_bytes",
    "memory_swap_bytes",
    "memory_limit_bytes",
    "limited",
    "memory_pressure_full_ratio",
    "memory_high_bytes",
    "memory_high_ratio",
)
_ONE_HOT: Final = {name: tuple(float(name == other) for other in DIAGNOSES) for name in DIAGNOSES}
_NEVER: Final = float("inf")
_COUNTERS: Final = ("memory_refaults_total", "memory_limit_hits_total", "memory_high_hits_total")


class Diagnoses(Mapping[Subject, Diagnosis]):
    """The diagnoses of one tick; nothing is looked up and no sentence written before it is asked for."""

    def __init__(self, parts: Sequence[tuple[Subjects, Sequence[Facts]]]) -> None:
        self._parts = parts
        self._facts: dict[Subject, Facts] | None = None

    def __getitem__(self, subject: Subject) -> Diagnosis:
        """Return one subject's."""
        if self._facts is None:
            self._facts = {s: f for subjects, facts in self._parts for s, f in zip(subjects, facts, strict=True)}
        return diagnose(self._facts[subject])

    def __iter__(self) -> Iterator[Subject]:
        """Go through the subjects."""
        return (subject for subjects, _ in self._parts for subject in subjects)

    def __len__(self) -> int:
        """Return of how many subjects there is one."""
        return sum(len(subjects) for subjects, _ in self._parts)


class Reading(NamedTuple):
    """What one subject's judgement is made from, in the order it is laid side by side."""

    uid: str
    start: float  # its start period
    health: str
    ratio: float
    level: float
    started: float | None
    used: float | None
    swap: float | None
    limit: float | None
    limited: float | None
    full: float | None
    high: float | None
    high_ratio: float | None
    refaults: float | None
    hits: float | None
    high_hits: float | None


class Derived:
    """Turns a tick's snapshot into the report `derived`; remembers what it needs of the ticks before."""

    def __init__(self, levels: Levels, start_period: float = START_PERIOD) -> None:
        self._levels = levels
        self._start_period = start_period
        self._containers: Mapping[Subject, Container] = {}
        self._columns = Alongside()
        self._forecast = Forecast()
        self._watched: dict[str, Watched] = {}
        self._rates = {name: Rates() for name in _COUNTERS}
        self._bases: tuple[Base, ...] = ()
        self._tuples: dict[Metric, Subjects] = {}

    def report(self, snapshot: Snapshot, now: Now) -> SourceReport:
        """Return the derived readings of this tick."""
        self._columns.look(snapshot)
        found = [c for kind in KINDS for c in self._columns.columns(f"brimline_{kind}_memory_used_ratio") if c.subjects]
        failed = {s: why for r in snapshot.reports for s, why in r.failed.items() if s.kind in KINDS}
        error = next((r.error for r in snapshot.reports if r.source == "cgroup"), None)
        if not found and error is not None:
            return SourceReport("derived", (), error=error, failed=failed)
        self._follow(found, failed)
        self._count(now)
        # What a silent engine said last still holds: its containers run on.
        self._containers = next((r.containers for r in snapshot.reports if r.containers), self._containers)
        parts = []
        for base, column in zip(self._bases, found, strict=True):
            base.follow(self._containers, self._start_period)
            facts = [self._judge(read, now) for read in self._lay(base, column.values)]
            parts.append((base, facts))
        made = tuple(column for kind in KINDS for column in self._make(kind, [p for p in parts if p[0].kind is kind]))
        return SourceReport("derived", made, failed=failed, diagnoses=Diagnoses([(b.subjects, f) for b, f in parts]))

    def _follow(self, found: Sequence[Column], failed: Collection[Subject]) -> None:
        """Keep what is known of those who are still there; a subject that failed is not gone."""
        if [id(base.subjects) for base in self._bases] == [id(column.subjects) for column in found]:
            return
        self._bases = tuple(Base(column.subjects) for column in found)
        alive = {uid for base in self._bases for uid in base.uids} | {subject.uid for subject in failed}
        self._forecast.retain(alive)
        keep(self._watched, alive)

    def _count(self, now: Now) -> None:
        for name, rates in self._rates.items():
            if rates.due(now.mono):
                columns = [c for kind in KINDS for c in self._columns.columns(f"brimline_{kind}_{name}")]
                counts = {s.uid: v for c in columns for s, v in zip(c.subjects, c.values, strict=True)}
                rates.look(now.mono, counts)

    def _lay(self, base: Base, ratios: Sequence[float]) -> Iterator[Reading]:
        def of(measure: str) -> Sequence[float | None]:
            return self._columns.values(f"brimline_{base.kind}_{measure}", base.subjects)

        levels = self._columns.columns(f"brimline_{base.kind}_memory_threshold_ratio")
        told = [of(measure) for measure in _MEASURES]
        rates = [self._rates[name].of(base.uids) for name in _COUNTERS]
        level = base.levels(levels, self._levels.alert_at)
        return map(Reading._make, zip(base.uids, base.starts, base.health, ratios, level, *told, *rates, strict=True))

    def _judge(self, read: Reading, now: Now) -> Facts:
        watched = self._watched.get(read.uid)
        if watched is None:
            watched = self._watched[read.uid] = Watched(now.mono)
        age = watched.age(now, read.started)
        waiting = watched.waits(age, read.start, read.health)
        held, left = (read.used or 0.0) + (read.swap or 0.0), None
        if read.ratio > 0.0 and held > 0.0:
            start = _NEVER if waiting else read.start
            left = self._forecast.observe(read.uid, now.mono, held, 0.0, held / read.ratio, age, start)
        if not waiting:
            watched.stand(now.mono, read.ratio, read.level, late=age - read.start)
        return Facts(
            age,
            waiting,
            read.ratio,
            read.limit or 0.0,
            read.limited != 0.0,
            read.level,
            left,
            watched.settled(now.mono),
            watched.highest,
            watched.since(now.mono),
            read.full,
            read.refaults,
            read.hits,
            read.high,
            read.high_ratio,
            read.high_hits,
        )

    def _make(self, kind: Kind, parts: Sequence[tuple[Base, Sequence[Facts]]]) -> Iterator[Column]:
        if not parts:
            return
        left = [facts.left for _, judged in parts for facts in judged]
        subjects = tuple(compress(chain.from_iterable(b.subjects for b, _ in parts), [v is not None for v in left]))
        if subjects:
            if subjects != self._tuples.get(TIME_TO_LIMIT[kind]):
                self._tuples[TIME_TO_LIMIT[kind]] = subjects
            yield Column(TIME_TO_LIMIT[kind], self._tuples[TIME_TO_LIMIT[kind]], [v for v in left if v is not None])
        for base, judged in parts:
            ones = chain.from_iterable([_ONE_HOT[name_of(facts)] for facts in judged])
            yield Column(DIAGNOSIS[kind], base.repeated, list(ones), base.names)
