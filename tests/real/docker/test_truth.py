"""memory_used_ratio against the truth: how much a child in the same cgroup can take before the kernel kills it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from real.engine import Dockerd
from real.rows import DENTRIES, MIB, ROWS, Row, truth
from real.sidecar import Sidecar

POINTS = 0.02


@pytest.fixture(scope="module")
def brimline(dockerd: Dockerd) -> Iterator[Sidecar]:
    sidecar = Sidecar(f"--sources.docker.host={dockerd.url}", "--interval=500ms", "--sources.cgroups=")
    yield sidecar
    sidecar.close()


def probe(dockerd: Dockerd, container: str, limit: int) -> float:
    said = dockerd.cli("exec", container, "memload", "probe")
    return truth(limit * MIB, int(said.split()[1]))


@pytest.mark.parametrize("row", [*ROWS, DENTRIES], ids=lambda row: row.name)
def test_the_ratio_is_what_the_kernel_would_kill_at(
    row: Row, dockerd: Dockerd, containers: Callable[..., str], brimline: Sidecar
) -> None:
    name = row.name.replace(" ", "-")
    options = ["--memory", f"{row.limit}m", "--shm-size", "200m", "--name", name, "--cap-add", "IPC_LOCK"]
    container = containers(*row.steps, options=options)
    brimline.wait_for(lambda: brimline.value("brimline_container_memory_used_ratio", container=name), name)
    brimline.next_ticks()
    ratio = brimline.value("brimline_container_memory_used_ratio", container=name)
    working_set = brimline.value("brimline_container_memory_working_set_ratio", container=name)
    assert ratio is not None
    assert working_set is not None
    real = probe(dockerd, container, row.limit)
    assert abs(ratio - real) <= POINTS, (ratio, real)
    assert abs(working_set - real) >= row.lie, "docker stats tells the truth here after all"


def test_who_maps_anothers_shared_memory_does_not_hold_it(
    dockerd: Dockerd, containers: Callable[..., str], brimline: Sidecar
) -> None:
    limits = ["--memory", "200m"]
    writer = containers("shm", 100, options=[*limits, "--name", "writer", "--ipc", "shareable", "--shm-size", "150m"])
    mapper = containers("shm-map", options=[*limits, "--name", "mapper", "--ipc", f"container:{writer}"])
    brimline.wait_for(lambda: brimline.value("brimline_container_memory_used_ratio", container="mapper"), "mapper")
    brimline.next_ticks()
    for container, name in ((writer, "writer"), (mapper, "mapper")):
        ratio = brimline.value("brimline_container_memory_used_ratio", container=name)
        assert ratio is not None
        assert abs(ratio - probe(dockerd, container, 200)) <= POINTS
