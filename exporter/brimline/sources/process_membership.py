"""Follows processes as they come and go: one listing of /proc a tick, the census asked about the new ones.

What the tick needs is here and in memory; everything that may hang is the census's.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from brimline.fds import FdBudget
from brimline.model import Kind, Now, Subject
from brimline.procfs import Procfs
from brimline.sources.groups import Group
from brimline.sources.process_census import Census, Finding, Identity, Missing, Pulse
from brimline.sources.process_roster import Move, Roster
from brimline.sources.process_tally import Tally

PULSE: Final = 15.0  # seconds between two looks at a member's CPU time
_CHECK: Final = 60.0  # seconds between two looks at whether anybody else has become a member by exec
_REMEMBER: Final = 3600.0  # seconds for which a found group that is empty keeps its counters
_INIT: Final = "1"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Entry:
    """One group with its tally; `emptied` is when its last process was missed, `subject` follows its oldest one."""

    group: Group
    tally: Tally
    subject: Subject
    emptied: float | None = None


class Membership:
    """The groups and their living members."""

    def __init__(self, procfs: Procfs, fds: FdBudget, groups: Sequence[Group], presets: Sequence[str]) -> None:
        self._procfs = procfs
        self._fds = fds
        self._boot = procfs.boot_id()[:8]
        self._census = Census(procfs)
        self._roster = Roster(groups, presets)
        self._names: list[str] = []
        self._listed: set[str] = set()
        self._newcomers: list[int] = []
        self._hidden: set[int] = set()
        self._pulse_at = self._check_at = 0.0
        self._first: threading.Event | None = None
        self._warned: set[int] = set()
        self._entries = {group: self._entry(group) for group in groups}

    @property
    def hung(self) -> tuple[int, ...]:
        """Return the processes whose command line does not come."""
        return self._census.hung

    @property
    def hides(self) -> bool:
        """Tell whether this /proc hides processes from us (mount option hidepid=1 or 2, proc(5))."""
        return bool(self._hidden) or _INIT not in self._listed

    @property
    def all_kept(self) -> bool:
        """Tell whether every member is read through a kept descriptor."""
        return all(entry.tally.kept == len(entry.tally.members) for entry in self._entries.values())

    @property
    def complete(self) -> bool:
        """Tell whether the first look at every process is done."""
        return self._first is not None and self._first.is_set()

    @property
    def looking(self) -> bool:
        """Tell whether the first look is under way."""
        return self._first is not None and not self._first.is_set()

    def start(self, patience: float) -> None:
        """Begin; wait a little for the first look, so that the first tick is whole."""
        names = self._procfs.listing()
        self._census.start()
        self._look(names)
        self._first = self._census.mark()
        self._first.wait(patience)

    def close(self) -> None:
        """Give back every descriptor and thread."""
        self._census.close()
        for entry in self._entries.values():
            entry.tally.close()

    def update(self, now: Now) -> list[Entry]:
        """Read every member and return the groups: the configured ones in their order, then the found ones."""
        self._census.hold()
        try:
            if self._first is None:
                self.start(0)
            self._apply(self._census.collect(now.mono))
            self._look(self._procfs.listing())
            self._revisit(now.mono)
            for entry in self._entries.values():
                for pid in entry.tally.read():
                    self._drop(pid)
            self._settle(now.mono)
            return list(self._entries.values())
        finally:
            self._census.resume()

    def pids(self, name: str) -> tuple[int, ...]:
        """Return the living members of the group that is called so."""
        return tuple([pid for e in self._entries.values() if e.subject.name == name for pid in e.tally.members])

    def _apply(self, findings: list[Finding]) -> None:
        identities = []
        for finding in findings:
            self._hidden.discard(finding.pid)
            match finding:
                case Identity():
                    identities.append(finding)
                case Pulse():
                    self._beat(finding)
                case Missing(hidden=True):
                    self._hidden.add(finding.pid)
                case Missing():
                    self._drop(finding.pid)
        for identity in identities:
            if identity.pid not in self._roster.places:
                self._newcomers.append(identity.pid)
            self._beat(Pulse(identity.pid, identity.start, identity.cpu_ticks))
        for move in self._roster.place(i for i in identities if str(i.pid) in self._listed):
            self._move(move)

    def _beat(self, pulse: Pulse) -> None:
        place = self._roster.places.get(pulse.pid)
        if place is None:
            return
        if place.identity.start != pulse.start:
            self._drop(pulse.pid)
        elif place.group is not None:
            self._entries[place.group].tally.beat(pulse)

    def _move(self, move: Move) -> None:
        if move.before is not None and move.before.group is not None:
            self._entries[move.before.group].tally.leave(move.before.identity.pid)
        group = move.after.group
        if group is not None:
            if group not in self._entries:
                self._entries[group] = self._entry(group)
            self._entries[group].tally.join(move.after.identity, master=move.after.master)

    def _drop(self, pid: int) -> None:
        """Forget a process; if the next listing still has the pid it is looked at anew."""
        place = self._roster.forget(pid)
        if place is not None and place.group is not None:
            self._entries[place.group].tally.leave(pid)
        self._hidden.discard(pid)
        self._listed.discard(str(pid))
        self._names = []

    def _look(self, names: list[str]) -> None:
        if names == self._names:
            return
        listed = set(names)
        for name in self._listed - listed:
            if name.isdecimal():
                self._drop(int(name))
        self._census.ask([int(name) for name in listed - self._listed if name.isdecimal()])
        self._names, self._listed = names, listed

    def _revisit(self, mono: float) -> None:
        """Look again: at newcomers once (a fork may not have exec'd yet), at members and others on their slow beats."""
        places = self._roster.places
        known = [places[pid].identity for pid in self._newcomers if pid in places]
        self._newcomers = []
        if mono - self._check_at >= _CHECK:
            self._check_at = self._pulse_at = mono
            known = [place.identity for place in places.values() if not place.identity.kernel]
        elif mono - self._pulse_at >= PULSE:
            self._pulse_at = mono
            known += [place.identity for place in places.values() if place.group is not None]
        self._census.ask(known)

    def _settle(self, mono: float) -> None:
        for entry in list(self._entries.values()):
            label, uid = self._roster.label(entry.group), self._uid(entry.tally)
            if (entry.subject.name, entry.subject.uid) != (label, uid):
                entry.subject = Subject(Kind.PROCESS, label, (label,), uid)
            if entry.tally.members:
                entry.emptied = None
            elif entry.emptied is None:
                entry.emptied = mono
            elif not entry.group.configured and mono - entry.emptied > _REMEMBER:
                del self._entries[entry.group]
                self._roster.drop(entry.group)
        hung = set(self.hung)
        for pid in hung - self._warned:
            log.warning(
                "process %d does not give its command line: something holds its mmap lock; its memory is still read",
                pid,
            )
        self._warned = hung

    def _entry(self, group: Group) -> Entry:
        label = self._roster.label(group)
        return Entry(group, Tally(self._procfs, self._fds), Subject(Kind.PROCESS, label, (label,), ""))

    def _uid(self, tally: Tally) -> str:
        """Return the oldest member's pid and start, with the boot they count from; empty where there is none."""
        oldest = tally.oldest
        return f"{oldest.pid}@{oldest.start}/{self._boot}" if oldest is not None else ""
