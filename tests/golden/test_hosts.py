"""The whole page of captured hosts; `make golden` writes it anew, and the diff is what changed for everybody's graphs."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Golden
from golden.hosts import CAPTURED, Host, page_of

HERE = Path(__file__).parent

# Where connecting fails the SDK leaves its socket to the garbage collector (docker/docker-py pull request 3356).
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.mark.parametrize("name", ["v1", "hybrid"])
def test_a_captured_host(name: str, golden: Golden, tmp_path: Path) -> None:
    golden(page_of(Host(CAPTURED / name), tmp_path), HERE / f"{name}.txt")
