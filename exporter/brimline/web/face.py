"""What the web asks of the engine and of the journal; nothing here or above it reads the world."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from brimline.config import Config
from brimline.deeds import Entry
from brimline.journal.history import Sample
from brimline.journal.hours import Key
from brimline.journal.lines import Wanted
from brimline.journal.minutes import Trace
from brimline.members import Members
from brimline.metrics.self import SelfMetrics
from brimline.model import Subject
from brimline.rules.terms import RuleSet
from brimline.view import View


class Past(Protocol):
    """The journal as the web reads it."""

    @property
    def up(self) -> bool:
        """Tell whether it can be written now."""
        ...

    @property
    def why(self) -> str:
        """Return a sentence about why it is down; empty while it is up."""
        ...

    def recent(self, subject: Subject) -> tuple[Sample, ...]:
        """Return the samples of the last hour, oldest first, whatever the incarnation; from memory."""
        ...

    def hour(self) -> Mapping[Key, Trace]:
        """Return the last hour of everybody, a value a minute; from memory."""
        ...

    def lines(self, wanted: Wanted) -> tuple[Entry, ...]:
        """Return lines, the newest first. It reads a file: to be called in a thread; raises JournalError."""
        ...


class Face(Protocol):
    """The engine as the web sees it."""

    @property
    def view(self) -> View | None:
        """Return the last tick's view; None before the first."""
        ...

    @property
    def next_tick(self) -> asyncio.Event:
        """Return what is set once a view comes after the one of now; the next tick has another."""
        ...

    @property
    def ready(self) -> bool:
        """Tell whether a tick has come after the first look at everything."""
        ...

    @property
    def self_metrics(self) -> SelfMetrics:
        """Return what Brimline counts about itself."""
        ...

    @property
    def config(self) -> Config:
        """Return the configuration in force."""
        ...

    @property
    def rules(self) -> RuleSet:
        """Return the rules in force."""
        ...

    @property
    def past(self) -> Past | None:
        """Return what is remembered; None: nothing is written down."""
        ...

    async def members(self, subject: Subject) -> Members | None:
        """Return the processes of a subject; None where nobody knows them."""
        ...

    def fresh(self) -> bool:
        """Tell whether the loop still ticks: false once no tick came for three intervals, or the first one never."""
        ...

    async def reload(self) -> list[str]:
        """Read the configuration again; return what is wrong with it, and then keep the old one."""
        ...
