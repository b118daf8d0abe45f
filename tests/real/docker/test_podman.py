"""A real Podman through the same source: its socket, its events, its cgroups' names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from real.places import MissingPartError
from real.podman import Podman
from real.rows import MIB
from real.sidecar import Sidecar


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    try:
        engine = Podman()
    except MissingPartError as missing:
        pytest.skip(str(missing))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def brimline(podman: Podman) -> Iterator[Sidecar]:
    sidecar = Sidecar(f"--sources.docker.host={podman.url}", "--interval=250ms", "--sources.cgroups=")
    yield sidecar
    sidecar.close()


def test_a_container_of_podman_is_measured_and_its_kills_are_counted(
    podman: Podman, brimline: Sidecar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    container = podman.load(
        "wait", 2, "+", "worker-oom", 100, "+", "anon", 20, options=("--memory", "50m", "--name", "pod")
    )
    brimline.wait_for(
        lambda: brimline.find("brimline_source_info", source="docker", engine="podman"), "podman is named"
    )
    total = "brimline_container_memory_oom_kills_total"
    brimline.wait_for(lambda: brimline.value(total, container="pod") == 1, "the worker's kill")
    by_cause = "brimline_container_memory_oom_kills_by_cause_total"
    brimline.wait_for(
        lambda: brimline.value(by_cause, container="pod", cause="own_limit", victim="worker"), "its cause"
    )
    assert brimline.value("brimline_container_memory_limit_bytes", container="pod") == 50 * MIB
    used = brimline.value("brimline_container_memory_used_bytes", container="pod")
    assert used is not None
    assert abs(used - 20 * MIB) < 2 * MIB
    podman.cli("restart", "--time", "0", container)
    brimline.wait_for(lambda: brimline.value("brimline_container_restarts_total", container="pod") == 1, "its restart")
    podman.cli("stop", "--time", "0", container)
    brimline.wait_for(lambda: brimline.value("brimline_container_running", container="pod") == 0, "its stop")
    assert brimline.value("brimline_container_exit_code", container="pod") is not None
    assert brimline.value("brimline_container_memory_used_bytes", container="pod") is None
    podman.cli("rm", container)
    brimline.wait_for(lambda: brimline.value("brimline_container_running", container="pod") is None, "its removal")
    assert list(tmp_path.iterdir()) == [], "conmon's file about the kill belongs into podman's own directory"
