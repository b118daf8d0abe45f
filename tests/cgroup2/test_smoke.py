"""The guest is what the tests beside this one take it for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from real.cgroups import Group

MIB = 1024 * 1024


def test_memory_is_a_controller_of_the_only_hierarchy() -> None:
    assert Path("/proc/self/cgroup").read_text() == "0::/\n"
    assert "memory" in Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    assert "cgroup2" in {line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()}
    assert "cgroup" not in {line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()}


def test_a_worker_killed_at_the_limit_is_counted(group: Callable[..., Group]) -> None:
    limited = group(memory_max=40 * MIB, memory_swap_max=0)
    load = limited.start("worker-oom", 80)
    assert load.ready() == ["worker signal 9"]
    assert limited.fields("memory.events")["oom_kill"] == 1


def test_pressure_is_measured(group: Callable[..., Group]) -> None:
    limited = group()
    limited.run("anon", 10)
    assert limited.read("memory.pressure").startswith("some avg10=")
    assert 10 <= int(limited.read("memory.current")) / MIB < 12


@pytest.mark.usefixtures("swap")
def test_pages_can_be_pushed_into_swap(group: Callable[..., Group]) -> None:
    swapping = group(memory_max=60 * MIB)
    swapping.run("swap", 20)
    assert int(swapping.read("memory.swap.current")) > 19 * MIB
