"""Every noun that flows through a tick; frozen, no behaviour beyond look-ups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol


class Kind(StrEnum):
    """What a subject is; the second word of its metrics' names."""

    CONTAINER = "container"
    CGROUP = "cgroup"
    PROCESS = "process"
    HOST = "host"


SUBJECT_LABELS: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.CONTAINER: ("container", "compose_project", "compose_service"),
        Kind.CGROUP: ("cgroup",),
        Kind.PROCESS: ("group",),
        Kind.HOST: (),
    }
)


class MetricKind(StrEnum):
    """The Prometheus type of a family."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"  # of the self metrics only; a column is a gauge or a counter


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One family as it is printed; compared by identity, since each is one literal."""

    name: str
    help: str
    kind: MetricKind
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose memory: `labels` hold the values for SUBJECT_LABELS[kind]; `uid` is the incarnation, never a label."""

    kind: Kind
    name: str
    labels: tuple[str, ...]
    uid: str


@dataclass(frozen=True, slots=True)
class Now:
    """One tick's time, taken once: seconds since the epoch, and a clock that never jumps."""

    wall: float
    mono: float


@dataclass(frozen=True, slots=True)
class Column:
    """One metric's values beside its subjects; a subject without a value is not in it.

    `extra` holds, per subject, the values of the metric's labels beyond the subject's own. Sources hand out the same
    `subjects` and `extra` tuples (by identity) until the topology changes, so readers may cache by identity.
    """

    metric: Metric
    subjects: tuple[Subject, ...]
    values: Sequence[float]
    extra: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """One cgroup in the chain from a subject up to the host, as far as it can be seen; None: the level has none."""

    path: str
    limit: int | None
    usage: int | None
    used: int | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is the matter with one subject, and why."""

    name: str  # one of rules.diagnosis.DIAGNOSES
    sentence: str


@dataclass(frozen=True, slots=True)
class Container:
    """One incarnation of a container as its engine tells of it; a new StartedAt has another `subject.uid`."""

    id: str
    subject: Subject
    labels: Mapping[str, str]
    image: str
    image_id: str
    runtime: str
    running: bool  # a paused one too
    pid: int
    started: float  # epoch seconds; 0.0: never
    exit_code: int | None  # of a stopped one that has run
    health: str  # "healthy", "unhealthy", "starting"; "" without a health check
    oom_killed: bool
    status: str = ""  # created, running, paused, restarting, removing, exited, dead; "" where only events told of it
    finished: float = 0.0  # epoch seconds; 0.0: never
    stop_timeout: int | None = None  # seconds between SIGTERM and SIGKILL; None: the engine's own
    restart_policy: str = ""  # no, on-failure, unless-stopped, always
    auto_remove: bool = False
    network_mode: str = ""
    addresses: tuple[str, ...] = ()  # in its networks
    aliases: tuple[str, ...] = ()  # names its networks' DNS knows it by
    ports: tuple[int, ...] = ()  # of the host, that lead to it
    limit: int = 0  # bytes, as its owner set it; 0: none
    policy_restarts: int = 0  # times its restart policy started it; what asks the engine for a restart does not count


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What one source read in one tick; with `error` it has no columns."""

    source: str
    columns: tuple[Column, ...]
    seconds: float = 0.0  # how long the read took, by the engine's stopwatch
    error: str | None = None
    failed: Mapping[Subject, str] = field(default_factory=dict)  # subjects it knows but could not read, and why
    info: Mapping[str, str] = field(default_factory=dict)  # labels of brimline_source_info
    chains: Mapping[Subject, tuple[Level, ...]] = field(default_factory=dict)  # from the subject upwards
    containers: Mapping[Subject, Container] | None = None  # None: it asks no engine, or the engine is silent
    diagnoses: Mapping[Subject, Diagnosis] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """A container whose memory is to be read: where its cgroup is, and what its owner declared."""

    subject: Subject
    main_pid: int  # 0 where the engine runs elsewhere
    directories: Mapping[str, str]  # controller ("memory", "pressure", "cpu", "cpuacct") -> directory
    declared_limit: int | None  # label brimline.limit
    started: float  # epoch seconds


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the cgroup formulas need of the host; None: this kernel does not say (MemAvailable came with 3.14)."""

    total: int
    available: int | None
    swap_free: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything read in one tick."""

    at: Now
    reports: tuple[SourceReport, ...]

    @property
    def containers(self) -> Mapping[Subject, Container] | None:
        """Return the containers as the engine tells of them; None where it is silent or there is none."""
        return next((report.containers for report in self.reports if report.containers is not None), None)

    def columns(self, metric: Metric) -> tuple[Column, ...]:
        """Return every column of the metric, whichever source read it."""
        return tuple(column for report in self.reports for column in report.columns if column.metric is metric)

    def by_subject(self, metric: Metric) -> dict[Subject, float]:
        """Return the metric's values by subject (a break-down keeps its last row only)."""
        return {s: v for column in self.columns(metric) for s, v in zip(column.subjects, column.values, strict=True)}


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source's health as the page and the self metrics show it."""

    source: str
    up: bool
    seconds: float
    error: str | None
    errors_total: int
    info: Mapping[str, str]


class Phase(StrEnum):
    """Where an alert stands; its value is what ALERTS calls it."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class AlertKey:
    """Which alert: the rule's name (`group/alert{labels}`) and the subject without its uid."""

    rule: str
    kind: Kind
    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert that is pending or firing, with what is needed to show it and to act on it."""

    key: AlertKey
    phase: Phase
    since: float  # wall time at which the phase began
    value: float  # the last one that was known
    subject: Subject
    alertname: str
    severity: str
    labels: tuple[tuple[str, str], ...]  # the rule's own, without the severity
    actions: tuple[str, ...]
    threshold: float | None  # what the value is compared with: the subject's own level where the rule names one
    known: bool = True  # False while the source fails: the phase is the last one known
    unit: str = ""  # of the value, a rules.terms.Unit; empty where the rule's alternatives have several


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of phase; `why` is empty where the rule's own condition decided."""

    alert: Alert  # as it is after the change; INACTIVE once it is over
    before: Phase
    at: float  # wall time
    why: str = ""


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """What outlives a restart of Brimline, in wall time."""

    key: AlertKey
    uid: str
    fingerprint: str  # of the rule
    phase: Phase
    since: float
    value: float
    held: float  # seconds accumulated towards `for`, or `keep_firing_for` while lingering
    lingering: bool
    at: float  # when this was true


class AlertStore(Protocol):
    """Where alerts survive a restart of Brimline."""

    def load(self) -> Sequence[StoredAlert]:
        """Return what was saved last."""
        ...

    def save(self, alerts: Sequence[StoredAlert], over: Sequence[AlertKey]) -> None:
        """Keep these in the place of their older selves, and forget those that are over."""
        ...


class Source(Protocol):
    """Something that is read once a tick. What it raises is a failed read: it costs the source's own series."""

    name: str

    def read(self, now: Now) -> SourceReport:
        """Read everything now."""
        ...

    def close(self) -> None:
        """Give back every descriptor and thread."""
        ...


class Clock(Protocol):
    """Where `Now` comes from."""

    def now(self) -> Now:
        """Return this moment."""
        ...


class Wake(Protocol):
    """How a source asks for a tick before its time."""

    def __call__(self, reason: str) -> None:
        """Ask for an early tick."""
        ...


class Poller(Protocol):
    """The event loop as a source sees it: readable descriptors and timers."""

    def add(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` whenever `fd` is readable."""
        ...

    def remove(self, fd: int) -> None:
        """Stop watching `fd`."""
        ...

    def later(self, seconds: float, ready: Callable[[], None]) -> None:
        """Call `ready` once after some seconds."""
        ...
