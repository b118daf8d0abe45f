"""Alerts as the series brimline_alerts, one per alert that is pending or firing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from brimline.model import SUBJECT_LABELS, Alert, Column, Kind, Metric, MetricKind, SourceReport, Subject

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


class Served:
    """Turns alerts into a report; the same tuples until an alert comes, goes or changes its phase."""

    def __init__(self) -> None:
        self._rows: tuple[tuple[str, ...], ...] = ()
        self._subjects: tuple[Subject, ...] = ()

    def report(self, alerts: tuple[Alert, ...]) -> SourceReport:
        """Return the report of these alerts."""
        shown = {_row(alert): alert.subject for alert in alerts}  # two rules may differ by a label that is not shown
        if tuple(shown) != self._rows:
            self._rows = tuple(shown)
            self._subjects = tuple([replace(subject, labels=()) for subject in shown.values()])
        columns = (Column(ALERTS, self._subjects, (1,) * len(self._rows), self._rows),) if shown else ()
        return SourceReport("rules", columns)


def _row(alert: Alert) -> tuple[str, ...]:
    values = [""] * len(_SUBJECT)
    for place, value in zip(_PLACES[alert.subject.kind], alert.subject.labels, strict=True):
        values[place] = value
    return (alert.alertname, alert.severity, str(alert.phase), *values)
