"""A view as the API shows it: made once a tick, in a thread, for all who ask. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cached_property

from brimline.deeds import Decision
from brimline.journal.history import Sample, Spread
from brimline.model import SUBJECT_LABELS, Alert, Container, Kind, Phase, Subject
from brimline.policy.pauses import pause_of
from brimline.policy.served import BUDGET
from brimline.rules.filling import Filling, labels_of
from brimline.rules.terms import RuleSet
from brimline.standing import Measures, Row, State, ended, matches, rows, stopped
from brimline.view import View
from brimline.web.api.answers import (
    AlertAnswer,
    Alerts,
    ContainerAnswer,
    DecisionAnswer,
    Decisions,
    DiagnosisAnswer,
    LevelAnswer,
    SampleAnswer,
    SpreadAnswer,
    Target,
    TargetAnswer,
    TargetDetail,
    Targets,
)
from brimline.web.api.fields import Standing
from brimline.web.api.queries import TargetsQuery

Whose = tuple[Kind, str, tuple[str, ...]]
Counts = tuple[dict[Standing, int], dict[Phase, int]]  # targets that stand so, alerts in this phase


class Shown:
    """One view and everything that is told of it."""

    def __init__(self, view: View, rules: RuleSet) -> None:
        self.measures = Measures(view)
        self._view = view
        self._filling = Filling(rules, view.snapshot)
        self._stopped = {subject: ended(code) for subject, code in stopped(self.measures)}
        self._budgets = view.snapshot.by_subject(BUDGET)
        self._firing: defaultdict[Whose, list[Alert]] = defaultdict(list)
        for alert in self.measures.alerts:
            self._firing[_whose(alert.subject)].append(alert)

    @property
    def at(self) -> float:
        """Return when it was seen."""
        return self.measures.at

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Return every target, the worst first; what does not run comes last."""
        idle = (Row(s, State.UNKNOWN, self.measures.levels(s), reason=why) for s, why in self._stopped.items())
        found = rows(self.measures)
        known = {row.subject for row in found}
        return (*found, *(row for row in idle if row.subject not in known))

    def standing(self, row: Row) -> Standing:
        """Return how a target stands."""
        idle = row.state is State.UNKNOWN and row.subject in self._stopped
        return Standing.STOPPED if idle else Standing(row.state)

    @cached_property
    def targets(self) -> Targets:
        """Return all targets."""
        return Targets(at=self.at, targets=tuple(map(self._target, self.rows)))

    def chosen(self, query: TargetsQuery) -> Targets:
        """Return the targets that are asked for."""
        found = (
            row
            for row in self.rows
            if (query.kind is None or row.subject.kind is query.kind)
            and (query.state is None or self.standing(row) is query.state)
            and (query.name is None or matches(row.subject, query.name))
        )
        return Targets(at=self.at, targets=tuple(map(self._target, found)))

    def of(self, kind: Kind, name: str) -> Row | None:
        """Return the target of this very name."""
        return next((row for row in self.rows if row.subject.kind is kind and row.subject.name == name), None)

    def detail(self, row: Row, history: Iterable[Sample]) -> Target:
        """Return everything about one target."""
        subject = row.subject
        container = self._container(subject)
        detail = TargetDetail(
            **self._fields(row),
            measures=dict(sorted(self.measures.every(subject).items())),
            chain=tuple(
                LevelAnswer(path=level.path, limit_bytes=level.limit, usage_bytes=level.usage, used_bytes=level.used)
                for level in self.measures.chains.get(subject, ())
            ),
            container=None if container is None else _container(container),
            alerts=tuple(map(self._alert, self.alerts_of(subject))),
            decisions=tuple(decision_answer(d) for d in self._view.decisions if _whose(d.subject) == _whose(subject)),
            history=tuple(map(_sample, history)),
        )
        return Target(at=self.at, target=detail)

    def alerts(self) -> Alerts:
        """Return all alerts."""
        return Alerts(at=self.at, alerts=tuple(map(self._alert, self.measures.alerts)))

    def alerts_of(self, subject: Subject) -> list[Alert]:
        """Return the alerts of one target, whatever its incarnation, the most urgent first."""
        return self._firing.get(_whose(subject), [])

    def decisions(self) -> Decisions:
        """Return what policy says now."""
        return Decisions(at=self.at, decisions=tuple(map(decision_answer, self._view.decisions)))

    def names(self, kind: Kind) -> list[str]:
        """Return the names of all targets of a kind."""
        return [row.subject.name for row in self.rows if row.subject.kind is kind]

    def counts(self) -> Counts:
        """Return how many targets stand how, and how many alerts are in which phase."""
        states = Counter(map(self.standing, self.rows))
        phases = Counter(alert.phase for alert in self.measures.alerts)
        return {s: states[s] for s in Standing}, {p: phases[p] for p in (Phase.PENDING, Phase.FIRING)}

    def _target(self, row: Row) -> TargetAnswer:
        return TargetAnswer(**self._fields(row))

    def _fields(self, row: Row) -> dict[str, object]:
        subject, measures = row.subject, self.measures
        found = measures.diagnosis(subject)
        return {
            "kind": subject.kind,
            "name": subject.name,
            "labels": _labels(subject),
            "state": self.standing(row),
            "ratio": row.ratio,
            "used_bytes": row.used,
            "limit_bytes": row.limit,
            "limited": row.limited,
            "alert_at": row.levels[0],
            "restart_at": row.levels[1],
            "reason": row.reason,
            "diagnosis": None if found is None else DiagnosisAnswer(name=found.name, sentence=found.sentence),
            "time_to_limit_seconds": measures.get(subject, "memory_time_to_limit_seconds"),
            "restarts_left": self._budgets.get(subject),
            "firing": tuple(a.alertname for a in self.alerts_of(subject) if a.phase is Phase.FIRING),
            "paused": pause_of(self._view.pauses, subject, self._view.snapshot.at.mono) is not None,
        }

    def _alert(self, alert: Alert) -> AlertAnswer:
        return AlertAnswer(
            alertname=alert.alertname,
            rule=alert.key.rule,
            kind=alert.key.kind,
            name=alert.key.name,
            labels=labels_of(alert),
            annotations=self._filling.annotations(alert),
            state=alert.phase,
            since=alert.since,
            value=alert.value,
            threshold=alert.threshold,
            unit=alert.unit,
            known=alert.known,
            actions=alert.actions,
        )

    def _container(self, subject: Subject) -> Container | None:
        known = (report.containers or {} for report in self._view.snapshot.reports)
        return next((found for one in known if (found := one.get(subject)) is not None), None)


def _whose(subject: Subject) -> Whose:
    return subject.kind, subject.name, subject.labels


def _labels(subject: Subject) -> dict[str, str]:
    return dict(zip(SUBJECT_LABELS[subject.kind], subject.labels, strict=True))


def decision_answer(decision: Decision) -> DecisionAnswer:
    """Return a decision as it is told."""
    return DecisionAnswer(
        id=decision.id,
        at=decision.at.wall,
        action=decision.action,
        kind=decision.subject.kind,
        name=decision.subject.name,
        verdict=decision.verdict,
        reason=decision.reason,
        rule=decision.rule,
        alertname=decision.alertname,
        severity=decision.severity,
        episode=decision.episode,
        caller=decision.caller,
        service=decision.service,
    )


def _container(container: Container) -> ContainerAnswer:
    return ContainerAnswer(
        id=container.id,
        image=container.image,
        status=container.status,
        health=container.health,
        started=container.started,
        restart_policy=container.restart_policy,
    )


def _sample(sample: Sample) -> SampleAnswer:
    used, usage, limit = _spread(sample.used), _spread(sample.usage), _spread(sample.limit)
    return SampleAnswer(at=sample.at, seconds=sample.seconds, used=used, usage=usage, limit=limit)


def _spread(spread: Spread | None) -> SpreadAnswer | None:
    if spread is None:
        return None
    return SpreadAnswer(least=spread.least, average=spread.average, greatest=spread.greatest)
