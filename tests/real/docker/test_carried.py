"""Counters outlive Brimline: stopped or killed, and started again, it shows what it showed before."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from brimline.journal.reading import open_reading
from real.engine import Dockerd
from real.sidecar import Sidecar

TOTAL = "brimline_container_memory_oom_kills_total"
BY_CAUSE = "brimline_container_memory_oom_kills_by_cause_total"
RESTARTS = "brimline_container_restarts_total"


@pytest.fixture
def start(dockerd: Dockerd, tmp_path: Path) -> Callable[[], Sidecar]:
    """Return what starts a Brimline with always the same journal."""
    flags = (f"--sources.docker.host={dockerd.url}", "--interval=250ms", "--sources.cgroups=")
    return lambda: Sidecar(*flags, f"--storage.path={tmp_path / 'journal'}")


def seen(brimline: Sidecar) -> None:
    """Wait until Docker has told of the container; Brimline is ready after two seconds without its answer too."""
    brimline.wait_for(lambda: brimline.value("brimline_container_running", container="web"), "web runs")


def counted(brimline: Sidecar) -> tuple[float | None, float | None, float | None]:
    """Return kills, kills of workers by the own limit, and restarts."""
    cause = {"container": "web", "cause": "own_limit", "victim": "worker"}
    return (
        brimline.value(TOTAL, container="web"),
        brimline.value(BY_CAUSE, **cause),
        brimline.value(RESTARTS, container="web"),
    )


def written(brimline: Sidecar) -> dict[str, float]:
    with closing(open_reading(brimline.storage)) as journal:
        return dict(journal.execute("SELECT name, value FROM tallies WHERE labels LIKE '[\"web\",%'").fetchall())


def test_totals_go_on_after_a_stop_and_after_a_kill_of_brimline(
    dockerd: Dockerd, containers: Callable[..., str], start: Callable[[], Sidecar]
) -> None:
    # A start within a second of the one that was listed is taken for its late event: see SAME_START.
    web = containers("wait", 1, "+", "anon", 5, options=["--memory", "50m", "--name", "web"])
    brimline = start()
    try:
        brimline.wait_for(lambda: counted(brimline) == (0, 0, 0), "web")
        dockerd.cli("restart", "-t", "0", web)
        dockerd.cli("restart", "-t", "0", web)
        brimline.wait_for(lambda: counted(brimline)[2] == 2, "two restarts")
        dockerd.cli("exec", "--detach", web, "memload", "worker-oom", 100)
        brimline.wait_for(lambda: counted(brimline) == (1, 1, 2), "a kill")
        brimline.signal(signal.SIGTERM)
        assert brimline.wait() == 0
        brimline.close()

        brimline = start()
        seen(brimline)
        assert counted(brimline) == (1, 1, 2)
        brimline.next_ticks(3)
        assert counted(brimline) == (1, 1, 2)
        dockerd.cli("exec", "--detach", web, "memload", "worker-oom", 100)
        brimline.wait_for(lambda: counted(brimline) == (2, 2, 2), "another kill")
        brimline.wait_for(lambda: written(brimline).get(TOTAL) == 2, "the journal has it", 60)
        brimline.signal(signal.SIGKILL)
        brimline.wait()
        brimline.close()

        dockerd.cli("restart", "-t", "0", web)
        brimline = start()
        seen(brimline)
        assert counted(brimline) == (2, 2, 3)
        brimline.next_ticks(3)
        assert counted(brimline) == (2, 2, 3)
    finally:
        brimline.close()
