"""For tests on the machine with cgroup v2, systemd and dockerd (systemd driver); elsewhere they do not run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real.engine import Dockerd

DATA_ROOT = Path("/data")

collect_ignore_glob = [] if DATA_ROOT.is_mount() and "VM_OUT" in os.environ else ["*"]


@pytest.fixture(scope="session")
def dockerd() -> Iterator[Dockerd]:
    """The guest's dockerd, on the data root that the host filled."""
    daemon = Dockerd(data_root=DATA_ROOT, cgroup_driver="systemd")
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
def containers(dockerd: Dockerd) -> Iterator[Callable[..., str]]:
    """`containers(*steps, options=[...])` runs memload in a container of `dockerd`; removed after the test."""
    yield dockerd.load
    dockerd.remove_containers()
