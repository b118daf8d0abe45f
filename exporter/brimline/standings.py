"""How each subject stands in the last tick, for actions: looked up by name, whatever its incarnation has become.

And what an action lacks for it: asked of the action, and kept for a while, since it may look at every process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from brimline.actions.base import Action, Standing
from brimline.model import Container, Kind, Snapshot, Subject, Target

_USED: Final = {
    Kind.CONTAINER: ("memory_used_bytes",),
    Kind.CGROUP: ("memory_used_bytes",),
    Kind.PROCESS: ("memory_pss_bytes", "memory_rss_bytes"),
    Kind.HOST: ("memory_used_bytes",),
}
_OTHERS: Final = ("memory_limit_bytes", "memory_used_ratio", "memory_time_to_limit_seconds")
_KEPT: Final = 30.0  # seconds for which what an action lacks is not asked again; under the lock it is
_ANEW: Final = 10  # answers that are asked for again in one tick; looking at a hundred services takes it 10 ms
_Key = tuple[Kind, str, tuple[str, ...]]


class Standings:
    """Indexes a snapshot when it is asked for the first time: most ticks begin no action."""

    def __init__(self, pids: Callable[[str], tuple[int, ...]], targets: Callable[[], Sequence[Target]] = tuple) -> None:
        self._pids = pids  # of a process group
        self._targets = targets
        self._placed: Sequence[Target] | None = None
        self._moved = True  # whether the targets may be others by now
        self._directories: Mapping[Subject, Mapping[str, str]] = {}
        self.mono = 0.0  # of the last tick
        self._snapshot: Snapshot | None = None
        self._subjects: dict[_Key, Subject] = {}
        self._values: dict[tuple[_Key, str], float] = {}

    def look(self, snapshot: Snapshot) -> None:
        """Answer from this tick from now on."""
        self._snapshot, self._moved, self.mono = snapshot, True, snapshot.at.mono
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

    def directories(self, subject: Subject) -> Mapping[str, str]:
        """Return its cgroup, by controller; nothing where that cannot be seen."""
        if self._moved:  # once a tick
            self._moved, before, self._placed = False, self._placed, self._targets()
            if self._placed is not before:  # the same tuple until a container comes or goes
                self._directories = {target.subject: target.directories for target in self._placed}
        return self._directories.get(subject, {})

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


class Lacks:
    """Answers for a while what it was answered; where many are due at once, some a little longer."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings
        self._actions: Mapping[str, Action] = {}
        self._answers: dict[tuple[str, str], tuple[float, str]] = {}  # action, uid -> when, what
        self._wanted: set[tuple[str, str]] = set()  # since the last sweep
        self._swept = 0.0
        self._tick, self._left = 0.0, _ANEW

    def use(self, actions: Mapping[str, Action]) -> None:
        """Ask these from now on."""
        self._actions = actions
        self._answers.clear()

    def __call__(self, action: str, subject: Subject, container: Container | None) -> str | None:
        """Return what the action lacks for a subject; None where it lacks nothing, or policy says so itself."""
        key, mono = (action, subject.uid), self._standings.mono
        if mono != self._tick:
            self._begin(mono)
        self._wanted.add(key)
        known = self._answers.get(key)
        if known is not None and mono - known[0] > _KEPT and self._left:
            known, self._left = None, self._left - 1
        if known is not None:
            return known[1] or None
        standing, asked = self._standings(subject), self._actions.get(action)
        if standing is None or asked is None:
            return None
        lack = asked.lacks(standing, container, self._standings.directories(subject))
        self._answers[key] = mono, lack
        return lack or None

    def _begin(self, mono: float) -> None:
        """Begin a tick; now and then, forget what nobody wants to know any more."""
        self._tick, self._left = mono, _ANEW
        if mono - self._swept > _KEPT:
            self._swept, wanted, self._wanted = mono, self._wanted, set()
            self._answers = {key: known for key, known in self._answers.items() if key in wanted}


def _key(subject: Subject) -> _Key:
    return subject.kind, subject.name, subject.labels
