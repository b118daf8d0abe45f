"""The paths, and the edge every request passes: errors become sentences, answers get their headers and a deadline."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from brimline.config import WebConfig
from brimline.web import envelope
from brimline.web.api import routes as api_routes
from brimline.web.api.events import PLACES, Stream
from brimline.web.api.orders import Desk
from brimline.web.connections import Connections
from brimline.web.door import DOOR, Door
from brimline.web.exposition import Exposition
from brimline.web.face import Face
from brimline.web.inbound import Inbound
from brimline.web.lifecycle import Lifecycle
from brimline.web.once import Once
from brimline.web.page.pages import Pages
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
    face: Face, config: WebConfig, connections: Connections, inbound: Inbound | None = None, desk: Desk | None = None
) -> web.Application:
    """Put the parts together under the route prefix."""
    scrapes, drawing, telling = Once(), Once(), Once()  # apart: a disk that hangs under a page holds up no scrape
    prefix = _prefix(config)
    lifecycle = Lifecycle(face, reload_allowed=config.enable_lifecycle)
    pages = Pages(face, drawing, telemetry_path=config.telemetry_path, prefix=prefix)
    door = Door(config, prefix)
    app = web.Application(middlewares=[_Edge(face, connections, door, prefix).middleware])
    app[DOOR], app[PLACES] = door, connections.patience.connections
    app.router.add_get(f"{prefix}/", pages.front)
    app.router.add_get(f"{prefix}/subject/{{kind}}/{{name:.+}}", pages.subject)
    app.router.add_get(f"{prefix}/assets/page.js", pages.script)
    app.router.add_get(f"{prefix}{config.telemetry_path}", Exposition(face, scrapes).get)
    app.router.add_get(f"{prefix}/-/healthy", lifecycle.healthy)
    app.router.add_get(f"{prefix}/-/ready", lifecycle.ready)
    app.router.add_post(f"{prefix}/-/reload", lifecycle.reload)
    api_routes.add(app, prefix, face, telling, desk)
    if inbound is not None:
        app.router.add_post(f"{prefix}/api/v1/alertmanager", inbound.post)
    if prefix:
        for path in ("/", prefix):
            app.router.add_get(path, _redirect(f"{prefix}/"))

    async def close(_: web.Application) -> None:
        for once in (scrapes, drawing, telling):
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

    def __init__(self, face: Face, connections: Connections, door: Door, prefix: str) -> None:
        self._face = face
        self._door = door
        self._prefix = prefix
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
            response = self._admit(request, await self._answer(request, handler))
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            response.headers.update(self._door.headers)
            await self._send(request, response, transport)
        finally:
            self._connections.ended(transport)
        return response

    async def _answer(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        try:
            refusal = await self._door.turned_away(request)
            if refusal is not None:
                return self._refusal(request, refusal.status, refusal.text, refusal.headers)
            return await answer(request)
        except envelope.RefusedError as refusal:
            return self._refusal(request, refusal.status, f"{refusal.sentence}.\n", refusal.headers)
        except web.HTTPMethodNotAllowed as refusal:
            allowed = ", ".join(sorted(refusal.allowed_methods))
            text = f"{request.method} is not possible here; use {allowed}.\n"
            return self._refusal(request, refusal.status, text, {"Allow": allowed})
        except web.HTTPException as refusal:
            gone = refusal.status == HTTPStatus.NOT_FOUND
            text = "There is no such page; the front page links to all.\n" if gone else f"{refusal.reason}.\n"
            return self._refusal(request, refusal.status, text)
        except Exception:  # noqa: BLE001 - the HTTP edge: an answer and a count
            _log.exception("a request for %s failed", request.path)
            self._face.self_metrics.web_failed()
            text = "Brimline failed to answer this; its log says why.\n"
            return self._refusal(request, HTTPStatus.INTERNAL_SERVER_ERROR, text)

    def _refusal(
        self, request: web.Request, status: int, text: str, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        if api_routes.is_api(request.path, self._prefix):
            return envelope.refused(status, text.strip(), headers)
        return web.Response(status=status, text=text, headers=headers)

    def _admit(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """Turn a page away where too many are under way; short answers, such as health, always go out."""
        if not isinstance(response, Slices) or self._pages < self._connections.patience.pages:
            return response
        text = "Too many pages are under way to slow clients; try again in a minute.\n"
        return self._refusal(request, HTTPStatus.SERVICE_UNAVAILABLE, text, {"Retry-After": "60"})

    async def _send(self, request: web.Request, response: web.StreamResponse, transport: asyncio.Transport) -> None:
        """Send the answer here, not after the middleware, where no deadline could hold it; a stream keeps its own."""
        page = isinstance(response, Slices)
        self._pages += page
        try:
            async with asyncio.timeout(None if isinstance(response, Stream) else self._connections.patience.answer):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            transport.abort()
        except ConnectionError:
            _log.debug("the client left before the answer to %s ended", request.path)
        finally:
            self._pages -= page
