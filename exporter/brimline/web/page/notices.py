"""What is said of a tick in lists: what is loud, what fires, what was written down, how the sources fare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from brimline.deeds import Decision, Entry, EntryKind, Pause, Verdict
from brimline.model import Alert, Phase, SourceStatus
from brimline.standing import SEVERITIES, amount, gravity
from brimline.units import format_bytes, format_duration
from brimline.web.page.gathered import Gathered
from brimline.web.page.markup import ago, clock, duration, iso, link, listing, moment, place, size
from brimline.web.page.sparks import tone as deed_tone

_SHOWN: Final = 4  # alerts, before the rest is folded
_WORDS: Final = {
    EntryKind.REFUSED: "not done",
    EntryKind.INTENT: "begun",
    EntryKind.OUTCOME: "done",
    EntryKind.OBSERVED: "seen",
    EntryKind.RELAPSED: "relapsed",
}


def loud(gathered: Gathered, *, fresh: bool) -> Iterator[str]:
    """Yield what nobody may miss, the worst first."""
    view = gathered.view
    if not fresh:
        yield _loud(
            "critical", "Stale.", f"Nothing was read since {moment(gathered.at)}; what stands here is as old as that."
        )
    for source in view.sources:
        if not source.up:
            yield _loud("critical", f"Source {source.source} failed:", escape(source.error or "no reason given"))
    if not gathered.up:
        yield _loud("critical", "Nothing is done:", f"the journal cannot be written: {escape(gathered.trouble)}")
    elif gathered.trouble:
        yield _loud("warning", "The journal cannot be read:", escape(gathered.trouble))
    if view.dry_run:
        yield _loud("warning", "Dry run.", "Everything is decided and written down, nothing is done.")
    for pause in view.pauses:
        yield _loud("warning", "Paused:", _pause(pause, gathered.at))


def _loud(tone: str, word: str, text: str) -> str:
    return f'<p class="loud {tone}"><strong>{escape(word)}</strong> {text}</p>'


def _pause(pause: Pause, at: float) -> str:
    until = "until somebody resumes it" if pause.until is None else f"for another {duration(max(pause.until - at, 0))}"
    what = f"nothing is done to {escape(pause.glob)}" if pause.glob else "nothing is done to anything"
    return f"{what}, {until}; asked for by {escape(pause.caller)} {ago(pause.at, at)}."


def alerts(gathered: Gathered, up: str) -> Iterator[str]:
    """Yield what fires and what was done about it, then what is pending; the worst of each severity first."""
    ratios = {line.subject: line.ratio for line in gathered.lines}
    found = sorted(
        gathered.measures.alerts, key=lambda alert: (gravity(alert.severity), -ratios.get(alert.subject, 0.0))
    )
    firing = [alert_item(a, gathered.at, up, _answers(gathered, a)) for a in found if a.phase is Phase.FIRING]
    pending = [alert_item(alert, gathered.at, up) for alert in found if alert.phase is Phase.PENDING]
    if firing:
        yield f'<h2 class="alarm">Firing: {len(firing)}</h2>{_folded(firing, "alerts firing", "firing")}'
    if pending:
        yield f'<h2 class="dim">Pending: {len(pending)}</h2>{_folded(pending, "alerts pending", "pending")}'


def _folded(items: Sequence[str], css: str, name: str) -> str:
    first = listing(items[:_SHOWN], css, "ol")
    rest = items[_SHOWN:]
    if not rest:
        return first
    return f'{first}<details id="more-{name}"><summary>{len(rest)} more</summary>{listing(rest, css, "ol")}</details>'


def _answers(gathered: Gathered, alert: Alert) -> str:
    """Return in a few words what was done about an alert and what is not done now."""
    told = [_short(decision) for decision in gathered.decisions.get(alert.subject, ()) if decision.key == alert.key]
    deed = next(iter(gathered.deeds(alert.subject)), None)
    if deed is not None:
        told.insert(
            0, f'<span class="did {deed_tone(deed)}">{escape(deed.action)} {ago(deed.at.wall, gathered.at)}</span>'
        )
    return "".join(told)


def _short(decision: Decision) -> str:
    css, words = _said(decision)
    return f'<span class="did {css}">{words}</span>'


def alert_item(alert: Alert, at: float, up: str | None, answers: str = "") -> str:
    """Return one alert; without a way to the front page its subject is left out: it is the page's own."""
    tone = alert.severity if alert.severity in SEVERITIES else "other"
    unsure = "" if alert.known else '<span class="unsure">its source fails, the last that is known</span>'
    who = "" if up is None else f'<span class="who">{link(alert.subject, up)} <i>{place(alert.subject)}</i></span>'
    lasted = format_duration(round(max(at - alert.since, 0.0)))
    since = f'<time datetime="{iso(alert.since)}" title="since {clock(alert.since)}">{lasted}</time>'
    return (
        f'<li class="{tone}">{who}<b>{escape(alert.alertname)}</b><span class="state">{escape(alert.severity)}</span>'
        f'<span class="ratio">{escape(amount(alert))}</span>'
        f'<span class="dim">for {since}</span>'
        f"{unsure}{answers}</li>"
    )


def decision_item(decision: Decision) -> str:
    """Return what policy says of an action now."""
    css, words = _said(decision)
    return f'<p class="did {css}"><b>{words}:</b> {escape(decision.reason)}</p>'


def _said(decision: Decision) -> tuple[str, str]:
    action = escape(decision.action)
    match decision.verdict:
        case Verdict.RUN | Verdict.IN_FLIGHT:
            return "begun", f"{action} under way"
        case Verdict.DRY_RUN:
            return "seen", f"{action}, were this no dry run"
        case verdict:
            return "refused", f"no {action}, {escape(verdict.replace('_', ' '))}"


def deed_item(deed: Entry, at: float) -> str:
    """Return what was done, and what it freed."""
    return f'<p class="did {deed_tone(deed)}"><b>{ago(deed.at.wall, at)}:</b> {escape(deed.text)}{_freed(deed)}</p>'


def _freed(deed: Entry) -> str:
    before, after = deed.facts.get("before_bytes"), deed.facts.get("after_bytes")
    if not isinstance(before, int) or not isinstance(after, int):
        return ""
    change = f"freed {format_bytes(before - after)}" if before >= after else f"{format_bytes(after - before)} more"
    return f"; {change} ({size(before)} before, {size(after)} after)"


def journal(entries: Iterable[Entry], at: float, up: str) -> str:
    """Return the last lines of the journal."""
    items = (_entry(entry, at, up) for entry in entries)
    return listing(items, "journal", "ol") or '<p class="dim">Nothing was written down yet.</p>'


def _entry(entry: Entry, at: float, up: str) -> str:
    failed = entry.kind is EntryKind.OUTCOME and entry.facts.get("ok") is not True
    word = "failed" if failed else _WORDS.get(entry.kind, str(entry.kind))
    who = "" if entry.subject is None else f'<span class="who">{link(entry.subject, up)}</span>'
    css = "failed" if failed else str(entry.kind)
    return (
        f'<li class="{css}"><span class="when dim">{ago(entry.at.wall, at)}</span><b>{word}</b>{who}'
        f"<span>{escape(entry.text)}</span></li>"
    )


def sources(found: Iterable[SourceStatus]) -> str:
    """Return how the sources fare."""
    return listing((_source(source) for source in found), "sources")


def _source(source: SourceStatus) -> str:
    state, word = ("up", "reading") if source.up else ("down", "failed")
    facts = [brief(source.seconds), *(f"{key} {value}" for key, value in source.info.items() if value)]
    if source.errors_total:
        facts.append(f"{source.errors_total} failed reads so far")
    error = "" if source.up else f'<span class="error">{escape(source.error or "")}</span>'
    return (
        f'<li class="{state}"><b>{escape(source.source)}</b><span class="state">{word}</span>'
        f'<span class="dim">{escape(", ".join(facts))}</span>{error}</li>'
    )


def brief(seconds: float) -> str:
    """Write how long something took."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else format_duration(seconds)
