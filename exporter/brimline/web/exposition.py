"""GET /metrics: the view's page and the self metrics, in the form the client asks for.

While the loop is stale there is no data on the page, only the self metrics: what is not known is not served.
"""

from __future__ import annotations

from aiohttp import web

from brimline.metrics import page
from brimline.view import View
from brimline.web.deflate import Deflated, deflate, gzip
from brimline.web.face import Face
from brimline.web.negotiate import accepts_gzip, prefers_openmetrics
from brimline.web.once import Once
from brimline.web.slices import Slices

_NOTHING = Deflated(b"", 0, 0)


class Exposition:
    """Answers scrapes."""

    def __init__(self, face: Face, once: Once) -> None:
        self._face = face
        self._once = once

    async def get(self, request: web.Request) -> Slices:
        """Answer one scrape."""
        openmetrics = prefers_openmetrics(request.headers.getall("Accept", []))
        names = request.query.getall("name[]", [])
        view = self._face.view if self._face.fresh() else None
        own = self._face.self_metrics.render(openmetrics=openmetrics, names=names)
        headers = {
            "Content-Type": page.OPENMETRICS if openmetrics else page.TEXT,
            "Cache-Control": "no-store",
            "Vary": "Accept, Accept-Encoding",
        }
        if not accepts_gzip(request.headers.getall("Accept-Encoding", [])):
            data = b"" if view is None else await self._data(view, names, openmetrics=openmetrics)
            return Slices((data, own), headers)
        first = _NOTHING if view is None else await self._deflated(view, names, openmetrics=openmetrics)
        return Slices(gzip(first, own), {**headers, "Content-Encoding": "gzip"})

    async def _data(self, view: View, names: list[str], *, openmetrics: bool) -> bytes:
        if names:
            return await self._once.apart(lambda: _chosen(view, names, openmetrics=openmetrics))
        if openmetrics:
            return await self._once.of(view, "openmetrics", lambda: page.openmetrics(view.page))
        return view.page

    async def _deflated(self, view: View, names: list[str], *, openmetrics: bool) -> Deflated:
        data = await self._data(view, names, openmetrics=openmetrics)
        if names:
            return await self._once.apart(lambda: deflate(data))
        return await self._once.of(view, ("deflated", openmetrics), lambda: deflate(data))


def _chosen(view: View, names: list[str], *, openmetrics: bool) -> bytes:
    chosen = page.select(view.page, names)
    return page.openmetrics(chosen) if openmetrics else chosen
