"""What a rule may name: every metric whose labels are its subject's, without the prefix. There is no second list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from brimline.model import SUBJECT_LABELS, Kind, Metric
from brimline.rules.terms import Measure, Unit, Vocabulary

FLAGS: Final = frozenset({"limited", "running", "healthy", "restart_ineffective", "restart_storm"})
_SUFFIXES: Final = (
    ("start_time_seconds", Unit.MOMENT),
    ("_bytes", Unit.BYTES),
    ("_ratio", Unit.RATIO),
    ("_seconds", Unit.SECONDS),
)


def vocabulary(metrics: Iterable[Metric]) -> Vocabulary:
    """Return the measures of each kind by name; break-downs by another label are no measures."""
    found: dict[Kind, dict[str, Measure]] = {kind: {} for kind in Kind}
    for metric in metrics:
        for kind in Kind:
            prefix = f"brimline_{kind}_"
            if metric.name.startswith(prefix) and metric.labels == SUBJECT_LABELS[kind]:
                name = metric.name.removeprefix(prefix)
                found[kind][name] = Measure(name, metric, unit_of(name))
    return found


def unit_of(name: str) -> Unit:
    """Return what a measure counts, which its name says."""
    if name in FLAGS:
        return Unit.FLAG
    base = name.removesuffix("_total")
    return next((unit for suffix, unit in _SUFFIXES if base.endswith(suffix)), Unit.COUNT)
