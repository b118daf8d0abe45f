"""The denominator: the least of a cgroup's own limit, its ancestors' and the host's memory, as it is now."""

from __future__ import annotations

import os
from collections.abc import Callable

from brimline.model import Kind
from real.cgroups import Group
from real.measured import Measured
from real.rows import MIB

SLOW_FILES = 16  # the limits are read every 15 s
HOST = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_a_limit_lowered_live_is_seen(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    limited = group(memory_max=200 * MIB, memory_swap_max=0)
    limited.run("anon", 40)
    measured = measuring("test-*")
    assert measured.of(limited.path.name)["memory_limit_bytes"] == 200 * MIB
    limited.write("memory.max", 50 * MIB)
    measured.pass_(SLOW_FILES)
    found = measured.of(limited.path.name)
    assert found["memory_limit_bytes"] == 50 * MIB
    assert 0.8 < found["memory_used_ratio"] < 0.85


def test_a_limit_above_the_hosts_memory_is_the_hosts(
    group: Callable[..., Group], measuring: Callable[..., Measured]
) -> None:
    generous = group(memory_max=64 << 30, memory_swap_max=0)
    generous.run("anon", 30)
    found = measuring("test-*").of(generous.path.name)
    assert found["memory_limit_bytes"] == HOST
    assert found["limited"] == 0
    assert abs(found["memory_used_ratio"] - 30 * MIB / HOST) < 0.005
    assert found["memory_available_bytes"] < HOST - 100 * MIB, "more than MemAvailable"


def test_no_limit_at_all_is_the_hosts(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    free = group()
    free.run("anon", 5)
    found = measuring("test-*").of(free.path.name)
    assert (found["memory_limit_bytes"], found["limited"]) == (HOST, 0)
    assert "memory_high_bytes" not in found
    assert "memory_high_ratio" not in found
    assert "memory_reservation_bytes" not in found


def test_a_full_slice_leaves_little_to_all_its_units(
    group: Callable[..., Group], measuring: Callable[..., Measured]
) -> None:
    parent = group(memory_max=100 * MIB, memory_swap_max=0)
    quiet, greedy = (group(parent, memory_max=400 * MIB, memory_low=5 * MIB) for _ in range(2))
    quiet.run("anon", 10)
    greedy.run("anon", 70)
    measured = measuring("test-*/*")
    found = measured.of(f"{parent.path.name}/{quiet.path.name}")
    assert found["memory_limit_bytes"] == 100 * MIB
    assert found["memory_reservation_bytes"] == 5 * MIB
    assert 0.1 < found["memory_used_ratio"] < 0.13, "nobody is judged by a sibling's use"
    assert 15 * MIB < found["memory_available_bytes"] < 20 * MIB
    subject = next(s for s in measured.report.chains if s.name.endswith(quiet.path.name))
    own, above = measured.report.chains[subject]
    assert subject.kind is Kind.CGROUP
    assert (own.path, above.path) == (f"/{parent.path.name}/{quiet.path.name}", f"/{parent.path.name}")
    assert (own.limit, above.limit) == (400 * MIB, 100 * MIB)
    assert above.used is not None
    assert above.used > 80 * MIB


def test_a_cgroup_removed_between_two_ticks_is_gone(
    group: Callable[..., Group], measuring: Callable[..., Measured]
) -> None:
    stays, goes = group(), group()
    measured = measuring("test-*")
    assert {stays.path.name, goes.path.name} <= set(measured.tick()["brimline_cgroup_memory_usage_bytes"])
    goes.close()
    assert set(measured.tick()["brimline_cgroup_memory_usage_bytes"]) == {stays.path.name}
    assert not measured.report.failed


def test_a_container_removed_between_list_and_read_is_gone(
    group: Callable[..., Group], measuring: Callable[..., Measured]
) -> None:
    measured = measuring()
    listed = group()
    main = listed.run("anon", 1)
    measured.container("brief", listed, main.pid)
    listed.close()
    assert "brimline_container_memory_usage_bytes" not in measured.tick()
    assert not measured.report.failed
