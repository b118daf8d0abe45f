"""Bars: what is used against a limit, with marks at its levels, as one fill or as what it consists of. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from brimline.standing import Measures, Row
from brimline.web.page.markup import size

_HEIGHT: Final = 12
_OPEN: Final = (
    f'<svg class="bar" viewBox="0 0 100 {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
    '<rect class="track" y="2" width="100" height="8"/>'
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a stacked bar."""

    css: str
    word: str
    size: float
    meaning: str


def bar(ratio: float, levels: tuple[float, float]) -> str:
    """Return a bar filled to a ratio."""
    width = min(max(ratio, 0.0), 1.0) * 100
    return f'{_OPEN}<rect class="fill" y="2" width="{width:.1f}" height="8"/>{_marks(levels)}</svg>'


def stack(parts: Sequence[Part], whole: float, levels: tuple[float, float]) -> str:
    """Return a bar of parts, in the order they are given; what does not fit is cut off at its end."""
    drawn, at = [], 0.0
    for part in parts:
        width = min(part.size / whole * 100, 100 - at) if whole else 0.0
        drawn.append(f'<rect class="{part.css}" x="{at:.2f}" y="2" width="{width:.2f}" height="8"/>')
        at += width
    return f"{_OPEN}{''.join(drawn)}{_marks(levels)}</svg>"


def legend(parts: Sequence[Part]) -> str:
    """Return what the parts of a bar are and how large."""
    items = (
        f'<li><svg class="key" viewBox="0 0 10 10" aria-hidden="true"><rect class="{part.css}" width="10" height="10"/>'
        f"</svg><b>{escape(part.word)}</b> {size(part.size)} <span>{escape(part.meaning)}</span></li>"
        for part in parts
    )
    return f'<ul class="key-list">{"".join(items)}</ul>'


def parts_of(row: Row, measures: Measures) -> list[Part]:
    """Return what a subject's memory consists of, what can be dropped last; nothing where it is not told apart."""

    def value(measure: str) -> float:
        return measures.get(row.subject, f"memory_{measure}_bytes") or 0.0

    anon, usage = measures.get(row.subject, "memory_anon_bytes"), measures.get(row.subject, "memory_usage_bytes")
    if anon is None or usage is None or row.used is None:
        return []
    shmem, kernel = value("shmem"), max(value("kernel") - value("slab_reclaimable"), 0.0)
    rest = max(row.used - anon - shmem - kernel, 0.0)  # mlocked pages, and what v1 does not tell
    found = [
        Part("anon", "anonymous", anon, "the heap: freed only by its processes"),
        Part("shmem", "shared memory", shmem, "what lies in tmpfs: stays until it is deleted"),
        Part("kernel", "kernel", kernel, "stacks, page tables, slab in use"),
        Part("rest", "other", rest, "locked pages, and what this kernel does not tell apart"),
        Part("cache", "droppable", max(usage - row.used, 0.0), "file cache and slab: goes before anything is killed"),
        Part("swap", "swap", value("swap"), "beside its memory"),
    ]
    return [part for part in found if part.size > 0]


def _marks(levels: tuple[float, float]) -> str:
    return f'<path d="{"".join(f"M{level * 100:g} 0V{_HEIGHT}" for level in levels)}"/>'
