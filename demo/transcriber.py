"""A transcription bot: a job takes a whole recording into memory, and every fourth forgets its temporary file.

POST /transcribe begins a job; POST /cleanup deletes the forgotten files. /tmp is a tmpfs: what lies there is memory.
"""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from memory import share

MIB = 1024 * 1024
RECORDING = 60  # MiB
SECONDS = 8.0  # a job takes; a cleanup waits for it, and may take 10 s itself
RECORDINGS = Path("/tmp")  # noqa: S108 - this container's own
jobs = threading.Lock()
done = 0


def transcribe() -> None:
    """Work on one recording; another one waits."""
    global done  # noqa: PLW0603 - a small program
    with jobs:
        file = RECORDINGS / f"{time.time_ns()}.wav"
        file.write_bytes(os.urandom(MIB) * RECORDING)
        samples = file.read_bytes()
        time.sleep(SECONDS)
        del samples
        done += 1
        if done % 4:
            file.unlink(missing_ok=True)


class Bot(BaseHTTPRequestHandler):
    """Takes jobs."""

    def do_GET(self) -> None:
        self._tell()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/cleanup":
            with jobs:  # between two jobs every file is a forgotten one
                for file in RECORDINGS.glob("*.wav"):
                    file.unlink()
        elif not jobs.locked():
            threading.Thread(target=transcribe, daemon=True).start()
        self._tell()

    def _tell(self) -> None:
        body = json.dumps({"share": share(), "done": done}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8000), Bot).serve_forever()
