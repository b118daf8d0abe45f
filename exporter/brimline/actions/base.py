"""What an action is handed and what it must be able to do; one is one file and one line in `registry.ACTIONS`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from brimline.deeds import Decision, Verdict
from brimline.model import Container, Subject


@dataclass(frozen=True, slots=True)
class Standing:
    """How one subject stands in the last tick; None: not known."""

    subject: Subject
    used: float | None = None  # bytes, as rules judge it
    limit: float | None = None
    ratio: float | None = None
    seconds_left: float | None = None  # to the limit, where it leaks
    pids: tuple[int, ...] = ()  # of a process group


Sight = Callable[[Subject], Standing | None]  # by name and labels, whatever the incarnation; None: it is gone
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """One decision to be carried out."""

    decision: Decision
    standing: Standing
    container: Container | None = None  # as inspected just now, under the lock; None: its subject is no container
    directories: Mapping[str, str] = field(default_factory=dict)  # its cgroup, by controller


@dataclass(frozen=True, slots=True)
class Proof:
    """What the world shows after an action."""

    ok: bool
    detail: str  # a sentence
    downtime: float | None = None
    uid: str = ""  # the incarnation that is there now


class RefusedError(Exception):
    """Under the lock it turned out that this action may not be taken."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        self.verdict, self.reason = verdict, reason
        super().__init__(reason)


class Action(Protocol):
    """One kind of action. `prepare` changes nothing, `run` acts, `verify` looks at the world and never at an answer."""

    name: str

    def lacks(self, standing: Standing, container: Container | None, directories: Mapping[str, str]) -> str:
        """Return what it lacks for this subject, with what to write; empty where it is possible."""
        ...

    def seconds(self, job: Job) -> float:
        """Return how long `run` and `verify` together may take."""
        ...

    async def prepare(self, job: Job) -> None:
        """Raise RefusedError where it may not be taken after all; called under the lock, before the intent."""
        ...

    async def run(self, job: Job) -> str:
        """Do it; return a sentence about how. What fails is an ActionError; `verify` follows all the same."""
        ...

    async def verify(self, job: Job) -> Proof:
        """Wait until the world shows whether it happened."""
        ...
