"""Which names this page may be called by, and which other pages may not press its buttons. Pure.

A page of another site can send a browser here under a name of its own that resolves to this address (DNS rebinding):
then the name is one we do not know. Addresses, names without a dot and names under `.internal` nobody else can have.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
EVERY: Final = "*"


class Names:
    """The names under which this page is served."""

    def __init__(self, own: Iterable[str], external_url: str | None) -> None:
        self._external = urlsplit(external_url or "").netloc.lower()
        self._own = {name.lower().rstrip(".") for name in own if name} | {urlsplit(external_url or "").hostname or ""}

    def ours(self, host: str) -> bool:
        """Tell whether a Host header names us; tools that send none are no browsers."""
        if not host or EVERY in self._own:
            return True
        name = _name(host)
        if name is None:
            return False
        return name in self._own or "." not in name or name.endswith((".localhost", ".internal")) or _is_address(name)

    def is_cross_site(self, headers: Mapping[str, str], host: str) -> bool:
        """Tell whether a browser sent this for a page that is not ours; tools send neither header."""
        if headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}:
            return True
        origin = headers.get("Origin")
        return origin is not None and _place(origin) not in {host.lower(), self._external} - {""}


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # a bracket without its other half
        return ""


def _name(host: str) -> str | None:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".") or None
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
