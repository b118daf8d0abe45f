"""The roll of measured cgroups: opened once per incarnation, kept while they live, closed when they are gone.

A cgroup that cannot be read stays on the roll as failed, with the reason, and is tried again every tick.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from brimline.fds import FdBudget
from brimline.labels import sanitise
from brimline.model import Kind, Now, Subject, Target
from brimline.sources.cgroup import KINDS
from brimline.sources.cgroup_ancestor import Ancestor
from brimline.sources.cgroup_open import REMOVED, Dialect, OpenCgroup
from brimline.sources.cgroup_slot import Slot
from brimline.sources.cgroupfs import Cgroupfs

RESCAN_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A cgroup that should be measured."""

    subject: Subject
    directories: Mapping[str, str]
    target: Target | None = None
    appeared: bool = False  # since its glob was first looked up


@dataclass(slots=True)
class Changes:
    """What one look at the roll changed."""

    opened: list[Slot] = field(default_factory=list)
    closed: list[Slot] = field(default_factory=list)
    renamed: list[tuple[Subject, Slot]] = field(default_factory=list)  # what it was called, what it is


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
        self._left = False  # whether any was taken off since the ancestors were last gone through
        self.ancestors: dict[str, Ancestor] = {}
        self.failed: dict[Subject, str] = {}

    def measure(self, globs: Sequence[str]) -> None:
        """Follow other globs from the next look on."""
        self._globs = tuple(globs)
        self._scanned_at = float("-inf")
        self._wanted[Kind.CGROUP] = {}

    def slots(self, kind: Kind) -> list[Slot]:
        """Return the open ones of a kind, in the order they came."""
        return list(self._slots[kind].values())

    def every(self) -> list[Slot]:
        """Return the open ones of both kinds."""
        return [slot for slots in self._slots.values() for slot in slots.values()]

    def get(self, kind: Kind, uid: str) -> Slot | None:
        """Return an open one."""
        return self._slots[kind].get(uid)

    def appeared(self, uid: str) -> bool:
        """Tell whether a wanted cgroup came after its glob was first looked up."""
        return self._wanted[Kind.CGROUP][uid].appeared

    def present(self) -> dict[tuple[Kind, str], Subject]:
        """Return whatever is there, whether it can be read or not."""
        return {
            (kind, uid): w.subject
            for kind, wanted in self._wanted.items()
            for uid, w in wanted.items()
            if uid not in self._removed
        }

    def follow(self, targets: Sequence[Target], now: Now) -> Changes | None:
        """Bring the roll up to date with Docker's targets and, now and then, with the globs; None: nothing to do."""
        due = now.mono - self._scanned_at >= RESCAN_SECONDS
        if targets is self._targets and not due and not self.failed:
            return None
        self._want(targets, now, due=due)
        changes = Changes()
        for kind, slots in self._slots.items():
            wanted = self._wanted[kind]
            changes.closed += [slots.pop(uid) for uid in [u for u in slots if u not in wanted]]
            changes.renamed += _rename(slots.values(), wanted)
            for uid in [u for u in wanted if u not in slots and u not in self._removed]:
                if (slot := self._open(wanted[uid])) is not None:
                    slots[uid] = slot
                    changes.opened.append(slot)
        if changes.closed or self._left:
            self._forget_ancestors()
        return changes

    def _want(self, targets: Sequence[Target], now: Now, *, due: bool) -> None:
        if targets is not self._targets:
            self._targets = targets
            self._wanted[Kind.CONTAINER] = {
                t.subject.uid: Wanted(t.subject, t.directories, t) for t in targets if "memory" in t.directories
            }
        if due:
            again, self._scanned_at = self._scanned_at > float("-inf"), now.mono
            self._wanted[Kind.CGROUP] = self._rescan(again=again)
        self._removed &= {uid for wanted in self._wanted.values() for uid in wanted}
        still = [(self._wanted[s.kind].get(s.uid), why) for s, why in self.failed.items()]
        self.failed = {w.subject: why for w, why in still if w is not None}

    def lost(self, slot: Slot, error: OSError) -> bool:
        """Take a slot that could not be read off; tell whether it is gone, or has failed and is tried again."""
        self._slots[slot.subject.kind].pop(slot.subject.uid, None)
        self._left = True
        self._note(slot.subject, error)
        return slot.subject.uid in self._removed

    def _note(self, subject: Subject, error: OSError) -> None:
        if error.errno in REMOVED:
            self._removed.add(subject.uid)
            self.failed.pop(subject, None)
        else:
            self.failed[subject] = f"{error.filename or 'cgroup'}: {error.strerror}"

    def _rescan(self, *, again: bool) -> dict[str, Wanted]:
        known = {uid: w for uid, w in self._wanted[Kind.CGROUP].items() if uid not in self._removed}
        found = {}
        for wanted in self._scan():
            uid = wanted.subject.uid
            found[uid] = replace(wanted, appeared=known[uid].appeared if uid in known else again)
        return found | {uid: w for uid, w in known.items() if uid not in found and _hidden(w)}

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
        self._left = False
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


def _hidden(wanted: Wanted) -> bool:
    """Tell whether a scan missed a cgroup that is not known to be removed: what is hidden for a while is not gone."""
    try:
        inode = os.stat(wanted.directories["memory"]).st_ino  # noqa: PTH116 - as in the scan
    except OSError as error:
        return error.errno not in REMOVED
    return wanted.subject.uid.endswith(f"@{inode}")


def _rename(slots: Iterable[Slot], wanted: Mapping[str, Wanted]) -> Iterator[tuple[Subject, Slot]]:
    """Call each as it is called now; yield those that were called otherwise."""
    for slot in slots:
        before, known = slot.subject, wanted[slot.subject.uid]
        if before != known.subject:
            slot.subject, slot.target = known.subject, known.target
            yield before, slot
