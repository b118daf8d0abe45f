"""The Docker source: which containers there are, whether they run, and where their memory is to be read.

`read` and `targets` answer from memory; everything that talks to the engine happens in `run`.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pydantic import field_validator

from brimline.dockerconnect import find_host, host_of
from brimline.model import (
    SUBJECT_LABELS,
    Column,
    Container,
    Kind,
    Metric,
    MetricKind,
    Now,
    SourceReport,
    Subject,
    Target,
    Wake,
)
from brimline.options import Duration, Options, callable_at, refusal
from brimline.sources.cgroup import START_TIME_SECONDS
from brimline.sources.docker_container import Selection, complaint
from brimline.sources.docker_follow import Engine, Follower, Pace
from brimline.sources.docker_roster import Hooks, Roster, Tallies
from brimline.sources.docker_stats import StatsPoll
from brimline.sources.docker_targets import Locate, RunningContainers
from brimline.units import spell_duration

_LABELS: Final = SUBJECT_LABELS[Kind.CONTAINER]
RUNNING: Final = Metric(
    "brimline_container_running", "1 while it runs (paused too), 0 while it is stopped.", MetricKind.GAUGE, _LABELS
)
EXIT_CODE: Final = Metric(
    "brimline_container_exit_code", "Exit code of a stopped one that has run.", MetricKind.GAUGE, _LABELS
)
RESTARTS: Final = Metric(
    "brimline_container_restarts_total",
    "Times it was started again (StartedAt changes); outlives it for an hour.",
    MetricKind.COUNTER,
    _LABELS,
)
HEALTHY: Final = Metric(
    "brimline_container_healthy",
    "Its health check's verdict; absent without one, while starting and while stopped.",
    MetricKind.GAUGE,
    _LABELS,
)
INFO: Final = Metric(
    "brimline_container_info",
    "Always 1: which container it is and what it was made from.",
    MetricKind.GAUGE,
    (*_LABELS, "id", "image", "image_id", "runtime"),
)
METRICS: Final = (RUNNING, EXIT_CODE, RESTARTS, HEALTHY, INFO)

SHORTEST_TIMEOUT: Final = 0.1
KEPT_SECONDS: Final = 3600.0  # how long restarts outlive their containers
_SCHEMES: Final = ("unix://", "tcp://", "http://", "https://", "ssh://")


class DockerOptions(Options):
    """Containers of Docker or Podman."""

    enabled: bool = True
    """Whether to look for an engine at all."""
    host: str | None = None
    """Where it listens; unset: DOCKER_HOST, else the first of the usual sockets of Docker and Podman."""
    action_host: str | None = None
    """Where to ask for restarts, such as a proxy that allows them; unset: the same."""
    timeout: Duration = 10.0
    """How long one answer may take."""
    include: tuple[str, ...] = ("*",)
    """Which containers to measure: globs on the name or project/service, label:key=value, image:name."""
    exclude: tuple[str, ...] = ()
    """Which of them not to measure; the same patterns."""

    @field_validator("host", "action_host")
    @classmethod
    def _known_scheme(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(_SCHEMES):
            likely = f"unix://{value}" if value.startswith("/") else "unix:///var/run/docker.sock"
            raise refusal(f'"{value}" has no scheme; write "{likely}" or "tcp://host:2376"')
        if value is not None:
            callable_at(host_of(value))
        return value

    @field_validator("timeout")
    @classmethod
    def _long_enough(cls, value: float) -> float:
        if value < SHORTEST_TIMEOUT:
            raise refusal(f"{spell_duration(value)} is too short for any answer; write at least 100ms, such as 10s")
        return value

    @field_validator("include", "exclude")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [text for text in map(complaint, value) if text is not None]:
            raise refusal("; ".join(wrong))
        return value


class DockerSource:
    """One engine's containers."""

    name = "docker"

    def __init__(  # noqa: PLR0913 - the parts it is made of, each replaceable in a test
        self,
        options: DockerOptions,
        *,
        locate: Locate,
        wake: Wake,
        hooks: Hooks | None = None,
        environ: Mapping[str, str] = os.environ,
        interval: Callable[[], float] = lambda: 5.0,
        restarts: Tallies | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._roster = Roster(Selection(options.include, options.exclude), hooks or Hooks(), restarts)
        self._running = RunningContainers(self._roster, locate)
        self._stats = StatsPoll(interval, self._running.sampled, self._running.declared)
        engine = Engine(lambda: options.host or find_host(environ, is_socket), environ, options.timeout)
        self._follower = Follower(engine, self._roster, wake, self._stats.run, pace or Pace())
        self._built = -1
        self._columns: tuple[Column, ...] = ()
        self._containers: Mapping[Subject, Container] = {}
        self._tuples: dict[Metric, tuple[Subject, ...]] = {}
        self._extra: tuple[tuple[str, ...], ...] = ()
        self._gone_since: dict[tuple[str, ...], float] = {}

    @property
    def restarts(self) -> Tallies:
        """Return the restarts counted so far, by labels."""
        return self._roster.tallies

    async def run(self) -> None:
        """Follow the engine until cancelled; its connections and threads end with it."""
        await self._follower.run()

    async def first(self, timeout: float) -> bool:  # noqa: ASYNC109 - not being complete in time is an answer
        """Wait for the first complete list, or until it is known that there is none; return whether it is there."""
        return await self._follower.first(timeout)

    def read(self, now: Now) -> SourceReport:
        """Report what is known; nothing is asked here."""
        began = time.perf_counter()
        error = self._follower.error
        if error is None and not self._follower.complete.is_set() and not self._follower.settled.is_set():
            error = "the engine has not listed its containers yet"
        if error is not None:
            return SourceReport(self.name, (), time.perf_counter() - began, error=error, info=self._info())
        self._build(now)
        sampled = self._stats.columns() if self._running.elsewhere else ()
        return SourceReport(
            self.name,
            self._columns + sampled,
            time.perf_counter() - began,
            failed={**self._roster.unreadable, **self._stats.failed},
            info=self._info(),
            containers=self._containers,
        )

    def targets(self) -> tuple[Target, ...]:
        """Return the running containers; while the engine is silent those it named last, whose cgroups still tell."""
        return self._running.targets()

    def measured(self) -> bool:
        """Tell whether every running container has a cgroup, a sample, or a reason why it has neither."""
        targets = self.targets()
        if self._follower.error is not None or all(t.directories for t in targets):
            return True
        return self._running.elsewhere and self._stats.knows(t.subject for t in targets)

    def close(self) -> None:
        """Nothing is held here: `run` gives everything back when it is cancelled."""

    def _info(self) -> Mapping[str, str]:
        if not self._follower.info:
            return {"mode": "none"}
        return {**self._follower.info, "mode": "stats" if self._running.elsewhere else "cgroupfs"}

    def _build(self, now: Now) -> None:
        expired = [labels for labels, since in self._gone_since.items() if now.mono - since >= KEPT_SECONDS]
        if self._roster.version == self._built and not expired:
            return
        self._built = self._roster.version
        containers = self._roster.sorted()
        present = {c.subject.labels for c in containers}
        for labels in self._roster.tallies:
            self._gone_since.setdefault(labels, now.mono)
        self._gone_since = {k: v for k, v in self._gone_since.items() if k not in present and k not in expired}
        for labels in set(expired) - present:
            self._roster.tallies.pop(labels, None)
        self._containers = {c.subject: c for c in containers}
        self._columns = tuple(self._make_columns(containers))

    def _make_columns(self, containers: list[Container]) -> Iterable[Column]:
        present = {c.subject.labels for c in containers}
        kept = [
            t for labels, t in self._roster.tallies.items() if t.restarts or labels in present
        ]  # a 0 outlives nobody
        tallies = sorted(kept, key=lambda t: t.subject.labels)
        yield self._column(RUNNING, [(c.subject, float(c.running)) for c in containers])
        yield self._column(
            EXIT_CODE,
            [(c.subject, float(c.exit_code)) for c in containers if c.exit_code is not None and not c.running],
        )
        yield self._column(RESTARTS, [(t.subject, float(t.restarts)) for t in tallies])
        yield self._column(
            HEALTHY,
            [
                (c.subject, float(c.health == "healthy"))
                for c in containers
                if c.running and c.health in {"healthy", "unhealthy"}
            ],
        )
        started = [(c.subject, c.started) for c in containers if c.running and c.started]
        yield self._column(START_TIME_SECONDS[Kind.CONTAINER], started)
        extra = tuple((c.id, c.image, c.image_id, c.runtime) for c in containers)
        if extra != self._extra:
            self._extra = extra
        yield self._column(INFO, [(c.subject, 1.0) for c in containers], self._extra)

    def _column(
        self, metric: Metric, pairs: list[tuple[Subject, float]], extra: tuple[tuple[str, ...], ...] | None = None
    ) -> Column:
        subjects = tuple(subject for subject, _ in pairs)
        if subjects != self._tuples.get(metric):
            self._tuples[metric] = subjects
        return Column(metric, self._tuples[metric], tuple(value for _, value in pairs), extra)


def is_socket(path: str) -> bool:
    """Tell whether a socket is there."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116 - text in
    except OSError:
        return False
