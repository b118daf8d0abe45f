"""A Prometheus in miniature for range queries of one metric; tests/real holds its answers against a real one's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@contextmanager
def prometheus(
    answers: dict[str, list[dict[str, Any]]], status: int = 200
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers range queries by metric, on loopback."""
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            asked.append(query)
            start, end = float(query["start"]), float(query["end"])
            result = [
                {**series, "values": values}
                for series in answers.get(query["query"], [])
                if (values := [pair for pair in series["values"] if start <= pair[0] <= end])
            ]
            good = {"status": "success", "data": {"resultType": "matrix", "result": result}}
            body = good if status == 200 else {"status": "error", "errorType": "execution", "error": "too much"}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()
