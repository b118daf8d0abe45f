"""One measured cgroup from birth to removal: its open files, its bounds, its alarms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from brimline.model import Level, Subject, Target
from brimline.procfs import Procfs
from brimline.sources import cgroup
from brimline.sources.cgroup import Bounds
from brimline.sources.cgroup_open import Dialect, OpenCgroup
from brimline.sources.cgroup_table import Row, make_row, used_ratio
from brimline.sources.early import Fill, Thresholds, level_of
from brimline.sources.watch import Watch

REST_SECONDS: Final = 15.0


class Ancestor:
    """A cgroup above measured ones: its limit bounds them all; its use is read only where it has one."""

    __slots__ = ("_oom_events", "_oom_rose_at", "_read_at", "cgroup", "error", "path")

    def __init__(self, opened: OpenCgroup, path: str) -> None:
        self.cgroup = opened
        self.path = path
        self.error: OSError | None = None
        self._oom_events: int | None = None  # what happened before the first look is nobody's news
        self._oom_rose_at = float("-inf")
        self._read_at = float("-inf")

    def read(self, mono: float) -> None:
        """Read its limit now and then, its use every tick if it has a limit."""
        try:
            if mono - self._read_at >= REST_SECONDS:
                self.cgroup.read_limits()
                self._note(self.cgroup.oom_events(), mono)
                self._read_at = mono
            if self.limited and self.cgroup.fetch():
                self.cgroup.take_in()
        except OSError as error:
            self.error = error
        else:
            self.error = None

    @property
    def limited(self) -> bool:
        """Whether it bounds anything."""
        return self.cgroup.facts.limit is not None

    def was_out_of_memory(self, since: float, mono: float) -> bool:
        """Tell whether this very level ran out of memory since then."""
        self._note(self.cgroup.oom_events(), mono)
        return self._oom_rose_at >= since

    def _note(self, events: int, mono: float) -> None:
        if self._oom_events is not None and events > self._oom_events:
            self._oom_rose_at = mono
        self._oom_events = events

    def level(self) -> Level:
        """Return it as a link of the chain."""
        return describe(self.path, self.cgroup)


def describe(path: str, opened: OpenCgroup) -> Level:
    """Return one cgroup as a link of the chain."""
    facts = opened.facts
    known = facts.usage > 0
    return Level(path, facts.limit, facts.usage if known else None, cgroup.used(facts) if known else None)


def _room(opened: OpenCgroup) -> float:
    limit = opened.facts.limit
    return float("inf") if limit is None else max(0, limit - cgroup.used(opened.facts))


class Slot:
    """One subject's cgroup."""

    __slots__ = (
        "_bounding",
        "_dirty",
        "_oom_event",
        "_own_room",
        "_swap_free",
        "_thresholds",
        "above",
        "bounds",
        "cgroup",
        "fill",
        "heard",
        "oom_rose_at",
        "path",
        "rest_due",
        "row",
        "spread",
        "subject",
        "target",
    )

    def __init__(
        self, subject: Subject, target: Target | None, opened: OpenCgroup, above: Sequence[Ancestor], path: str
    ) -> None:
        self.subject = subject
        self.target = target
        self.cgroup = opened
        self.above = tuple(above)
        self.path = path
        self.bounds = Bounds(0, limited=False, swap_limit=None)
        self.row: Row = ()
        self.rest_due = float("-inf")
        self.spread = REST_SECONDS
        self.fill = Fill()
        self.heard = False
        self.oom_rose_at = float("-inf")
        self._bounding: tuple[Ancestor, ...] = ()
        self._own_room = float("inf")
        self._swap_free = 0
        self._dirty = True
        self._oom_event: int | None = None
        self._thresholds: Thresholds | None = None

    def arm(
        self, watch: Watch, dialect: Dialect, *, out_of_memory: Callable[[], None], near: Callable[[], None]
    ) -> None:
        """Have the kernel call when memory runs out or a level is near, where it will."""
        if dialect.version == 1:
            self._oom_event = watch.on_event(self.cgroup.directory, dialect.events, "", out_of_memory)
            if self._oom_event is not None:
                self._thresholds = Thresholds(watch, self.cgroup.directory, near)
            self.heard = self._oom_event is not None
            return
        fd = self.cgroup.fd_of(dialect.events)
        self.heard = fd is not None and watch.on_change(fd, out_of_memory)

    def read_hot(self, mono: float) -> None:
        """Read the hot files into the facts. Raises OSError."""
        if self.cgroup.fetch():
            self.take_in(mono)

    def take_in(self, mono: float) -> None:
        """Take what was fetched into the facts and note what it says of OOMs. Raises OSError."""
        before = self.cgroup.facts.ooms
        self.cgroup.take_in()
        self._dirty = True
        if before is not None and (self.cgroup.facts.ooms or 0) > before:
            self.oom_rose_at = mono

    def read_rest(self, procfs: Procfs, boot_time: float, host_total: int, mono: float) -> None:
        """Read the slow files and compute the limit in effect. Raises OSError, an ancestor's too."""
        for ancestor in self.above:
            if ancestor.error is not None:
                raise ancestor.error
        self.cgroup.read_rest(procfs, boot_time)
        levels = [self.cgroup.facts, *(a.cgroup.facts for a in self.above)]
        self.bounds = cgroup.bounds(levels, self.target.declared_limit if self.target else None, host_total)
        self._bounding = tuple(a for a in self.above if a.limited)
        self._dirty = True
        self.rest_due = mono + self.spread
        self.spread = REST_SECONDS

    def refresh(self, host_swap_free: int, mono: float) -> None:
        """Make the row anew if anything changed."""
        if not self._dirty and host_swap_free == self._swap_free:
            return
        self._dirty, self._swap_free = False, host_swap_free
        self.row = make_row(self.cgroup.facts, self.bounds, host_swap_free)
        self._own_room = _room(self.cgroup)
        if self.bounds.limited:
            self.fill.note(used_ratio(self.row), mono)
            if self._thresholds is not None:
                self._set_alarms(self._thresholds)

    def crossed(self) -> bool:
        """Tell whether the facts, read since the last row, lie in another level than that row."""
        if not self.bounds.limited:
            return False
        row = make_row(self.cgroup.facts, self.bounds, self._swap_free)
        return level_of(used_ratio(row)) != level_of(used_ratio(self.row))

    def room(self) -> float:
        """Return what may still be used before a limit of its own or of an ancestor; inf without one."""
        if not self._bounding:
            return self._own_room
        return min(self._own_room, *(_room(a.cgroup) for a in self._bounding))

    def chain(self) -> tuple[Level, ...]:
        """Return its levels from itself upwards."""
        return (describe(self.path, self.cgroup), *(a.level() for a in self.above))

    def close(self, watch: Watch, dialect: Dialect) -> None:
        """Take the alarms back and close the files."""
        watch.forget_event(self._oom_event)
        if self._thresholds is not None:
            self._thresholds.disarm()
        fd = self.cgroup.fd_of(dialect.events)
        if fd is not None:
            watch.forget_change(fd)
        self.cgroup.close()

    def _set_alarms(self, thresholds: Thresholds) -> None:
        facts, bounds = self.cgroup.facts, self.bounds
        thresholds.arm(
            limit=bounds.limit,
            room=cgroup.swap_room(facts.swap, bounds.swap_limit, self._swap_free),
            swap=facts.swap or 0,
            droppable=cgroup.droppable(facts),
        )
