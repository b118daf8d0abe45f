"""The roll of measured cgroups: opened once per incarnation, kept while they live, closed when they are gone.

A cgroup that cannot be read stays on the roll as failed, with the reason, and is tried again every tick.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from brimline.fds import FdBudget
from brimline.labels import sanitise
from brimline.model import Kind, Now, Subject, Target
from brimline.sources.cgroup import KINDS
from brimline.sources.cgroup_open import REMOVED, Dialect, OpenCgroup
from brimline.sources.cgroup_slot import Ancestor, Slot
from brimline.sources.cgroupfs import Cgroupfs

RESCAN_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A cgroup that should be measured."""

    subject: Subject
    directories: Mapping[str, str]
    target: Target | None = None


@dataclass(slots=True)
class Changes:
    """What one look at the roll changed."""

    opened: list[Slot] = field(default_factory=list)
    closed: list[Slot] = field(default_factory=list)


class Roll:
    """Which cgroups are measured now."""

    def __init__(self, fs: Cgroupfs, globs: Sequence[str], dialect: Dialect, fds: FdBudget) -> None:
        self._fs = fs
        self._globs = tuple(globs)
        self._dialect = dialect
        self._fds = fds
        self._slots: dict[Kind, dict[str, Slot]] = {kind: {} for kind in KINDS}
        self._wanted: dict[Kind, dict[str, Wanted]] = {kind: {} for kind in KINDS}
        self._removed: set[str] = set()  # uids of targets whose cgroup went before Docker said so
        self._targets: Sequence[Target] = ()
        self._scanned_at = float("-inf")
        self.ancestors: dict[str, Ancestor] = {}
        self.failed: dict[Subject, str] = {}

    def slots(self, kind: Kind) -> list[Slot]:
        """Return the open ones of a kind, in the order they came."""
        return list(self._slots[kind].values())

    def every(self) -> list[Slot]:
        """Return the open ones of both kinds."""
        return [slot for slots in self._slots.values() for slot in slots.values()]

    def get(self, kind: Kind, uid: str) -> Slot | None:
        """Return an open one."""
        return self._slots[kind].get(uid)

    def follow(self, targets: Sequence[Target], now: Now) -> Changes:
        """Bring the roll up to date with Docker's targets and, now and then, with the globs."""
        changes = Changes()
        due = now.mono - self._scanned_at >= RESCAN_SECONDS
        if targets is self._targets and not due and not self.failed:
            return changes
        if targets is not self._targets:
            self._targets = targets
            self._wanted[Kind.CONTAINER] = {
                t.subject.uid: Wanted(t.subject, t.directories, t) for t in targets if "memory" in t.directories
            }
        if due:
            self._scanned_at = now.mono
            self._wanted[Kind.CGROUP] = {w.subject.uid: w for w in self._scan()}
        self._removed &= {uid for wanted in self._wanted.values() for uid in wanted}
        self.failed = {s: why for s, why in self.failed.items() if s.uid in self._wanted[s.kind]}
        for kind, slots in self._slots.items():
            wanted = self._wanted[kind]
            changes.closed += [slots.pop(uid) for uid in [u for u in slots if u not in wanted]]
            for uid in [u for u in wanted if u not in slots and u not in self._removed]:
                if (slot := self._open(wanted[uid])) is not None:
                    slots[uid] = slot
                    changes.opened.append(slot)
        if changes.opened or changes.closed:
            self._forget_ancestors()
        return changes

    def lost(self, slot: Slot, error: OSError) -> None:
        """Take a slot that could not be read off: it is gone, or it has failed and is tried again."""
        self._slots[slot.subject.kind].pop(slot.subject.uid, None)
        self._note(slot.subject, error)

    def _note(self, subject: Subject, error: OSError) -> None:
        if error.errno in REMOVED:
            self._removed.add(subject.uid)
            self.failed.pop(subject, None)
        else:
            self.failed[subject] = f"{error.filename or 'cgroup'}: {error.strerror}"

    def _scan(self) -> Iterator[Wanted]:
        for path, directories in self._fs.expand(self._globs).items():
            try:
                inode = os.stat(directories["memory"]).st_ino  # noqa: PTH116 - one per unit and scan
            except (OSError, KeyError):
                continue
            name = sanitise(path or "/")
            yield Wanted(Subject(Kind.CGROUP, name, (name,), f"{path}@{inode}"), directories)

    def _open(self, wanted: Wanted) -> Slot | None:
        directory = wanted.directories["memory"]
        try:
            opened = OpenCgroup(wanted.directories, self._dialect, self._fds, only_bounds=False)
        except OSError as error:
            self._note(wanted.subject, error)
            return None
        above = [a for d in self._fs.chain(directory)[1:] if (a := self._ancestor(d)) is not None]
        self.failed.pop(wanted.subject, None)
        return Slot(wanted.subject, wanted.target, opened, above, self._fs.path_of(directory))

    def _ancestor(self, directory: str) -> Ancestor | None:
        known = self.ancestors.get(directory)
        if known is None:
            try:
                opened = OpenCgroup({"memory": directory}, self._dialect, self._fds, only_bounds=True)
            except OSError:
                return None
            known = self.ancestors[directory] = Ancestor(opened, self._fs.path_of(directory))
        return known

    def _forget_ancestors(self) -> None:
        needed = {a.path for slot in self.every() for a in slot.above}
        for directory in [d for d, a in self.ancestors.items() if a.path not in needed]:
            self.ancestors.pop(directory).cgroup.close()

    def close(self, closing: Callable[[Slot], None]) -> None:
        """Close everything."""
        for slot in self.every():
            closing(slot)
        for slots in self._slots.values():
            slots.clear()
        for ancestor in self.ancestors.values():
            ancestor.cgroup.close()
        self.ancestors.clear()
