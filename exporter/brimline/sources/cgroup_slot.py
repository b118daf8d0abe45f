"""One measured cgroup from birth to removal: its open files, its bounds, its alarms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from brimline.model import Level, Subject, Target
from brimline.procfs import Procfs
from brimline.sources import cgroup
from brimline.sources.cgroup import Bounds
from brimline.sources.cgroup_ancestor import REST_SECONDS, Ancestor, describe
from brimline.sources.cgroup_ancestor import room as room_of
from brimline.sources.cgroup_open import Dialect, OpenCgroup
from brimline.sources.cgroup_table import Row, make_row, used_ratio
from brimline.sources.early import Fill, Thresholds, level_of
from brimline.sources.oom_kill import Cause, attribute
from brimline.sources.watch import Watch


class Slot:
    """One subject's cgroup."""

    __slots__ = (
        "_below_at",
        "_bounding",
        "_dirty",
        "_oom_event",
        "_own_room",
        "_swap_free",
        "_thresholds",
        "_unseen_since",
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
        self._below_at: float | None = None  # when the levels below were last looked at
        self._unseen_since = float("inf")  # since when kills below may have happened that no cause is known of yet

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

    def aim_at(self, levels: tuple[float, float]) -> None:
        """Have these levels looked out for, by the fill rate and by the alarms."""
        if levels == self.fill.levels:
            return
        self.fill.levels = levels
        if self._thresholds is not None:
            self._thresholds.disarm()
            if self.bounds.limited:
                self._set_alarms(self._thresholds)

    def read_hot(self, mono: float) -> None:
        """Read the hot files, and what levels below count, into the facts. Raises OSError."""
        if self.cgroup.fetch():
            self.take_in(mono)
        self.look_below(mono)

    def take_in(self, mono: float) -> None:
        """Take what was fetched into the facts and note what it says of OOMs. Raises OSError."""
        before = self.cgroup.facts.ooms
        self.cgroup.take_in()
        self._dirty = True
        if before is not None and (self.cgroup.facts.ooms or 0) > before:
            self.oom_rose_at = mono
            self.look_below(mono)

    def look_below(self, mono: float) -> None:
        """Take in kills that the kernel counts at levels below alone. Raises OSError."""
        facts, since = self.cgroup.facts, self._below_at
        kills, ooms = facts.oom_kills_below, facts.ooms_below
        self.cgroup.look_below()
        self._below_at = mono
        if since is None:
            return
        if facts.ooms_below > ooms:
            self.oom_rose_at = mono
        if facts.oom_kills_below > kills:
            self._unseen_since = min(self._unseen_since, since)

    @property
    def kills(self) -> int | None:
        """Return the kernel's count of kills, those below included."""
        own = self.cgroup.facts.oom_kills
        return None if own is None else own + self.cgroup.facts.oom_kills_below

    def born(self, mono: float) -> None:
        """Note that whatever it counts happened just now."""
        if self.cgroup.facts.ooms or self.cgroup.facts.ooms_below:
            self.oom_rose_at = mono

    def cause(self, looked_at: float, mono: float, *, whole: bool) -> Cause:
        """Return whose limit was hit by kills since the tick at `looked_at`, or since the last look at levels below."""
        since, self._unseen_since = min(looked_at, self._unseen_since), float("inf")
        above = [a.was_out_of_memory(since, mono) for a in self.above]
        own = self.oom_rose_at >= since or (not any(above) and self.cgroup.was_full())
        return attribute(own=own, ancestor=any(above), whole=whole)

    def main_alive(self, procfs: Procfs) -> bool:
        """Tell whether its main process lives; a bare cgroup has none that could die."""
        pid = self.target.main_pid if self.target is not None else 0
        if not pid:
            return True
        try:
            return procfs.stat(pid).state not in "ZX"
        except (OSError, ValueError, IndexError):  # hidden (hidepid, another pid name space) or gone
            return self.cgroup.holds(pid)

    def read_rest(self, procfs: Procfs, boot_time: float, host_total: int, mono: float) -> None:
        """Read the slow files and compute the limit in effect. Raises OSError, an ancestor's too."""
        for ancestor in self.above:
            if ancestor.error is not None:
                raise ancestor.error
        self.cgroup.read_rest(procfs, boot_time)
        self.look_below(mono)
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
        self._own_room = room_of(self.cgroup)
        if self.bounds.limited:
            self.fill.note(used_ratio(self.row), mono)
            if self._thresholds is not None:
                self._set_alarms(self._thresholds)

    def crossed(self) -> bool:
        """Tell whether the facts, read since the last row, lie in another level than that row."""
        if not self.bounds.limited:
            return False
        row, levels = make_row(self.cgroup.facts, self.bounds, self._swap_free), self.fill.levels
        return level_of(used_ratio(row), levels) != level_of(used_ratio(self.row), levels)

    def room(self) -> float:
        """Return what may still be used before a limit of its own or of an ancestor; inf without one."""
        if not self._bounding:
            return self._own_room
        return min(self._own_room, *(room_of(a.cgroup) for a in self._bounding))

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
            self.fill.levels,
            limit=bounds.limit,
            room=cgroup.swap_room(facts.swap, bounds.swap_limit, self._swap_free),
            swap=facts.swap or 0,
            droppable=cgroup.droppable(facts),
        )
