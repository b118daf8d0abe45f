"""The one outgoing HTTP session: no redirect is followed, no answer read beyond a limit, every call ends in time.

What is link-local or a cloud's metadata is never called, by its address or by a name that leads there.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from brimline import __version__
from brimline.errors import UnreachableError
from brimline.labels import printable
from brimline.lookups import Lookups
from brimline.offlimits import WHY, forbidden
from brimline.redaction import hide_secrets

LONGEST_ANSWER: Final = 4 << 20  # bytes; a metrics page of a busy service stays below
_AGENT: Final = {"User-Agent": f"brimline/{__version__}"}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the other side said; a status is never an exception."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Tell whether it is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of success


class Resolver(AbstractResolver):
    """Leaves out of a name's addresses those that are never called; a name may be anybody's to point there."""

    def __init__(self, asked: AbstractResolver) -> None:
        self._asked = asked

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses that are left; raises OSError where none is."""
        found = await self._asked.resolve(host, port, family)
        allowed = [one for one in found if not forbidden(one["host"])]
        if found and not allowed:
            raise OSError(None, f"{host} leads to {found[0]['host']}, which {WHY}")
        return allowed

    async def close(self) -> None:
        """Close what is asked."""
        await self._asked.close()


class HttpClient:
    """A session made at the first request, inside the loop; proxies of the environment are not used."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send a request and return the answer; raises UnreachableError with a sentence that holds no secret."""
        shown = hide_secrets(url)
        try:
            if forbidden(host := URL(url).host or ""):  # no resolver is asked for an address
                raise UnreachableError(f"{method} {shown}: {host} {WHY}")
            async with asyncio.timeout(seconds):
                return await self._send(method, url, body, {**_AGENT, **(headers or {})})
        except TimeoutError:
            raise UnreachableError(f"{method} {shown}: no answer within {seconds:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnreachableError(f"{method} {shown}: {printable(_reason(error))}") from None

    async def close(self) -> None:
        """Close the idle connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HttpAnswer:
        if self._session is None:
            # A connection kept open would be closed by the other side just when it is used again.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, resolver=Resolver(Lookups())),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
            told = await response.content.read(LONGEST_ANSWER)
            while len(told) < LONGEST_ANSWER and (more := await response.content.read(LONGEST_ANSWER - len(told))):
                told += more
            return HttpAnswer(response.status, {k.lower(): v for k, v in response.headers.items()}, told)


def _reason(error: BaseException) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is refused: {error.certificate_error}"
        case aiohttp.InvalidURL():
            return "this is no URL"
        case aiohttp.ClientConnectorError():
            return f"{error.os_error.strerror or error.os_error}"
        case aiohttp.ServerDisconnectedError():
            return "the other side closed the connection without an answer"
        case _:
            return f"{error}" or type(error).__name__
