"""The tables of a report's HTML: leaks, OOM kills, restarts, actions, alerts, and what was not done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from brimline.cli import asking
from brimline.cli.report.events import OFTEN, TOO_OFTEN
from brimline.cli.report.facts import Report
from brimline.cli.report.text import freed, lasted, per_hour
from brimline.standing import State
from brimline.units import format_bytes, format_duration

MOST: Final = 500  # rows of a table
_TONES: Final = {"critical": State.CRITICAL, "warning": State.WARNING}


def tables(report: Report) -> Iterator[str]:
    """Yield every table that has a row."""
    for part in (_leaks, _kills, _restarts, _actions, _alerts, _refused):
        yield from part(report)


def sized(value: int) -> str:
    """Return bytes for people, the exact number on hover."""
    return f'<span title="{value:,} bytes">{format_bytes(value)}</span>'


def moment(wall: float) -> str:
    """Return a moment in local time."""
    return f"<time>{escape(asking.clock_time(wall))}</time>"


def _leaks(report: Report) -> Iterator[str]:
    yield from _table(
        "Leaks",
        "",
        ("~subject", "from", "to", "#slope", "#its floor at the end", "#full in"),
        (
            (
                "warning",
                escape(standing.name),
                moment(leak.began),
                moment(leak.ended),
                per_hour(leak.slope),
                f"{sized(leak.floor)} of {sized(leak.limit)}",
                "fell back" if leak.left is None else format_duration(leak.left),
            )
            for standing, leak in report.leaks
        ),
    )


def _kills(report: Report) -> Iterator[str]:
    yield from _table(
        "OOM kills",
        "As alerts told of them; <code>brimline check --oom</code> reads what the kernel itself still tells.",
        ("at", "~subject", "#kills, at least"),
        (("critical", moment(k.at), escape(k.name), str(k.number)) for k in report.killed),
    )


def _restarts(report: Report) -> Iterator[str]:
    yield from _table(
        "Restarts",
        f"Normal up to {OFTEN} within an hour, warning above, critical above {TOO_OFTEN}.",
        ("~subject", "state", "#most within an hour", "#in all", "#by Brimline", "last"),
        (
            (
                r.state,
                escape(r.name),
                _state(r.state),
                str(r.busiest),
                str(len(r.times)),
                str(r.ours),
                moment(r.times[-1]),
            )
            for r in report.restarts
        ),
    )


def _actions(report: Report) -> Iterator[str]:
    yield from _table(
        "Actions",
        "",
        ("at", "action", "~subject", "#freed", "#away for", "~outcome"),
        (
            (
                "normal" if a.ok else "critical",
                moment(a.at),
                escape(a.action),
                escape(a.name),
                "-" if a.freed is None else f'<span title="{a.freed:,} bytes">{escape(freed(a))}</span>',
                "-" if a.downtime is None else format_duration(a.downtime),
                ("" if a.ok else "<b>failed:</b> ") + escape(a.text),
            )
            for a in reversed(report.actions)
        ),
    )


def _alerts(report: Report) -> Iterator[str]:
    yield from _table(
        "Alerts",
        "",
        ("alert", "severity", "~subject", "from", "#fired for"),
        (
            (
                _TONES.get(e.severity, "other"),
                escape(e.alertname),
                _state(e.severity),
                escape(e.name),
                "before" if e.began is None else moment(e.began),
                escape(lasted(e, report)),
            )
            for e in reversed(report.episodes)
        ),
    )


def _refused(report: Report) -> Iterator[str]:
    yield from _table(
        "Not done",
        "What rules asked for and policy refused; <code>brimline journal</code> tells why, each time.",
        ("action", "verdict", "#decided"),
        (("other", escape(a), escape(v.replace("_", " ")), str(n)) for (a, v), n in report.refused.items()),
    )


def _state(word: str) -> str:
    return f'<span class="state">{escape(word)}</span>'


def _table(title: str, legend: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a section; a row begins with its tone, a heading with # is of numbers, one with ~ of long texts."""
    found = list(rows)
    if not found:
        return
    kinds = {"#": ' class="number"', "~": ' class="long"'}
    sides = [kinds.get(head[0], "") for head in heads]
    yield f"<h2>{title}</h2>" + (f'<p class="legend">{legend}</p>' if legend else "")
    head = "".join(f"<th scope=col{side}>{name.lstrip('#~')}</th>" for name, side in zip(heads, sides, strict=True))
    yield f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>'
    for tone, *cells in found[:MOST]:
        yield f'<tr class="{tone}">'
        yield "".join(f"<td{side}>{cell}</td>" for cell, side in zip(cells, sides, strict=True))
        yield "</tr>"
    yield "</tbody></table></div>"
    if (more := len(found) - MOST) > 0:
        yield f'<p class="dim">and {more} more; --format json has them all</p>'
