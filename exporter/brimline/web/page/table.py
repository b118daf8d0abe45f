"""The table of the front page: each subject against its limit, its last hour, what is the matter, what was done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from brimline.model import Kind
from brimline.standing import Row, State
from brimline.units import format_ratio
from brimline.verdict import verdict
from brimline.web.page.bars import bar
from brimline.web.page.gathered import Gathered, Line
from brimline.web.page.markup import duration, link, place, size
from brimline.web.page.notices import decision_item, deed_item
from brimline.web.page.query import SHOWN, Query
from brimline.web.page.sparks import spark

COLUMNS: Final[Mapping[str, str]] = {
    "name": "Subject",
    "used": "Used of limit",
    "hour": "Last hour",
    "left": "Full in",
    "restarts": "Restarts",
    "state": "State",
}
_UNSORTED: Final = frozenset({"hour"})
_NOTHING: Final = '<span class="none" title="nothing of the kind is known">-</span>'


def table(gathered: Gathered, query: Query, up: str) -> str:
    """Return the table, and what to do where there is nothing in it."""
    lines = query.choose(gathered)
    if not lines:
        return f'<p class="nothing">{_empty(gathered, query)}</p>'
    shown = lines if query.everything else lines[:SHOWN]
    heads = "".join(_head(name, word, query) for name, word in COLUMNS.items())
    bodies = "".join(_line(gathered, line, up) for line in shown)
    caption = "<caption>Memory of each subject; the headings sort</caption>"
    return f"<table>{caption}<thead><tr>{heads}</tr></thead>{bodies}</table>{_rest(lines, shown, query)}"


def _empty(gathered: Gathered, query: Query) -> str:
    if gathered.lines and query.words:
        return f'No subject matches "{escape(query.words)}". <a href="{query.address(q="")}">Show all of them</a>'
    return "Nothing is measured."


def _rest(lines: Sequence[Line], shown: Sequence[Line], query: Query) -> str:
    if len(shown) < len(lines):
        every = f'<a href="{query.address(all="1")}">show all {len(lines):,}</a>'
        return f'<p class="more">The first {len(shown)} of {len(lines):,}; {every}, or search.</p>'
    if query.everything and len(lines) > SHOWN:
        return f'<p class="more"><a href="{query.address(all="")}">Show the first {SHOWN} only</a></p>'
    return ""


def _head(name: str, word: str, query: Query) -> str:
    if name in _UNSORTED:
        return f'<th scope="col" class="{name}">{word}</th>'
    button = f'<button form="find" name="sort" value="{query.turned(name)}" id="by-{name}">{word}</button>'
    return f'<th scope="col" class="{name}"{query.direction(name)}>{button}</th>'


def _line(gathered: Gathered, line: Line, up: str) -> str:
    subject, row = line.subject, line.row
    kills = gathered.kills(subject)
    killed = f'<b class="kills">{kills} OOM {"kill" if kills == 1 else "kills"}</b>' if kills else ""
    why = "".join(_why(gathered, line))
    below = f'<tr class="why"><td colspan="{len(COLUMNS)}">{why}</td></tr>' if why else ""
    level = (row.levels if row is not None else gathered.view.levels)[1]
    return (
        f'<tbody class="{line.state}"><tr><th scope="row" class="name">{link(subject, up)}'
        f'<span>{place(subject)}</span></th><td class="used">{_used(row, gathered.view.levels)}</td>'
        f'<td class="hour">{spark(gathered.hour(line), level) if line.remembered else ""}</td>'
        f'<td class="left">{_left(gathered, line)}</td><td class="restarts">{_restarts(gathered, line)}{killed}</td>'
        f'<td class="state">{line.state}</td></tr>{below}</tbody>'
    )


def _used(row: Row | None, default: tuple[float, float]) -> str:
    if row is None or row.ratio is None:
        return ""
    own = "" if row.levels == default else f"; levels {row.levels[0] * 100:g} % and {row.levels[1] * 100:g} %"
    return (
        f'{bar(row.ratio, row.levels)}<b>{format_ratio(row.ratio)}</b> <span class="bytes">{amounts(row)}{own}</span>'
    )


def amounts(row: Row) -> str:
    """Return `3.64 GiB of 4 GiB`."""
    used = "" if row.used is None else size(row.used)
    if not row.limited:
        return f"{used}, <b>no limit</b>" if row.subject.kind is not Kind.HOST else used
    return used if row.limit is None else f"{used} of {size(row.limit)}"


def _left(gathered: Gathered, line: Line) -> str:
    left = gathered.measures.get(line.subject, "memory_time_to_limit_seconds")
    return _NOTHING if left is None else f"<b>{duration(left)}</b>"


def _restarts(gathered: Gathered, line: Line) -> str:
    times = gathered.measures.get(line.subject, "restarts_total")
    budget = gathered.budgets.get(line.subject)
    said = _NOTHING if times is None else f"{times:.0f}"
    if budget is None:
        return said
    return f'{said} <span class="budget" title="restarts that the budgets still allow">{budget:.0f} left</span>'


def _why(gathered: Gathered, line: Line) -> Iterator[str]:
    """Yield why it stands as it does, then what was and what is not done about it."""
    row, subject = line.row, line.subject
    trouble = gathered.measures.trouble(subject)
    if row is None:
        yield f"<p>{escape(line.ended)}</p>"
    elif row.ratio is None:
        yield f"<p>{escape(row.reason or 'its memory could not be read')}</p>"
    elif trouble is not None:
        yield f"<p><b>{escape(trouble.name.replace('_', ' '))}:</b> {escape(trouble.sentence)}</p>"
    elif row.state is not State.NORMAL:
        yield f"<p>{escape(verdict(row, gathered.measures))}</p>"
    yield from (decision_item(decision) for decision in gathered.decisions.get(subject, ()))
    yield from (deed_item(deed, gathered.at) for deed in gathered.deeds(subject)[:1])
