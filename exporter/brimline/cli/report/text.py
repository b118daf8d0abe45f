"""A report as Markdown, for people and for a chat, and as JSON, for other programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from brimline.cli import asking
from brimline.cli.report.events import OFTEN, TOO_OFTEN, Action, Episode
from brimline.cli.report.facts import Report, Standing
from brimline.units import format_bytes, format_duration, format_ratio

_MARKS: Final = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]()#+!|<>~"})
_DASH: Final = "-"


def span(report: Report) -> str:
    """Return `2026-11-20 10:00:00 to 2026-11-21 10:00:00 (1d)`."""
    length = format_duration(round(report.ended - report.began))
    return f"{asking.clock_time(report.began)} to {asking.clock_time(report.ended)} ({length})"


def per_hour(slope: float) -> str:
    """Return a slope as people speak of it: `12.3 MiB/h`."""
    return f"{format_bytes(max(slope, 0.0) * 3600)}/h"


def share(seconds: float, standing: Standing) -> str:
    """Return `2h 5m`, or a dash where it never was."""
    if not standing.seconds:
        return "not known"
    return format_duration(seconds) if seconds else _DASH


def lasted(episode: Episode, report: Report) -> str:
    """Return how long an alert fired within the report."""
    began = report.began if episode.began is None else episode.began
    ended = report.ended if episode.ended is None else episode.ended
    said = format_duration(max(0, round(ended - began)))
    if episode.began is None:
        return f"{said} and before"
    return f"{said}, goes on" if episode.ended is None else said


def freed(action: Action) -> str:
    """Return what an action freed; what used more afterwards is said too."""
    if action.freed is None:
        return _DASH
    return format_bytes(action.freed) if action.freed >= 0 else f"{format_bytes(-action.freed)} more used"


def headline(report: Report) -> str:
    """Return the report in one sentence."""
    number = len(report.standings)
    above = sum(standing.above_restart for standing in report.standings)
    killed = sum(killed.number for killed in report.killed)
    parts = [
        f"{number} subject{'' if number == 1 else 's'}",
        f"{format_duration(above)} above the restart level" if above else "never above a restart level",
        f"{len(report.leaks)} leak{'' if len(report.leaks) == 1 else 's'}",
        f"{killed} OOM kill{'' if killed == 1 else 's'}",
        f"{len(report.actions)} action{'' if len(report.actions) == 1 else 's'}",
        f"{format_bytes(report.freed)} freed",
    ]
    return ", ".join(parts)


def markdown(report: Report, host: str) -> str:
    """Return it as Markdown."""
    return "\n".join([f"# Brimline report{f' of {_text(host)}' if host else ''}", "", *_sections(report)]) + "\n"


def _sections(report: Report) -> Iterator[str]:
    yield f"{span(report)}: {headline(report)}."
    yield from _table("Memory", ("subject", "state", "peak", "of limit", "at", *_levels(report)), _memory(report))
    yield from _table(
        "Leaks",
        ("subject", "from", "to", "slope", "full in"),
        (
            (
                s.name,
                _at(k.began),
                _at(k.ended),
                per_hour(k.slope),
                _DASH if k.left is None else format_duration(k.left),
            )
            for s, k in report.leaks
        ),
    )
    yield from _table("OOM kills", ("at", "subject", "kills"), ((_at(k.at), k.name, k.number) for k in report.killed))
    yield from _table(
        f"Restarts (warning above {OFTEN} an hour, critical above {TOO_OFTEN})",
        ("subject", "state", "most in an hour", "in all", "by Brimline"),
        ((r.name, r.state, r.busiest, len(r.times), r.ours) for r in report.restarts),
    )
    yield from _table(
        "Actions",
        ("at", "action", "subject", "freed", "outcome"),
        ((_at(a.at), a.action, a.name, freed(a), a.text if a.ok else f"failed: {a.text}") for a in report.actions),
    )
    yield from _table(
        "Alerts",
        ("alert", "severity", "subject", "from", "for"),
        (
            (e.alertname, e.severity, e.name, _DASH if e.began is None else _at(e.began), lasted(e, report))
            for e in report.episodes
        ),
    )
    yield from _table(
        "Not done", ("action", "verdict", "decided"), ((a, v, number) for (a, v), number in report.refused.items())
    )


def _levels(report: Report) -> tuple[str, ...]:
    return tuple([f"above {format_ratio(level)}" for level in report.levels])


def _memory(report: Report) -> Iterator[tuple[object, ...]]:
    for one in report.standings:
        limit = _DASH if one.limit is None else format_bytes(one.limit)
        of = _DASH if one.highest is None else f"{format_ratio(one.highest)} of {limit}"
        above = (share(one.above_alert, one), share(one.above_restart, one))
        yield (one.name, one.state, format_bytes(one.peak), of, _at(one.peak_at), *above)


def _at(wall: float) -> str:
    return asking.clock_time(wall)


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    found = list(rows)
    if not found:
        return
    yield from ("", f"## {title}", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}")
    for row in found:
        yield f"| {' | '.join(_text(cell) for cell in row)} |"


def _text(cell: object) -> str:
    return " ".join(str(cell).split()).translate(_MARKS)


def as_json(report: Report, host: str) -> str:
    """Return it as JSON; times are seconds since the epoch."""
    return json.dumps(as_data(report, host), indent=2) + "\n"


def as_data(report: Report, host: str) -> dict[str, object]:
    """Return it as JSON's types."""
    return {
        "host": host,
        "began": report.began,
        "ended": report.ended,
        "levels": {"alert": report.levels[0], "restart": report.levels[1]},
        "subjects": [_standing(standing) for standing in report.standings],
        "alerts": [
            {
                "alertname": e.alertname,
                "severity": e.severity or None,
                "name": e.name,
                "began": e.began,
                "ended": e.ended,
                "value": e.value,
                "threshold": e.threshold,
            }
            for e in report.episodes
        ],
        "oom_kills": [{"at": k.at, "name": k.name, "kills": k.number} for k in report.killed],
        "restarts": [
            {"name": r.name, "state": str(r.state), "busiest_hour": r.busiest, "at": list(r.times), "ours": r.ours}
            for r in report.restarts
        ],
        "actions": [
            {
                "at": a.at,
                "action": a.action,
                "name": a.name,
                "ok": a.ok,
                "text": a.text,
                "before_bytes": a.before,
                "after_bytes": a.after,
                "freed_bytes": a.freed,
                "downtime": a.downtime,
            }
            for a in report.actions
        ],
        "not_done": [{"action": a, "verdict": v, "decided": n} for (a, v), n in report.refused.items()],
    }


def _standing(standing: Standing) -> dict[str, object]:
    return {
        "kind": str(standing.subject.kind),
        "name": standing.subject.name,
        "labels": list(standing.subject.labels),
        "state": str(standing.state),
        "levels": {"alert": standing.levels[0], "restart": standing.levels[1]},
        "peak_bytes": standing.peak,
        "peak_at": standing.peak_at,
        "highest_ratio": standing.highest,
        "last_bytes": standing.last,
        "limit_bytes": standing.limit,
        "seconds": standing.seconds,
        "seconds_above_alert": standing.above_alert,
        "seconds_above_restart": standing.above_restart,
        "leaks": [
            {"began": k.began, "ended": k.ended, "bytes_per_second": k.slope, "seconds_left": k.left}
            for k in standing.leaks
        ],
    }
