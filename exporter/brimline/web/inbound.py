"""`POST /api/v1/alertmanager`: Alertmanager's webhook asks for an action, which then goes through policy as any other.

Whoever may ask holds the token of a file; nobody may where there is no file.
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from brimline.deeds import Request
from brimline.model import Clock
from brimline.web.access.tokenfile import TokenFile
from brimline.web.alertmanager_webhook import UnreadableError, Wish, parse

LARGEST: Final = 1 << 16  # bytes of a body: more than a hundred alerts
PATIENCE: Final = 10.0  # seconds in which a body must be there
AGAIN: Final = 300.0  # seconds in which the same alert asks once; Alertmanager's group_interval
_REMEMBERED: Final = 10_000

Ask = Callable[[Request], None]


class Inbound:
    """Takes Alertmanager's webhook, version 4."""

    def __init__(self, token_file: str, ask: Ask, clock: Clock) -> None:
        self._token = TokenFile(token_file)
        self._ask = ask
        self._clock = clock
        self._asked: dict[tuple[str, str, str], float] = {}  # mono

    async def post(self, request: web.Request) -> web.Response:
        """Answer with what was asked for, and why the rest was not."""
        if (refusal := await self._refused(request)) is not None:
            return refusal
        try:
            async with asyncio.timeout(PATIENCE):
                body = await _body(request)
        except TimeoutError:
            return _text(HTTPStatus.REQUEST_TIMEOUT, f"The body did not come within {PATIENCE:g} s.\n")
        if body is None:
            return _text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {LARGEST >> 10} KiB.\n")
        try:
            receiver, wishes = parse(body)
        except UnreadableError as error:
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

    def _take(self, receiver: str, wishes: Sequence[Wish]) -> list[dict[str, str]]:
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


async def _body(request: web.Request) -> bytes | None:
    body = b""
    while len(body) <= LARGEST:
        part = await request.content.read(LARGEST + 1 - len(body))
        if not part:
            return body
        body += part
    return None


def _text(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=text)
