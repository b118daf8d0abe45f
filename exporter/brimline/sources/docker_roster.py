"""What is known of the engine's containers, from its list, its inspections and its events; no I/O, no clock.

Records are immutable and replaced, so a reader may copy `containers` at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from brimline.labels import sanitise
from brimline.model import Container, Subject
from brimline.sources.docker_container import Listed, Selection, ended, renamed, subject
from brimline.sources.docker_events import Event, Exit, is_oom

SAME_START: Final = 1.0  # a `start` event comes within this after its StartedAt (1 ms here; a slow disk takes longer)
_REPLAYED: Final = 1024  # Docker keeps its last 256 events


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Hooks:
    """What others want to hear of: each is called once per occurrence, on the loop."""

    on_oom: Callable[[Subject], None] = _nothing  # the engine says the OOM killer struck in this container
    on_exit: Callable[[Subject, bool, bool, int | None], None] = _nothing  # subject, OOMKilled, `is_oom`, exit code
    on_limits_changed: Callable[[Subject], None] = _nothing  # docker update


@dataclass(slots=True)
class Life:
    """What happened in one incarnation that its death is judged by."""

    watched: bool = False
    flag: bool | None = None
    oom: float | None = None
    kill: float | None = None
    inspected: bool = False  # since it began: before that what is known is of the life before, or of none
    unheard_ooms: int = 0  # before the first inspection told whose they were


@dataclass(frozen=True, slots=True)
class Death:
    """A `die` whose OOMKilled flag is still to be inspected."""

    subject: Subject | None
    exit_code: int | None
    at: float
    life: Life


@dataclass(slots=True)
class Tally:
    """Restarts of one label set; outlives its containers."""

    subject: Subject
    last: float  # when its latest incarnation started
    restarts: int = 0
    accounted: float | None = None  # a start found by listing, whose event may still come


Tallies = dict[tuple[str, ...], Tally]


class Roster:
    """The containers of one engine; `version` grows with every change that a reader can see."""

    def __init__(self, selection: Selection, hooks: Hooks, tallies: Tallies | None = None) -> None:
        self.version = 0
        self.containers: dict[str, Container] = {}
        self.unreadable: dict[Subject, str] = {}
        self.tallies = {} if tallies is None else tallies
        self.last_event: float | None = None
        self._selection = selection
        self._hooks = hooks
        self._everyone: dict[str, Container] = {}  # excluded ones too: inspected once, not at every listing
        self._lives: dict[str, Life] = {}
        self._deaths: dict[str, list[Death]] = {}
        self._replayed: dict[tuple[int, str, str], None] = {}

    def sorted(self) -> list[Container]:
        """Return the measured containers by name."""
        return sorted(self.containers.values(), key=lambda c: c.subject.name)

    def listed(self, listing: Iterable[Listed], *, doubt: bool) -> list[str]:
        """Forget who is not listed; return whom to inspect: in doubt all, else the unknown and the changed."""
        entries = {entry.id: entry for entry in listing}
        for container_id in [known for known in self._everyone if known not in entries]:
            self.gone(container_id)
        return [e.id for e in entries.values() if doubt or self._differs(e)]

    def _differs(self, entry: Listed) -> bool:
        known = self._everyone.get(entry.id)
        return known is None or known.running != entry.running or known.subject.name != sanitise(entry.name)

    def inspected(self, container: Container, *, listing: bool) -> None:
        """Take in an inspection; `listing`: it follows a list, so its start may have been missed."""
        known = self._everyone.get(container.id)
        self._everyone[container.id] = container
        life = self._lives.setdefault(container.id, Life())
        if known is not None and known.started != container.started and listing:
            life = self._lives[container.id] = Life()  # its start was missed, and all before this moment
        self._judge(container.id, container)
        life.flag, life.inspected = container.oom_killed, life.inspected or bool(container.started)
        self._readable(container.id)
        if not self._selection.selects(container):
            self._drop(container.id)
            return
        if container != self.containers.get(container.id):
            self.containers[container.id] = container
            self.version += 1
        self._take_along(known, container)
        if container.started:
            self._tally(container, listing=listing)
        for _ in range(life.unheard_ooms):
            self._hooks.on_oom(container.subject)
        life.unheard_ooms = 0

    def gone(self, container_id: str) -> None:
        """Forget a container that no longer exists."""
        self._judge(container_id, None)
        self._drop(container_id)
        self._readable(container_id)
        self._everyone.pop(container_id, None)
        self._lives.pop(container_id, None)

    def failed(self, container_id: str, name: str, why: str) -> None:
        """Note that a container could not be inspected; what was known of it stays."""
        known = self.containers.get(container_id)
        if container_id not in self._everyone or known is not None:
            self._readable(container_id)
            self.unreadable[known.subject if known else subject(name or container_id[:12], {}, f"{container_id}@")] = (
                why
            )
            self.version += 1

    def happened(self, event: Event) -> bool:
        """Take in an event; return whether the container must be inspected now."""
        if event.key in self._replayed:
            return False
        self._replayed[event.key] = None
        if len(self._replayed) > _REPLAYED:
            del self._replayed[next(iter(self._replayed))]
        self.last_event = event.at
        return self._apply(event)

    def _apply(self, event: Event) -> bool:
        known = self.containers.get(event.id)
        match event.action:
            case "create" | "pause" | "unpause":
                return True
            case "start":
                self._started(event)
                return True
            case "die":
                self._died(event, known)
                return True
            case "kill":
                self._life(event.id).kill = event.at
            case "oom":
                self._oom(event, known)
            case "destroy":
                self.gone(event.id)
            case "update" if known:
                self._hooks.on_limits_changed(known.subject)
                return True
            case "rename" if event.attributes.get("name"):
                self._change(event.id, lambda c: renamed(c, event.attributes["name"]))
                self._take_along(known, self.containers.get(event.id))
            case "health_status":
                self._change(event.id, lambda c: replace(c, health=event.health))
                return not event.health
        return False

    def _started(self, event: Event) -> None:
        self._lives[event.id] = Life(watched=True, flag=self._life(event.id).flag)
        tally = self.tallies.get(subject(event.attributes.get("name", ""), event.attributes, "").labels)
        if tally is None:
            return  # its first start, or nobody measures it: the inspection tells
        already = tally.accounted is not None and 0 <= event.at - tally.accounted <= SAME_START
        if already:
            tally.accounted = None
        else:
            tally.restarts += 1
            self.version += 1
        tally.last = event.at

    def _tally(self, container: Container, *, listing: bool) -> None:
        tally = self.tallies.get(container.subject.labels)
        if tally is None:
            told = self._life(container.id).watched and not listing
            accounted = None if told else container.started  # its `start` may come after the inspection of its `create`
            self.tallies[container.subject.labels] = Tally(container.subject, container.started, 0, accounted)
            return
        if listing and abs(container.started - tally.last) > SAME_START:
            tally.restarts += 1
            tally.last = tally.accounted = container.started
        tally.subject = container.subject

    def _take_along(self, before: Container | None, after: Container | None) -> None:
        """Move the tally of a running one with its new name; a stopped one leaves it to its successor (compose)."""
        if before is None or after is None or not before.running or before.subject.labels == after.subject.labels:
            return
        if (tally := self.tallies.pop(before.subject.labels, None)) is not None:
            taken = self.tallies.setdefault(after.subject.labels, tally)
            taken.subject, taken.last, taken.accounted = after.subject, tally.last, tally.accounted

    def _died(self, event: Event, known: Container | None) -> None:
        life = self._life(event.id)
        death = Death(known.subject if known and life.inspected else None, event.exit_code, event.at, life)
        self._deaths.setdefault(event.id, []).append(death)
        if known is not None and known.started > event.at:
            return  # a replay: the incarnation that died is not the one that runs
        self._change(event.id, lambda c: ended(c, event.exit_code, event.at))

    def _judge(self, container_id: str, now: Container | None) -> None:
        for death in self._deaths.pop(container_id, ()):
            whose = death.subject or (now.subject if now else None)
            if whose is None or (now is not None and not self._selection.selects(now)):
                continue
            flag, life = now is not None and now.oom_killed, death.life
            facts = Exit(flag, death.exit_code, death.at, life.oom, life.kill, life.watched, life.flag)
            self._hooks.on_exit(whose, flag, is_oom(facts), death.exit_code)

    def _oom(self, event: Event, known: Container | None) -> None:
        life = self._life(event.id)
        life.oom = event.at
        if known is not None and life.inspected:
            self._hooks.on_oom(known.subject)
        else:
            life.unheard_ooms += 1

    def _life(self, container_id: str) -> Life:
        return self._lives.setdefault(container_id, Life())

    def _change(self, container_id: str, change: Callable[[Container], Container]) -> None:
        if (known := self._everyone.get(container_id)) is not None:
            self._everyone[container_id] = change(known)
        if container_id in self.containers:
            self.containers[container_id] = change(self.containers[container_id])
            self.version += 1

    def _drop(self, container_id: str) -> None:
        if self.containers.pop(container_id, None) is not None:
            self.version += 1

    def _readable(self, container_id: str) -> None:
        for failed in [s for s in self.unreadable if s.uid.startswith(f"{container_id}@")]:
            del self.unreadable[failed]
            self.version += 1
