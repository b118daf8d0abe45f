"""Brimline as a guest in one container, without socket or host mounts: itself is all there is to measure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

import pytest

from real.contained import Contained
from real.engine import Dockerd, python_here
from real.rows import MIB, truth

NO_CGROUPS = ("--tmpfs", "/sys/fs/cgroup")
HELD = 40  # MiB, by a process beside Brimline


@pytest.fixture
def alone(dockerd: Dockerd) -> Iterator[Callable[..., Contained]]:
    """`alone(*flags, options=[...])`: Brimline and a memload in a container limited to 200 MiB."""
    started: list[Contained] = []

    def start(*flags: object, options: tuple[object, ...] = ()) -> Contained:
        limits = ("--memory", "200m", "--memory-swap", "200m", "--env", "K_SERVICE=translator")
        before = f"memload anon {HELD} &"
        started.append(Contained(dockerd, "alone", *flags, options=(*limits, *options), before=before))
        started[-1].ready().next_ticks()
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_its_own_container_is_the_only_one(dockerd: Dockerd, alone: Callable[..., Contained]) -> None:
    brimline = alone("--interval=250ms")
    ratios = brimline.find("brimline_container_memory_used_ratio")
    ((labels, ratio),) = ratios.items()
    assert dict(labels) == {"container": "translator", "compose_project": "", "compose_service": ""}
    assert brimline.value("brimline_container_memory_limit_bytes") == 200 * MIB
    assert brimline.value("brimline_container_limited") == 1
    assert brimline.value("brimline_container_processes") == 2
    real = truth(200 * MIB, int(dockerd.cli("exec", "alone", "memload", "probe").split()[1]))
    assert abs(ratio - real) < 0.02
    brimline.wait_for(lambda: brimline.value("brimline_container_memory_oom_kills_total"), "the probe's end")
    assert set(_sources(brimline)) == {"host", "alone", "cgroup", "process"}
    assert set(_sources(brimline).values()) == {1}


def test_check_judges_it_without_a_daemon(dockerd: Dockerd) -> None:
    options = ["--rm", "--network", "none", "--memory", "200m", "--env", "K_SERVICE=translator", *python_here()]
    said = dockerd.cli("run", *options, dockerd.busybox, sys.executable, "-m", "brimline", "check", "--json")
    subjects = [s for s in json.loads(said)["subjects"] if s["kind"] == "container"]
    assert [(s["name"], s["state"]) for s in subjects] == [("translator", "normal")]


def test_without_any_cgroup_the_processes_are_added_up(dockerd: Dockerd, alone: Callable[..., Contained]) -> None:
    brimline = alone("--interval=250ms", "--sources.alone.limit=200MiB", options=NO_CGROUPS)
    assert not brimline.find("brimline_container_memory_used_ratio")
    assert not brimline.find("brimline_cgroup_memory_used_ratio")
    ratio = brimline.value("brimline_process_memory_used_ratio", group="self")
    assert brimline.value("brimline_process_processes", group="self") == 2
    assert brimline.value("brimline_process_memory_limit_bytes", group="self") == 200 * MIB
    assert (brimline.value("brimline_process_memory_largest_process_bytes", group="self") or 0) > HELD * MIB
    assert ratio is not None
    outside = dockerd.cli("exec", "alone", "cat", "/proc/1/statm", f"/proc/{_memload(dockerd)}/statm")
    resident = sum(int(line.split()[1]) for line in outside.splitlines()) * 4096
    assert abs(ratio - resident / (200 * MIB)) < 0.02
    assert set(_sources(brimline).values()) == {1}


def test_without_any_cgroup_and_limit_there_is_no_ratio(alone: Callable[..., Contained]) -> None:
    brimline = alone("--interval=250ms", options=NO_CGROUPS)
    assert brimline.value("brimline_process_memory_rss_bytes", group="self")
    assert brimline.value("brimline_process_memory_limit_bytes", group="self") is None
    assert brimline.value("brimline_process_memory_used_ratio", group="self") is None


def _sources(brimline: Contained) -> dict[str, float]:
    return {dict(labels)["source"]: up for labels, up in brimline.find("brimline_source_up").items()}


def _memload(dockerd: Dockerd) -> int:
    lines = dockerd.cli("exec", "alone", "ps", "-o", "pid,args").splitlines()
    return next(int(line.split()[0]) for line in lines if "memload anon" in line)
