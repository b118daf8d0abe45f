"""The page of a real container and of a real group: what it consists of, what bounds it, whose memory it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real.engine import Dockerd
from real.rows import MIB
from real.sidecar import Sidecar


@pytest.fixture
def sidecar(dockerd: Dockerd, tmp_path: Path) -> Iterator[Sidecar]:
    """A Brimline that also watches itself, as a group of processes."""
    config = tmp_path / "brimline.yml"
    config.write_text('sources: {processes: [{group: own, cmdline: "brimline run"}], presets: [], cgroups: []}\n')
    flags = (f"--sources.docker.host={dockerd.url}", "--interval=250ms", f"--config.file={config}")
    running = Sidecar(*flags)
    yield running
    running.close()


def processes(page: str) -> list[tuple[str, int, int]]:
    """Return each process's name, pid and PSS in bytes."""
    table = page.partition("<h2>Processes by PSS</h2>")[2].partition("</table>")[0]
    rows = re.findall(r'<th scope="row">([^<]*)</th><td>(\d+)</td><td><data value="(\d+)"', table)
    return [(name, int(pid), int(pss)) for name, pid, pss in rows]


def test_a_container_s_page_names_its_limit_its_parts_and_its_processes(
    containers: Callable[..., str], sidecar: Sidecar
) -> None:
    containers("fork", "48", "2", "5", options=["--name", "forking", "--memory", "200m"])
    sidecar.wait_for(lambda: sidecar.get("/subject/container/forking")[0] == 200, "the container has a page")
    sidecar.next_ticks(2)
    _, page = sidecar.get("/subject/container/forking")
    assert "200 MiB" in page
    assert "<b>binds</b>" in page
    anonymous = re.search(r'<b>anonymous</b> <data value="(\d+)"', page)
    assert anonymous is not None
    assert int(anonymous[1]) >= 48 * MIB
    found = processes(page)
    assert len(found) >= 3  # it, and two that share its memory
    assert 48 * MIB <= sum(pss for _, _, pss in found) <= 90 * MIB
    assert found == sorted(found, key=lambda one: -one[2])


def test_a_group_s_page_names_its_processes(sidecar: Sidecar) -> None:
    sidecar.wait_for(lambda: sidecar.get("/subject/process/own")[0] == 200, "the group has a page")
    assert sidecar.pid in [pid for _, pid, _ in processes(sidecar.get("/subject/process/own")[1])]
