"""The chain of limits from a subject up to the host: which one binds, and who fills a shared one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from brimline.model import Kind, Level, Subject
from brimline.standing import Measures, Row, qualified
from brimline.units import format_bytes

# What a limit is called that is lower than every level that can be seen.
_UNSEEN: Final[Mapping[Kind, str]] = {
    Kind.CONTAINER: "label brimline.limit, or an ancestor unseen",
    Kind.CGROUP: "an ancestor unseen",
    Kind.PROCESS: "the group's limit, or its cgroup's",
    Kind.HOST: "",
}


@dataclass(frozen=True, slots=True)
class Chain:
    """The levels, the subject's own first; which of them binds; a sentence on who fills a shared one, if it is near."""

    levels: tuple[Level, ...]
    binding: Level | None
    filler: str

    @staticmethod
    def free(level: Level) -> int | None:
        """Return what a level has left; None where that is not known."""
        return None if level.limit is None or level.used is None else max(level.limit - level.used, 0)


def chain_of(row: Row, measures: Measures) -> Chain:
    """Return a subject's chain."""
    levels = [level for level in measures.chains.get(row.subject, ()) if level.path != "/"]
    total = measures.host_total
    if total is not None and row.subject.kind is not Kind.HOST:
        levels.append(Level("host", int(total), None, _host_used(measures)))
    if not levels:
        return Chain((), None, "")
    least = min((level.limit for level in levels if level.limit is not None), default=None)
    if row.limited and row.limit is not None and (least is None or row.limit < least):
        levels.insert(0, Level(_UNSEEN[row.subject.kind], int(row.limit), None, int(row.used or 0)))
        least = int(row.limit)
    binding = next((level for level in levels if level.limit == least), None)
    return Chain(tuple(levels), binding, _filler(row.subject, measures, levels))


def _host_used(measures: Measures) -> int | None:
    return next((int(v) for v in measures.all(Kind.HOST, "memory_used_bytes").values()), None)


def _filler(subject: Subject, measures: Measures, levels: Sequence[Level]) -> str:
    """Name who holds most below the shared ancestor that has least left, where that is tighter than its own."""
    free = {
        level.path: level.limit - level.used for level in levels if level.limit is not None and level.used is not None
    }
    shared = [level.path for level in levels[1:] if level.path in free and level.path != "host"]
    if not shared:
        return ""
    tightest = min(shared, key=lambda path: free[path])
    if levels[0].path in free and free[levels[0].path] <= free[tightest]:
        return ""
    held = {
        other: links[0].used or 0
        for other, links in measures.chains.items()
        if links and other.kind is subject.kind and any(level.path == tightest for level in links[1:])
    }
    most = max(held, key=lambda other: held[other], default=None)
    if most is None:
        return ""
    who = "it holds most of that itself" if most == subject else f"{qualified(most)} holds most of that"
    return f"{tightest} fills first; {who}, {format_bytes(held[most])}"
