"""A live Brimline beside dockerd with the systemd driver: scopes are containers, units are cgroups."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from real.contained import Contained
from real.engine import Dockerd
from real.loads import binary
from real.rows import MIB, truth
from real.sidecar import Sidecar

BY_CAUSE = "brimline_container_memory_oom_kills_by_cause_total"
TOTAL = "brimline_container_memory_oom_kills_total"
RATIO = "brimline_container_memory_used_ratio"
UNIT = "soroka-bot.service"
UNIT_SEEN_WITHIN = 40  # globs are matched again every 15 s


@pytest.fixture(scope="module")
def inside(dockerd: Dockerd) -> Iterator[Contained]:
    """Brimline in a container with a cgroup name space of its own, not yet waited for."""
    mounts = ("/sys/fs/cgroup:/host/cgroup:ro", f"{dockerd.socket}:/var/run/docker.sock:ro")
    options = ["--pid", "host", "--cgroupns", "private", *(o for m in mounts for o in ("--volume", m))]
    contained = Contained(dockerd, "sidecar", "--interval=1s", "--path.cgroupfs=/host/cgroup", options=options)
    yield contained
    contained.close()


@pytest.fixture(scope="module")
def brimline(dockerd: Dockerd, inside: Contained) -> Iterator[Sidecar]:
    assert inside.url  # both take their seconds to start: they start together
    sidecar = Sidecar(f"--sources.docker.host={dockerd.url}", "--interval=500ms")
    # Started after the first tick, and looked for last.
    limits = ("-p", "MemoryMax=50M", "-p", "MemorySwapMax=0")
    command = ["systemd-run", "--quiet", f"--unit={UNIT}", *limits, str(binary()), "anon", "20"]
    subprocess.run(command, check=True)
    yield sidecar
    sidecar.close()


@pytest.fixture(scope="module")
def held(dockerd: Dockerd, brimline: Sidecar) -> Iterator[str]:
    """A container that holds 30 MiB of 60, known to Brimline.

    Only who offers itself is killed in it: the kernel may take another while a victim takes long to end.
    """
    limits = ("--memory", "60m", "--memory-swap", "60m", "--oom-score-adj", -1000)
    container = dockerd.load("anon", 30, options=[*limits, "--name", "held"])
    settled_ratio(brimline)
    yield container
    dockerd.cli("rm", "--force", container)


def settled_ratio(brimline: Sidecar) -> float:
    """Return the container's ratio as it is now."""
    brimline.wait_for(lambda: brimline.value(RATIO, container="held"), "the container is measured")
    brimline.next_ticks()
    return brimline.value(RATIO, container="held") or 0.0


def all_kills_have_a_cause(brimline: Sidecar) -> bool:
    """Tell whether the victim of every kill is known, which takes a second."""
    return sum(brimline.find(BY_CAUSE, container="held").values()) == brimline.value(TOTAL, container="held")


def scope_of(container: str) -> str:
    """Return the cgroup of a container."""
    return f"/system.slice/docker-{container}.scope"


def counted_by_the_kernel(container: str) -> int:
    """Return how many processes of a container the kernel killed for want of memory."""
    events = Path(f"/sys/fs/cgroup{scope_of(container)}/memory.events").read_text()
    return int(dict(line.split() for line in events.splitlines())["oom_kill"])


def kill_a_worker(dockerd: Dockerd, brimline: Sidecar, held: str) -> None:
    """Have a process killed at the container's limit, and see it counted as the kernel does, with its cause."""
    wanted = {"container": "held", "cause": "own_limit", "victim": "worker"}

    def counts() -> tuple[float, float, float]:
        by_cause, total = brimline.value(BY_CAUSE, **wanted), brimline.value(TOTAL, container="held")
        assert by_cause is not None
        assert total is not None
        return counted_by_the_kernel(held), by_cause, total

    brimline.wait_for(lambda: all_kills_have_a_cause(brimline), "the causes of the kills before")
    before = counts()
    dockerd.cli("exec", "--detach", "held", "memload", "worker-oom", 80)
    brimline.wait_for(lambda: counts()[1] > before[1] and all_kills_have_a_cause(brimline), "the worker's kill")
    kernel, by_cause, total = (now - then for now, then in zip(counts(), before, strict=True))
    assert kernel == by_cause == total
    assert brimline.value("brimline_container_running", container="held") == 1


def test_a_scope_is_a_container(dockerd: Dockerd, brimline: Sidecar, held: str) -> None:
    scope = scope_of(held)
    assert Path(f"/proc/{dockerd.pid(held)}/cgroup").read_text() == f"0::{scope}\n"
    assert int(Path(f"/sys/fs/cgroup{scope}/memory.max").read_text()) == 60 * MIB
    ratio = settled_ratio(brimline)
    assert brimline.value("brimline_container_memory_limit_bytes", container="held") == 60 * MIB
    assert brimline.value("brimline_container_processes", container="held") == 1
    assert brimline.value("brimline_container_memory_pressure_full_ratio", container="held") == 0
    assert brimline.find("brimline_source_info", source="cgroup", version="v2", events="event")
    real = truth(60 * MIB, int(dockerd.cli("exec", held, "memload", "probe").split()[1]))
    assert abs(ratio - real) < 0.02
    brimline.wait_for(lambda: brimline.value(TOTAL, container="held") == 1, "the probe's end")


def test_a_worker_killed_at_the_limit(dockerd: Dockerd, brimline: Sidecar, held: str) -> None:
    kill_a_worker(dockerd, brimline, held)


def test_from_inside_a_private_name_space(dockerd: Dockerd, inside: Contained, held: str) -> None:
    assert settled_ratio(inside.ready()) > 0.5
    assert dockerd.cli("exec", "sidecar", "cat", "/proc/self/cgroup") == "0::/"
    assert inside.value("brimline_container_memory_limit_bytes", container="held") == 60 * MIB
    assert (inside.value("brimline_container_memory_used_bytes", container="sidecar") or 0) > 20 * MIB
    assert inside.value("brimline_cgroup_memory_usage_bytes", cgroup=f"system.slice/{UNIT}")
    assert set(inside.find("brimline_source_up").values()) == {1}
    assert inside.find("brimline_source_info", source="cgroup", version="v2", events="event")
    kill_a_worker(dockerd, inside, held)


@pytest.mark.usefixtures("held")
def test_a_restart_is_another_incarnation(dockerd: Dockerd, brimline: Sidecar) -> None:
    before = brimline.value("brimline_container_start_time_seconds", container="held")
    kills = brimline.value(TOTAL, container="held")
    dockerd.cli("restart", "--time", 0, "held")
    brimline.wait_for(lambda: brimline.value("brimline_container_restarts_total", container="held"), "a restart")
    assert 0.5 < settled_ratio(brimline) < 0.55, "what the processes beside it held is gone"
    after = brimline.value("brimline_container_start_time_seconds", container="held")
    assert before is not None
    assert after is not None
    assert after > before
    assert brimline.value(TOTAL, container="held") == kills
    assert brimline.value("brimline_container_restarts_total", container="held") == 1


def test_a_unit_is_a_cgroup_until_it_is_stopped(brimline: Sidecar) -> None:
    labels = {"cgroup": f"system.slice/{UNIT}"}
    ratio = "brimline_cgroup_memory_used_ratio"
    brimline.wait_for(lambda: brimline.value(ratio, **labels), UNIT, UNIT_SEEN_WITHIN)
    assert 0.4 < (brimline.value(ratio, **labels) or 0) < 0.45
    assert brimline.value("brimline_cgroup_memory_limit_bytes", **labels) == 50 * MIB
    assert brimline.value("brimline_cgroup_processes", **labels) == 1
    names = {dict(found)["cgroup"] for found in brimline.find(ratio)}
    assert all(name.startswith("system.slice/") and name.endswith(".service") for name in names), names
    subprocess.run(["systemctl", "stop", UNIT], check=True)
    brimline.wait_for(lambda: brimline.value(ratio, **labels) is None, f"{UNIT} is gone")
    assert brimline.find("brimline_source_up", source="cgroup") == {(("source", "cgroup"),): 1}
