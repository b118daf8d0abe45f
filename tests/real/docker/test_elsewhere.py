"""An engine whose containers' cgroups cannot be read from here: stats stand in, and the page says so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from real.engine import Dockerd
from real.rows import MIB
from real.sidecar import Sidecar


def _blind(directory: Path) -> str:
    """Return flags for a cgroup tree that holds none of the engine's containers."""
    (directory / "memory").mkdir()
    return f"--path.cgroupfs={directory}"


def test_stats_stand_in_and_are_named(dockerd: Dockerd, containers: Callable[..., str], tmp_path: Path) -> None:
    containers("anon", 40, options=["--memory", "100m", "--name", "far"])
    sidecar = Sidecar(f"--sources.docker.host={dockerd.url}", "--interval=250ms", _blind(tmp_path))
    try:
        ratio = "brimline_container_memory_used_ratio"
        sidecar.wait_for(lambda: sidecar.value(ratio, container="far"), "a sample")
        assert 0.38 < (sidecar.value(ratio, container="far") or 0) < 0.45
        assert sidecar.value("brimline_container_memory_limit_bytes", container="far") == 100 * MIB
        assert sidecar.find("brimline_source_info", source="docker", mode="stats")
    finally:
        sidecar.close()


def test_check_waits_for_the_samples(dockerd: Dockerd, containers: Callable[..., str], tmp_path: Path) -> None:
    containers("anon", 90, options=["--memory", "100m", "--name", "far-and-full"])
    command = [sys.executable, "-m", "brimline", "check", "--json", "container/far*"]
    flags = [f"--sources.docker.host={dockerd.url}", _blind(tmp_path)]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert [s["name"] for s in json.loads(done.stdout)["subjects"]] == ["far-and-full"]
