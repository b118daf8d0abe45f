"""A socket proxy as people put one before Docker: what its rules do not allow it answers itself, with 403."""

from __future__ import annotations

import re
import shutil
import socket
import socketserver
import tempfile
import threading
from pathlib import Path
from typing import Final

# What docs/docker.md tells people to allow.
READS: Final = (
    r"GET /version",
    r"(GET|HEAD) /_ping",
    r"GET /events",
    r"GET /containers/json",
    r"GET /containers/[^/]+/json",
)
ACTS: Final = (*READS, r"POST /containers/[^/]+/(restart|stop|start)")
_CHUNK: Final = 1 << 16


class Filter:
    """Listens beside an engine's socket until `close`; one request a connection, as Brimline makes them there."""

    def __init__(self, engine: Path, *allowed: str) -> None:
        self.refused: list[str] = []
        self.passed: list[str] = []
        self._directory = tempfile.mkdtemp(prefix="brimline-filter-")
        self.url = f"unix://{self._directory}/docker.sock"
        rules = [re.compile(rule) for rule in allowed]
        refused, passed = self.refused, self.passed

        class Passing(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline()
                if not line:
                    return  # somebody only knocked
                method, target, _ = line.decode("latin-1").split(" ", 2)
                asked = f"{method} {re.sub(r'^/v[0-9.]+(?=/)', '', target.partition('?')[0])}"
                if not any(rule.fullmatch(asked) for rule in rules):
                    refused.append(asked)
                    self.wfile.write(b"HTTP/1.0 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    return
                passed.append(asked)
                head = line
                while (field := self.rfile.readline()) not in {b"\r\n", b""}:
                    head += field
                with socket.socket(socket.AF_UNIX) as engines:
                    engines.connect(str(engine))
                    engines.sendall(head + b"\r\n")  # none of what it allows has a body
                    self._copy(engines)

            def _copy(self, engines: socket.socket) -> None:
                try:
                    while part := engines.recv(_CHUNK):
                        self.wfile.write(part)
                except OSError:
                    pass  # one of them is gone

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            block_on_close = False  # a stream of events ends when its client does
            request_queue_size = 64

        self._server = Server(f"{self._directory}/docker.sock", Passing)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        shutil.rmtree(self._directory)
