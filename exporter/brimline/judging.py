"""What the rules make of a tick: derived readings first, then alerts; each becomes a report beside the sources'.

Pure: a snapshot in, a longer snapshot and a judgement out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from brimline.model import (
    SUBJECT_LABELS,
    Alert,
    AlertStore,
    Column,
    Kind,
    Metric,
    MetricKind,
    Now,
    Snapshot,
    SourceReport,
    Subject,
)
from brimline.rules.derived import Derived
from brimline.rules.evaluator import Evaluator, Judgement
from brimline.rules.terms import RuleSet

_SUBJECT: Final = tuple(dict.fromkeys(label for kind in Kind for label in SUBJECT_LABELS[kind]))
ALERTS: Final = Metric(
    "brimline_alerts",
    "1 for every alert that is pending or firing, as Prometheus's ALERTS.",
    MetricKind.GAUGE,
    ("alertname", "severity", "state", *_SUBJECT),
)
METRICS: Final[tuple[Metric, ...]] = (ALERTS,)
_PLACES: Final[Mapping[Kind, tuple[int, ...]]] = MappingProxyType(
    {kind: tuple(_SUBJECT.index(label) for label in SUBJECT_LABELS[kind]) for kind in Kind}
)


class Judging:
    """Judges tick after tick by one set of rules, until it is given another."""

    def __init__(self, rules: RuleSet, store: AlertStore, start_period: float, now: Now) -> None:
        self._rules = rules
        self._start_period = start_period
        self._derived = Derived(rules.levels, start_period)
        self._evaluator = Evaluator(rules, store, now)
        self._rows: tuple[tuple[str, ...], ...] = ()
        self._subjects: tuple[Subject, ...] = ()

    def use(self, rules: RuleSet, start_period: float, now: Now) -> None:
        """Judge by these rules from now on; what is known of leaks is forgotten only where its terms changed."""
        if (rules.levels, start_period) != (self._rules.levels, self._start_period):
            self._derived = Derived(rules.levels, start_period)
        self._rules, self._start_period = rules, start_period
        self._evaluator.use(rules, now)

    def judge(self, snapshot: Snapshot) -> tuple[Snapshot, Judgement]:
        """Return the snapshot with the derived readings and the alerts in it, and the judgement itself."""
        derived = self._derived.report(snapshot, snapshot.at)
        seen = replace(snapshot, reports=(*snapshot.reports, derived))
        judgement = self._evaluator.tick(seen)
        alerts = SourceReport("rules", self._columns(judgement.alerts))
        return replace(seen, reports=(*seen.reports, alerts)), judgement

    def save(self, now: Now) -> None:
        """Save how far every alert has come: before the process ends."""
        self._evaluator.save(now)

    def _columns(self, alerts: tuple[Alert, ...]) -> tuple[Column, ...]:
        shown = {_row(alert): alert.subject for alert in alerts}  # two rules may differ by a label that is not shown
        if tuple(shown) != self._rows:
            self._rows = tuple(shown)
            self._subjects = tuple(replace(subject, labels=()) for subject in shown.values())
        return (Column(ALERTS, self._subjects, (1,) * len(self._rows), self._rows),) if shown else ()


def _row(alert: Alert) -> tuple[str, ...]:
    values = [""] * len(_SUBJECT)
    for place, value in zip(_PLACES[alert.subject.kind], alert.subject.labels, strict=True):
        values[place] = value
    return (alert.alertname, alert.severity, str(alert.phase), *values)
