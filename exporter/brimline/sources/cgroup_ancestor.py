"""The levels above a measured cgroup: their limits bound it, and their being out of memory may be why it was killed."""

from __future__ import annotations

from typing import Final

from brimline.model import Level
from brimline.sources import cgroup
from brimline.sources.cgroup_open import OpenCgroup

REST_SECONDS: Final = 15.0


class Ancestor:
    """A cgroup above measured ones: its limit bounds them all; its use is read only where it has one."""

    __slots__ = ("_oom_events", "_oom_rose_at", "_read_at", "cgroup", "error", "path")

    def __init__(self, opened: OpenCgroup, path: str) -> None:
        self.cgroup = opened
        self.path = path
        self.error: OSError | None = None
        self._oom_events: int | None = None  # what happened before the first look is nobody's news
        self._oom_rose_at = float("-inf")
        self._read_at = float("-inf")

    def read(self, mono: float) -> None:
        """Read its limit now and then, its use every tick if it has a limit."""
        try:
            if mono - self._read_at >= REST_SECONDS:
                self.cgroup.read_limits()
                self._note(self.cgroup.oom_events(), mono)
                self._read_at = mono
            if self.limited and self.cgroup.fetch():
                self.cgroup.take_in()
        except OSError as error:
            self.error = error
        else:
            self.error = None

    @property
    def limited(self) -> bool:
        """Whether it bounds anything."""
        return self.cgroup.facts.limit is not None

    def was_out_of_memory(self, since: float, mono: float) -> bool:
        """Tell whether this very level ran out of memory since then."""
        self._note(self.cgroup.oom_events(), mono)
        return self._oom_rose_at >= since

    def _note(self, events: int, mono: float) -> None:
        if self._oom_events is not None and events > self._oom_events:
            self._oom_rose_at = mono
        self._oom_events = events

    def level(self) -> Level:
        """Return it as a link of the chain."""
        return describe(self.path, self.cgroup)


def describe(path: str, opened: OpenCgroup) -> Level:
    """Return one cgroup as a link of the chain."""
    facts = opened.facts
    if not opened.known:
        return Level(path, facts.limit, None, None)
    return Level(path, facts.limit, facts.usage, cgroup.used(facts))


def room(opened: OpenCgroup) -> float:
    """Return what may still be used at this very level; inf without a limit."""
    limit = opened.facts.limit
    return float("inf") if limit is None else max(0, limit - cgroup.used(opened.facts))
