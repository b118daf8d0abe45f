"""What a tick shows policy: who asks for what, and every fact that bears on it. Remembers only who was seen since when.

Nothing is worked out while nobody asks for anything: most ticks have no wish.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from brimline.deeds import NOTIFY, RESTART, Pause, Whose
from brimline.model import Alert, Column, Container, Kind, Metric, Now, Phase, Snapshot, Subject
from brimline.policy.guarded import Guarded
from brimline.policy.replicas import recreating
from brimline.policy.terms import Scene, Wish, service_of
from brimline.rules.derived import DIAGNOSIS
from brimline.rules.diagnosis import STARTING
from brimline.rules.shown import show
from brimline.rules.terms import Unit
from brimline.rules.watched import NEVER_HEALTHY, start_period_of
from brimline.sources.cgroup import MEMORY_USED_RATIO
from brimline.sources.process import MEMORY_USED_RATIO as GROUP_RATIO

REMEMBERED: Final = 600.0  # seconds for which a replica that is gone still makes its service replicated
RECREATING: Final = 30.0  # seconds after compose made or removed a container of a project
_RATIOS: Final[tuple[Metric, ...]] = (*MEMORY_USED_RATIO.values(), GROUP_RATIO)

Missing = Callable[[str, Subject, Container | None], str | None]


@dataclass(frozen=True, slots=True)
class Doing:
    """What goes on beside the tick."""

    busy: Mapping[Whose, str] = field(default_factory=dict)  # -> action in flight
    pauses: tuple[Pause, ...] = ()
    journal_up: bool = True


def wishes_of(alerts: Sequence[Alert]) -> tuple[Wish, ...]:
    """Return what every firing alert asks for, beside telling."""
    return tuple(
        [
            Wish(
                subject=alert.subject,
                action=action,
                key=alert.key,
                alertname=alert.alertname,
                severity=alert.severity,
                episode=f"{alert.key.rule}@{alert.since:.3f}",
                value=show(alert.value, Unit(alert.unit) if alert.unit else None),
                threshold="" if alert.threshold is None else show(alert.threshold, Unit(alert.unit or Unit.COUNT)),
                known=alert.known,
            )
            for alert in alerts
            if alert.phase is Phase.FIRING
            for action in alert.actions
            if action != NOTIFY
        ]
    )


class Scenes:
    """Follows who is there from tick to tick."""

    def __init__(self, *, start_period: float, missing: Missing) -> None:
        self.guarded = Guarded()
        self.start_period = start_period
        self._missing = missing
        self._containers: Mapping[Subject, Container] = {}
        self._tick = 0
        self._since = 0  # the tick from which samples count
        self._first: dict[str, int] = {}  # uid -> the tick since which it has been measured
        self._tuples: list[tuple[Subject, ...]] = []
        self._rows: dict[Subject, tuple[int, int]] = {}  # the column and the row of its ratio
        self._services: dict[str, set[str]] = {}  # the containers of each, as they were told of last
        self._renamed: frozenset[str] = frozenset()  # projects with a successor that has not got its name yet
        self._seen: dict[str, dict[str, float]] = {}  # service -> name -> when it was seen last
        self._changed: dict[str, float] = {}  # project -> when a container of it came or went
        self._protected: dict[Subject, str] = {}

    @property
    def containers(self) -> Mapping[Subject, Container]:
        """Return the containers as the engine told of them last."""
        return self._containers

    def begin_anew(self) -> None:
        """Take the next tick's samples as the first ones."""
        self._since = self._tick + 1

    def guard(self, guarded: Guarded) -> None:
        """Take what is known of ourselves."""
        self.guarded = guarded
        self._protected = guarded.reasons(self._containers)

    def look(self, snapshot: Snapshot) -> None:
        """Note who is there; once a tick."""
        self._tick += 1
        told = snapshot.containers
        if told is not None and told is not self._containers:
            self._follow(told, snapshot.at.mono)
        tuples = [column.subjects for column in _ratios(snapshot)]
        if [id(one) for one in tuples] != [id(one) for one in self._tuples]:
            self._tuples = tuples
            self._first = {s.uid: self._first.get(s.uid, self._tick) for one in tuples for s in one}
            self._rows = {s: (nth, row) for nth, one in enumerate(tuples) for row, s in enumerate(one)}

    def scene(self, snapshot: Snapshot, alerts: Sequence[Alert], wishes: tuple[Wish, ...], doing: Doing) -> Scene:
        """Return everything policy may know; `containers` is empty where the engine is silent now."""
        now, ratios = snapshot.at, [column.values for column in _ratios(snapshot)]
        present = snapshot.containers or {}
        local = time.localtime(now.wall)
        missing = {
            (w.action, w.subject): why
            for w in wishes
            if (why := self._missing(w.action, w.subject, present.get(w.subject))) is not None
        }
        return Scene(
            now=now,
            wishes=wishes,
            containers=present,
            fresh=self._rows.keys(),
            samples={w.subject.uid: self._samples(w.subject) for w in wishes if w.subject in self._rows},
            starting=self._starting(snapshot, present),
            busy=doing.busy,
            pauses=doing.pauses,
            journal_up=doing.journal_up,
            protected=self._protected,
            unconfigured=missing,
            replicas=self.replicas(now.mono),
            pressed={a.subject: self._value(ratios, a.subject) for a in alerts if RESTART in a.actions},
            recreating=self._recreating(now.mono),
            weekday=local.tm_wday,
            minute=local.tm_hour * 60 + local.tm_min,
        )

    def _samples(self, subject: Subject) -> int:
        return self._tick - max(self._first.get(subject.uid, self._tick + 1), self._since) + 1

    def _value(self, ratios: Sequence[Sequence[float]], subject: Subject) -> float:
        nth, row = self._rows.get(subject, (0, -1))
        return ratios[nth][row] if row >= 0 else 0.0

    def _follow(self, containers: Mapping[Subject, Container], mono: float) -> None:
        before, self._containers = self._containers, containers
        known, ids = {c.id for c in before.values()}, {c.id for c in containers.values()}
        for container in before.values():
            if service := service_of(container.subject, container.labels):
                self._seen.setdefault(service, {})[container.subject.name] = mono
        both = (*before.values(), *containers.values()) if before else ()
        for container in both:
            if (container.id in known) != (container.id in ids) and (project := container.subject.labels[1]):
                self._changed[project] = mono
        self._forget(mono)
        self._protected = self.guarded.reasons(containers)
        self._renamed = recreating(containers.values())
        self._services = {}
        for container in containers.values():
            if service := service_of(container.subject, container.labels):
                self._services.setdefault(service, set()).add(container.subject.name)

    def _forget(self, mono: float) -> None:
        """Forget what is long gone: hosts that build and test make a project an hour, for months."""
        kept = {
            service: {name: at for name, at in seen.items() if mono - at <= REMEMBERED}
            for service, seen in self._seen.items()
        }
        self._seen = {service: seen for service, seen in kept.items() if seen}
        self._changed = {project: at for project, at in self._changed.items() if mono - at <= RECREATING}

    def replicas(self, mono: float) -> dict[str, set[str]]:
        """Return the names of each service's containers that existed within the last ten minutes."""
        found = dict(self._services)
        for service, seen in self._seen.items():
            found[service] = {name for name, at in seen.items() if mono - at <= REMEMBERED} | found.get(service, set())
        return found

    def _recreating(self, mono: float) -> set[str]:
        return {*self._renamed} | {project for project, at in self._changed.items() if mono - at <= RECREATING}

    def _starting(self, snapshot: Snapshot, present: Mapping[Subject, Container]) -> set[str]:
        """Return the uids in their start period: as the diagnosis says, else by the age alone."""
        judged, starting = set(), set()
        for column in snapshot.columns(DIAGNOSIS[Kind.CONTAINER]):
            for subject, (name,), value in zip(column.subjects, column.extra or (), column.values, strict=True):
                if name == STARTING:
                    judged.add(subject.uid)
                    starting |= {subject.uid} if value else set()
        young = {s.uid for s, c in present.items() if s.uid not in judged and self._is_young(c, snapshot.at)}
        return starting | young

    def _is_young(self, container: Container, now: Now) -> bool:
        period = start_period_of(container.labels, self.start_period)
        age = now.wall - container.started
        return container.health != "healthy" and age < (NEVER_HEALTHY * period if container.health else period)


def _ratios(snapshot: Snapshot) -> list[Column]:
    return [column for report in snapshot.reports for column in report.columns if column.metric in _RATIOS]
