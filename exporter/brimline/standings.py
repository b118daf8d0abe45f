"""How each subject stands in the last tick, for actions: looked up by name, whatever its incarnation has become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from brimline.actions.base import Standing
from brimline.model import Kind, Snapshot, Subject

_USED: Final = {
    Kind.CONTAINER: ("memory_used_bytes",),
    Kind.CGROUP: ("memory_used_bytes",),
    Kind.PROCESS: ("memory_pss_bytes", "memory_rss_bytes"),
    Kind.HOST: ("memory_used_bytes",),
}
_OTHERS: Final = ("memory_limit_bytes", "memory_used_ratio", "memory_time_to_limit_seconds")
_Key = tuple[Kind, str, tuple[str, ...]]


class Standings:
    """Indexes a snapshot when it is asked for the first time: most ticks begin no action."""

    def __init__(self, pids: Callable[[str], tuple[int, ...]]) -> None:
        self._pids = pids  # of a process group
        self._snapshot: Snapshot | None = None
        self._subjects: dict[_Key, Subject] = {}
        self._values: dict[tuple[_Key, str], float] = {}

    def look(self, snapshot: Snapshot) -> None:
        """Answer from this tick from now on."""
        self._snapshot = snapshot
        self._subjects.clear()
        self._values.clear()

    def __call__(self, subject: Subject) -> Standing | None:
        """Return how it stands; None where it was not measured in the last tick."""
        if not self._subjects:
            self._index()
        key = _key(subject)
        present = self._subjects.get(key)
        if present is None:
            return None
        used = (self._values.get((key, measure)) for measure in _USED[subject.kind])
        limit, ratio, left = (self._values.get((key, measure)) for measure in _OTHERS)
        pids = self._pids(subject.name) if subject.kind is Kind.PROCESS else ()
        return Standing(present, next((v for v in used if v is not None), None), limit, ratio, left, pids)

    def _index(self) -> None:
        wanted = {f"brimline_{k}_{m}": m for k in Kind for m in (*_USED[k], *_OTHERS)}
        for report in self._snapshot.reports if self._snapshot is not None else ():
            for column in report.columns:
                measure = wanted.get(column.metric.name)
                if measure is None:
                    continue
                for subject, value in zip(column.subjects, column.values, strict=True):
                    key = _key(subject)
                    self._subjects[key] = subject
                    self._values[key, measure] = value


def _key(subject: Subject) -> _Key:
    return subject.kind, subject.name, subject.labels
