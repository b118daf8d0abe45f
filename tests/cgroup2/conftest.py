"""For tests on the machine with cgroup v2, which tests/real/test_cgroup2.py boots; elsewhere they do not run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from real.cgroups import Group
from real.measured import Measured

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = "+memory +pids +cpu +io"

collect_ignore_glob = [] if (MOUNT / "cgroup.controllers").exists() and "VM_OUT" in os.environ else ["*"]


@pytest.fixture(scope="session")
def swap() -> Path:
    """256 MiB of swap in compressed memory, on from here to the end of the run."""
    subprocess.run(["modprobe", "zram"], check=True)
    Path("/sys/block/zram0/disksize").write_text("256M")
    device = Path("/dev/zram0")
    for command in ("mkswap", "swapon"):
        subprocess.run([command, device], check=True, capture_output=True)
    return device


@pytest.fixture(scope="session")
def disk() -> Iterator[Path]:
    """An ext4 in compressed memory: page cache of the guest's own / is either a tmpfs's or another kernel's."""
    subprocess.run(["modprobe", "zram"], check=True)
    number = Path("/sys/class/zram-control/hot_add").read_text().strip()
    Path(f"/sys/block/zram{number}/disksize").write_text("256M")
    subprocess.run(["mke2fs", "-q", "-O", "^has_journal", f"/dev/zram{number}"], check=True)
    mount = Path("/run/disk")
    mount.mkdir()
    subprocess.run(["mount", "-t", "ext4", f"/dev/zram{number}", mount], check=True)
    yield mount
    subprocess.run(["umount", mount], check=True)


@pytest.fixture
def measuring() -> Iterator[Callable[..., Measured]]:
    """`measuring(glob...)` is a source that reads these cgroups."""
    made: list[Measured] = []

    def make(*globs: str) -> Measured:
        made.append(Measured(*globs))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[Callable[..., Group]]:
    """`group(memory_max="100M", memory_swap_max="0")` makes a cgroup and writes these files of it."""
    made: list[Group] = []
    numbers = count()

    def make(parent: Group | None = None, **files: object) -> Group:
        name = f"test-{next(numbers)}-{request.node.name[:40]}"
        if parent is None:
            made.append(Group(MOUNT / name))
            new = made[-1]
        else:
            parent.write("cgroup.subtree_control", CONTROLLERS)
            new = parent.child(name)
        for file, value in files.items():
            new.write(file.replace("_", "."), value)
        return new

    yield make
    for one in made:
        one.close()
