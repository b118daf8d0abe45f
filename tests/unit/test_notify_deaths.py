"""Killed at each point around a message, over a real journal: no notification is lost, a second one has the same id."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brimline import faults

CHILD = Path(__file__).with_name("notify_child.py")
ROOT = CHILD.parents[2]
Arrived = list[tuple[str, str]]


@pytest.fixture
def hook() -> Iterator[tuple[str, Arrived]]:
    """A receiver: its address, and id and first event of what arrived."""
    arrived: Arrived = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told = " ".join(f"{one['event']}:{one['subject']}" for one in body["notices"])
            arrived.append((self.headers["webhook-id"], told))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", arrived
    server.shutdown()
    thread.join()
    server.server_close()


def live(directory: Path, url: str, phase: str, die_at: str = "") -> int:
    path = f"{ROOT / 'exporter'}:{ROOT / 'tests'}"
    environ = {**os.environ, "PYTHONPATH": path, **({faults.VARIABLE: die_at} if die_at else {})}
    return subprocess.run(
        [sys.executable, CHILD, directory, url, phase], env=environ, check=False, timeout=60
    ).returncode


@pytest.mark.parametrize("point", ["queueing", "queued", "sending", "sent"])
def test_a_process_killed_around_a_message_loses_no_notification(
    point: str, tmp_path: Path, hook: tuple[str, Arrived]
) -> None:
    url, arrived = hook
    for phase in ("fires", "over"):
        assert live(tmp_path, url, phase, die_at=point) == -signal.SIGKILL
        assert live(tmp_path, url, phase) == 0
    told = dict(arrived)
    assert sorted(told.values()) == [
        "action_done:a",
        "alert_fired:a",
        "alert_fired:b",
        "alert_resolved:a",
        "alert_resolved:b",
    ]
    assert len(arrived) == len(told) + (2 if point == "sent" else 0), "twice only what was answered, by one id"
