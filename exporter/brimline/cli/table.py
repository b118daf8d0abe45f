"""A plain text table: left or right aligned columns, the last cut to the width; colours only where they are seen."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class Heading:
    """One column."""

    text: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One text, and the colour it has on a terminal."""

    text: str
    colour: str | None = None


def width() -> int:
    """Return the columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def coloured() -> bool:
    """Return whether colours are wanted (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def cells(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def shorten(text: str, room: int) -> str:
    """Cut the middle out, since both ends of a name tell it apart."""
    if cells(text) <= room:
        return text
    keep = max(room - 1, 0)
    head, tail = text, text
    while cells(head) > keep - keep // 2:
        head = head[:-1]
    while cells(tail) > keep // 2:
        tail = tail[1:]
    return f"{head}…{tail}"


def render(headings: Sequence[Heading], rows: Sequence[Sequence[Cell]], room: int, *, colour: bool) -> list[str]:
    """Return the lines of the table; the last column takes what room is left, but never less than 12."""
    widths = [
        max([cells(heading.text), *(cells(row[index].text) for row in rows)]) for index, heading in enumerate(headings)
    ]
    widths[-1] = min(widths[-1], max(room - sum(widths[:-1]) - 2 * len(widths[:-1]), 12))
    lines = [[Cell(heading.text) for heading in headings], *rows]
    return [
        "  ".join(_place(cell, h, w, colour=colour) for cell, h, w in zip(line, headings, widths, strict=True)).rstrip()
        for line in lines
    ]


def _place(cell: Cell, heading: Heading, room: int, *, colour: bool) -> str:
    text = shorten(cell.text, room)
    blank = " " * (room - cells(text))
    painted = click.style(text, fg=cell.colour) if colour and cell.colour else text
    return blank + painted if heading.right else painted + blank
