"""The chain of limits from a subject up to the host as a table, and who fills a shared one. Pure."""

from __future__ import annotations

from typing import Final

from brimline.chain import chain_of
from brimline.cli import table
from brimline.cli.table import Cell, Heading
from brimline.model import Level
from brimline.standing import Measures, Row
from brimline.units import format_bytes

_HEADINGS: Final = (
    Heading("LIMIT", right=True),
    Heading("USED", right=True),
    Heading("FREE", right=True),
    Heading(""),
    Heading("LEVEL"),
)


def limits(row: Row, measures: Measures, room: int, *, colour: bool) -> list[str]:
    """Return the chain as a table, then who fills a shared level that has less left than the subject's own."""
    chain = chain_of(row, measures)
    if not chain.levels:
        return []
    lines = [_level(level, chain.free(level), binds=level is chain.binding) for level in chain.levels]
    return [*table.render(_HEADINGS, lines, room, colour=colour), *([chain.filler] if chain.filler else [])]


def _level(level: Level, free: int | None, *, binds: bool) -> list[Cell]:
    def size(value: int | None, otherwise: str) -> Cell:
        return Cell(otherwise if value is None else format_bytes(value))

    mark = Cell("binds", "cyan") if binds else Cell("")
    return [size(level.limit, "none"), size(level.used, "-"), size(free, "-"), mark, Cell(level.path)]
