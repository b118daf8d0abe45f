"""The guest's dockerd keeps its containers where systemd wants them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from real.engine import Dockerd

MIB = 1024 * 1024


def test_systemd_is_the_first_process() -> None:
    assert Path("/proc/1/comm").read_text() == "systemd\n"


def test_a_container_is_a_scope_of_the_system_slice(dockerd: Dockerd, containers: Callable[..., str]) -> None:
    container = containers("anon", 10, options=["--memory", "50m"])
    scope = f"/system.slice/docker-{container}.scope"
    assert Path(f"/proc/{dockerd.pid(container)}/cgroup").read_text() == f"0::{scope}\n"
    assert int(Path(f"/sys/fs/cgroup{scope}/memory.max").read_text()) == 50 * MIB
