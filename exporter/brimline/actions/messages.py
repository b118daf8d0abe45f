"""What people and machines are told: that an alert fired or is over, what was done about it, how Brimline itself is.

Reads no clock. Texts arrive as they are written; a notice's id is the same however often it is told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Final

from brimline.deeds import Decision, Fate, Outcome
from brimline.model import SUBJECT_LABELS, Alert, AlertKey, Kind, Subject

EVENT_ALERTNAME: Final = "BrimlineAction"  # of an action that no alert asked for


class Event(StrEnum):
    """What happened."""

    FIRED = "alert_fired"
    RESOLVED = "alert_resolved"
    DONE = "action_done"
    FAILED = "action_failed"
    REFUSED = "action_refused"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be told."""

    id: str
    event: Event
    about: str  # the alert, or the action that no alert asked for; the same for all that is told of it
    text: str  # one sentence
    labels: Mapping[str, str]
    at: float  # wall time
    starts_at: float  # wall time at which the alert began to fire
    annotations: Mapping[str, str] = field(default_factory=dict)
    ends_at: float | None = None  # None: it fires
    value: float | None = None
    kind: str = ""
    subject: str = ""
    action: str = ""
    action_id: str = ""
    outcome: str = ""  # done, failed, abandoned, or the verdict of a refusal

    @property
    def firing(self) -> bool:
        """Tell whether the alert goes on."""
        return self.ends_at is None

    @property
    def alertname(self) -> str:
        """Return the alert's name."""
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> str:
        """Return the alert's severity."""
        return self.labels.get("severity", "")


@dataclass(frozen=True, slots=True)
class OwnAlert:
    """Something is wrong with Brimline itself, or with what it may do: paused, journal down."""

    name: str  # such as BrimlineJournalDown
    text: str
    since: float  # wall time
    severity: str


def identity(*parts: str) -> str:
    """Return a short name of these parts together, the same in every process."""
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:24]


def about_alert(key: AlertKey) -> str:
    """Return what all notices of one alert share."""
    return identity(key.rule, key.kind, key.name, *key.labels)


def fired(alert: Alert, annotations: Mapping[str, str]) -> Notice:
    """Tell that an alert fires."""
    about = about_alert(alert.key)
    labels = {
        "alertname": alert.alertname,
        "severity": alert.severity,
        **subject_labels(alert.key.kind, alert.key.labels),
        **dict(alert.labels),
    }
    return Notice(
        id=identity(about, Event.FIRED, repr(alert.since)),
        event=Event.FIRED,
        about=about,
        text=annotations.get("summary") or f"{alert.alertname} fires for {shown(alert.subject)}",
        labels=_without_empty(labels.items()),
        annotations=dict(annotations),
        at=alert.since,
        starts_at=alert.since,
        value=alert.value,
        kind=alert.key.kind,
        subject=alert.key.name,
    )


def own(alert: OwnAlert) -> Notice:
    """Tell that something is wrong with Brimline itself."""
    about = identity("brimline", alert.name)
    return Notice(
        id=identity(about, Event.FIRED, repr(alert.since)),
        event=Event.FIRED,
        about=about,
        text=alert.text,
        labels={"alertname": alert.name, "severity": alert.severity},
        annotations={"summary": alert.text},
        at=alert.since,
        starts_at=alert.since,
    )


def resolved(notice: Notice, at: float, why: str = "") -> Notice:
    """Tell that an alert is over; it keeps the labels it fired with."""
    of = f" for {notice.subject}" if notice.subject else ""
    return replace(
        notice,
        id=identity(notice.id, Event.RESOLVED),
        event=Event.RESOLVED,
        text=f"{notice.alertname} is over{of}" + (f": {why}" if why else ""),
        at=at,
        ends_at=max(at, notice.starts_at),
    )


def concluded(decision: Decision, outcome: Outcome, fate: Fate, alert: Notice | None) -> Notice:
    """Tell what became of an action; `alert` is the one that asked for it as it was told of last."""
    event = Event.DONE if outcome.ok else Event.FAILED
    freed = outcome.freed_bytes
    more = {
        **({"freed_bytes": str(freed)} if freed is not None else {}),
        **({"downtime_seconds": f"{outcome.downtime:.3f}"} if outcome.downtime is not None else {}),
    }
    what = f"{decision.action} of {shown(decision.subject)}"
    text = f"{what}: {outcome.detail}" if outcome.ok else f"{what} failed: {outcome.detail}"
    return _of_action(decision, event, text, fate, alert, at=outcome.ended, more=more)


def refused(decision: Decision, alert: Notice | None) -> Notice:
    """Tell that an action was not taken, and why."""
    what = f"{decision.action} of {shown(decision.subject)}"
    text = f"{what} is not done ({decision.verdict}): {decision.reason}"
    return _of_action(decision, Event.REFUSED, text, decision.verdict, alert, at=decision.at.wall, more={})


def _of_action(  # noqa: PLR0913 - the parts of a notice
    decision: Decision,
    event: Event,
    text: str,
    outcome: str,
    alert: Notice | None,
    *,
    at: float,
    more: Mapping[str, str],
) -> Notice:
    """Tell of an action as the alert that asked for it, so that who follows the alert sees it there."""
    done = {"action": decision.action, "action_id": decision.id, "outcome": outcome, **more}
    when = (
        repr(decision.at.wall) if event is Event.REFUSED else ""
    )  # an outcome is told once, a refusal when it is news
    identifier = identity(decision.id, event, outcome, when)
    if alert is not None:
        annotations = {**alert.annotations, "summary": text, **done}
        return replace(
            alert,
            id=identifier,
            event=event,
            text=text,
            annotations=annotations,
            at=at,
            action=decision.action,
            action_id=decision.id,
            outcome=outcome,
        )
    labels = {
        "alertname": decision.alertname or EVENT_ALERTNAME,
        "severity": decision.severity or ("info" if event is Event.DONE else "warning"),
        **subject_labels(decision.subject.kind, decision.subject.labels),
    }
    return Notice(
        id=identifier,
        event=event,
        about=about_alert(decision.key) if decision.key is not None else identifier,
        text=text,
        labels=_without_empty(labels.items()),
        annotations={"summary": text, "asked_by": decision.caller, **done},
        at=at,
        starts_at=min(decision.at.wall, at),
        ends_at=at,  # nothing goes on that somebody could wait to be over
        kind=decision.subject.kind,
        subject=decision.subject.name,
        action=decision.action,
        action_id=decision.id,
        outcome=outcome,
    )


def subject_labels(kind: Kind, values: tuple[str, ...]) -> dict[str, str]:
    """Return the labels of a subject by name."""
    return dict(zip(SUBJECT_LABELS[kind], values, strict=True))


def shown(subject: Subject) -> str:
    """Return how a sentence names a subject."""
    return f"{subject.kind} {subject.name}" if subject.name else "this host"


def dumps(notice: Notice) -> str:
    """Write a notice so that `loads` reads the same."""
    return json.dumps(asdict(notice))


def loads(text: str) -> Notice:
    """Read what `dumps` wrote; raises ValueError where it is something else."""
    try:
        fields = json.loads(text)
        return Notice(**{**fields, "event": Event(fields["event"])})
    except (TypeError, KeyError) as error:
        raise ValueError(f"this is no notice: {error}") from None


def _without_empty(labels: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Drop what is empty: to Prometheus an empty label is none."""
    return {name: value for name, value in labels if value}
