"""The content of the front page: what is loud, what fires, every subject, the journal's last lines, the sources."""

from __future__ import annotations

from collections import Counter
from html import escape

from brimline.model import Kind
from brimline.standing import ORDER
from brimline.web.page import notices
from brimline.web.page.gathered import STOPPED, Gathered
from brimline.web.page.markup import moment
from brimline.web.page.query import Query
from brimline.web.page.table import table

_HELP = (
    '<p class="nothing">No container, systemd service or process group is measured yet. Start a container, let '
    "Brimline reach Docker's socket and the host's cgroup tree, or name what to measure under <code>sources</code> in "
    "the configuration; <code>brimline config print --effective</code> shows what it looks for now.</p>"
)


def front(gathered: Gathered, query: Query, *, fresh: bool, up: str = "") -> str:
    """Return the page's content; what is marked live is renewed by the script, one section at a time."""
    view, took = gathered.view, notices.brief(gathered.view.tick_seconds)
    lonely = all(line.subject.kind is Kind.HOST for line in gathered.lines)
    return "".join(
        (
            '<h1 class="unseen">The memory of this machine</h1><div id="now" data-live>',
            *notices.loud(gathered, fresh=fresh),
            f'<p class="summary" role="status">{_summary(gathered)}</p>',
            *notices.alerts(gathered, up),
            "</div>",
            "<h2>Memory used</h2>",
            _HELP if lonely else _find(query),
            '<div id="subjects" data-live>',
            *(() if lonely and not gathered.lines else (_legend(gathered), table(gathered, query, up))),
            "</div>",
            '<div id="journal" data-live><h2>Journal</h2>',
            notices.journal(gathered.entries, gathered.at, up),
            "</div>",
            '<div id="sources" data-live><h2>Sources</h2>',
            notices.sources(view.sources),
            f'<p class="dim">Read at {moment(gathered.at)}, tick {view.ticks}, in {took}.</p></div>',
        )
    )


def heading(gathered: Gathered | None) -> str:
    """Return the title of the window: what a row of tabs shows."""
    if gathered is None:
        return "Brimline"
    counts = Counter(line.state for line in gathered.lines)
    bad = [f"{counts[state]} {state}" for state in ORDER[:2] if counts[state]]
    return " - ".join([", ".join(bad), "Brimline"] if bad else ["Brimline"])


def _summary(gathered: Gathered) -> str:
    counts = Counter(line.state for line in gathered.lines)
    parts = [
        f'<a class="{state}" href="{Query(words=state).address()}"><b>{counts[state]}</b> {state}</a>'
        for state in (*map(str, ORDER), STOPPED)
        if counts[state]
    ]
    return " ".join(parts)


def _find(query: Query) -> str:
    return (
        '<form id="find" role="search" method="get" action="./">'
        '<label for="q">Find</label>'
        f'<input id="q" name="q" type="search" value="{escape(query.words)}" maxlength="200" autocomplete="off" '
        'placeholder="name, project, state, alert">'
        f'<input type="hidden" name="sort" value="{query.order}">'
        + ('<input type="hidden" name="all" value="1">' if query.everything else "")
        + "<button>Find</button></form>"
    )


def _legend(gathered: Gathered) -> str:
    alert_at, restart_at = gathered.view.levels
    own = any(line.row is not None and line.row.levels != gathered.view.levels for line in gathered.lines)
    more = "; those with levels of their own say so" if own else ""
    return (
        f'<p class="legend">The marks stand at {alert_at * 100:g} % (warning) and {restart_at * 100:g} % (critical) of '
        f"what each may use, swap included{more}. In the last hour a mark is an action.</p>"
    )
