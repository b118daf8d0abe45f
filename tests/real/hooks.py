"""A receiver of webhooks that keeps what arrives, once its signature is verified."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"brimline-tests-do-sign-with-this").decode()


class Receiver:
    """Listens on a free loopback port until `close`; `secret` is the file that the sender signs with."""

    def __init__(self, directory: Path) -> None:
        self.secret = directory / "hook.secret"
        self.secret.write_text(SECRET)
        self.messages: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.refused: list[str] = []
        verifier, messages, ids, refused = Webhook(SECRET), self.messages, self.ids, self.refused

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    message = verifier.verify(body, dict(self.headers.items()))
                except Exception as error:  # noqa: BLE001 - whatever it is, the message is not as it must be
                    refused.append(f"{error!r}: {body!r}")
                else:
                    messages.append(message)
                    ids.append(self.headers["webhook-id"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
