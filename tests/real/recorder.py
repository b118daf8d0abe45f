"""A Docker socket that notes what passes: method and path of each request on its way to the engine behind it."""

from __future__ import annotations

import shutil
import socket
import socketserver
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO

READS = ("GET", "HEAD")
CHUNK = 1 << 16


class Recorder:
    """Listens beside an engine's socket until `close`."""

    def __init__(self, engine: Path) -> None:
        self.requests: list[tuple[str, str]] = []
        self._directory = tempfile.mkdtemp(prefix="brimline-recorder-")
        file = f"{self._directory}/docker.sock"
        self.url = f"unix://{file}"
        requests = self.requests

        class Passing(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with socket.socket(socket.AF_UNIX) as engines:
                    engines.connect(str(engine))
                    back = threading.Thread(target=_copy, args=(engines, self.connection), daemon=True)
                    back.start()
                    try:
                        _forward(self.rfile, engines, requests)
                        engines.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass  # one of them is gone
                    back.join()

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(file, Passing)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def orders(self) -> list[str]:
        """Return every request that may change something, as "POST /containers/ID/restart"."""
        found = [(method, path.partition("?")[0]) for method, path in list(self.requests) if method not in READS]
        # The version in front of a path is the client's affair.
        return [f"{method} /{path.split('/', 2)[2] if path.startswith('/v1.') else path[1:]}" for method, path in found]

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        shutil.rmtree(self._directory)


def _forward(client: BinaryIO, engine: socket.socket, requests: list[tuple[str, str]]) -> None:
    """Pass requests on, one after the other, and note each before the engine has it."""
    while line := client.readline():
        head = [line]
        while (header := client.readline()) not in {b"\r\n", b"\n", b""}:
            head.append(header)
        method, path, _ = line.decode("latin-1").split(" ", 2)
        requests.append((method, path))
        engine.sendall(b"".join([*head, header]))
        fields = {name.strip().lower(): value.strip() for name, _, value in (h.partition(b":") for h in head[1:])}
        left = int(fields.get(b"content-length", 0))
        while left and (part := client.read(min(left, CHUNK))):
            engine.sendall(part)
            left -= len(part)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(CHUNK):
            target.sendall(part)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other side is gone
