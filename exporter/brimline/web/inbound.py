"""`POST /api/v1/alertmanager`: Alertmanager's webhook asks for an action, which then goes through policy as any other.

Whoever may ask holds the token of a file; nobody may where there is no file.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import web

from brimline.deeds import Request
from brimline.labels import sanitise
from brimline.model import Clock

ACTIONS: Final = ("restart", "cleanup", "recycle")
KEY: Final = "brimline_action"  # of a label or an annotation
LARGEST: Final = 1 << 20  # bytes of a body
AGAIN: Final = 300.0  # seconds in which the same alert asks once; Alertmanager's group_interval
_MOST: Final = 100  # actions that one message may ask for
_REMEMBERED: Final = 10_000
_LONGEST_TOKEN: Final = 4096
_VERSION: Final = "4"

Ask = Callable[[Request], None]


class _UnreadableError(Exception):
    """The body is not what Alertmanager sends."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one alert asks for."""

    action: str
    name: str
    alert: str  # which firing of which alert


class Inbound:
    """Takes Alertmanager's webhook, version 4."""

    def __init__(self, token_file: str, ask: Ask, clock: Clock) -> None:
        self._token = _Token(token_file)
        self._ask = ask
        self._clock = clock
        self._asked: dict[tuple[str, str, str], float] = {}  # mono

    async def post(self, request: web.Request) -> web.Response:
        """Answer with what was asked for, and why the rest was not."""
        if (refusal := await self._refused(request)) is not None:
            return refusal
        body = await _body(request)
        if body is None:
            return _text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {LARGEST >> 20} MiB.\n")
        try:
            receiver, alerts = _read(body)
            wishes = _wishes(alerts)
        except _UnreadableError as error:
            return _text(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error}\n")
        return web.json_response({"taken": self._take(receiver, wishes)})

    async def _refused(self, request: web.Request) -> web.Response | None:
        try:
            token = await asyncio.to_thread(self._token.read)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, f"The file of the token cannot be used: {why}.\n")
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            text = "This needs a token: in Alertmanager, http_config.authorization.credentials_file.\n"
            return web.Response(
                status=HTTPStatus.UNAUTHORIZED, text=text, headers={"WWW-Authenticate": 'Bearer realm="brimline"'}
            )
        if not hmac.compare_digest(given.strip().encode(errors="replace"), token):
            return _text(HTTPStatus.FORBIDDEN, "This is not the token of the file.\n")
        return None

    def _take(self, receiver: str, wishes: Sequence[_Wish]) -> list[dict[str, str]]:
        """Ask for what was not asked for lately; one alert asks for one thing however often it is sent."""
        now = self._clock.now()
        self._asked = {key: at for key, at in self._asked.items() if now.mono - at < AGAIN}
        told = []
        for wish in wishes:
            key = (wish.action, wish.name, wish.alert)
            answer = {"action": wish.action, "name": wish.name}
            if key in self._asked:
                told.append({**answer, "result": "already asked for"})
                continue
            if len(self._asked) >= _REMEMBERED:
                told.append({**answer, "result": "too many requests; ask again later"})
                continue
            self._asked[key] = now.mono
            identifier = f"{int(now.wall * 1000):013d}-{uuid.uuid4().hex[:8]}"
            self._ask(Request(identifier, now.wall, wish.action, wish.name, f"alertmanager {receiver}"))
            told.append({**answer, "result": "asked for", "request": identifier})
        return told


class _Token:
    """The token of a file, read again when the file changed."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)
        self._stamp: tuple[int, int, int] | None = None
        self._token = b""

    def read(self) -> bytes:
        found = self._file.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._stamp:
            with self._file.open("rb") as opened:
                token = opened.read(_LONGEST_TOKEN + 1).strip()
            if not token or len(token) > _LONGEST_TOKEN:
                raise ValueError("it is empty, or too long")
            self._token, self._stamp = token, stamp
        return self._token


async def _body(request: web.Request) -> bytes | None:
    body = b""
    while len(body) <= LARGEST:
        part = await request.content.read(LARGEST + 1 - len(body))
        if not part:
            return body
        body += part
    return None


def _read(body: bytes) -> tuple[str, Sequence[object]]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise _UnreadableError("The body is no JSON; send Alertmanager's webhook, version 4.") from None
    if not isinstance(data, dict):
        raise _UnreadableError("The body is no JSON object; send Alertmanager's webhook, version 4.")
    if data.get("version") != _VERSION:
        raise _UnreadableError('"version" is not "4"; send Alertmanager\'s webhook, version 4.')
    alerts, receiver = data.get("alerts"), data.get("receiver", "")
    if not isinstance(alerts, list):
        raise _UnreadableError('"alerts" is no list; send Alertmanager\'s webhook, version 4.')
    return sanitise(receiver if isinstance(receiver, str) else "") or "unnamed", alerts


def _wishes(alerts: Sequence[object]) -> list[_Wish]:
    """Return what the firing alerts ask for, the same thing once."""
    found: dict[tuple[str, str], _Wish] = {}
    for place, alert in enumerate(alerts):
        wish = _wish(f"alerts[{place}]", alert)
        if wish is not None:
            found.setdefault((wish.action, wish.name), wish)
    if len(found) > _MOST:
        raise _UnreadableError(f"{len(found)} actions are asked for at once; send at most {_MOST}.")
    return list(found.values())


def _wish(where: str, alert: object) -> _Wish | None:
    if not isinstance(alert, dict):
        raise _UnreadableError(f"{where} is no object.")
    labels, annotations = _texts(f"{where}.labels", alert), _texts(f"{where}.annotations", alert)
    action = annotations.get(KEY) or labels.get(KEY)
    if alert.get("status") != "firing" or action is None:
        return None
    if action not in ACTIONS:
        raise _UnreadableError(f'{where}: {KEY} is "{sanitise(action)}"; write one of {", ".join(ACTIONS)}.')
    name = labels.get("container") or _service(labels)
    if not name:
        raise _UnreadableError(f"{where} names no container: it has neither container nor compose_project/service.")
    told = json.dumps([sorted(labels.items()), alert.get("startsAt")], default=str)
    return _Wish(action, sanitise(name), told)


def _service(labels: Mapping[str, str]) -> str:
    project, service = labels.get("compose_project"), labels.get("compose_service")
    return f"{project}/{service}" if project and service else ""


def _texts(where: str, alert: Mapping[str, object]) -> Mapping[str, str]:
    found = alert.get(where.rpartition(".")[2], {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise _UnreadableError(f"{where} is no mapping of texts.")
    return found


def _text(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=text)
