"""The front page: what fires, every subject's memory as a bar against its own two levels, and how the sources fare.

Plain HTML without a script; every name passes `escape`, and a policy header forbids whatever is not on this page.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from importlib import resources
from typing import Final

from aiohttp import web

from brimline import __version__
from brimline.model import Alert, Diagnosis, Kind, Phase, SourceStatus, Subject
from brimline.standing import Measures, Row, State, amount, qualified, rows, stopped
from brimline.units import format_bytes, format_duration, format_ratio
from brimline.view import View
from brimline.web.face import Face
from brimline.web.once import Once
from brimline.web.slices import Slices

_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 2h12v12H2z' "
    "fill='%23ccc'/%3E%3Cpath d='M2 6h12v8H2z' fill='%232c7a4b'/%3E%3Cpath d='M1 4h14' stroke='%23b3261e'/%3E%3C/svg%3E"
)
_STATES: Final = (State.CRITICAL, State.WARNING, State.UNKNOWN, State.NORMAL)


class Landing:
    """Answers `/`."""

    def __init__(self, face: Face, once: Once, *, telemetry_path: str) -> None:
        self._face = face
        self._once = once
        self._style = resources.files("brimline.web").joinpath("landing.css").read_text("utf-8")
        self._links = {telemetry_path[1:]: "Metrics", "-/healthy": "Health", "-/ready": "Readiness"}
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    async def get(self, _: web.Request) -> Slices:
        """Answer with the page of the last view."""
        view, fresh = self._face.view, self._face.fresh()
        if view is None:
            body = self._page('<p class="loud">The first reading is under way; load this page again.</p>', fresh=True)
        else:
            body = await self._once.of(view, ("landing", fresh), lambda: self._of(view, fresh=fresh))
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": self._policy,
            "Cache-Control": "no-store",
        }
        return Slices((body,), headers)

    def _of(self, view: View, *, fresh: bool) -> bytes:
        return self._page(draw(view, fresh=fresh), fresh=fresh)

    def _page(self, content: str, *, fresh: bool) -> bytes:
        links = "".join(f'<a href="{escape(path)}">{name}</a>' for path, name in self._links.items())
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Brimline</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="icon" href="{_ICON}"><style>{self._style}</style></head>'
            f'<body class="{"fresh" if fresh else "stale"}"><header><h1>Brimline</h1>'
            f'<span class="dim">memory, before the OOM killer</span><nav aria-label="Endpoints">{links}</nav></header>'
            f"<main>{content}</main><footer>Brimline {escape(__version__)}</footer></body></html>\n"
        ).encode()


def draw(view: View, *, fresh: bool) -> str:
    """Return the page's content. Pure."""
    measures = Measures(view)
    found = rows(measures)
    idle = stopped(measures)
    when = _time(view.snapshot.at.wall)
    return "".join(
        (
            *([] if fresh else [_stale(when)]),
            *(_failure(source) for source in view.sources if not source.up),
            *_alerts(measures),
            f'<p class="summary">{_summary(found, len(idle))}</p>',
            *_subjects(found, idle, measures),
            *_sources(view.sources),
            f'<p class="dim">Read at {when}, tick {view.ticks}, in {_short(view.tick_seconds)}.</p>',
        )
    )


def _time(wall: float) -> str:
    at = datetime.fromtimestamp(wall, UTC)
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M:%S} UTC</time>'


def _stale(when: str) -> str:
    then = "the metrics hold no data until Brimline reads again"
    return f'<p class="loud"><strong>Stale.</strong> Nothing was read since {when}; {then}.</p>'


def _failure(source: SourceStatus) -> str:
    why = escape(source.error or "no reason given")
    return f'<p class="loud"><strong>Source {escape(source.source)} failed:</strong> {why}</p>'


def _alerts(measures: Measures) -> Iterator[str]:
    firing = [_alert(alert, measures.at) for alert in measures.alerts if alert.phase is Phase.FIRING]
    pending = [_alert(alert, measures.at) for alert in measures.alerts if alert.phase is Phase.PENDING]
    if firing:
        yield f'<h2 class="alarm">Firing: {len(firing)}</h2><ol class="alerts firing">{"".join(firing)}</ol>'
    if pending:
        yield f'<h2 class="dim">Pending: {len(pending)}</h2><ol class="alerts pending">{"".join(pending)}</ol>'


def _alert(alert: Alert, at: float) -> str:
    tone = alert.severity if alert.severity in {State.CRITICAL, State.WARNING} else "other"
    lasted = format_duration(max(at - alert.since, 0.0))
    unsure = "" if alert.known else '<span class="unsure">its source fails, the last that is known</span>'
    return (
        f'<li class="{tone}"><b>{escape(alert.alertname)}</b><span class="state">{escape(alert.severity)}</span>'
        f'<span class="who">{escape(qualified(alert.subject))}</span><span class="ratio">{escape(amount(alert))}</span>'
        f'<span class="dim">for {lasted}, since {_time(alert.since)}</span>{unsure}</li>'
    )


def _summary(found: list[Row], idle: int) -> str:
    counts = Counter(row.state for row in found)
    parts = [f"<b>{counts[state]} {state}</b>" for state in _STATES if counts[state]]
    return ", ".join([*parts, *([f"{idle} stopped"] if idle else [])])


def _subjects(found: list[Row], idle: Iterable[tuple[Subject, int | None]], measures: Measures) -> Iterator[str]:
    default = measures.default_levels
    lines = [
        *(_line(row, default, measures.trouble(row.subject)) for row in found),
        *(_stopped_line(subject, code) for subject, code in idle),
    ]
    yield "<h2>Memory used</h2>"
    if not any(row.subject.kind is not Kind.HOST for row in found):
        yield (
            "<p>No container, systemd service or process group is measured yet. Start a container, let Brimline reach "
            "Docker's socket and the host's cgroup tree, or name what to measure under <code>sources</code> in the "
            "configuration; <code>brimline config print --effective</code> shows what it looks for now.</p>"
        )
    if lines:
        levels = f"{default[0] * 100:g} % (warning) and {default[1] * 100:g} % (critical)"
        own = "; those with levels of their own say so" if any(row.levels != default for row in found) else ""
        yield f'<p class="legend">The marks stand at {levels} of what each may use, swap included{own}.</p>'
        yield f'<ol class="subjects">{"".join(lines)}</ol>'


def _line(row: Row, default: tuple[float, float], trouble: Diagnosis | None) -> str:
    name = _name(row.subject)
    if row.ratio is None:
        why = escape(row.reason or "its memory could not be read")
        return f'<li class="unknown">{name}<span class="why">{why}</span><span class="state">unknown</span></li>'
    own = (
        "" if row.levels == default else f"<span>levels {row.levels[0] * 100:g} % and {row.levels[1] * 100:g} %</span>"
    )
    why = "" if trouble is None else f'<span class="told">{escape(trouble.sentence)}</span>'
    return (
        f'<li class="{row.state}">{name}{_bar(row.ratio, row.levels)}'
        f'<span class="ratio">{format_ratio(row.ratio)}</span><span class="bytes">{_amount(row)}{own}</span>'
        f'<span class="state">{row.state}</span>{why}</li>'
    )


def _stopped_line(subject: Subject, code: int | None) -> str:
    why = "" if code is None else f"exit code {code}"
    return f'<li class="stopped">{_name(subject)}<span class="why">{why}</span><span class="state">stopped</span></li>'


def _name(subject: Subject) -> str:
    detail = [str(subject.kind)] if subject.kind is not Kind.HOST else ["all of this machine"]
    if subject.kind is Kind.CONTAINER:
        detail += [part for part in subject.labels[1:] if part]
    name = subject.name if subject.kind is not Kind.HOST else "host"
    return f'<span class="name"><b>{escape(name)}</b><span>{escape(" / ".join(detail))}</span></span>'


def _bar(ratio: float, levels: tuple[float, float]) -> str:
    marks = "".join(f"M{level * 100:g} 0V12" for level in levels)
    width = min(max(ratio, 0.0), 1.0) * 100
    return (
        '<svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" y="2" width="100" height="8"/><rect class="fill" y="2" width="{width:.1f}" height="8"/>'
        f'<path d="{marks}"/></svg>'
    )


def _amount(row: Row) -> str:
    used = "" if row.used is None else format_bytes(row.used)
    if not row.limited:
        return f"{used} <b>no limit</b>" if row.subject.kind is not Kind.HOST else used
    return used if row.limit is None else f"{used} of {format_bytes(row.limit)}"


def _sources(sources: Iterable[SourceStatus]) -> Iterator[str]:
    yield '<h2>Sources</h2><ul class="sources">'
    for source in sources:
        state, word = ("up", "reading") if source.up else ("down", "failed")
        facts = [_short(source.seconds), *(f"{key} {value}" for key, value in source.info.items() if value)]
        if source.errors_total:
            facts.append(f"{source.errors_total} failed reads so far")
        error = "" if source.up else f'<span class="error">{escape(source.error or "")}</span>'
        yield (
            f'<li class="{state}"><b>{escape(source.source)}</b><span class="state">{word}</span>'
            f'<span class="dim">{escape(", ".join(facts))}</span>{error}</li>'
        )
    yield "</ul>"


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else format_duration(seconds)
