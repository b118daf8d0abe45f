"""`/-/healthy`, `/-/ready` and `POST /-/reload`, with Prometheus's paths and answers."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from brimline.web.face import Face


class Lifecycle:
    """Answers whether Brimline lives, and reads the configuration again when it may."""

    def __init__(self, face: Face, *, reload_allowed: bool) -> None:
        self._face = face
        self._reload_allowed = reload_allowed

    async def healthy(self, _: web.Request) -> web.Response:
        """Answer 503 once the loop no longer ticks."""
        if self._face.fresh():
            return web.Response(text="Brimline is healthy.\n")
        return _unavailable("Brimline is not healthy: there was no tick for longer than 3 intervals.\n")

    async def ready(self, _: web.Request) -> web.Response:
        """Answer 503 until everything was looked at once."""
        if self._face.ready:
            return web.Response(text="Brimline is ready.\n")
        return _unavailable("Brimline is not ready: the first look at everything is still under way.\n")

    async def reload(self, _: web.Request) -> web.Response:
        """Read the configuration again; a bad one changes nothing."""
        if not self._reload_allowed:
            return _forbidden("Reload over HTTP is off; start Brimline with --web.enable-lifecycle, or send SIGHUP.\n")
        problems = await self._face.reload()
        if problems:
            text = "The configuration was not reloaded, the old one stays in force:\n" + "\n".join(problems) + "\n"
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text=text)
        return web.Response(text="The configuration was reloaded.\n")


def _unavailable(text: str) -> web.Response:
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=text)


def _forbidden(text: str) -> web.Response:
    return web.Response(status=HTTPStatus.FORBIDDEN, text=text)
