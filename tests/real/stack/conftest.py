"""The stack of docker-compose.yml on a dockerd of its own: stand-ins of the images, and ours from their Dockerfiles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
def stack(walled: Walled) -> Iterator[Compose]:
    """The whole stack with its demonstration, up and healthy."""
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
