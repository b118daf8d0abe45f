"""The stack of docker-compose.yml on a dockerd of its own: stand-ins of the images, and ours from their Dockerfiles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from real.cgroups import Group
from real.places import MissingPartError
from real.stack import standins
from real.stack.walled import Compose, Walled


@pytest.fixture(scope="package")
def walled() -> Iterator[Walled]:
    """A dockerd that has the stand-ins."""
    try:
        engine = Walled()
    except MissingPartError as missing:
        pytest.skip(str(missing))
    try:
        engine.start()
        standins.make(engine)
        yield engine
    except MissingPartError as missing:
        pytest.skip(str(missing))
    finally:
        engine.close()


@pytest.fixture(scope="package")
def unit() -> Iterator[str]:
    """A unit of this machine, as systemd makes one: the name of its cgroup."""
    v1, name = Path("/sys/fs/cgroup/memory"), f"system.slice/brimline-demo-{os.getpid()}.service"
    tree, limit = (v1, "memory.limit_in_bytes") if v1.is_dir() else (v1.parent, "memory.max")
    with ExitStack() as made:
        if not (tree / "system.slice").exists():
            made.enter_context(closing(Group(tree / "system.slice")))
        group = made.enter_context(closing(Group(tree / name)))
        group.write(limit, 64 << 20)
        group.run("anon", 20)
        yield name


@pytest.fixture(scope="package")
def stack(walled: Walled, unit: str) -> Iterator[Compose]:
    """The whole stack with its demonstration, up and healthy, on a machine that has a unit too."""
    assert unit
    try:
        compose = Compose(walled)
    except MissingPartError as missing:
        pytest.skip(str(missing))
    try:
        compose.run("build")
        compose.run("up", "--detach")
        yield compose
    finally:
        compose.run("down", "--volumes", "--timeout", "2")
