"""The guest is what the tests beside this one take it for."""

from __future__ import annotations

from pathlib import Path


def test_systemd_is_the_first_process() -> None:
    assert Path("/proc/1/comm").read_text() == "systemd\n"
