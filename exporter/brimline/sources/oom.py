"""The ledger of OOM kills: counts what the kernel counts, says whose limit it was, and outlives the cgroup and us.

Order of trust: a rise of the kernel's oom_kill, then Docker's oom event, then a fresh OOMKilled flag. An exit code is
no evidence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from brimline.model import Column, Kind, Now, Subject
from brimline.sources.cgroup import KINDS, MEMORY_OOM_KILLS, OOM_KILLS_BY_CAUSE
from brimline.sources.oom_kill import PAIRS, CarriedKills, Cause, Pair, Victim

OUTLIVES_SECONDS: Final = 3600.0
SETTLE_SECONDS: Final = 1.0  # a victim needs up to 50 ms to be gone after the kernel counted its kill
SAME_KILL_SECONDS: Final = 5.0  # Docker's event follows the kernel's count by less
LINGER_SECONDS: Final = 10.0  # and its inspected OOMKilled flag the removal of the cgroup by less

_Uid = tuple[Kind, str]
_Labels = tuple[Kind, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Layout:
    """The tuples handed out, the same objects until a label set comes or goes."""

    subjects: Mapping[Kind, tuple[Subject, ...]]
    broken_down: tuple[Subject, ...]
    extra: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class _Total:
    """What outlives, if it is not 0: one per label set."""

    subject: Subject
    kills: int = 0
    by_cause: Counter[Pair] = field(default_factory=Counter)
    gone_since: float | None = None


@dataclass(slots=True)
class _Incarnation:
    """One cgroup's life: the kernel's count when last seen, and kills whose victim is not yet known."""

    subject: Subject
    total: _Total
    counted: int
    rose_at: float = float("-inf")
    ended: float | None = None
    victims: list[Cause] = field(default_factory=list)


class OomLedger:
    """Kills per label set; an incarnation that already ran when Brimline started begins at 0, or at what was carried.

    What the kernel killed while no Brimline looked is counted where the very incarnation goes on; its cause is unknown.
    In one that began meanwhile it is lost.
    """

    def __init__(self, carried: Iterable[CarriedKills] = (), began: float = 0.0) -> None:
        """Go on from what was carried; `began` is the clock's `mono` at which its hour begins."""
        self._began = began
        self._incarnations: dict[_Uid, _Incarnation] = {}
        self._totals: dict[_Labels, _Total] = {}
        self._doubts: dict[_Uid, float] = {}  # when Docker told of an OOM that the kernel's count does not show yet
        self._unread: dict[_Uid, tuple[Subject, float]] = {}  # the same of a cgroup that nobody has looked at yet
        self._left: dict[_Uid, CarriedKills] = {}  # incarnations that were there when the Brimline before us ended
        self._layout: _Layout | None = None
        for one in carried:
            key = (one.subject.kind, one.subject.labels)
            if one.kills:
                self._totals[key] = _Total(one.subject, one.kills, Counter(one.by_cause), began)
            if one.counted is not None:
                self._left[one.subject.kind, one.subject.uid] = one

    def carried(self) -> Iterator[CarriedKills]:
        """Return what the next Brimline goes on from."""
        unnamed: dict[int, Counter[Pair]] = {}
        for incarnation in self._incarnations.values():
            if incarnation.victims:
                named = _victims(incarnation, main_died=incarnation.ended is not None)
                unnamed[id(incarnation.total)] = unnamed.get(id(incarnation.total), Counter()) + named
        for total in self._totals.values():
            by_cause = total.by_cause + unnamed.get(id(total), Counter())
            yield CarriedKills(total.subject, total.kills, by_cause, self._counted(total.subject))
        for one in self._left.values():
            if (one.subject.kind, one.subject.labels) not in self._totals:
                yield one

    def begin(self, subject: Subject, kills: int, *, newborn: bool) -> bool:
        """Start an incarnation; what the kernel counted before Brimline looked is no fresh kill unless it is newborn.

        Return whether it is none: it goes on after a time in which its cgroup could not be read, or nobody looked.
        """
        uid = (subject.kind, subject.uid)
        known = self._incarnations.get(uid)
        if known is not None and known.ended is None:
            known.counted = min(known.counted, kills)  # levels below it may have gone with what they counted
            return True
        total = self._totals.setdefault((subject.kind, subject.labels), _Total(subject))
        total.subject, total.gone_since = subject, None
        left = self._left.pop(uid, None)
        if left is not None and left.counted is not None:
            counted = min(left.counted, kills)
        else:
            counted = 0 if newborn and known is None else kills
        self._incarnations[uid] = _Incarnation(subject, total, counted)
        if uid in self._unread:
            _, self._doubts[uid] = self._unread.pop(uid)
        self._layout = None
        return left is not None

    def follow(self, present: Mapping[_Uid, Subject], now: Now) -> None:
        """Note which cgroups are there, readable or not: the others are gone, and a new name takes its count along."""
        renamed: list[tuple[_Incarnation, Subject]] = []
        for uid, incarnation in self._incarnations.items():
            subject = present.get(uid)
            if subject is None:
                self.gone(incarnation.subject, now)
            elif subject.labels != incarnation.subject.labels:
                renamed.append((incarnation, subject))
        for incarnation, _ in renamed:
            self._totals.pop((incarnation.subject.kind, incarnation.subject.labels), None)
            self._layout = None
        for incarnation, subject in renamed:
            total = self._totals.setdefault((subject.kind, subject.labels), incarnation.total)
            total.subject, total.gone_since = subject, None
            incarnation.subject, incarnation.total = subject, total

    def rose(self, subject: Subject, kills: int) -> bool:
        """Tell whether the kernel counts more kills than when last seen."""
        incarnation = self._incarnations.get((subject.kind, subject.uid))
        return incarnation is not None and kills > incarnation.counted

    def observe(self, subject: Subject, kills: int, cause: Cause, now: Now) -> None:
        """Take in a rise of the kernel's count."""
        incarnation = self._incarnations[subject.kind, subject.uid]
        fresh, incarnation.counted, incarnation.rose_at = kills - incarnation.counted, kills, now.mono
        self._doubts.pop((subject.kind, subject.uid), None)
        incarnation.total.kills += fresh
        incarnation.victims += [cause] * fresh

    def told(self, subject: Subject, now: Now) -> None:
        """Docker says there was an OOM here; it counts only where the kernel's own count cannot be read any more."""
        incarnation = self._incarnations.get((subject.kind, subject.uid))
        if incarnation is None:
            total = self._totals.get((subject.kind, subject.labels))
            left = (subject.kind, subject.uid) in self._left
            if total is None or total.subject.uid != subject.uid or left:  # else that life is closed already
                self._unread.setdefault((subject.kind, subject.uid), (subject, now.mono))
        elif now.mono - incarnation.rose_at <= SAME_KILL_SECONDS:
            return
        elif incarnation.ended is None:
            self._doubts[subject.kind, subject.uid] = now.mono
        else:
            self._count_unseen(incarnation, now)

    def gone(self, subject: Subject, now: Now) -> None:
        """Note that the cgroup is removed; Docker's word on how it ended may come a moment later."""
        incarnation = self._incarnations.get((subject.kind, subject.uid))
        if incarnation is None or incarnation.ended is not None:
            return
        incarnation.ended = now.mono
        if self._doubts.pop((subject.kind, subject.uid), None) is not None:
            self._count_unseen(incarnation, now)

    def settle(self, now: Now, main_alive: Callable[[Subject], bool]) -> None:
        """Name the victims of recent kills, close what ended, forget what is gone for an hour."""
        for subject, told in list(self._unread.values()):
            if now.mono - told >= SAME_KILL_SECONDS:
                self._count_unread(subject, now)
        for uid, incarnation in list(self._incarnations.items()):
            if incarnation.victims:
                died = incarnation.ended is not None or not main_alive(incarnation.subject)
                if died or now.mono - incarnation.rose_at >= SETTLE_SECONDS:
                    incarnation.total.by_cause += _victims(incarnation, main_died=died)
                    incarnation.victims.clear()
            if incarnation.ended is not None and now.mono - incarnation.ended >= LINGER_SECONDS:
                self._close(uid, now)
        for labels, total in list(self._totals.items()):
            if total.gone_since is not None and now.mono - total.gone_since > OUTLIVES_SECONDS:
                del self._totals[labels]
                self._layout = None
        if self._left and now.mono - self._began > OUTLIVES_SECONDS:
            self._left.clear()

    def confirm(self, readable: Callable[[Kind, str], bool], now: Now) -> None:
        """Drop the doubts about incarnations whose count could be read again since and did not rise."""
        for (kind, uid), since in list(self._doubts.items()):
            if readable(kind, uid) and now.mono - since >= SETTLE_SECONDS:
                del self._doubts[kind, uid]

    def columns(self) -> Iterator[Column]:
        """Return the totals of both kinds, and the containers' break-down with every cause pre-set to 0."""
        layout = self._layout or self._lay_out()
        for kind in KINDS:
            subjects = layout.subjects[kind]
            if subjects:
                totals = [self._totals[kind, s.labels].kills for s in subjects]
                yield Column(MEMORY_OOM_KILLS[kind], subjects, totals)
        if layout.broken_down:
            counts = [
                self._totals[Kind.CONTAINER, s.labels].by_cause[pair]
                for s in layout.subjects[Kind.CONTAINER]
                for pair in PAIRS
            ]
            yield Column(OOM_KILLS_BY_CAUSE, layout.broken_down, counts, layout.extra)

    def _counted(self, subject: Subject) -> int | None:
        """Return the kernel's count when last seen; None: that incarnation has ended."""
        uid = (subject.kind, subject.uid)
        incarnation = self._incarnations.get(uid)
        if incarnation is not None:
            return incarnation.counted if incarnation.ended is None else None
        return self._left[uid].counted if uid in self._left else None

    def _count_unread(self, subject: Subject, now: Now) -> None:
        """Count the kill of a life that began and ended between two looks, or that cannot be looked at."""
        self.begin(subject, 0, newborn=True)
        self.gone(subject, now)

    def _count_unseen(self, incarnation: _Incarnation, now: Now) -> None:
        """Count one kill that only Docker saw: the cgroup went with its count before it could be read."""
        incarnation.total.kills += 1
        incarnation.victims.append(Cause.UNKNOWN)
        incarnation.rose_at = now.mono

    def _close(self, uid: _Uid, now: Now) -> None:
        closed = self._incarnations.pop(uid)
        if any(i.total is closed.total for i in self._incarnations.values()):
            return
        closed.total.gone_since = now.mono
        if not closed.total.kills:
            self._totals.pop((closed.subject.kind, closed.subject.labels), None)
            self._layout = None

    def _lay_out(self) -> _Layout:
        subjects = {k: tuple(t.subject for (kind, _), t in self._totals.items() if kind is k) for k in KINDS}
        broken_down = tuple(s for s in subjects[Kind.CONTAINER] for _ in PAIRS)
        self._layout = _Layout(subjects, broken_down, tuple(PAIRS) * len(subjects[Kind.CONTAINER]))
        return self._layout


def _victims(incarnation: _Incarnation, *, main_died: bool) -> Counter[Pair]:
    """Return the last kill as the main process's where that died, all others as workers'."""
    causes = enumerate(reversed(incarnation.victims))
    return Counter((cause, Victim.MAIN if main_died and i == 0 else Victim.WORKER) for i, cause in causes)
