"""Fixtures for tests against real parts. What is missing is skipped with its reason (with `--no-skips`: a failure)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real.cgroups import Group
from real.engine import Dockerd
from real.loads import Load
from real.places import MissingPartError


@pytest.fixture(scope="session")
def dockerd() -> Iterator[Dockerd]:
    """A private dockerd for the whole run. Tests leave its containers behind only by mistake: see `containers`."""
    yield from _running()


@pytest.fixture(scope="module")
def engine() -> Iterator[Dockerd]:
    """A dockerd whose containers live as long as one file's tests."""
    yield from _running()


@pytest.fixture
def own_dockerd() -> Iterator[Dockerd]:
    """A dockerd for this test alone, to be killed, stopped or filled."""
    yield from _running()


def _running() -> Iterator[Dockerd]:
    try:
        daemon = Dockerd()
    except MissingPartError as missing:
        pytest.skip(str(missing))
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.close()


@pytest.fixture
def containers(dockerd: Dockerd) -> Iterator[Callable[..., str]]:
    """`containers(*steps, options=[...])` runs memload in a container of `dockerd`; removed after the test."""
    yield dockerd.load
    dockerd.remove_containers()


@pytest.fixture
def load() -> Iterator[Callable[..., Load]]:
    """`load(*steps)` runs memload on this machine, outside any container, ready to be measured."""
    running = []

    def start(*steps: object) -> Load:
        running.append(Load(*steps))
        running[-1].ready()
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture
def group_v1(request: pytest.FixtureRequest) -> Iterator[Group]:
    """An empty cgroup of the v1 memory controller."""
    mount = Path("/sys/fs/cgroup/memory")
    if not (mount / "memory.limit_in_bytes").parent.exists() or not (mount / "cgroup.procs").exists():
        pytest.skip("memory is no cgroup v1 controller on this machine")
    if os.geteuid() != 0:
        pytest.skip("cgroups are made by root")
    group = Group(mount / f"brimline-test-{os.getpid()}-{abs(hash(request.node.name)) % 10_000}")
    yield group
    group.close()
