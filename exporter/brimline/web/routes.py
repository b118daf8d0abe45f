"""The paths, and the edge every request passes: errors become sentences, answers get their headers and a deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from brimline.config import WebConfig
from brimline.web.connections import Connections
from brimline.web.exposition import Exposition
from brimline.web.face import Face
from brimline.web.inbound import Inbound
from brimline.web.landing import Landing
from brimline.web.lifecycle import Lifecycle
from brimline.web.once import Once
from brimline.web.slices import Slices

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
_log: Final = logging.getLogger(__name__)
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "brimline",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def make_app(
    face: Face, config: WebConfig, connections: Connections, inbound: Inbound | None = None
) -> web.Application:
    """Put the parts together under the route prefix."""
    once = Once()
    prefix = _prefix(config)
    lifecycle = Lifecycle(face, reload_allowed=config.enable_lifecycle, external_url=config.external_url)
    landing = Landing(face, once, telemetry_path=config.telemetry_path)
    app = web.Application(middlewares=[_Edge(face, connections).middleware])
    app.router.add_get(f"{prefix}/", landing.get)
    app.router.add_get(f"{prefix}{config.telemetry_path}", Exposition(face, once).get)
    app.router.add_get(f"{prefix}/-/healthy", lifecycle.healthy)
    app.router.add_get(f"{prefix}/-/ready", lifecycle.ready)
    app.router.add_post(f"{prefix}/-/reload", lifecycle.reload)
    if inbound is not None:
        app.router.add_post(f"{prefix}/api/v1/alertmanager", inbound.post)
    if prefix:
        for path in ("/", prefix):
            app.router.add_get(path, _redirect(f"{prefix}/"))

    async def close(_: web.Application) -> None:
        once.close()

    app.on_cleanup.append(close)
    return app


def _prefix(config: WebConfig) -> str:
    path = urlsplit(config.external_url or "").path if config.route_prefix is None else config.route_prefix
    return path.rstrip("/")


def _redirect(path: str) -> Answer:
    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=HTTPStatus.FOUND, headers={"Location": path})

    return redirect


class _Edge:
    """What every request passes; the one place of the web that turns any exception into an answer and a count."""

    def __init__(self, face: Face, connections: Connections) -> None:
        self._face = face
        self._connections = connections
        self._pages = 0  # on their way

    @web.middleware
    async def middleware(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        """Answer, with headers, a deadline and a count of the place taken."""
        transport = request.transport
        if transport is None:  # the client is gone
            return web.Response()
        self._connections.began(transport)
        try:
            response = self._admit(await self._answer(request, handler))
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            await self._send(request, response, transport)
        finally:
            self._connections.ended(transport)
        return response

    async def _answer(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        try:
            return await answer(request)
        except web.HTTPMethodNotAllowed as refusal:
            allowed = ", ".join(sorted(refusal.allowed_methods))
            text = f"{request.method} is not possible here; use {allowed}.\n"
            return web.Response(status=refusal.status, text=text, headers={"Allow": allowed})
        except web.HTTPNotFound:
            return web.Response(
                status=HTTPStatus.NOT_FOUND, text="There is no such page; the front page links to all.\n"
            )
        except web.HTTPException as refusal:
            return web.Response(status=refusal.status, text=f"{refusal.reason}.\n")
        except Exception:  # noqa: BLE001 - the HTTP edge: an answer and a count
            _log.exception("a request for %s failed", request.path)
            self._face.self_metrics.web_failed()
            text = "Brimline failed to answer this; its log says why.\n"
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text=text)

    def _admit(self, response: web.StreamResponse) -> web.StreamResponse:
        """Turn a page away where too many are under way; short answers, such as health, always go out."""
        if not isinstance(response, Slices) or self._pages < self._connections.patience.pages:
            return response
        text = "Too many pages are under way to slow clients; try again in a minute.\n"
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=text, headers={"Retry-After": "60"})

    async def _send(self, request: web.Request, response: web.StreamResponse, transport: asyncio.Transport) -> None:
        """Send the answer here and not after the middleware, where no deadline could hold it."""
        page = isinstance(response, Slices)
        self._pages += page
        try:
            async with asyncio.timeout(self._connections.patience.answer):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            transport.abort()
        except ConnectionError:
            _log.debug("the client left before the answer to %s ended", request.path)
        finally:
            self._pages -= page
