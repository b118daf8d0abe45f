"""Where the checkout and its cache are, and small facts every real part needs: a free port, a patient wait."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"


class MissingPartError(Exception):
    """A real part is not on this machine; the message says which and what brings it."""


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(check: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """Return the first true answer of `check`; fail loudly when it stays false."""
    end = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds:g} s still not: {what}")
        time.sleep(0.02)
    return answer


def alive(pid: int) -> bool:
    """Say whether the process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(b")")[2].split()[0] != b"Z"


def end_process(pid: int, patience: float = 5.0) -> None:
    """Ask the process to end, then make it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        try:
            wait_until(lambda: not alive(pid), f"process {pid} ended", patience)
        except TimeoutError:
            continue
        return


def pids_naming(text: str) -> list[int]:
    """Return the processes whose command line holds `text` (a private directory, so they are ours)."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text.encode() in command:
            found.append(int(entry.name))
    return found
