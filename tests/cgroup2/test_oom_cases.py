"""Kills on cgroup v2: heard by event, told apart by whose limit it was, counted beyond the cgroup's life."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real.cgroups import Group
from real.loads import Load
from real.measured import Measured
from real.rows import MIB

TOTAL = "brimline_container_memory_oom_kills_total"
USAGE = "brimline_container_memory_usage_bytes"
HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")


def settled(measured: Measured, name: str) -> dict[str, float]:
    """Return the causes once the victim is known to be the main process or a worker."""
    measured.tick()
    measured.pass_(2)
    return measured.causes(name)


def watch(measured: Measured, name: str, limited: Group, *steps: object) -> Load:
    """Measure a container whose first process goes on with `steps` after the first tick has seen it."""
    main = limited.start("wait", 0.5, "+", *steps)
    measured.container(name, limited, main.pid)
    measured.tick()
    return main


def test_kills_are_heard_by_event(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    group()
    measured = measuring("test-*")
    measured.tick()
    assert measured.report.info == {"version": "v2", "events": "event"}


def test_own_limit_main_process(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    measured, limited = measuring(), group(memory_max=40 * MIB, memory_swap_max=0)
    main = watch(measured, "main", limited, "anon", 80)
    measured.hears("oom")
    assert main.wait() == -signal.SIGKILL
    assert settled(measured, "main") == {"{own_limit,main}": 1}
    assert measured.tick()[TOTAL] == {"main": 1}


def test_a_worker_with_its_main_process_alive(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    measured, limited = measuring(), group(memory_max=40 * MIB, memory_swap_max=0)
    main = watch(measured, "worker", limited, "worker-oom", 80)
    measured.hears("oom")
    assert main.ready() == ["worker signal 9"]
    assert settled(measured, "worker") == {"{own_limit,worker}": 1}


def test_an_ancestors_limit(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    measured, parent = measuring(), group(memory_max=40 * MIB, memory_swap_max=0)
    child = group(parent, memory_max=500 * MIB)
    watch(measured, "nested", child, "worker-oom", 80)
    measured.hears("oom")
    assert settled(measured, "nested") == {"{ancestor,worker}": 1}


@pytest.fixture
def next_victims() -> Iterator[None]:
    """Whom the kernel takes after the worker, and not us: it may not wait until the dead one's pages are free."""
    spare = [Load("anon", 40, before="echo 999 > /proc/self/oom_score_adj") for _ in range(2)]
    for one in spare:
        one.ready()
    yield
    for one in spare:
        one.close()


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Most of this machine's memory is set aside as huge pages."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    free = next(int(size) for name, size, *_ in lines if name == "MemAvailable:")
    HUGE_PAGES.write_text(str((free - 300 * 1024) // 2048))
    yield
    HUGE_PAGES.write_text("0")


@pytest.mark.usefixtures("next_victims", "little_memory")  # in this order
def test_the_hosts_memory(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    measured, limited = measuring(), group(memory_max=1000 * MIB, memory_swap_max=0)
    watch(measured, "crowded", limited, "worker-oom", 700)
    measured.hears("oom", 60)
    assert settled(measured, "crowded") == {"{host,worker}": 1}


def test_kill_9_is_none(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    measured, limited = measuring(), group(memory_max=40 * MIB, memory_swap_max=0)
    main = watch(measured, "killed", limited, "anon", 20)
    main.ready()
    os.kill(main.pid, signal.SIGKILL)
    main.wait()
    assert settled(measured, "killed") == {}
    assert measured.tick()[TOTAL] == {"killed": 0}


def test_the_count_outlives_the_cgroup_and_goes_on(
    group: Callable[..., Group], measuring: Callable[..., Measured]
) -> None:
    measured = measuring()
    for life in (1, 2):
        limited = group(memory_max=40 * MIB, memory_swap_max=0)
        watch(measured, "again", limited, "worker-oom", 80)
        measured.hears("oom")
        assert settled(measured, "again") == {"{own_limit,worker}": life}
        limited.close()
        page = measured.tick()
        assert page[TOTAL] == {"again": life}
        assert USAGE not in page


def test_a_kill_is_heard_within_moments_and_without_a_tick(
    group: Callable[..., Group], measuring: Callable[..., Measured]
) -> None:
    """The best of three: this CPU is emulated and shared."""
    delays = []
    for _ in range(3):
        measured, limited = measuring(), group(memory_max=20 * MIB, memory_swap_max=0)
        main = watch(measured, "heard", limited, "worker-oom", 40)
        died: list[float] = []

        def wait_for_death(main: Load = main, died: list[float] = died) -> None:
            main.ready()
            died.append(time.monotonic())

        waiting = threading.Thread(target=wait_for_death)
        waiting.start()
        heard = measured.hears("oom")
        waiting.join()
        delays.append(heard - died[0])
    assert min(delays) < 0.05, delays
