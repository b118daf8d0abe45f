"""A view as people read it: measures by name, and each subject judged against the two levels. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from brimline.model import Kind, Level, SourceStatus, Subject, View
from brimline.sources.cgroup import ALERT_AT, RESTART_AT


class State(StrEnum):
    """How a subject stands, worst last but one; its value is the word shown."""

    NORMAL = "normal"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


ORDER = (State.CRITICAL, State.WARNING, State.UNKNOWN, State.NORMAL)


def state_of(ratio: float) -> State:
    """Judge a ratio as the rules do: above a level, not at it."""
    return State.CRITICAL if ratio > RESTART_AT else State.WARNING if ratio > ALERT_AT else State.NORMAL


@dataclass(frozen=True, slots=True)
class Row:
    """One subject's memory in one line."""

    subject: Subject
    state: State
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
    """The values of a view by measure and subject, as rules name them."""

    def __init__(self, view: View) -> None:
        self.at = view.snapshot.at.wall
        self._values: dict[str, dict[Subject, float]] = {}
        self.failed: dict[Subject, str] = {}
        self.chains: dict[Subject, tuple[Level, ...]] = {}
        for report in view.snapshot.reports:
            self.failed.update(report.failed)
            self.chains.update(report.chains)
            for column in report.columns:
                if column.extra is None:
                    values = self._values.setdefault(column.metric.name, {})
                    values.update(zip(column.subjects, column.values, strict=True))

    def get(self, subject: Subject, measure: str) -> float | None:
        """Return `memory_used_bytes` of the subject, None where it is absent."""
        return self.all(subject.kind, measure).get(subject)

    def all(self, kind: Kind, measure: str) -> Mapping[Subject, float]:
        """Return the measure of every subject of the kind."""
        return self._values.get(f"brimline_{kind}_{measure}", {})

    @property
    def host_total(self) -> float | None:
        """Return the host's memory."""
        return next(iter(self.all(Kind.HOST, "memory_total_bytes").values()), None)


def rows(measures: Measures) -> list[Row]:
    """Return every subject whose memory is known or should be, the worst first."""
    found = [_row(subject, measures) for kind in Kind for subject in _measured(kind, measures)]
    found += [Row(subject, State.UNKNOWN, reason=reason) for subject, reason in measures.failed.items()]
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
    return Row(subject, State.UNKNOWN if ratio is None else state_of(ratio), ratio, used, limit, limited)


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
