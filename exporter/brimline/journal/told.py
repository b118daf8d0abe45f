"""What is done and asked for, as lines of the journal, and back: a decision is rebuilt from its line alone. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from brimline.deeds import Decision, Deed, Entry, EntryKind, Fate, Outcome, Pause, Request, Verdict
from brimline.model import AlertKey, Kind, Now, Phase, Subject, Transition

_TEXTS: Final = ("reason", "alertname", "severity", "episode", "caller", "service", "image_id")

STARTED: Final = "Brimline started"
Facts = dict[str, str | int | float | bool | None]


def intent(decision: Decision, at: Now) -> Entry:
    """Return the line that stands before an action."""
    text = f"{decision.action} of {decision.subject.name}: {decision.reason}"
    return Entry(EntryKind.INTENT, at, text, decision.subject, decision.action, decision.id, _facts(decision))


def refused(decision: Decision, at: Now) -> Entry:
    """Return the line of a decision that is not `run`."""
    text = f"{decision.action} of {decision.subject.name} not taken ({decision.verdict}): {decision.reason}"
    return Entry(EntryKind.REFUSED, at, text, decision.subject, decision.action, decision.id, _facts(decision))


def _facts(decision: Decision) -> Facts:
    facts: Facts = {name: getattr(decision, name) for name in _TEXTS}
    facts |= {"verdict": str(decision.verdict), "limit": decision.limit}
    facts |= {"decided_wall": decision.at.wall, "decided_mono": decision.at.mono}
    if (key := decision.key) is not None:
        facts |= {"rule": key.rule, "key_kind": str(key.kind), "key_name": key.name}
        facts["key_labels"] = json.dumps(list(key.labels))
    return facts


def decision_of(entry: Entry, written: Entry) -> Decision:
    """Return the decision of an intent or a refusal.

    `written` is the line as it was written, `entry` the same on this boot's clock: what lies between the decision and
    its line is the same on both.
    """
    facts = written.facts
    late = max(0.0, written.at.mono - number(facts.get("decided_mono"), written.at.mono))
    return Decision(
        id=entry.decision_id,
        at=Now(number(facts.get("decided_wall"), written.at.wall), entry.at.mono - late),
        action=entry.action,
        subject=entry.subject or Subject(Kind.HOST, "", (), ""),
        verdict=Verdict(str(facts.get("verdict", Verdict.RUN))),
        key=_key(entry),
        limit=int(number(facts.get("limit"), 0)),
        **{name: str(facts.get(name) or "") for name in _TEXTS},
    )


def _key(entry: Entry) -> AlertKey | None:
    facts = entry.facts
    if "rule" not in facts:
        return None
    labels = tuple(json.loads(str(facts["key_labels"])))
    return AlertKey(str(facts["rule"]), Kind(str(facts["key_kind"])), str(facts["key_name"]), labels)


def outcome(decision: Decision, outcome: Outcome, fate: Fate, at: Now) -> Entry:
    """Return the line that stands after an action."""
    facts: Facts = {
        "ok": outcome.ok,
        "fate": str(fate),
        "started": outcome.started,
        "ended": outcome.ended,
        "before_bytes": outcome.before_bytes,
        "after_bytes": outcome.after_bytes,
        "freed_bytes": outcome.freed_bytes,
        "downtime": outcome.downtime,
        "uid": outcome.uid,
        "episode": decision.episode,
    }
    text = f"{decision.action} of {decision.subject.name} {fate}: {outcome.detail}"
    return Entry(EntryKind.OUTCOME, at, text, decision.subject, decision.action, decision.id, facts)


def outcome_of(entry: Entry) -> tuple[Outcome, Fate]:
    """Return the outcome of its line, as it was written."""
    facts = entry.facts
    before, after, downtime = (facts.get(name) for name in ("before_bytes", "after_bytes", "downtime"))
    _, _, detail = entry.text.partition(": ")
    found = Outcome(
        entry.decision_id,
        ok=bool(facts.get("ok")),
        detail=detail,
        started=number(facts.get("started"), entry.at.wall),
        ended=number(facts.get("ended"), entry.at.wall),
        before_bytes=None if before is None else int(number(before, 0)),
        after_bytes=None if after is None else int(number(after, 0)),
        downtime=None if downtime is None else number(downtime, 0),
        uid=str(facts.get("uid") or ""),
    )
    return found, Fate(str(facts.get("fate", Fate.FAILED)))


def observed(deed: Deed, subject: Subject, at: Now, text: str) -> Entry:
    """Return the line of somebody else's restart."""
    facts: Facts = {"service": deed.service, "caller": deed.caller, "image_id": deed.image_id, "limit": deed.limit}
    return Entry(EntryKind.OBSERVED, at, text, replace(subject, uid=deed.uid), deed.action, deed.id, facts)


def relapsed(deed: Deed, subject: Subject, at: Now) -> Entry:
    """Return the line that says that an action did not help for long."""
    why = f"{deed.rule} holds again" if deed.rule else f"{deed.caller} asks for it again"
    text = f"{deed.action} of {deed.name} did not last: {why}"
    return Entry(EntryKind.RELAPSED, at, text, subject, deed.action, deed.id, {"rule": deed.rule})


def concluded(deed: Deed, entry: Entry) -> Deed:
    """Return the deed as its outcome's line leaves it."""
    before, after = entry.facts.get("before_bytes"), entry.facts.get("after_bytes")
    return replace(
        deed,
        ended=max(deed.began, entry.at.mono),
        fate=Fate(str(entry.facts.get("fate", Fate.FAILED))),
        before_bytes=None if before is None else int(number(before, 0)),
        after_bytes=None if after is None else int(number(after, 0)),
    )


def seen(entry: Entry) -> Deed:
    """Return the deed of an `observed` line."""
    subject, facts = entry.subject or Subject(Kind.HOST, "", (), ""), entry.facts
    return Deed(
        id=entry.decision_id,
        action=entry.action,
        name=subject.name,
        labels=subject.labels,
        uid=subject.uid,
        service=str(facts.get("service") or ""),
        rule="",
        caller=str(facts.get("caller") or ""),
        image_id=str(facts.get("image_id") or ""),
        limit=int(number(facts.get("limit"), 0)),
        began=entry.at.mono,
        ended=entry.at.mono,
        fate=Fate.OBSERVED,
    )


def changed(change: Transition, at: Now) -> Entry:
    """Return the line of an alert that begins to fire, or is over."""
    alert = change.alert
    name = alert.key.name or alert.key.kind
    over = f"{alert.alertname} on {name} is over{f': {change.why}' if change.why else ''}"
    text = f"{alert.alertname} fires on {name}" if alert.phase is Phase.FIRING else over
    facts: Facts = {"alertname": alert.alertname, "severity": alert.severity, "rule": alert.key.rule}
    facts |= {"phase": str(alert.phase), "value": alert.value, "threshold": alert.threshold, "why": change.why}
    return Entry(EntryKind.ALERT, at, text, alert.subject, facts=facts)


def paused(pause: Pause, at: Now) -> Entry:
    """Return the line of a pause."""
    facts: Facts = {"glob": pause.glob, "until": pause.until, "seconds": pause.seconds, "caller": pause.caller}
    return Entry(EntryKind.PAUSED, at, f"{pause.glob or 'everything'} paused by {pause.caller}", facts=facts)


def pause_of(entry: Entry) -> Pause:
    """Return the pause of a line."""
    facts = entry.facts
    until, seconds = facts.get("until"), facts.get("seconds")
    return Pause(
        glob=str(facts.get("glob") or ""),
        at=entry.at.wall,
        until=None if until is None else number(until, 0),
        caller=str(facts.get("caller") or ""),
        since=entry.at.mono,
        seconds=None if seconds is None else number(seconds, 0),
    )


def resumed(glob: str, caller: str, at: Now) -> Entry:
    """Return the line that ends the pauses of that very glob; an empty one ends all."""
    text = f"{glob or 'everything'} resumed by {caller}"
    return Entry(EntryKind.RESUMED, at, text, facts={"glob": glob, "caller": caller})


def requested(request: Request, at: Now) -> Entry:
    """Return the line of something asked for."""
    tried = " (dry run)" if request.dry_run else ""
    facts: Facts = {"id": request.id, "name": request.name, "caller": request.caller, "dry_run": request.dry_run}
    text = f"{request.action} of {request.name} asked for by {request.caller}{tried}"
    return Entry(EntryKind.REQUESTED, at, text, action=request.action, facts=facts)


def request_of(entry: Entry) -> Request:
    """Return what a line asks for."""
    facts = entry.facts
    known, name, caller = (str(facts.get(fact) or "") for fact in ("id", "name", "caller"))
    return Request(known, entry.at.wall, entry.action, name, caller, dry_run=bool(facts.get("dry_run")))


def unanswered(request: Request, at: Now, why: str) -> Entry:
    """Return the line of a request that became no decision: whoever asked waits for one with its id as episode."""
    text = f"{request.action} of {request.name} not taken: {why}"
    return Entry(EntryKind.NOTE, at, text, action=request.action, facts={"episode": request.id})


def number(value: str | float | bool | None, default: float) -> float:  # noqa: FBT001 - a fact's type
    """Return a fact that must be a number."""
    return float(value) if isinstance(value, int | float) else default
