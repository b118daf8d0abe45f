"""A past written by hand: samples by the minute, and the lines of a journal that tell what was done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from brimline.deeds import Entry, EntryKind, Fate, Outcome, Verdict
from brimline.journal import told
from brimline.journal.history import Sample, Spread
from brimline.journal.minutes import Measure
from brimline.model import (
    Alert,
    AlertKey,
    Column,
    Metric,
    MetricKind,
    Now,
    Phase,
    Snapshot,
    SourceReport,
    Subject,
    Transition,
)
from fakes import FakeClock, container
from unit.journals import decision, opened

MIB = 1 << 20
MINUTE, HOUR = 60, 3600
USED, LIMIT = (Metric(name, "", MetricKind.GAUGE, ()) for name in ("used", "limit"))
MEASURES = {USED: Measure.USED, LIMIT: Measure.LIMIT}

Shape = Callable[[int], float]  # minute -> share of the limit


def samples(shape: Shape, minutes: int, limit: int = 1000 * MIB, began: int = 0) -> tuple[Sample, ...]:
    """Return one sample a minute, each with a tip 2 % above its average."""
    found = []
    for minute in range(minutes):
        used = int(shape(minute) * limit)
        spread = Spread(used - limit // 100, used, used + limit // 50)
        found.append(Sample(began + minute * MINUTE, MINUTE, spread, None, Spread(limit, limit, limit)))
    return tuple(found)


def saw(minute: int) -> float:
    return 0.4 + 0.15 * (minute % 45) / 45


def leak(minute: int) -> float:
    return min(0.3 + minute / 1440 * 0.6, 0.97)


def daily(minute: int) -> float:
    return 0.62 + 0.15 * math.sin(minute / 1440 * 2 * math.pi)


def live(directory: Path, shapes: Mapping[Subject, Shape], minutes: int) -> FakeClock:
    """Write what these used for so many minutes, one tick each; return the clock at the end."""
    clock = FakeClock()
    clock.wall = 1_700_002_800.0
    subjects, limit = tuple(shapes), 1000.0 * MIB
    with opened(directory, clock, measures=MEASURES) as journal:
        for minute in range(minutes):
            used = Column(USED, subjects, [shape(minute) * limit for shape in shapes.values()])
            room = Column(LIMIT, subjects, [limit] * len(subjects))
            journal.minutes.observe(Snapshot(clock.now(), (SourceReport("cgroup", (used, room)),)))
            clock.pass_(MINUTE)
    return clock


def alert(subject: Subject, name: str, at: float, phase: Phase = Phase.FIRING, *, value: float = 0.9) -> Entry:
    """Return the line of an alert that begins to fire, or is over."""
    key = AlertKey(f"memory/{name}", subject.kind, subject.name, subject.labels)
    severity = "warning" if name.endswith("High") else "critical"
    found = Alert(key, phase, at, value, subject, name, severity, (), (), 0.85)
    return told.changed(Transition(found, Phase.FIRING, at), Now(at, at))


def done(subject: Subject, at: float, *, action: str = "restart", ok: bool = True, freed: int = 400 * MIB) -> Entry:
    """Return the line of an outcome."""
    made = decision(Now(at, at), int(at) % 10_000, subject, action=action)
    detail = "running again after 2s" if ok else "it does not come up"
    end = Outcome(made.id, ok, detail, at, at + 4, 900 * MIB, 900 * MIB - freed, 2.0 if action == "restart" else None)
    return told.outcome(made, end, Fate.DONE if ok else Fate.FAILED, Now(at, at))


def refused(subject: Subject, at: float, verdict: Verdict) -> Entry:
    return told.refused(replace(decision(Now(at, at), 1, subject), verdict=verdict, reason="so it is"), Now(at, at))


def observed(subject: Subject, at: float) -> Entry:
    """Return the line of somebody else's restart."""
    return Entry(EntryKind.OBSERVED, Now(at, at), f"{subject.name} was started anew", subject, "restart", f"o{at:.0f}")


def service(name: str) -> Subject:
    return container(f"shop-{name}-1", f"{name}@1", ("shop", name))


def write(directory: Path, entries: Sequence[Entry]) -> None:
    with opened(directory, FakeClock()) as journal:
        for entry in entries:
            journal.note(entry)
