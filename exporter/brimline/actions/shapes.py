"""Notices -> the body of one message. Reads no clock.

`alertmanager` is Alertmanager's webhook, version 4; `json` is ours (docs/webhook.schema.json); `slack` and `text` are
for people.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from types import MappingProxyType
from typing import Any, Final

from brimline.actions.messages import Event, Notice
from brimline.labels import printable
from brimline.units import spell_duration

SCHEMA_VERSION: Final = "1"
NEVER: Final = "0001-01-01T00:00:00Z"  # Go's zero time, which Alertmanager writes where an alert has no end
_LINES: Final = 20  # notices that a message for people spells out
_LONGEST_TEXT: Final = 2900  # characters; Slack takes 3,000 in one block
_FNV_OFFSET: Final = 14_695_981_039_346_656_037
_FNV_PRIME: Final = 1_099_511_628_211
_RED, _GREEN, _AMBER = "#d62728", "#2ca02c", "#ff9f0e"


@dataclass(frozen=True, slots=True)
class Frame:
    """What goes out as one message."""

    receiver: str
    notices: Sequence[Notice]
    truncated: int = 0  # more of the same that are only counted
    external_url: str = ""
    durable: bool = True  # False: it stands in no journal and is sent once


def alertmanager(frame: Frame) -> bytes:
    """Return what Alertmanager would post (webhook version 4)."""
    mark = {} if frame.durable else {"durable": "false"}
    alerts = [
        {
            "status": "firing" if notice.firing else "resolved",
            "labels": dict(notice.labels),
            "annotations": {**notice.annotations, **mark},
            "startsAt": moment(notice.starts_at),
            "endsAt": NEVER if notice.ends_at is None else moment(notice.ends_at),
            "generatorURL": frame.external_url,
            "fingerprint": fingerprint(notice.labels),
        }
        for notice in frame.notices
    ]
    group = _common([{k: v for k, v in n.labels.items() if k in {"alertname", "severity"}} for n in frame.notices])
    return _bytes(
        {
            "receiver": frame.receiver,
            "status": "firing" if any(notice.firing for notice in frame.notices) else "resolved",
            "alerts": alerts,
            "groupLabels": group,
            "commonLabels": _common([dict(notice.labels) for notice in frame.notices]),
            "commonAnnotations": _common([{**notice.annotations, **mark} for notice in frame.notices]),
            "externalURL": frame.external_url,
            "version": "4",
            "groupKey": "{}:{" + ", ".join(f"{k}={json.dumps(v)}" for k, v in sorted(group.items())) + "}",
            "truncatedAlerts": frame.truncated,
        }
    )


def own_json(frame: Frame) -> bytes:
    """Return our own shape, which docs/webhook.schema.json describes."""
    return _bytes(
        {
            "version": SCHEMA_VERSION,
            "receiver": frame.receiver,
            "durable": frame.durable,
            "truncated": frame.truncated,
            "url": frame.external_url,
            "notices": [_own(notice) for notice in frame.notices],
        }
    )


def slack(frame: Frame) -> bytes:
    """Return a message for Slack's incoming webhooks, and for what speaks like them."""
    title, lines = headline(frame), [_slack_text(line) for line in _lines(replace(frame, external_url=""))]
    if frame.external_url:
        lines.append(f"<{_slack_text(frame.external_url)}>")
    # Verbatim: Slack makes no link and no mention of what is not written as one.
    told = {"type": "mrkdwn", "text": _cut("\n".join(lines)), "verbatim": True}
    block = {"type": "section", "text": told}
    return _bytes(
        {
            "text": _slack_text(title),
            "mrkdwn": False,
            "link_names": False,
            "unfurl_links": False,
            "attachments": [{"color": _colour(frame.notices), "fallback": _slack_text(title), "blocks": [block]}],
        }
    )


def text(frame: Frame) -> bytes:
    """Return title, body and type for apprise."""
    kinds = {_RED: "failure", _AMBER: "warning", _GREEN: "success"}
    return _bytes(
        {"title": headline(frame), "body": _cut("\n".join(_lines(frame))), "type": kinds[_colour(frame.notices)]}
    )


Shape = Callable[[Frame], bytes]
SHAPES: Final[Mapping[str, Shape]] = MappingProxyType(
    {"alertmanager": alertmanager, "json": own_json, "slack": slack, "text": text}
)


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return the name Prometheus gives to a set of labels: FNV-1a of names and values, sorted, with 0xff between.

    github.com/prometheus/common/model/signature.go:labelSetToFingerprint.
    """
    parts = b"".join(part.encode() + b"\xff" for pair in sorted(labels.items()) for part in pair)
    return f"{reduce(lambda sum_, byte: (sum_ ^ byte) * _FNV_PRIME % 2**64, parts, _FNV_OFFSET):016x}"


def moment(wall: float) -> str:
    """Write seconds since the epoch as RFC 3339 in UTC."""
    try:
        return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # a clock beyond the year 9999
        return NEVER


def headline(frame: Frame) -> str:
    """Return one line that says what the message is about."""
    notices, first = frame.notices, frame.notices[0]
    count = len(notices) + frame.truncated
    if count == 1:
        return f"[{_word(first)}] {_one_line(first.text)}"
    word = _word(first) if all(_word(n) == _word(first) for n in notices) else "MIXED"
    same = all(notice.alertname == first.alertname for notice in notices)
    return f"[{word}: {count}] {first.alertname if same else 'several alerts'}"


def _own(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "event": notice.event,
        "status": "firing" if notice.firing else "resolved",
        "text": notice.text,
        "at": moment(notice.at),
        "starts_at": moment(notice.starts_at),
        "ends_at": None if notice.ends_at is None else moment(notice.ends_at),
        "kind": notice.kind or None,
        "subject": notice.subject or None,
        "severity": notice.severity or None,
        "value": notice.value if notice.value is not None and math.isfinite(notice.value) else None,
        "labels": dict(notice.labels),
        "annotations": dict(notice.annotations),
        "fingerprint": fingerprint(notice.labels),
        "action": notice.action or None,
        "action_id": notice.action_id or None,
        "outcome": notice.outcome or None,
    }


def _lines(frame: Frame) -> list[str]:
    spelled = frame.notices[:_LINES]
    lines = [_line(notice) for notice in spelled]
    left = len(frame.notices) - len(spelled) + frame.truncated
    return [
        *lines,
        *([f"and {left} more"] if left else []),
        *([] if frame.durable else ["The journal is down: this is sent once and stands nowhere."]),
        *([frame.external_url] if frame.external_url else []),
    ]


def _line(notice: Notice) -> str:
    """Return one line about a notice."""
    lasted = ""
    if notice.event is Event.RESOLVED and notice.ends_at is not None:
        lasted = f" (after {spell_duration(round(max(notice.ends_at - notice.starts_at, 0.0)))})"
    severity = f", {notice.severity}" if notice.severity and notice.event is Event.FIRED else ""
    return f"{notice.alertname}{severity}: {_one_line(notice.text)}{lasted}"


def _word(notice: Notice) -> str:
    return notice.event.partition("_")[2].upper()


def _colour(notices: Sequence[Notice]) -> str:
    events = {notice.event for notice in notices}
    if Event.FAILED in events or any(n.event is Event.FIRED and n.severity == "critical" for n in notices):
        return _RED
    return _AMBER if events & {Event.FIRED, Event.REFUSED} else _GREEN


def _one_line(told: str) -> str:
    return printable(" ".join(told.split()))


def _slack_text(told: str) -> str:
    return told.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(told: str) -> str:
    return told if len(told) <= _LONGEST_TEXT else f"{told[: _LONGEST_TEXT - 3]}..."


def _common(maps: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first, *others = maps
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


def _bytes(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, allow_nan=False).encode()
