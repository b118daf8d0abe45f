"""Alertmanager's webhook, version 4: from its bytes to what its firing alerts ask for. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from brimline.labels import sanitise

ACTIONS: Final = ("restart", "cleanup", "recycle")
KEY: Final = "brimline_action"  # of a label or an annotation
MOST: Final = 100  # actions that one message may ask for
_VERSION: Final = "4"


class UnreadableError(Exception):
    """The body is not what Alertmanager sends."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one alert asks for."""

    action: str
    name: str
    alert: str  # which firing of which alert


def parse(body: bytes) -> tuple[str, list[Wish]]:
    """Return who sent it and what it asks for, each thing once; raises UnreadableError."""
    receiver, alerts = _read(body)
    return receiver, _wishes(alerts)


def _read(body: bytes) -> tuple[str, Sequence[object]]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableError("The body is no JSON; send Alertmanager's webhook, version 4.") from None
    if not isinstance(data, dict):
        raise UnreadableError("The body is no JSON object; send Alertmanager's webhook, version 4.")
    if data.get("version") != _VERSION:
        raise UnreadableError('"version" is not "4"; send Alertmanager\'s webhook, version 4.')
    alerts, receiver = data.get("alerts"), data.get("receiver", "")
    if not isinstance(alerts, list):
        raise UnreadableError('"alerts" is no list; send Alertmanager\'s webhook, version 4.')
    return sanitise(receiver if isinstance(receiver, str) else "") or "unnamed", alerts


def _wishes(alerts: Sequence[object]) -> list[Wish]:
    """Return what the firing alerts ask for, the same thing once."""
    found: dict[tuple[str, str], Wish] = {}
    for place, alert in enumerate(alerts):
        wish = _wish(f"alerts[{place}]", alert)
        if wish is not None:
            found.setdefault((wish.action, wish.name), wish)
    if len(found) > MOST:
        raise UnreadableError(f"{len(found)} actions are asked for at once; send at most {MOST}.")
    return list(found.values())


def _wish(where: str, alert: object) -> Wish | None:
    if not isinstance(alert, dict):
        raise UnreadableError(f"{where} is no object.")
    labels, annotations = _texts(f"{where}.labels", alert), _texts(f"{where}.annotations", alert)
    action = annotations.get(KEY) or labels.get(KEY)
    if alert.get("status") != "firing" or action is None:
        return None
    if action not in ACTIONS:
        raise UnreadableError(f'{where}: {KEY} is "{sanitise(action)}"; write one of {", ".join(ACTIONS)}.')
    name = labels.get("container") or _service(labels)
    if not name:
        raise UnreadableError(f"{where} names no container: it has neither container nor compose_project/service.")
    told = json.dumps([sorted(labels.items()), alert.get("startsAt")], default=str)
    return Wish(action, sanitise(name), told)


def _service(labels: Mapping[str, str]) -> str:
    project, service = labels.get("compose_project"), labels.get("compose_service")
    return f"{project}/{service}" if project and service else ""


def _texts(where: str, alert: Mapping[str, object]) -> Mapping[str, str]:
    found = alert.get(where.rpartition(".")[2], {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UnreadableError(f"{where} is no mapping of texts.")
    return found
