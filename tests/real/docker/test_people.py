"""What people read of real containers: a kill that happened before anybody looked, who is protected, what moves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from real.engine import Dockerd


def brimline(dockerd: Dockerd, arguments: Sequence[str], code: int) -> str:
    flags = [f"--sources.docker.host={dockerd.url}", "--sources.cgroups="]
    command = [sys.executable, "-m", "brimline", *arguments, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not os.access("/dev/kmsg", os.R_OK), reason="the kernel's log cannot be read: /dev/kmsg")
def test_a_kill_from_before_our_start_is_told_with_whose_it_was(
    dockerd: Dockerd, containers: Callable[..., str]
) -> None:
    gone = containers("anon", 200, options=["--memory", "40m", "--name", "killed"], ready=False)
    dockerd.cli("wait", gone)
    containers("anon", 20, options=["--memory", "100m", "--name", "opted-in", "--label", "brimline.restart=true"])
    containers("anon", 20, options=["--memory", "100m", "--name", "left-alone"])
    data = json.loads(brimline(dockerd, ["check", "--oom", "--json"], 1))
    (kill,) = [kill for kill in data["kills"] if kill["of"] == "container/killed"]
    assert (kill["bound"], kill["limit_bytes"], kill["task"]) == ("cgroup", 40 << 20, "memload")
    assert kill["limit_of"] == kill["cgroup"]
    assert gone in kill["cgroup"]
    protected = {
        subject["name"]: subject["protected"] for subject in data["subjects"] if subject["kind"] == "container"
    }
    assert protected == {"opted-in": True, "left-alone": False}
    assert "yes" in brimline(dockerd, ["check", "--oom", "opted-in"], 0)


def test_top_prints_what_moves(dockerd: Dockerd, containers: Callable[..., str], tmp_path: Path) -> None:
    containers("anon", 85, options=["--memory", "100m", "--name", "full"])
    empty = tmp_path / "brimline.yml"
    empty.touch()
    arguments = ["top", "--count", "2", "--interval", "0.3", "--filter", "full", f"--config.file={empty}"]
    first, second = brimline(dockerd, arguments, 0).strip().split("\n\n")
    for table in (first, second):
        assert table.splitlines()[-1].split()[-1] == "container/full"
        assert table.splitlines()[-1].split()[0] == "critical"
