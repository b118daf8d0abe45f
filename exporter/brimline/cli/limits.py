"""The chain of limits from a subject up to the host: which one binds, and who fills a shared one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from brimline.cli import table
from brimline.cli.table import Cell, Heading
from brimline.model import Kind, Level, Subject
from brimline.standing import Measures, Row, qualified
from brimline.units import format_bytes

_HEADINGS: Final = (
    Heading("LIMIT", right=True),
    Heading("USED", right=True),
    Heading("FREE", right=True),
    Heading(""),
    Heading("LEVEL"),
)
# What a limit is called that is lower than every level that can be seen.
_UNSEEN: Final[Mapping[Kind, str]] = {
    Kind.CONTAINER: "label brimline.limit, or an ancestor unseen",
    Kind.CGROUP: "an ancestor unseen",
    Kind.PROCESS: "the group's limit, or its cgroup's",
    Kind.HOST: "",
}


def limits(row: Row, measures: Measures, room: int, *, colour: bool) -> list[str]:
    """Return the chain as a table, then who fills a shared level that has less left than the subject's own."""
    chain = [level for level in measures.chains.get(row.subject, ()) if level.path != "/"]
    total = measures.host_total
    if total is not None and row.subject.kind is not Kind.HOST:
        chain.append(Level("host", int(total), None, _host_used(measures)))
    if not chain:
        return []
    least = min((level.limit for level in chain if level.limit is not None), default=None)
    if row.limited and row.limit is not None and (least is None or row.limit < least):
        name = _UNSEEN[row.subject.kind]
        chain.insert(0, Level(name, int(row.limit), None, int(row.used or 0)))
        least = int(row.limit)
    binding = next((level for level in chain if level.limit == least), None)
    lines = [_level(level, binds=level is binding) for level in chain]
    return [*table.render(_HEADINGS, lines, room, colour=colour), *_sibling(row.subject, measures, chain)]


def _host_used(measures: Measures) -> int | None:
    return next((int(v) for v in measures.all(Kind.HOST, "memory_used_bytes").values()), None)


def _level(level: Level, *, binds: bool) -> list[Cell]:
    def size(value: int | None, otherwise: str) -> Cell:
        return Cell(otherwise if value is None else format_bytes(value))

    free = None if level.limit is None or level.used is None else max(level.limit - level.used, 0)
    mark = Cell("binds", "cyan") if binds else Cell("")
    return [size(level.limit, "none"), size(level.used, "-"), size(free, "-"), mark, Cell(level.path)]


def _sibling(subject: Subject, measures: Measures, chain: Sequence[Level]) -> list[str]:
    """Name who holds most below the shared ancestor that has least left, where that is tighter than its own."""
    free = {
        level.path: level.limit - level.used for level in chain if level.limit is not None and level.used is not None
    }
    shared = [level.path for level in chain[1:] if level.path in free and level.path != "host"]
    if not shared:
        return []
    tightest = min(shared, key=lambda path: free[path])
    if chain[0].path in free and free[chain[0].path] <= free[tightest]:
        return []
    held = {
        other: links[0].used or 0
        for other, links in measures.chains.items()
        if links and other.kind is subject.kind and any(level.path == tightest for level in links[1:])
    }
    most = max(held, key=lambda other: held[other], default=None)
    if most is None:
        return []
    who = "it holds most of that itself" if most == subject else f"{qualified(most)} holds most of that"
    return [f"{tightest} fills first; {who}, {format_bytes(held[most])}"]
