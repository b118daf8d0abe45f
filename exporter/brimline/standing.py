"""A view as people read it: measures by name, each subject judged against its own two levels, its alerts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from brimline.labels import printable
from brimline.model import Alert, Column, Diagnosis, Kind, Level, Metric, Phase, SourceStatus, Subject
from brimline.rules.diagnosis import OK
from brimline.rules.shown import show
from brimline.rules.terms import Unit
from brimline.sources.cgroup import MEMORY_THRESHOLD_RATIO
from brimline.units import format_duration
from brimline.view import View


class State(StrEnum):
    """How a subject stands, worst last but one; its value is the word shown."""

    NORMAL = "normal"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


ORDER = (State.CRITICAL, State.WARNING, State.UNKNOWN, State.NORMAL)
SEVERITIES = ("critical", "warning")  # in front of all others
_LEVELLED = frozenset(metric.name for metric in MEMORY_THRESHOLD_RATIO.values())


def state_of(ratio: float, levels: tuple[float, float]) -> State:
    """Judge a ratio as the rules do: above a level, not at it."""
    alert_at, restart_at = levels
    return State.CRITICAL if ratio > restart_at else State.WARNING if ratio > alert_at else State.NORMAL


@dataclass(frozen=True, slots=True)
class Row:
    """One subject's memory in one line."""

    subject: Subject
    state: State
    levels: tuple[float, float]  # alert and restart
    ratio: float | None = None
    used: float | None = None
    limit: float | None = None
    limited: bool = True
    reason: str = ""  # why it is unknown

    @property
    def name(self) -> str:
        """Return `container/whisper`: the same name may occur in two kinds."""
        return qualified(self.subject)


def qualified(subject: Subject) -> str:
    """Return the name with its kind; the host is only `host`."""
    return "host" if subject.kind is Kind.HOST else f"{subject.kind}/{subject.name}"


class Measures:
    """The values of a view by measure and subject, as rules name them, and what was found about each subject."""

    def __init__(self, view: View) -> None:
        self.at = view.snapshot.at.wall
        self.alerts = sorted(view.alerts, key=_urgency)
        self.default_levels = view.levels
        self._levels: dict[Subject, dict[str, float]] = {}
        self._diagnoses = [report.diagnoses for report in view.snapshot.reports if report.diagnoses]
        self._values: dict[str, dict[Subject, float]] = {}
        self.failed: dict[Subject, str] = {}
        self.chains: dict[Subject, tuple[Level, ...]] = {}
        for report in view.snapshot.reports:
            self.failed.update({subject: printable(why) for subject, why in report.failed.items()})
            self.chains.update(report.chains)
            for column in report.columns:
                if column.extra is None:
                    values = self._values.setdefault(column.metric.name, {})
                    values.update(zip(column.subjects, column.values, strict=True))
                elif column.metric.name in _LEVELLED:
                    self._learn(column, column.extra)

    def get(self, subject: Subject, measure: str) -> float | None:
        """Return `memory_used_bytes` of the subject, None where it is absent."""
        return self.all(subject.kind, measure).get(subject)

    def all(self, kind: Kind, measure: str) -> Mapping[Subject, float]:
        """Return the measure of every subject of the kind."""
        return self._values.get(f"brimline_{kind}_{measure}", {})

    def of(self, metric: Metric) -> Mapping[Subject, float]:
        """Return a metric of every subject, where it is no measure of a kind."""
        return self._values.get(metric.name, {})

    def every(self, subject: Subject) -> dict[str, float]:
        """Return all of the subject's measures by their names."""
        prefix = f"brimline_{subject.kind}_"
        return {
            name.removeprefix(prefix): values[subject]
            for name, values in self._values.items()
            if name.startswith(prefix) and subject in values
        }

    def levels(self, subject: Subject) -> tuple[float, float]:
        """Return the subject's alert and restart levels, the default ones where it has none of its own."""
        own = self._levels.get(subject)
        if own is None:
            return self.default_levels
        alert_at, restart_at = self.default_levels
        return own.get("alert", alert_at), own.get("restart", restart_at)

    def diagnosis(self, subject: Subject) -> Diagnosis | None:
        """Return what is the matter with the subject, None where nobody judged it."""
        return next((found for known in self._diagnoses if (found := known.get(subject)) is not None), None)

    def trouble(self, subject: Subject) -> Diagnosis | None:
        """Return the subject's diagnosis unless it is well."""
        found = self.diagnosis(subject)
        return None if found is None or found.name == OK else found

    def alerts_of(self, subject: Subject) -> list[Alert]:
        """Return the subject's alerts, the most urgent first."""
        whose = replace(subject, uid="")
        return [alert for alert in self.alerts if replace(alert.subject, uid="") == whose]

    def _learn(self, column: Column, extra: Sequence[tuple[str, ...]]) -> None:
        for subject, (level,), value in zip(column.subjects, extra, column.values, strict=True):
            self._levels.setdefault(subject, {})[level] = value

    @property
    def host_total(self) -> float | None:
        """Return the host's memory."""
        return next(iter(self.all(Kind.HOST, "memory_total_bytes").values()), None)


def rows(measures: Measures) -> list[Row]:
    """Return every subject whose memory is known or should be, the worst first."""
    found = [_row(subject, measures) for kind in Kind for subject in _measured(kind, measures)]
    failed = measures.failed.items()
    found += [Row(subject, State.UNKNOWN, measures.levels(subject), reason=reason) for subject, reason in failed]
    return sorted(found, key=lambda row: (ORDER.index(row.state), -(row.ratio or 0), row.name))


def _measured(kind: Kind, measures: Measures) -> Iterator[Subject]:
    yield from measures.all(kind, "memory_used_ratio")
    if kind is Kind.PROCESS and measures.host_total:
        ratios = measures.all(kind, "memory_used_ratio")
        yield from (subject for subject in measures.all(kind, "memory_rss_bytes") if subject not in ratios)


def _row(subject: Subject, measures: Measures) -> Row:
    ratio = measures.get(subject, "memory_used_ratio")
    limit = measures.get(subject, "memory_limit_bytes")
    limited = measures.get(subject, "limited") != 0
    match subject.kind:
        case Kind.PROCESS:
            pss = measures.get(subject, "memory_pss_bytes")
            used = pss if pss is not None else measures.get(subject, "memory_rss_bytes")
            if ratio is None:
                limit, limited = measures.host_total, False
                ratio = used / limit if used is not None and limit else None
        case Kind.HOST:
            used, limit = measures.get(subject, "memory_used_bytes"), measures.host_total
        case _:
            used = measures.get(subject, "memory_used_bytes")
    levels = measures.levels(subject)
    state = State.UNKNOWN if ratio is None else state_of(ratio, levels)
    return Row(subject, state, levels, ratio, used, limit, limited)


def _urgency(alert: Alert) -> tuple[bool, int, str, str]:
    return alert.phase is not Phase.FIRING, gravity(alert.severity), alert.alertname, qualified(alert.subject)


def gravity(severity: str) -> int:
    """Return the place of a severity among all; 0 is the gravest."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def amount(alert: Alert) -> str:
    """Return the alert's value by its unit: `91.0 %`, `1.21 GiB`."""
    return show(alert.value, Unit(alert.unit) if alert.unit else None)


def told(alert: Alert, at: float) -> str:
    """Return `InferenceMemoryCritical (critical) firing for 5m, at 91.0 %`."""
    severity = f" ({alert.severity})" if alert.severity else ""
    lasted = format_duration(max(at - alert.since, 0.0))
    unsure = "" if alert.known else ", as far as is known: its source fails"
    return f"{alert.alertname}{severity} {alert.phase} for {lasted}, at {amount(alert)}{unsure}"


def matches(subject: Subject, pattern: str) -> bool:
    """Return whether a glob names the subject: by name, `kind/name`, `project/service`, or the end of a path."""
    project, service = subject.labels[1:3] if subject.kind is Kind.CONTAINER else ("", "")
    names = {subject.name, qualified(subject), subject.name.rpartition("/")[2]}
    if service:
        names |= {service, f"{project}/{service}"}
    return any(fnmatchcase(name, pattern) for name in names)


def worst(found: Sequence[Row], down: Sequence[SourceStatus]) -> State:
    """Return the state of the whole: a known danger is worse than not knowing."""
    states = {row.state for row in found}
    for state in (State.CRITICAL, State.WARNING):
        if state in states:
            return state
    return State.UNKNOWN if State.UNKNOWN in states or down or not found else State.NORMAL


def ended(code: int | None) -> str:
    """Say how a container that does not run ended; one that never ran has no exit code."""
    return "never started" if code is None else f"stopped, exit code {code}"


def stopped(measures: Measures) -> list[tuple[Subject, int | None]]:
    """Return the containers that do not run, with their exit codes."""
    running = measures.all(Kind.CONTAINER, "running")
    codes = measures.all(Kind.CONTAINER, "exit_code")
    found = [(s, None if s not in codes else int(codes[s])) for s, runs in running.items() if not runs]
    return sorted(found, key=lambda pair: pair[0].name)
