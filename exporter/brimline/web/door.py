"""Who comes in: by name of this page, by certificate, by password or token; asked once for every request.

What the web file says holds from the second in which it, or a file it names, changes; a file with a mistake changes
nothing and is told.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final

from aiohttp import web

from brimline.config import WebConfig
from brimline.errors import BrimlineError
from brimline.loading import read_text
from brimline.web.access.auth import TooManyError
from brimline.web.access.lock import Lock
from brimline.web.access.ratelimit import Bucket
from brimline.web.access.sites import SAFE, Names
from brimline.web.access.tokenfile import TokenFile

USER: Final = web.RequestKey("user", str)  # who it comes from, once that is proved
TOKEN: Final = "token"  # noqa: S105 - what a request is called that showed it
OPEN: Final = ("/-/healthy", "/-/ready")  # they tell nothing, and who asks them has no password
INBOUND: Final = "/api/v1/alertmanager"  # has a token of its own
ORDERS: Final = "/api/v1/targets/"
_EVERY_SECONDS: Final = 1.0
_SETTLED_SECONDS: Final = 0.3  # since a file was written: one that is half written may be a lock without its users
_ORDERS: Final = (6.0, 10)  # one order every so many seconds, and so many at once

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further."""

    status: HTTPStatus
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Door:
    """Stands before every page."""

    def __init__(self, config: WebConfig, prefix: str) -> None:
        self._config = config
        self._prefix = prefix
        self._token = TokenFile(config.actions_token_file) if config.actions_token_file else None
        hosts = [host for host, _ in config.addresses]
        self._names = Names([*hosts, *config.allowed_hosts, socket.gethostname()], config.external_url)
        self._orders = Bucket(*_ORDERS)
        self._due = 0.0
        self._lock = self._read()
        self._stamps = self._lock.stamps()
        self._wrong = ""  # as it was told

    @property
    def context(self) -> ssl.SSLContext | None:
        """Return what a new connection is wrapped in; None: nothing."""
        self._look()
        return self._lock.context

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers that the file wants on every answer."""
        return self._lock.headers

    def lets_in(self, certificate: Mapping[str, Any] | None) -> bool:
        """Tell whether a client with this verified certificate may speak at all."""
        return self._lock.lets_in(certificate)

    async def turned_away(self, request: web.Request) -> Refusal | None:
        """Return the refusal; None, and the request bears its user, where it may pass."""
        self._look()
        if not self._names.ours(request.host if "Host" in request.headers else ""):
            text = (
                f'This page is not served under the name "{request.host}"; '
                "add the name to web.allowed_hosts, or set --web.external-url.\n"
            )
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, text)
        now, path = time.monotonic(), request.path.removeprefix(self._prefix)
        if self._lock.bucket is not None and not self._lock.bucket.take(now):
            return _later("Too many requests; the web file's rate_limit says how many are answered.\n", 1)
        if request.method not in SAFE and self._names.is_cross_site(request.headers, request.host):
            return Refusal(HTTPStatus.FORBIDDEN, "Refused: the request comes from a page of another site.\n")
        if path not in OPEN and path != INBOUND and (refusal := await self._unproved(request)) is not None:
            return refusal
        if request.method not in SAFE and path.startswith(ORDERS) and not self._orders.take(now):
            return _later("Too many orders at once; one every six seconds is taken.\n", round(_ORDERS[0]))
        return None

    async def _unproved(self, request: web.Request) -> Refusal | None:
        """Refuse who does not prove to be somebody where somebody is asked for."""
        given = request.headers.get("Authorization", "")
        try:
            user = await self._lock.users.who(given) if self._lock.users else None
        except TooManyError:
            return _later("Too many passwords wait to be looked at.\n", 5)
        user = user or (TOKEN if self._token is not None and await self._has_token(given) else None)
        if user is not None:
            request[USER] = user
            return None
        if not self._lock.users and (self._token is None or request.method in SAFE):
            return None
        kinds = [k for k, asked in (("Basic", self._lock.users), ("Bearer", self._token)) if asked]
        text = "This is no name, password or token known here.\n" if given else "This needs a name, or a token.\n"
        asking = ", ".join(f'{kind} realm="brimline"' for kind in kinds)
        return Refusal(HTTPStatus.UNAUTHORIZED, text, {"WWW-Authenticate": asking})

    async def _has_token(self, given: str) -> bool:
        scheme, _, told = given.partition(" ")
        if self._token is None or scheme.lower() != "bearer":
            return False
        try:
            token = await asyncio.to_thread(self._token.read)
        except (OSError, ValueError) as error:
            _log.error("the token of %s cannot be used: %s", self._config.actions_token_file, error)
            return False
        return hmac.compare_digest(told.strip().encode(errors="replace"), token)

    def _look(self) -> None:
        """Read the web file again where it, or a file it names, has changed; one with a mistake until it has none."""
        if self._config.config.file is None or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _EVERY_SECONDS
        stamps = self._lock.stamps()
        if stamps == self._stamps:
            return
        if any(0 <= time.time() - written / 1e9 < _SETTLED_SECONDS for written, *_ in stamps.values()):
            self._due = time.monotonic() + _SETTLED_SECONDS
            return
        try:
            self._lock = self._read()
        except BrimlineError as error:
            if str(error) != self._wrong:
                _log.error("the web file is not taken, the old one stays in force: %s", error)
            self._wrong = str(error)
        else:
            self._stamps, self._wrong = self._lock.stamps(), ""
            _log.info("the web file was read again")

    def _read(self) -> Lock:
        """Read and agree; raises BrimlineError with what is wrong."""
        name = self._config.config.file
        lock = Lock() if name is None else _locked(name)
        if self._config.enable_actions and not lock.users and self._token is None:
            _refuse_open(self._config.addresses)
        return lock


def _locked(name: str) -> Lock:
    from brimline.web.access.tls import lock_of  # noqa: PLC0415 - its models cost 0.5 MB, and most have no web file

    return lock_of(name, read_text)


DOOR: Final = web.AppKey("door", Door)


def _refuse_open(addresses: Iterable[tuple[str, int]]) -> None:
    far = [f"{host}:{port}" for host, port in addresses if not _is_loopback(host)]
    if far:
        raise BrimlineError(
            f"--web.enable-actions on {', '.join(far)} would let everybody on the network restart containers; set "
            "web.actions_token_file, or basic_auth_users in the file of --web.config.file, or listen on 127.0.0.1"
        )


def _later(text: str, seconds: int) -> Refusal:
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, text, {"Retry-After": str(seconds)})


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
