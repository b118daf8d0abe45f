"""The page of one subject: what its memory consists of, what bounds it, its last hour, its processes, what was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from brimline.chain import chain_of
from brimline.deeds import Entry, EntryKind
from brimline.definitions import DEFINITIONS
from brimline.members import Members
from brimline.model import Kind, Level, Subject
from brimline.standing import Row
from brimline.units import format_ratio
from brimline.verdict import verdict
from brimline.web.page import notices
from brimline.web.page.bars import bar, legend, parts_of, stack
from brimline.web.page.gathered import DEEDS, Gathered, Line
from brimline.web.page.markup import ago, duration, link, listing, place, size, title
from brimline.web.page.sparks import chart
from brimline.web.page.table import amounts

_LAST: Final = 10  # actions
_TEXTS: Final = frozenset({"Level", "Memory", "Name", "Action", "Shown by", "What happened"})  # columns of words


@dataclass(frozen=True, slots=True)
class Known:
    """What is asked for one subject alone: lines of the journal, the newest first, and its processes."""

    entries: Sequence[Entry] = ()
    members: Members | None = None


def subject_page(gathered: Gathered, line: Line, known: Known, *, fresh: bool, up: str) -> str:
    """Return the page's content."""
    row = line.row
    sections = ["".join(_head(gathered, line))]
    if row is not None and row.ratio is not None:
        sections += [_consists(gathered, row), _hour(gathered, line), _bounds(gathered, row), _numbers(gathered, row)]
    sections += [_processes(known.members, gathered.at) if row is not None else "", *_past(gathered, known.entries, up)]
    return "".join(
        (
            f'<nav class="crumbs" aria-label="Path"><a href="{up}">All subjects</a></nav>',
            f"<h1>{title(line.subject)} <span>{place(line.subject)}</span></h1>",
            f'<div id="now" data-live class="{line.state}">',
            *notices.loud(gathered, fresh=fresh),
            *sections,
            "</div>",
        )
    )


def _head(gathered: Gathered, line: Line) -> Iterator[str]:
    row, subject = line.row, line.subject
    if row is None:
        yield f'<p class="standing"><b class="state">{line.state}</b> {escape(line.ended)}</p>'
    elif row.ratio is None:
        why = escape(row.reason or "its memory could not be read")
        yield f'<p class="standing"><b class="state">{line.state}</b> {why}</p>'
    else:
        yield (
            f'<p class="standing"><b class="state">{line.state}</b> <b>{format_ratio(row.ratio)}</b> {amounts(row)}</p>'
            f"{bar(row.ratio, row.levels)}"
            f'<p class="legend">The marks stand at {row.levels[0] * 100:g} % (warning) and {row.levels[1] * 100:g} % '
            "(critical).</p>"
            f'<p class="said">{escape(verdict(row, gathered.measures))}</p>'
        )
    found = gathered.measures.diagnosis(subject)
    if found is not None:
        yield f'<p class="said"><b>{escape(found.name.replace("_", " "))}:</b> {escape(found.sentence)}</p>'
    yield listing((notices.alert_item(alert, gathered.at, None) for alert in gathered.alerts(subject)), "alerts", "ol")
    yield from (notices.decision_item(decision) for decision in gathered.decisions.get(subject, ()))
    yield listing(_facts(gathered, subject), "facts")


def _facts(gathered: Gathered, subject: Subject) -> Iterator[str]:
    def value(measure: str) -> float | None:
        return gathered.measures.get(subject, measure)

    if (left := value("memory_time_to_limit_seconds")) is not None:
        yield f"<li><span>full in</span> <b>{duration(left)}</b></li>"
    if (room := value("memory_available_bytes")) is not None:
        yield f"<li><span>can still be had</span> <b>{size(room)}</b></li>"
    if (times := value("restarts_total")) is not None:
        yield f"<li><span>restarts seen</span> <b>{times:.0f}</b></li>"
    if (budget := gathered.budgets.get(subject)) is not None:
        yield f"<li><span>restarts left this hour</span> <b>{budget:.0f}</b></li>"
    if (kills := value("memory_oom_kills_total")) is not None:
        yield f"<li><span>OOM kills</span> <b>{kills:.0f}</b></li>"
    full = value("memory_pressure_full_ratio")
    if full is not None:
        yield f"<li><span>all waited for memory</span> <b>{format_ratio(full)}</b> of 10 s</li>"
    if (started := value("start_time_seconds")) is not None:
        yield f"<li><span>started</span> <b>{ago(started, gathered.at)}</b></li>"


def _consists(gathered: Gathered, row: Row) -> str:
    parts = parts_of(row, gathered.measures)
    if not parts:
        return ""
    whole = row.limit or sum(part.size for part in parts)
    return f"<section><h2>What it consists of</h2>{stack(parts, whole, row.levels)}{legend(parts)}</section>"


def _hour(gathered: Gathered, line: Line) -> str:
    row = line.row
    if row is None or not line.remembered:
        return ""
    return f"<section><h2>Last hour</h2>{chart(gathered.hour(line), row.levels, row.limit)}</section>"


def _bounds(gathered: Gathered, row: Row) -> str:
    chain = chain_of(row, gathered.measures)
    if not chain.levels:
        return ""

    def cells(level: Level) -> str:
        binds = "<b>binds</b>" if level is chain.binding else ""
        sizes = (level.limit, level.used, chain.free(level))
        told = "".join(f"<td>{'-' if value is None else size(value)}</td>" for value in sizes)
        return f'<tr><th scope="row">{escape(level.path)}</th>{told}<td>{binds}</td></tr>'

    filler = f'<p class="said">{escape(chain.filler)}</p>' if chain.filler else ""
    heads = ("Level", "Limit", "Used", "Free", "")
    return _section("What bounds it", heads, "".join(map(cells, chain.levels)), filler)


def _numbers(gathered: Gathered, row: Row) -> str:
    def cells(measure: str, word: str, shown: str) -> str:
        value = gathered.measures.get(row.subject, measure)
        if value is None:
            return ""
        share = format_ratio(value / row.limit) if row.limit else "-"
        return (
            f'<tr><th scope="row">{escape(word)}</th><td>{size(value)}</td><td>{share}</td>'
            f'<td class="text">{escape(shown)}</td></tr>'
        )

    body = "".join(cells(*definition) for definition in DEFINITIONS[row.subject.kind])
    return _section('Every number that is called "used"', ("Memory", "Bytes", "Of limit", "Shown by"), body)


def _processes(members: Members | None, at: float) -> str:
    if members is None:
        return ""
    if not members.found:
        return '<section><h2>Processes</h2><p class="dim">None could be read.</p></section>'
    body = "".join(
        f'<tr><th scope="row">{escape(one.name)}</th><td>{one.pid}</td>'
        f"<td>{'-' if one.pss is None else size(one.pss)}</td><td>{size(one.rss)}</td></tr>"
        for one in members.found
    )
    left = f"{members.left_out} smaller ones are left out. " if members.left_out else ""
    why = "PSS divides what processes share among them"
    note = f'<p class="dim">{left}Weighed {ago(members.at, at)}; {why}, RSS counts it for each.</p>'
    return _section("Processes by PSS", ("Name", "Pid", "PSS", "RSS"), body, note)


def _past(gathered: Gathered, entries: Sequence[Entry], up: str) -> Iterator[str]:
    done = [entry for entry in entries if entry.kind in DEEDS][:_LAST]
    if done:
        heads = ("Action", "When", "Before", "After", "Freed", "Without service", "What happened")
        yield _section("What was done", heads, "".join(_deed(entry, gathered.at) for entry in done))
    told = notices.journal([entry for entry in entries if entry.kind not in DEEDS][:_LAST], gathered.at, up)
    yield f"<section><h2>Journal</h2>{told}</section>"


def _deed(entry: Entry, at: float) -> str:
    facts = entry.facts
    amount = (facts.get(f"{name}_bytes") for name in ("before", "after", "freed"))
    sizes = "".join(f"<td>{size(value) if isinstance(value, int) else '-'}</td>" for value in amount)
    down = facts.get("downtime")
    without = duration(down) if isinstance(down, int | float) else "-"
    bad = entry.kind is EntryKind.RELAPSED or (entry.kind is EntryKind.OUTCOME and facts.get("ok") is not True)
    return (
        f'<tr class="{"failed" if bad else "done"}"><th scope="row">{escape(entry.action)}</th>'
        f'<td>{ago(entry.at.wall, at)}</td>{sizes}<td>{without}</td><td class="text">{escape(entry.text)}</td></tr>'
    )


def _section(name: str, heads: Sequence[str], body: str, more: str = "") -> str:
    if not body:
        return ""
    cells = "".join(map(_heading, heads))
    words = escape(name)
    return (
        f'<section><h2>{words}</h2><div class="scroll" role="region" aria-label="{words}" tabindex="0">'
        f'<table class="plain"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>{more}</section>'
    )


def _heading(word: str) -> str:
    if not word:
        return "<td></td>"
    css = ' class="text"' if word in _TEXTS else ""
    return f'<th scope="col"{css}>{escape(word)}</th>'


def other_page(kind: str, name: str, gathered: Gathered, up: str) -> str:
    """Return what is said where there is no such subject, with those that may be meant."""
    wanted = name.lower()
    near = [line.subject for line in gathered.lines if wanted in line.subject.name.lower()][:_LAST]
    items = listing((f"<li>{link(subject, up)}</li>" for subject in near), "near")
    meant = f"<p>These may be meant:</p>{items}" if items else ""
    what = escape(f"{kind}/{name}" if kind != Kind.HOST else name)
    return (
        f'<nav class="crumbs" aria-label="Path"><a href="{up}">All subjects</a></nav><h1>No such subject</h1>'
        f'<p class="said">Nothing called {what} is measured now; it may have gone.</p>{meant}'
    )
