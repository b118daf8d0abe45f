"""What waits for one target, and what it was told: alerts that fire are told once, and once that they are over.

Reads no clock. Nothing is lost with the process: what was not queued is not told, and comes up again at the next start.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from brimline.actions.grouping import Bucket, portions
from brimline.actions.messages import Event, Notice, dumps, identity, resolved
from brimline.actions.shapes import Frame, Shape
from brimline.deeds import Message

MOST: Final = 100  # notices that one message holds; more are only counted


@dataclass(frozen=True, slots=True)
class Target:
    """Who is told, and how."""

    name: str
    shape: Shape
    send_resolved: bool = True


@dataclass(frozen=True, slots=True)
class Pace:
    """How many messages a target gets, and how long notices are gathered."""

    group_wait: float = 2.0
    burst: int = 20
    every: float = 2.0


@dataclass(frozen=True, slots=True)
class Draft:
    """One message to be."""

    target: Target
    notices: Sequence[Notice]

    def message(self, external_url: str, *, durable: bool) -> Message:
        """Return it as it goes out; its id is the same whenever it is made of the same notices."""
        shown = self.notices[:MOST]
        frame = Frame(self.target.name, shown, len(self.notices) - len(shown), external_url, durable)
        events = {notice.event for notice in self.notices}
        return Message(
            id="msg_" + identity(self.target.name, *(notice.id for notice in self.notices)),
            target=self.target.name,
            kind=events.pop() if len(events) == 1 else "several",
            body=self.target.shape(frame),
            created=0.0,
        )


@dataclass(slots=True)
class Line:
    """One target's."""

    target: Target
    pace: Pace
    bucket: Bucket
    open: dict[str, Notice] = field(default_factory=dict)  # alerts it was told fire, or is about to be
    waiting: list[Notice] = field(default_factory=list)
    since: float = math.inf  # mono at which the first of them came
    hurried: bool = False
    unsaid: dict[str, str | None] = field(default_factory=dict)  # to be forgotten without a message

    def follow(self, firing: Mapping[str, Notice], over: Mapping[str, str], *, wall: float, mono: float) -> None:
        """Take in what fires now; `over` says why an alert ended, where there is a reason."""
        for about, known in list(self.open.items()):
            if (now := firing.get(about)) is None or now.starts_at != known.starts_at:
                self._put(resolved(known, wall, over.get(about, "")), mono)
                del self.open[about]
        for about, notice in firing.items():
            if about not in self.open:
                self.open[about] = notice
                self._put(notice, mono)

    def tell(self, notice: Notice, mono: float) -> None:
        """Tell of an action; it does not wait for others, and takes along what waits."""
        self._put(notice, mono)
        self.hurried = True

    def drafts(self, mono: float) -> list[Draft]:
        """Take out what goes out now."""
        allowed = self.bucket.fill(mono)
        if not self.waiting or not allowed or self.rest(mono) > 0:
            return []
        told = []
        for notice in self.waiting:
            if notice.event is Event.RESOLVED and not self.target.send_resolved:
                self.unsaid[self._key(notice)] = None
            else:
                told.append(notice)
        self.waiting, self.since, self.hurried = [], math.inf, False
        drafts = [Draft(self.target, portion) for portion in portions(told, allowed)]
        for _ in drafts:
            self.bucket.take()
        return drafts

    def rest(self, mono: float) -> float:
        """Return in how many seconds something goes out; infinite where nothing waits."""
        if not self.waiting:
            return math.inf
        gathering = 0.0 if self.hurried else self.since + self.pace.group_wait - mono
        return max(0.0, gathering, self.bucket.wait())

    def changes(self, draft: Draft) -> dict[str, str | None]:
        """Return what to remember once a draft is queued."""
        found: dict[str, str | None] = {}
        for notice in draft.notices:
            if notice.event is Event.FIRED:
                found[self._key(notice)] = dumps(notice)
            elif notice.event is Event.RESOLVED:
                found[self._key(notice)] = None
        return found

    def _key(self, notice: Notice) -> str:
        return key_of(self.target.name, notice.about)

    def _put(self, notice: Notice, mono: float) -> None:
        self.waiting.append(notice)
        self.since = min(self.since, mono)


def key_of(target: str, about: str) -> str:
    """Return under which key it is saved that a target was told of an alert."""
    return f"told/{target}/{about}"


def split_key(key: str) -> tuple[str, str] | None:
    """Return target and alert of a key, None where it is another one."""
    if not key.startswith("told/"):
        return None
    target, _, about = key.removeprefix("told/").rpartition("/")
    return target, about
