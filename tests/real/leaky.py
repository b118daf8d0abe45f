"""A service that leaks: `leaky.py PORT GRACE`. Only the standard library; it runs in a container as its first process.

GET /work?leak=KIB&cache=KIB keeps the one for ever and the other until POST /cleanup; both tell what it holds. A
cleanup takes it GRACE seconds, and so long it answers after SIGTERM, as one does that finishes its requests.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

leaked: list[bytearray] = []
cached: list[bytearray] = []
cleanups: list[object] = []


def held() -> int:
    """Return the bytes of anonymous memory."""
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - a small process
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(b"RssAnon:"))


class Page(BaseHTTPRequestHandler):
    """Works, frees, and is healthy."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        for name, kept in (("leak", leaked), ("cache", cached)):
            for kib in asked.get(name, ()):
                kept.append(bytearray(b"x") * (int(kib) * 1024))
        self._tell()

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(float(sys.argv[2]))
        cached.clear()
        ctypes.CDLL(None).malloc_trim(0)
        cleanups.append(request)
        self._tell()

    def _tell(self) -> None:
        body = json.dumps({"held": held(), "pid": os.getpid(), "cleanups": cleanups}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def end(*_: object) -> None:
    """End a little later."""
    threading.Timer(float(sys.argv[2]), os._exit, (0,)).start()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
