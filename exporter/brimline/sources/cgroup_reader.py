"""The cgroup source: Docker's targets and globs in, one report a tick out; between ticks it hears the kernel's alarms.

It opens a cgroup once per incarnation and never asks Docker anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from brimline.errors import SourceError
from brimline.fds import FdBudget
from brimline.model import Clock, Column, HostFacts, Kind, Level, Now, SourceReport, Subject, Target, Wake
from brimline.procfs import BootTime, Procfs
from brimline.sources.cgroup import KINDS, Facts, bounds
from brimline.sources.cgroup_ancestor import REST_SECONDS
from brimline.sources.cgroup_open import Dialect, read_file
from brimline.sources.cgroup_roll import Roll
from brimline.sources.cgroup_slot import Slot
from brimline.sources.cgroup_table import Columns
from brimline.sources.cgroup_v1 import CgroupV1
from brimline.sources.cgroup_v2 import CgroupV2
from brimline.sources.cgroupfs import Cgroupfs
from brimline.sources.early import LevelsInForce
from brimline.sources.oom import OomLedger
from brimline.sources.oom_kill import Cause
from brimline.sources.watch import Watch

_SPREAD: Final = 16  # the slow files come round after 1/16 ... 16/16 of their period: no tick reads them all
# A v1 eventfd fires before the kill is counted, and one at a level before it is crossed where the cache shrank since it
# was set: look again after 2, 4, ... 64 ms.
_V1_LOOKS: Final = 6
_FIRST_LOOK_SECONDS: Final = 0.002


class CgroupSource:
    """Every measured cgroup: `read` is the tick's, the alarms are the kernel's."""

    name = "cgroup"

    def __init__(  # noqa: PLR0913 - the parts it is made of
        self,
        *,
        fs: Cgroupfs,
        globs: Sequence[str],
        procfs: Procfs,
        fds: FdBudget,
        watch: Watch,
        clock: Clock,
        wake: Wake,
        targets: Callable[[], Sequence[Target]],
        host: Callable[[], HostFacts | None],
        kills: OomLedger,
        levels: LevelsInForce,
    ) -> None:
        self._fs = fs
        self._procfs = procfs
        self._watch = watch
        self._clock = clock
        self._wake = wake
        self._dialect: Dialect = CgroupV1() if fs.trees is not None and fs.trees.version == 1 else CgroupV2()
        self._roll = Roll(fs, globs, self._dialect, fds)
        self._whole = fs.is_whole()
        self._boot_time = BootTime(procfs)
        self._started_at = clock.now().wall
        self._columns: dict[Kind, Columns] = {}  # empty: a cgroup came or went since
        self._info: dict[str, str] = {}
        self._chains: dict[Subject, tuple[Level, ...]] = {}
        self._ticked_at: float | None = None
        self._targets = targets
        self._host = host
        self._kills = kills
        self._levels = levels
        self._aimed = levels.version

    def read(self, now: Now) -> SourceReport:
        """Read everything now."""
        host = self._host()
        if self._fs.trees is None:
            raise SourceError("no memory controller; mount the host's cgroup tree and name it in --path.cgroupfs")
        if host is None:
            raise SourceError("the host's memory is unknown, and with it every limit; see source host")
        self._follow(self._targets(), now)
        self._read(now, host)
        if not self._columns:
            self._columns = {k: Columns(k, [s.subject for s in self._roll.slots(k)]) for k in KINDS}
            self._info = {"version": f"v{self._dialect.version}", "events": self._events()}
        self._kills.settle(now, self._main_alive)
        self._kills.confirm(lambda kind, uid: self._roll.get(kind, uid) is not None, now)
        self._ticked_at = now.mono
        return SourceReport(
            self.name,
            tuple(list(self._build(host))),  # noqa: C414 - see Engine.tick
            failed=dict(self._roll.failed),
            info=self._info,
            chains=self._chains.copy(),
        )

    def measure(self, globs: Sequence[str]) -> None:
        """Read the cgroups that these globs name from the next read on."""
        self._roll.measure(globs)

    def next_look(self) -> float | None:
        """Return in how many seconds the fastest-filling cgroup should be looked at again; asked after every tick."""
        self._aim()
        mono = self._clock.now().mono
        filling = [s.fill for s in self._roll.every() if s.fill.rate > 0.0]
        return min((t for f in filling if (t := f.seconds_to_next_level(mono)) is not None), default=None)

    def limits_changed(self, subject: Subject) -> None:
        """Docker says that a container's limits were updated: read them at the next tick."""
        if (slot := self._roll.get(subject.kind, subject.uid)) is not None:
            slot.rest_due = float("-inf")
            self._wake("limits")

    def told_of_oom(self, subject: Subject) -> None:
        """Docker says that the kernel killed something in this container: look whether the kernel counts it."""
        self._kills.told(subject, self._clock.now())
        self._look(subject.kind, subject.uid, 0)

    def limit_of(self, pid: int) -> int | None:
        """Return the limit in effect for any process's cgroup; None: nothing below the host's total, or hidden."""
        directory, host = self._fs.directory_of(pid), self._host()
        if directory is None or host is None:
            return None
        levels = []
        for place in self._fs.chain(directory):
            levels.append(Facts())
            try:
                self._dialect.read_limits(place, read_file, levels[-1])
            except OSError:
                return None
        limits = bounds(levels, None, host.total)
        return limits.limit if limits.limited else None

    def close(self) -> None:
        """Give every descriptor back."""
        self._roll.close(lambda slot: slot.close(self._watch, self._dialect))
        self._watch.close()

    def _follow(self, targets: Sequence[Target], now: Now) -> None:
        changes = self._roll.follow(targets, now)
        if changes is None:
            return
        for slot in changes.closed:
            self._close(slot)
        for before, slot in changes.renamed:
            self._columns.clear()
            self._chains.pop(before, None)
            slot.rest_due = float("-inf")
            slot.aim_at(self._levels.of(slot.subject))
        self._kills.follow(self._roll.present(), now)
        for i, slot in enumerate(changes.opened):
            self._begin(slot, i, now)

    def _begin(self, slot: Slot, place: int, now: Now) -> None:
        subject = slot.subject
        self._columns.clear()
        slot.aim_at(self._levels.of(subject))
        try:
            slot.read_hot(now.mono)
        except OSError:
            return  # the tick reads it again and says why
        born = slot.target.started > self._started_at if slot.target else self._roll.appeared(subject.uid)
        unwatched = self._kills.begin(subject, slot.kills or 0, newborn=born)
        if born and not unwatched:
            slot.born(now.mono)
        self._account(slot, now, Cause.UNKNOWN if unwatched else None)
        slot.spread = REST_SECONDS * (place % _SPREAD + 1) / _SPREAD
        slot.arm(
            self._watch,
            self._dialect,
            out_of_memory=partial(self._look, subject.kind, subject.uid, _V1_LOOKS * (self._dialect.version == 1)),
            near=partial(self._look, subject.kind, subject.uid, _V1_LOOKS),
        )

    def _aim(self) -> None:
        """Follow levels that changed: what a newcomer's labels say of them is known only after the tick it came in."""
        if self._levels.version == self._aimed:
            return
        self._aimed = self._levels.version
        for slot in self._roll.every():
            slot.aim_at(self._levels.of(slot.subject))

    def _read(self, now: Now, host: HostFacts) -> None:
        """Read every cgroup, in passes: where they take turns, the kernel's code and ours evict each other (15 %)."""
        for ancestor in self._roll.ancestors.values():
            ancestor.read(now.mono)
        for slot in [s for s in self._roll.every() if self._fetch(s, now)]:
            self._take_in(slot, now)
        for slot in [s for s in self._roll.every() if now.mono >= s.rest_due]:
            self._read_rest(slot, now, host)
        for slot in self._roll.every():
            slot.refresh(host.swap_free or 0, now.mono)

    def _fetch(self, slot: Slot, now: Now) -> bool:
        """Read one cgroup's hot files; tell whether they changed."""
        try:
            return slot.cgroup.fetch()
        except OSError as error:
            self._lose(slot, error, now)
            return False

    def _take_in(self, slot: Slot, now: Now) -> None:
        try:
            slot.take_in(now.mono)
        except OSError as error:
            self._lose(slot, error, now)
        else:
            self._account(slot, now)

    def _read_rest(self, slot: Slot, now: Now, host: HostFacts) -> None:
        try:
            slot.read_rest(self._procfs, self._boot_time.at(now.mono), host.total, now.mono)
        except OSError as error:
            self._lose(slot, error, now)
        else:
            self._chains[slot.subject] = slot.chain()
            self._account(slot, now)

    def _lose(self, slot: Slot, error: OSError, now: Now) -> None:
        if self._roll.lost(slot, error):
            self._kills.gone(slot.subject, now)
        self._close(slot)

    def _close(self, slot: Slot) -> None:
        self._columns.clear()
        slot.close(self._watch, self._dialect)
        self._chains.pop(slot.subject, None)

    def _build(self, host: HostFacts) -> Iterator[Column]:
        for kind in KINDS:
            slots = self._roll.slots(kind)
            ceiling = host.available if host.available is not None else host.total
            available = [room if (room := slot.room()) < ceiling else ceiling for slot in slots]
            yield from self._columns[kind].build([slot.row for slot in slots], available)
        yield from self._kills.columns()

    def _look(self, kind: Kind, uid: str, looks: int) -> None:
        """Look at one cgroup because the kernel or Docker called; ask for a tick if it matters."""
        slot = self._roll.get(kind, uid)
        if slot is None:
            return
        now = self._clock.now()
        try:
            slot.read_hot(now.mono)
        except OSError:
            self._wake("removed")
            return
        if self._account(slot, now):
            self._wake("oom")
        elif slot.crossed():
            self._wake("level")
        if looks:
            wait = _FIRST_LOOK_SECONDS * 2 ** (_V1_LOOKS - looks)
            self._watch.later(wait, partial(self._look, kind, uid, looks - 1))

    def _account(self, slot: Slot, now: Now, cause: Cause | None = None) -> bool:
        """Take in a rise of the kernel's count of kills, with whose limit it was."""
        kills = slot.kills
        if kills is None or not self._kills.rose(slot.subject, kills):
            return False
        since = self._ticked_at if self._ticked_at is not None else now.mono
        self._kills.observe(slot.subject, kills, cause or slot.cause(since, now.mono, whole=self._whole), now)
        return True

    def _main_alive(self, subject: Subject) -> bool:
        slot = self._roll.get(subject.kind, subject.uid)
        return slot is None or slot.main_alive(self._procfs)  # None: it cannot be read for now

    def _events(self) -> str:
        """Say how kills are noticed: by event, by polling alone, or some so and some so."""
        heard = {slot.heard for slot in self._roll.every()}
        if len(heard) == 1:
            return "event" if heard == {True} else "poll"
        return "mixed" if heard else "none"
