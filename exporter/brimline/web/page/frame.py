"""What surrounds every page: its head, its style and icon, the way to the others, and the policy that guards it.

The style stands in the page, so that a page that is saved or printed keeps its looks; the policy names its digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Final

from brimline import __version__

_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 2h12v12H2z' "
    "fill='%23ccc'/%3E%3Cpath d='M2 6h12v8H2z' fill='%232c7a4b'/%3E%3Cpath d='M1 4h14' stroke='%23b3261e'/%3E%3C/svg%3E"
)
_REFRESH: Final = 15  # seconds, where there is no script


class Frame:
    """Puts content into a page."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self._links = links  # path below the front page -> its name
        self._style = _file("page.css")
        self.script = _file("page.js").encode()
        self.version = hashlib.sha256(self.script).hexdigest()[:12]
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self.policy = (
            f"default-src 'self'; style-src 'self' 'sha256-{digest}'; img-src 'self' data:; object-src 'none'; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )

    def page(self, content: str, *, title: str, up: str, fresh: bool) -> bytes:
        """Return a whole page; `up` is the way from it to the front page."""
        links = "".join(f'<a href="{up}{escape(path)}">{name}</a>' for path, name in self._links.items())
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(title)}</title>"
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark">'
            f'<noscript><meta http-equiv="refresh" content="{_REFRESH}"></noscript>'
            f'<link rel="icon" href="{_ICON}"><style>{self._style}</style>'
            f'<script src="{up}assets/page.js?v={self.version}" defer></script></head>'
            f'<body class="{"fresh" if fresh else "stale"}"><a class="skip" href="#main">Skip to the content</a>'
            f'<header><p class="brand"><a href="{up or "./"}">Brimline</a></p>'
            '<span class="dim tagline">memory, before the OOM killer</span>'
            f'<nav aria-label="Endpoints">{links}</nav><span id="link" class="dim" aria-live="off"></span></header>'
            f'<main id="main" tabindex="-1">{content}</main>'
            f"<footer>Brimline {escape(__version__)}</footer></body></html>\n"
        ).encode(errors="backslashreplace")  # a byte that is no UTF-8 is seen as such, and costs no page


def _file(name: str) -> str:
    return resources.files("brimline.web.page").joinpath(name).read_text("utf-8")
