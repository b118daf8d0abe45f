"""A translation API under gunicorn. Each request leaves something behind: half in a cache, half for good.

GET /translate?kib=N does it N KiB worth; POST /cleanup empties the cache; both tell how full the container is.
"""

import ctypes
import json
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import parse_qs

from memory import share

cache: list[bytearray] = []  # translations that somebody might ask for again: grows without a bound
leaked: list[bytearray] = []  # what a reference cycle with a C extension keeps
counts = {"cleanups": 0}
STARTED = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]  # another one after each restart
lock = threading.Lock()


def translate(kib: int) -> None:
    """Translate, and keep more of it than one should."""
    half = bytearray(os.urandom(1024)) * max(1, kib // 2)
    with lock:
        cache.append(half)
        leaked.append(bytearray(half))


def clean_up() -> None:
    """Give back what can be had again."""
    with lock:
        cache.clear()
        counts["cleanups"] += 1
    ctypes.CDLL(None).malloc_trim(0)


def app(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer one request."""
    match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
        case "GET", "/health":
            pass
        case "GET", "/translate":
            translate(int(parse_qs(environ["QUERY_STRING"]).get("kib", ["64"])[0]))
        case "POST", "/cleanup":
            clean_up()
        case _:
            start_response("404 Not Found", [])
            return [b""]
    body = json.dumps({"share": share(), "pid": os.getpid(), "started": STARTED, **counts}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
