"""What policy knows of each container as series, so that rules, twins and dashboards can speak of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from brimline.model import SUBJECT_LABELS, Column, Kind, Metric, MetricKind, SourceReport, Subject

_LABELS: Final = SUBJECT_LABELS[Kind.CONTAINER]
BUDGET: Final = Metric(
    "brimline_restart_budget_remaining",
    "Restarts that the budgets of the container, its service and the host still allow within this hour.",
    MetricKind.GAUGE,
    _LABELS,
)
INEFFECTIVE: Final = Metric(
    "brimline_container_restart_ineffective",
    "1 where two restarts in a row did not help, so that no third one follows, else 0.",
    MetricKind.GAUGE,
    _LABELS,
)
STORM: Final = Metric(
    "brimline_host_restart_storm",
    "1 while more than half of the containers ask for a restart at once, so that they take turns, else 0.",
    MetricKind.GAUGE,
    SUBJECT_LABELS[Kind.HOST],
)
METRICS: Final[tuple[Metric, ...]] = (BUDGET, INEFFECTIVE, STORM)


class Served:
    """Turns what policy knows into a report; the same tuple of subjects until one comes or goes."""

    def __init__(self) -> None:
        self._subjects: tuple[Subject, ...] = ()

    def report(
        self, remaining: Mapping[Subject, int], ineffective: Collection[Subject], host: Subject | None, *, storm: bool
    ) -> SourceReport:
        """Return the report of one tick; `remaining` names every container."""
        if tuple(remaining) != self._subjects:
            self._subjects = tuple(remaining)
        columns = []
        if self._subjects:
            columns = [
                Column(BUDGET, self._subjects, [float(left) for left in remaining.values()]),
                Column(INEFFECTIVE, self._subjects, [float(s in ineffective) for s in self._subjects]),
            ]
        if host is not None:
            columns.append(Column(STORM, (host,), [float(storm)]))
        return SourceReport("policy", tuple(columns))
