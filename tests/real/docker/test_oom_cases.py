"""Every way a container can end: kills by the OOM killer get the right cause and victim, everything else gets none."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real.cgroups import Group, sweep
from real.engine import Dockerd
from real.rows import MIB
from real.sidecar import Sidecar

BY_CAUSE = "brimline_container_memory_oom_kills_by_cause_total"
TOTAL = "brimline_container_memory_oom_kills_total"
V1 = Path("/sys/fs/cgroup/memory")
FILLED_ONCE_TOLD = "while [ ! -e /tmp/go ]; do sleep 0.1; done; exec memload anon 200"


@pytest.fixture(scope="module")
def brimline(dockerd: Dockerd) -> Iterator[Sidecar]:
    sidecar = Sidecar(f"--sources.docker.host={dockerd.url}", "--interval=250ms", "--sources.cgroups=")
    yield sidecar
    sidecar.close()


def causes(brimline: Sidecar, name: str) -> dict[str, float]:
    """Return `cause/victim` -> kills, where there were any."""
    found = brimline.find(BY_CAUSE, container=name).items()
    return {f"{dict(labels)['cause']}/{dict(labels)['victim']}": n for labels, n in found if n}


def known(brimline: Sidecar, name: str) -> None:
    brimline.wait_for(lambda: brimline.value("brimline_container_memory_usage_bytes", container=name), name)


def expect(brimline: Sidecar, name: str, wanted: dict[str, float]) -> None:
    brimline.wait_for(lambda: causes(brimline, name) == wanted, f"{name}: {wanted}, not {causes(brimline, name)}", 60)
    brimline.next_ticks(3)
    assert causes(brimline, name) == wanted
    assert brimline.value(TOTAL, container=name) == sum(wanted.values())


def test_kills_are_heard_by_event_here(brimline: Sidecar, containers: Callable[..., str]) -> None:
    containers("anon", 5, options=["--memory", "50m", "--name", "heard"])
    known(brimline, "heard")
    brimline.next_ticks()
    assert brimline.find("brimline_source_info", source="cgroup", events="event", version="v1")


@pytest.mark.usefixtures("containers")
def test_own_limit_main_process(dockerd: Dockerd, brimline: Sidecar) -> None:
    options = ["--network", "none", "--memory", "50m", "--name", "own-main"]
    dockerd.cli("run", "--detach", *options, dockerd.busybox, "sh", "-c", FILLED_ONCE_TOLD)
    known(brimline, "own-main")
    dockerd.cli("exec", "own-main", "sh", "-c", ": > /tmp/go")
    dockerd.cli("wait", "own-main")
    expect(brimline, "own-main", {"own_limit/main": 1})
    assert brimline.value("brimline_container_exit_code", container="own-main") == 137


def test_own_limit_within_moments_of_its_start(
    dockerd: Dockerd, brimline: Sidecar, containers: Callable[..., str]
) -> None:
    """The whole life of the container may lie between two ticks: then Docker must have told of the kill."""

    def killed(name: str) -> bool:
        dockerd.cli("wait", containers("anon", 200, options=["--memory", "50m", "--name", name], ready=False))
        return dockerd.told_oom(name)

    name = next((name for name in (f"own-fast-{i}" for i in range(5)) if killed(name)), None)
    assert name, "Docker told of none of five kills"
    brimline.wait_for(lambda: brimline.value(TOTAL, container=name), f"the kill of {name}", 60)
    brimline.next_ticks(3)
    assert brimline.value(TOTAL, container=name) == 1
    assert list(causes(brimline, name)) in (["own_limit/main"], ["unknown/main"])


def test_a_worker_killed_within_moments_of_its_containers_start(
    brimline: Sidecar, containers: Callable[..., str]
) -> None:
    """The kill may come before the first look at the cgroup: its cause must be known all the same."""
    for i in range(3):
        containers("worker-oom", 60, options=["--memory", "40m", "--name", f"worker-fast-{i}"], ready=False)
    for i in range(3):
        expect(brimline, f"worker-fast-{i}", {"own_limit/worker": 1})


def test_a_kill_in_a_level_below_the_container(brimline: Sidecar, containers: Callable[..., str]) -> None:
    container = containers("anon", 5, options=["--memory", "50m", "--name", "below"])
    known(brimline, "below")
    brimline.next_ticks()
    below = Group(V1 / "docker" / container / "sub")
    try:
        assert below.start("anon", 100).wait() == -signal.SIGKILL
        expect(brimline, "below", {"own_limit/worker": 1})
    finally:
        below.close()


def test_a_renamed_container_keeps_its_kills_and_its_restarts(
    dockerd: Dockerd, brimline: Sidecar, containers: Callable[..., str]
) -> None:
    container = containers("wait", 1, "+", "worker-oom", 60, options=["--memory", "40m", "--name", "before"])
    expect(brimline, "before", {"own_limit/worker": 1})
    dockerd.cli("restart", "-t", "0", container)
    expect(brimline, "before", {"own_limit/worker": 2})
    dockerd.cli("rename", container, "after")
    containers("anon", 5, options=["--memory", "50m", "--name", "before"])
    expect(brimline, "after", {"own_limit/worker": 2})
    known(brimline, "before")
    assert brimline.value("brimline_container_restarts_total", container="after") == 1
    assert brimline.value("brimline_container_restarts_total", container="before") == 0
    assert brimline.value(TOTAL, container="before") == 0


def test_worker_killed_with_its_main_process_alive(
    dockerd: Dockerd, brimline: Sidecar, containers: Callable[..., str]
) -> None:
    container = containers("wait", 2, "+", "worker-oom", 100, options=["--memory", "50m", "--name", "worker"])
    expect(brimline, "worker", {"own_limit/worker": 1})
    assert dockerd.inspect(container)["State"]["Running"]
    assert brimline.value("brimline_container_running", container="worker") == 1


def test_a_limit_of_memory_and_swap_together(brimline: Sidecar, containers: Callable[..., str]) -> None:
    """With --memory-swap equal to --memory the kernel meets that limit first and counts no failure of the other."""
    options = ["--memory", "50m", "--memory-swap", "50m", "--name", "no-swap"]
    containers("wait", 2, "+", "worker-oom", 100, options=options)
    expect(brimline, "no-swap", {"own_limit/worker": 1})


def test_an_ancestors_limit(brimline: Sidecar, dockerd: Dockerd) -> None:
    parent = Group(V1 / "brimline-oom-parent")
    try:
        parent.write("memory.limit_in_bytes", 60 * MIB)
        options = ["--cgroup-parent", "/brimline-oom-parent", "--memory", "500m", "--name", "nested"]
        dockerd.load("wait", 2, "+", "worker-oom", 100, options=options)
        expect(brimline, "nested", {"ancestor/worker": 1})
        assert brimline.value("brimline_container_memory_limit_bytes", container="nested") == 60 * MIB
        assert brimline.value("brimline_container_limited", container="nested") == 1
    finally:
        dockerd.remove_containers()
        parent.close()
        sweep("brimline-oom-parent")


@pytest.mark.parametrize(
    ("name", "steps", "end"),
    [
        ("killed", ("anon", 5), ("kill",)),
        ("stop-timeout", ("deaf", "+", "anon", 5), ("stop", "-t", "1")),
        ("stopped", ("anon", 5), ("stop",)),
    ],
)
def test_137_alone_is_no_oom(  # noqa: PLR0917 - fixtures
    name: str,
    steps: tuple[str, ...],
    end: tuple[str, ...],
    dockerd: Dockerd,
    brimline: Sidecar,
    containers: Callable[..., str],
) -> None:
    container = containers(*steps, options=["--memory", "50m", "--name", name])
    known(brimline, name)
    dockerd.cli(*end, container)
    brimline.wait_for(lambda: brimline.value("brimline_container_running", container=name) == 0, f"{name} stopped")
    brimline.next_ticks(3)
    assert dockerd.inspect(container)["State"]["ExitCode"] in {137, 143}
    assert causes(brimline, name) == {}
    assert brimline.value(TOTAL, container=name) == 0


def test_the_stale_flag_after_a_workers_oom_and_a_plain_stop(
    dockerd: Dockerd, brimline: Sidecar, containers: Callable[..., str]
) -> None:
    steps = ("deaf", "+", "wait", 2, "+", "worker-oom", 100)
    container = containers(*steps, options=["--memory", "50m", "--name", "stale"])
    expect(brimline, "stale", {"own_limit/worker": 1})
    dockerd.cli("stop", "-t", "1", container)
    brimline.wait_for(lambda: brimline.value("brimline_container_running", container="stale") == 0, "stale stopped")
    state = dockerd.inspect(container)["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (137, True), "this engine's flag is not stale: the test is void"
    expect(brimline, "stale", {"own_limit/worker": 1})


def test_the_count_goes_on_over_a_restart_and_outlives_the_container(
    dockerd: Dockerd, brimline: Sidecar, containers: Callable[..., str]
) -> None:
    options = ["--memory", "50m", "--name", "again"]
    container = containers("wait", 2, "+", "worker-oom", 100, options=options)
    expect(brimline, "again", {"own_limit/worker": 1})
    dockerd.cli("restart", "-t", "0", container)
    expect(brimline, "again", {"own_limit/worker": 2})
    assert brimline.value("brimline_container_restarts_total", container="again") == 1
    dockerd.cli("rm", "-f", container)
    brimline.wait_for(lambda: brimline.value("brimline_container_running", container="again") is None, "again removed")
    assert brimline.value(TOTAL, container="again") == 2
    assert brimline.value("brimline_container_restarts_total", container="again") == 1
