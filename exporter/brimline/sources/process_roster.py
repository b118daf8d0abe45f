"""Who belongs to which process group, kept up to date as processes come, exec and go. Pure.

A process belongs to one group: to the first configured one it fits itself, else to its parent's, else to the one that
its arguments make it the master of. Once a descendant it stays one, also when its parent dies before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from brimline.labels import sanitise
from brimline.sources.groups import Group
from brimline.sources.presets import in_container, recognise, unit_of
from brimline.sources.process_census import Identity


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process belongs; `master`: its parent was no member of the group. `identity` is without its arguments."""

    identity: Identity
    group: Group | None
    master: bool = False
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A process whose group has changed."""

    before: Place | None
    after: Place


class Roster:
    """Every living process that has been looked at, by pid."""

    def __init__(self, configured: Sequence[Group], presets: Sequence[str]) -> None:
        self._configured = tuple(configured)
        self._presets = tuple(presets)
        self._found: dict[tuple[str, str], Group] = {}
        self._shared = {group.name for group in configured}
        self.places: dict[int, Place] = {}

    def place(self, identities: Iterable[Identity]) -> list[Move]:
        """Place processes, parents before their children, and return every change of group."""
        moves = []
        for identity in sorted(identities, key=lambda i: (i.start, i.pid)):
            before = self.places.get(identity.pid)
            if before is not None and before.identity.start != identity.start:
                before = None  # the pid is another's now; whoever measured the old one learns it from its descriptor
            after = self._place(identity, before)
            self.places[identity.pid] = after
            if before is None or before.group is not after.group:
                moves.append(Move(before, after))
                moves += self._adopt(after) if before is not None else ()
        return moves

    def forget(self, pid: int) -> Place | None:
        """Take a process out."""
        return self.places.pop(pid, None)

    def drop(self, group: Group) -> None:
        """Forget a found group that has been empty for long."""
        self._found.pop((group.name, group.beside), None)

    def label(self, group: Group) -> str:
        """Return the name to show: that of a found group says more where two have the same, and from then on."""
        if group.configured or group.name not in self._shared:
            return sanitise(group.name)
        if group.beside:
            return sanitise(f"{group.name}@{group.beside}")
        taken = any(group.name == other.name for other in self._configured)
        return sanitise(f"{group.name}@preset" if taken else group.name)

    def _place(self, identity: Identity, before: Place | None) -> Place:
        bare = replace(identity, argv=())
        if identity.dead or identity.kernel:
            return Place(bare, None)
        parent = self._parent(identity)
        for group in self._configured:
            if group.matches(identity):
                return Place(bare, group, master=parent is None or parent.group is not group)
        if before is not None and before.inherited:
            return replace(before, identity=bare)
        if parent is not None and parent.group is not None and parent.group.children:
            return Place(bare, parent.group, inherited=True)
        found = self._find(identity, before)
        return Place(bare, found, master=found is not None)

    def _parent(self, identity: Identity) -> Place | None:
        parent = self.places.get(identity.ppid)
        return parent if parent is not None and parent.identity.start <= identity.start else None

    def _find(self, identity: Identity, before: Place | None) -> Group | None:
        if identity.depth > 1 or in_container(identity.cgroups):
            return None
        master = recognise(identity.argv, self._presets)
        if master is None:
            return None
        if before is not None and before.group is not None and before.group.name == master.name:
            return before.group  # it has written a title over its arguments, and the port with them
        beside = unit_of(identity.cgroups) or master.port
        if any(name == master.name and other != beside for name, other in self._found):
            self._shared.add(master.name)
        group = Group(master.name, lambda _: False, beside=beside, configured=False)
        return self._found.setdefault((master.name, beside), group)

    def _adopt(self, parent: Place) -> list[Move]:
        """Place the children of a process that has just become a member by exec."""
        if parent.group is None or not parent.group.children:
            return []
        moves = []
        pid = parent.identity.pid
        for place in [p for p in self.places.values() if p.identity.ppid == pid and p.group is None]:
            if place.identity.dead or place.identity.kernel:
                continue
            after = replace(place, group=parent.group, inherited=True)
            self.places[place.identity.pid] = after
            moves += [Move(place, after), *self._adopt(after)]
        return moves
