"""A report as one HTML file: no script, no network, every name escaped, light or dark as its reader prefers. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from typing import Final

from brimline import __version__
from brimline.cli.report.facts import Report, Standing
from brimline.cli.report.spark import spark, to_its_own_height
from brimline.cli.report.tables import MOST, moment, sized, tables
from brimline.cli.report.text import per_hour, share, span
from brimline.model import Kind
from brimline.standing import State
from brimline.units import format_bytes, format_duration, format_ratio

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_NOTES: Final = (
    "Memory is what the kernel cannot drop (used); a minute counts by its average, a peak by its highest sample. "
    "Levels and rules are those configured when this was written. A leak is a floor that keeps rising, told by the "
    "gates of the forecast. Restarts by a container's own restart policy are not in the journal, and OOM kills are "
    "those an alert told of."
)


def page(report: Report, host: str) -> str:
    """Return the whole file."""
    style = resources.files("brimline.cli.report").joinpath("report.css").read_text("utf-8")
    title = f"Brimline report{f' of {host}' if host else ''}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>\n"
        f'<header><h1>{escape(title)}</h1><p class="dim">{escape(span(report))}</p></header>\n'
        f"<main>{''.join(_main(report))}</main>\n"
        f"<footer><p>{_NOTES}</p><p>Brimline {escape(__version__)}</p></footer></body></html>\n"
    )


def _main(report: Report) -> Iterator[str]:
    yield f'<ul class="tiles">{"".join(_tiles(report))}</ul>'
    yield "<h2>Memory</h2>"
    if not report.standings:
        yield (
            "<p>There are no samples of this time. Brimline writes one a minute while it runs; look with "
            "<code>brimline status</code> whether it does, and where its journal is.</p>"
        )
    else:
        alert, restart = report.levels
        yield (
            f'<p class="legend">The curve is the average, the band reaches from the least to the greatest. '
            f'<span class="key alert"></span>{alert * 100:g} % <span class="key restart"></span>{restart * 100:g} % of '
            'the limit, unless a line says otherwise; <span class="key deed"></span>something was done.</p>'
        )
        yield f'<ol class="subjects">{"".join(_subjects(report))}</ol>'
    yield from tables(report)


def _tiles(report: Report) -> Iterator[str]:
    worst = next(iter(report.standings), None)
    if worst is not None and worst.highest is not None:
        yield _tile("highest", format_ratio(worst_ratio(report)), worst_name(report), worst.state)
    above = sum(standing.above_restart for standing in report.standings)
    tone = State.CRITICAL if above else State.NORMAL
    yield _tile("above the restart level", format_duration(above) if above else "never", "all subjects added up", tone)
    leaking = len({standing.name for standing, _ in report.leaks})
    yield _tile(
        "leaked", str(leaking), "subject" if leaking == 1 else "subjects", State.WARNING if leaking else State.NORMAL
    )
    killed = sum(killed.number for killed in report.killed)
    yield _tile("OOM kills", str(killed), "that alerts told of", State.CRITICAL if killed else State.NORMAL)
    restarts = sum(len(found.times) for found in report.restarts)
    ours = sum(found.ours for found in report.restarts)
    yield _tile("restarts", str(restarts), f"{ours} by Brimline", max_state([r.state for r in report.restarts]))
    failed = sum(not action.ok for action in report.actions)
    detail = f"by {len(report.actions)} action{'' if len(report.actions) == 1 else 's'}"
    detail += f", {failed} failed" if failed else ""
    yield _tile("freed", format_bytes(report.freed), detail, State.WARNING if failed else State.NORMAL)


def worst_ratio(report: Report) -> float:
    """Return the highest ratio of all."""
    return max(standing.highest or 0.0 for standing in report.standings)


def worst_name(report: Report) -> str:
    """Return whose it is."""
    return max(report.standings, key=lambda standing: standing.highest or 0.0).name


def max_state(states: Sequence[State]) -> State:
    """Return the worst of them."""
    return next((state for state in (State.CRITICAL, State.WARNING) if state in states), State.NORMAL)


def _tile(word: str, value: str, detail: str, state: State) -> str:
    return (
        f'<li class="{state}"><span class="word">{escape(word)}</span><b>{escape(value)}</b>'
        f'<span class="dim">{escape(detail)}</span></li>'
    )


def _subjects(report: Report) -> Iterator[str]:
    deeds: defaultdict[str, list[float]] = defaultdict(list)
    for action in report.actions:
        deeds[action.name].append(action.at)
    for one in report.standings[:MOST]:
        yield _subject(one, report, deeds[one.name])
    if (more := len(report.standings) - MOST) > 0:
        yield f'<li class="dim">and {more} more that stood better; --format json has them all</li>'


def _subject(one: Standing, report: Report, deeds: Sequence[float]) -> str:
    ratio = "-" if one.highest is None else format_ratio(one.highest)
    of = "" if one.limit is None else f" of {sized(one.limit)}"
    own = "" if one.levels == report.levels else f" · levels {one.levels[0] * 100:g} and {one.levels[1] * 100:g} %"
    above = [
        f"{share(seconds, one)} above {level * 100:g} %"
        for seconds, level in ((one.above_alert, one.levels[0]), (one.above_restart, one.levels[1]))
        if seconds
    ]
    leak = f"leaked {per_hour(one.leaks[-1].slope)}" if one.leaks else ""
    own_scale = "drawn to its own height" if to_its_own_height(one) else ""
    told = ", ".join(part for part in (*above, leak, own_scale) if part) or (
        "never above a level" if one.seconds else "no limit known"
    )
    return (
        f'<li class="{one.state}"><span class="name"><b>{escape(_name(one))}</b>'
        f"<span>{escape(_detail(one) + own)}</span></span>{spark(one, report.began, report.ended, deeds)}"
        f'<span class="ratio">{ratio}</span><span class="bytes">{sized(one.peak)}{of}'
        f"<span>{moment(one.peak_at)}</span></span>"
        f'<span class="told">{escape(told)}</span></li>'
    )


def _name(one: Standing) -> str:
    return "host" if one.subject.kind is Kind.HOST else one.subject.name


def _detail(one: Standing) -> str:
    parts = [str(one.subject.kind)]
    if one.subject.kind is Kind.CONTAINER:
        parts += [part for part in one.subject.labels[1:] if part]
    return " / ".join(parts)
