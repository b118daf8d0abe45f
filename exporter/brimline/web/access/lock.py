"""What a web file comes to: TLS, users, headers, a rate, and the files it stands in."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brimline.web.access.auth import Users
from brimline.web.access.ratelimit import Bucket


@dataclass(frozen=True, slots=True)
class Lock:
    """A web file in force; without one nothing is locked."""

    context: ssl.SSLContext | None = None
    names: frozenset[str] = frozenset()  # of which a client's certificate must bear one; empty: any
    users: Users = field(default_factory=lambda: Users({}))
    headers: Mapping[str, str] = field(default_factory=dict)
    bucket: Bucket | None = None
    files: tuple[str, ...] = ()

    def lets_in(self, certificate: Mapping[str, Any] | None) -> bool:
        """Tell whether a client with this verified certificate may speak at all."""
        borne = {str(value) for _, value in (certificate or {}).get("subjectAltName", ())}
        return not self.names or not self.names.isdisjoint(borne)

    def stamps(self) -> Mapping[str, tuple[int, ...]]:
        """Return what changes when one of the files does: when it was written, its size, its inode; or why not."""
        found: dict[str, tuple[int, ...]] = {}
        for name in self.files:
            try:
                told = os.stat(name)  # noqa: PTH116 - a path object for each would cost more than the call
            except OSError as error:
                found[name] = (0, error.errno or 0)
            else:
                found[name] = (told.st_mtime_ns, told.st_size, told.st_ino)
        return found
