"""A receiver for many senders at once, each with a path of its own; it keeps what it was told, unsigned."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Told:
    """One message that was taken."""

    path: str
    id: str
    body: dict[str, Any]


class Hook:
    """Listens on a free loopback port; `before` is called before each answer, and may wait."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.before: Callable[[], object] = tuple
        hook = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.before()
                hook.told.append(Told(self.path, self.headers.get("webhook-id", ""), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def of(self, path: str) -> list[Told]:
        """Return what was told there."""
        return [one for one in list(self.told) if one.path == path]

    def notices(self, path: str) -> list[dict[str, Any]]:
        """Return the notices of it."""
        return [notice for one in self.of(path) for notice in one.body["notices"]]

    def __enter__(self) -> Self:
        """Take messages."""
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
