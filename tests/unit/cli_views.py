"""Views written by hand, for the verbs that only read one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from brimline.model import (
    SUBJECT_LABELS,
    Alert,
    AlertKey,
    Column,
    Container,
    Diagnosis,
    Kind,
    Level,
    Metric,
    MetricKind,
    Now,
    Phase,
    Snapshot,
    SourceReport,
    SourceStatus,
    Subject,
)
from brimline.sources.cgroup import KINDS, MEMORY_THRESHOLD_RATIO
from brimline.view import View

MIB = 1 << 20
GIB = 1 << 30


def container(name: str, project: str = "", service: str = "") -> Subject:
    return Subject(Kind.CONTAINER, name, (name, project, service), f"{name}@1")


def cgroup(path: str) -> Subject:
    return Subject(Kind.CGROUP, path, (path,), path)


def group(name: str) -> Subject:
    return Subject(Kind.PROCESS, name, (name,), "1@1")


def alert(
    subject: Subject,
    name: str = "MemoryHigh",
    severity: str = "critical",
    *,
    phase: Phase,
    value: float = 0.91,
    unit: str = "ratio",
    since: float = 1_700_000_000.0 - 300,
    known: bool = True,
) -> Alert:
    """Return an alert that began 5 min before the view, as the rules hand it on."""
    return Alert(
        key=AlertKey(f"group/{name}", subject.kind, subject.name, subject.labels),
        phase=phase,
        since=since,
        value=value,
        subject=subject,
        alertname=name,
        severity=severity,
        labels=(),
        actions=(),
        threshold=0.85,
        known=known,
        unit=unit,
    )


def thresholds(kind: Kind, levels: Mapping[Subject, tuple[float, float]]) -> Column:
    """Return the levels of these as they are served."""
    names = (("alert",), ("restart",))
    subjects = tuple(subject for subject in levels for _ in names)
    return Column(
        MEMORY_THRESHOLD_RATIO[kind], subjects, [v for own in levels.values() for v in own], names * len(levels)
    )


HOST = Subject(Kind.HOST, "host", (), "boot")


@dataclass(slots=True)
class Scene:
    """Measures by subject, put together into a view."""

    values: dict[Subject, Mapping[str, float]] = field(default_factory=dict)
    chains: dict[Subject, tuple[Level, ...]] = field(default_factory=dict)
    failed: dict[Subject, str] = field(default_factory=dict)
    down: Sequence[SourceStatus] = ()
    alerts: tuple[Alert, ...] = ()
    diagnoses: dict[Subject, Diagnosis] = field(default_factory=dict)
    levels: dict[Subject, tuple[float, float]] = field(default_factory=dict)
    default_levels: tuple[float, float] = (0.80, 0.85)
    containers: dict[Subject, Container] = field(default_factory=dict)

    def memory(self, subject: Subject, used: float, limit: float, **more: float) -> Scene:
        """Add a subject that uses so much of its limit."""
        measures = {"memory_used_bytes": used, "memory_limit_bytes": limit, "memory_used_ratio": used / limit}
        self.values[subject] = {**measures, **more}
        return self

    def host(self, used: float, total: float) -> Scene:
        """Add the host."""
        self.values[HOST] = {
            "memory_used_bytes": used,
            "memory_total_bytes": total,
            "memory_available_bytes": total - used,
            "memory_used_ratio": used / total,
        }
        return self

    def view(self) -> View:
        """Return it as the engine would publish it."""
        metrics: dict[str, Metric] = {}
        columns = []
        for subject, measures in self.values.items():
            for measure, value in measures.items():
                name = f"brimline_{subject.kind}_{measure}"
                metric = metrics.setdefault(name, Metric(name, "", MetricKind.GAUGE, SUBJECT_LABELS[subject.kind]))
                columns.append(Column(metric, (subject,), [value]))
        own = [(kind, {s: v for s, v in self.levels.items() if s.kind is kind}) for kind in KINDS]
        columns += [thresholds(kind, levels) for kind, levels in own if levels]
        report = SourceReport(
            "test", tuple(columns), 0.0, failed=self.failed, chains=self.chains, containers=self.containers or None
        )
        derived = SourceReport("derived", (), diagnoses=self.diagnoses)
        up = SourceStatus("test", up=True, seconds=0.0, error=None, errors_total=0, info={})
        snapshot = Snapshot(Now(1_700_000_000.0, 1.0), (report, derived))
        return View(snapshot, (up, *self.down), 1, 0.0, b"", self.alerts, self.default_levels)


def down(source: str, error: str) -> SourceStatus:
    return SourceStatus(source, up=False, seconds=0.0, error=error, errors_total=1, info={})
