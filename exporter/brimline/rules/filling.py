"""An alert as it is told: its labels, and its annotations filled with the values of one moment. Pure."""

from __future__ import annotations

from brimline.model import SUBJECT_LABELS, Alert, Metric, Snapshot, Subject
from brimline.rules.template import render
from brimline.rules.terms import Placeholder, Rule, RuleSet, Slot


def labels_of(alert: Alert) -> dict[str, str]:
    """Return an alert's labels as Prometheus would have them: without the name, and none that is empty."""
    own = dict(zip(SUBJECT_LABELS[alert.key.kind], alert.key.labels, strict=True))
    found = {**own, **dict(alert.labels), "severity": alert.severity}
    return {label: value for label, value in sorted(found.items()) if value}


class Filling:
    """What fills the annotations at one moment; a metric is looked through only once."""

    def __init__(self, rules: RuleSet, snapshot: Snapshot) -> None:
        self._rules: dict[str, Rule] = {rule.name: rule for rule in rules.rules}
        self._snapshot = snapshot
        self._values: dict[Metric, dict[Subject, float]] = {}

    def annotations(self, alert: Alert) -> dict[str, str]:
        """Return the alert's annotations, filled; nothing for a rule that is not in force any more."""

        def fill(placeholder: Placeholder) -> str | float | None:
            match placeholder.slot:
                case Slot.LABEL:
                    return alert.key.labels[SUBJECT_LABELS[alert.key.kind].index(placeholder.name)]
                case Slot.VALUE:
                    return alert.value
                case Slot.THRESHOLD:
                    return alert.threshold
                case Slot.MEASURE:
                    return self._value(placeholder, alert.subject)

        rule = self._rules.get(alert.key.rule)
        return {name: render(template, fill) for name, template in rule.annotations} if rule is not None else {}

    def _value(self, placeholder: Placeholder, subject: Subject) -> float | None:
        if placeholder.measure is None:
            return None
        metric = placeholder.measure.metric
        if metric not in self._values:
            self._values[metric] = self._snapshot.by_subject(metric)
        return self._values[metric].get(subject)
