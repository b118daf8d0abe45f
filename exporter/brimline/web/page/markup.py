"""The small pieces every page is made of: sizes, moments, names that lead somewhere; all that is text is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import quote

from brimline.model import Kind, Subject
from brimline.units import format_bytes, format_duration

_LAST_MOMENT: Final = 253_402_300_799  # of the year 9999
_LONG: Final = 40  # characters: longer names may be cut where they are shown
_AWKWARD: Final = frozenset({"", ".", ".."})  # segments that browsers and proxies fold away


def size(value: float) -> str:
    """Write bytes for people, the exact number on hover."""
    exact = f"{value:.0f}"
    return f'<data value="{exact}" title="{int(exact):,} bytes">{format_bytes(value)}</data>'


def duration(seconds: float) -> str:
    """Write a length of time, the exact seconds on hover."""
    return f'<data value="{seconds:.0f}" title="{seconds:,.0f} seconds">{format_duration(_rounded(seconds))}</data>'


def ago(wall: float, at: float) -> str:
    """Write how long ago a moment is, the moment itself on hover."""
    passed = format_duration(_rounded(max(at - wall, 0.0)))
    return f'<time datetime="{iso(wall)}" title="{clock(wall)}">{passed} ago</time>'


def moment(wall: float) -> str:
    """Write a moment in UTC."""
    return f'<time datetime="{iso(wall)}">{clock(wall)}</time>'


def clock(wall: float) -> str:
    """Write a moment in UTC as plain text."""
    return f"{_date(wall):%Y-%m-%d %H:%M:%S} UTC"


def title(subject: Subject) -> str:
    """Return a subject's own name, escaped."""
    return escape("host" if subject.kind is Kind.HOST else subject.name)


def place(subject: Subject) -> str:
    """Return what a subject is and where it belongs, escaped."""
    if subject.kind is Kind.HOST:
        return "all of this machine"
    more = subject.labels[1:] if subject.kind is Kind.CONTAINER else ()
    return escape(" / ".join([str(subject.kind), *(part for part in more if part)]))


def link(subject: Subject, up: str) -> str:
    """Return a subject's name, leading to its page; `up` is the way to the front page."""
    name = title(subject)
    hover = f' title="{name}"' if len(name) > _LONG else ""
    return f'<a href="{up}{path(subject)}"{hover}>{name}</a>'


def path(subject: Subject) -> str:
    """Return the path of a subject's page below the front page, escaped."""
    name = subject.name or str(subject.kind)
    safe = "" if not _AWKWARD.isdisjoint(name.split("/")) else "/"
    return f"subject/{subject.kind}/{escape(quote(name, safe=safe))}"


def listing(items: Iterable[str], css: str, tag: str = "ul") -> str:
    """Return a list; nothing where it has no items."""
    inner = "".join(items)
    return f'<{tag} class="{css}">{inner}</{tag}>' if inner else ""


def iso(wall: float) -> str:
    """Write a moment for machines."""
    return f"{_date(wall):%Y-%m-%dT%H:%M:%SZ}"


def _date(wall: float) -> datetime:
    """Return a moment; one beyond the calendar, by a clock that was wrong, as its last."""
    return datetime.fromtimestamp(min(max(wall, 0.0), _LAST_MOMENT), UTC)


def _rounded(seconds: float) -> float:
    return float(round(seconds)) if seconds >= 1 else seconds
