"""The story that the live tests look at, played once; pictures are drawn only where matplotlib is."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from grafana.stage import Stage, played
from real.places import MissingPartError

collect_ignore = [] if find_spec("matplotlib") else ["test_drawn.py"]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A Prometheus that has seen a leak, a cleanup, an OOM kill and a restart."""
    try:
        with played(tmp_path_factory.mktemp("grafana")) as one:
            yield one
    except MissingPartError as missing:
        pytest.skip(str(missing))
