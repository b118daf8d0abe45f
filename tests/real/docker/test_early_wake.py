"""Between two ticks: the v1 kernel says when a level is crossed; and pressure exists here beside v1 memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real.engine import Dockerd
from real.measured import Measured
from real.places import wait_until
from real.rows import MIB
from real.sidecar import Sidecar

MEMORY = Path("/sys/fs/cgroup/memory/docker")
PRESSURE = Path("/sys/fs/cgroup/unified/docker")
LIMIT = 300
LEVEL = 0.80
OWN_LEVEL = 0.50
SOON = 20  # seconds; the next tick by itself comes after 60
SOME = 0.1  # seconds of waiting
SLOW_FILES = 16  # seconds: they are read every 15


@pytest.fixture(scope="module")
def brimline(dockerd: Dockerd) -> Iterator[Sidecar]:
    sidecar = Sidecar(f"--sources.docker.host={dockerd.url}", "--interval=60s", "--sources.cgroups=")
    yield sidecar
    sidecar.close()


def woken(brimline: Sidecar) -> float:
    """Return how many ticks a level has called for."""
    return sum(brimline.find("brimline_ticks_total", cause="level").values())


def ratio_once_seen(dockerd: Dockerd, brimline: Sidecar, name: str, level: float, growth: int) -> float:
    """Have a container grow beyond a level and stay there; return its ratio after the tick that this calls for."""
    calls = woken(brimline)
    dockerd.cli("exec", "--detach", name, "memload", "grow", growth, 2)
    usage = MEMORY / dockerd.inspect(name)["Id"] / "memory.usage_in_bytes"
    wait_until(lambda: int(usage.read_text()) > level * LIMIT * MIB, "the level is crossed", 60)
    crossed = time.time()
    brimline.wait_for(lambda: woken(brimline) > calls, "a tick because of the level", SOON)
    seen = brimline.value("brimline_snapshot_timestamp_seconds")
    ratio = brimline.value("brimline_container_memory_used_ratio", container=name)
    assert seen is not None
    assert ratio is not None
    assert seen - crossed < SOON
    return ratio


def test_a_fast_leak_is_seen_as_it_crosses_the_level(
    dockerd: Dockerd, brimline: Sidecar, containers: Callable[..., str]
) -> None:
    containers("anon", 30, options=["--memory", f"{LIMIT}m", "--name", "leaking"])
    brimline.wait_for(lambda: brimline.value("brimline_container_memory_usage_bytes", container="leaking"), "leaking")
    ratio = ratio_once_seen(dockerd, brimline, "leaking", LEVEL, 219)  # ends at 83 %
    assert LEVEL - 0.01 < ratio < LEVEL + 0.05


def test_a_container_that_says_so_itself_is_seen_as_it_crosses_its_own_level(
    dockerd: Dockerd, brimline: Sidecar, containers: Callable[..., str]
) -> None:
    options = ["--memory", f"{LIMIT}m", "--name", "strict", "--label", f"brimline.alert-at={OWN_LEVEL:.0%}"]
    containers("anon", 30, options=options)
    series = {"container": "strict", "level": "alert"}
    brimline.wait_for(lambda: brimline.value("brimline_container_memory_threshold_ratio", **series), "its level")
    assert brimline.value("brimline_container_memory_threshold_ratio", **series) == OWN_LEVEL
    ratio = ratio_once_seen(dockerd, brimline, "strict", OWN_LEVEL, 170)  # ends at 67 %
    assert OWN_LEVEL - 0.01 < ratio < LEVEL - 0.1


def pressed(measured: Measured) -> float:
    measured.pass_(SLOW_FILES)
    return measured.of("thrashing")["memory_pressure_some_seconds_total"]


def test_pressure_of_each_container_comes_from_the_unified_tree(
    dockerd: Dockerd, containers: Callable[..., str]
) -> None:
    if not (PRESSURE.parent / "cgroup.controllers").exists():
        pytest.skip("this machine mounts no v2 tree beside v1")
    steps = ("anon", 10, "+", "thrash", "/weights", 60)
    container = containers(*steps, options=["--memory", "50m", "--name", "thrashing"])
    measured = Measured()
    try:
        pid = dockerd.pid(container)
        measured.adopt("thrashing", measured.fs.locate({container: pid})[container], pid)
        wait_until(lambda: pressed(measured) > SOME, "pressure", 60)
        measured.pass_(SLOW_FILES)
        found = measured.of("thrashing")
    finally:
        measured.close()
    said = (PRESSURE / container / "memory.pressure").read_text().split()
    assert SOME < found["memory_pressure_some_seconds_total"] <= int(said[4].removeprefix("total=")) / 1e6
    assert 0 <= found["memory_pressure_full_ratio"] <= found["memory_pressure_some_ratio"] <= 1
    assert found["memory_refaults_total"] > 0
    assert found["memory_used_ratio"] < 0.4
