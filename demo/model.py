"""A model whose weights are mapped from a file: its limit is nearly all page cache, and none of that is in danger.

It reads all of its weights for each answer, as inference does. Only GET.
"""

import mmap
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from memory import share

MIB = 1024 * 1024
SIZE = int(os.environ.get("WEIGHTS_MIB", "256")) * MIB
WEIGHTS = Path("/weights/model.safetensors")


def weights() -> mmap.mmap:
    """Return the mapped weights; they are made when the volume is new."""
    if not WEIGHTS.exists() or WEIGHTS.stat().st_size != SIZE:
        part = os.urandom(MIB)
        with WEIGHTS.open("wb") as file:
            for _ in range(SIZE // MIB):
                file.write(part)
            os.fsync(file.fileno())  # a dirty page is not dropped so easily
    # Read twice, pages are active ones for the kernel, which no tool that shows a working set leaves out.
    for _ in range(2):
        with WEIGHTS.open("rb", buffering=0) as file:
            while file.read(MIB):
                pass
    with WEIGHTS.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)


class Model(BaseHTTPRequestHandler):
    """Answers with a number that takes all of the weights."""

    mapped = weights()

    def do_GET(self) -> None:
        answer = 0 if self.path == "/health" else sum(self.mapped[page] for page in range(0, SIZE, mmap.PAGESIZE))
        body = f'{{"share": {share()}, "answer": {answer}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8000), Model).serve_forever()
