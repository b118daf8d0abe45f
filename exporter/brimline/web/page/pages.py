"""Answers the pages for people: `/`, `/subject/{kind}/{name}` and the script they share.

A tick is gathered once and drawn in a thread; what a search asks for is drawn from that and not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web

from brimline.deeds import Entry
from brimline.errors import JournalError
from brimline.journal.lines import Wanted
from brimline.model import Subject
from brimline.standing import qualified
from brimline.view import View
from brimline.web.deflate import deflate, gzip
from brimline.web.face import Face
from brimline.web.negotiate import accepts_gzip
from brimline.web.once import Crowd, Once
from brimline.web.page.frame import Frame
from brimline.web.page.front import front, heading
from brimline.web.page.gathered import Gathered
from brimline.web.page.query import Query
from brimline.web.page.subject import Known, other_page, subject_page
from brimline.web.slices import Slices

_FIRST: Final = '<p class="loud warning" role="status">The first reading is under way; this page renews itself.</p>'
_LINES: Final = 40  # of the journal, on a subject's page
_WAITING: Final = 16  # pages that wait to be drawn for one reader alone
_FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A page as it is sent."""

    plain: bytes
    squeezed: tuple[bytes, ...]
    status: int = HTTPStatus.OK


class Pages:
    """Draws and answers."""

    def __init__(self, face: Face, once: Once, *, telemetry_path: str, prefix: str) -> None:
        self._face = face
        self._once = once
        self._crowd = Crowd(_WAITING, "Too many ask for pages of their own; ask again in a moment")
        self._depth = prefix.count("/") + 1  # slashes in the path of the front page
        self._frame = Frame({telemetry_path[1:]: "Metrics", "-/healthy": "Health", "-/ready": "Readiness"})

    async def front(self, request: web.Request) -> Slices:
        """Answer the front page."""
        view, fresh = self._face.view, self._face.fresh()
        if view is None:
            return self._send(request, self._draw(_FIRST, heading(None), "", fresh=True))
        asked = request.query
        query = Query.read(asked.get("q", ""), asked.getall("sort", ["state"])[-1], everything="all" in asked)
        gathered = await self._gathered(view)

        def draw() -> _Drawn:
            return self._draw(front(gathered, query, fresh=fresh), heading(gathered), "", fresh=fresh)

        if query.words:
            return self._send(request, await self._apart(draw))
        return self._send(request, await self._once.of(view, ("front", query, fresh), draw))

    async def subject(self, request: web.Request) -> Slices:
        """Answer the page of one subject."""
        view, fresh = self._face.view, self._face.fresh()
        kind, name = request.match_info["kind"], request.match_info["name"]
        up = "../" * (request.rel_url.raw_path.count("/") - self._depth)
        if view is None:
            return self._send(request, self._draw(_FIRST, heading(None), up, fresh=True))
        gathered = await self._gathered(view)
        line = gathered.called(kind, name)
        if line is None:
            return self._send(request, await self._apart(lambda: self._missing(kind, name, gathered, up, fresh=fresh)))
        members = await self._face.members(line.subject)

        def draw() -> _Drawn:
            content = subject_page(gathered, line, Known(self._lines(line.subject), members), fresh=fresh, up=up)
            return self._draw(content, f"{qualified(line.subject)} - {line.state} - Brimline", up, fresh=fresh)

        return self._send(request, await self._apart(draw))

    async def script(self, _: web.Request) -> web.Response:
        """Answer the script; its address changes with it."""
        headers = {"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": _FOREVER}
        return web.Response(body=self._frame.script, headers=headers)

    async def _apart(self, draw: Callable[[], _Drawn]) -> _Drawn:
        """Draw for one reader."""
        with self._crowd.one():
            return await self._once.apart(draw)

    async def _gathered(self, view: View) -> Gathered:
        return await self._once.of(view, "gathered", lambda: Gathered(view, self._face.past))

    def _missing(self, kind: str, name: str, gathered: Gathered, up: str, *, fresh: bool) -> _Drawn:
        content = other_page(kind, name, gathered, up)
        return self._draw(content, "No such subject", up, fresh=fresh, status=HTTPStatus.NOT_FOUND)

    def _lines(self, subject: Subject) -> tuple[Entry, ...]:
        past = self._face.past
        if past is None:
            return ()
        try:
            return past.lines(Wanted(limit=_LINES, subject_kind=subject.kind, name=subject.name))
        except JournalError:
            return ()  # which the page says already

    def _draw(self, content: str, title: str, up: str, *, fresh: bool, status: int = HTTPStatus.OK) -> _Drawn:
        plain = self._frame.page(content, title=title, up=up, fresh=fresh)
        return _Drawn(plain, gzip(deflate(plain), b""), status)

    def _send(self, request: web.Request, drawn: _Drawn) -> Slices:
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": self._frame.policy,
            "Cache-Control": "no-store",
            "Vary": "Accept-Encoding",
        }
        if accepts_gzip(request.headers.getall("Accept-Encoding", [])):
            answer = Slices(drawn.squeezed, {**headers, "Content-Encoding": "gzip"})
        else:
            answer = Slices((drawn.plain,), headers)
        answer.set_status(drawn.status)
        return answer
