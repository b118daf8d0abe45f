"""Whether the way to a real engine is too wide: a raw socket is, a socket proxy is not, and nothing is ever created."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from real.engine import Dockerd
from real.filtering import ACTS, READS, Filter
from real.sidecar import Sidecar

WIDE = "brimline_docker_overprivileged"
CREATE = "POST /containers/create"


def everything(dockerd: Dockerd) -> tuple[str, ...]:
    """Return all the engine has that a create could add to."""
    lists = (("ps", "--all", "--no-trunc"), ("images", "--all"), ("volume", "ls"), ("network", "ls"))
    return tuple(dockerd.cli(*words, "--quiet") for words in lists)


def restarted(dockerd: Dockerd, container: str, storage: str) -> None:
    """Have a person ask for a restart, and see it done."""
    before = dockerd.inspect(container)["State"]["StartedAt"]
    asking = [sys.executable, "-m", "brimline", "restart", "web", storage]
    done = subprocess.run(asking, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert dockerd.inspect(container)["State"]["StartedAt"] != before


def test_a_socket_proxy_refuses_and_a_raw_socket_lets_through_and_neither_creates(
    dockerd: Dockerd, containers: Callable[..., str], tmp_path: Path
) -> None:
    labels = ("restart=true", "start-period=0s", "stop-timeout=0s")
    options = [part for label in labels for part in ("--label", f"brimline.{label}")]
    web = containers("wait", 1, options=[*options, "--name", "web"])
    before = everything(dockerd)
    with closing(Filter(dockerd.socket, *READS)) as reading, closing(Filter(dockerd.socket, *ACTS)) as acting:
        flags = (
            "--interval=250ms",
            "--actions.settle=0s",
            "--sources.cgroups=",
            f"--sources.docker.host={reading.url}",
        )
        proxied = Sidecar(*flags, f"--sources.docker.action-host={acting.url}", f"--storage.path={tmp_path / 'a'}")
        try:
            proxied.wait_for(lambda: proxied.value(WIDE) == 0, f"{WIDE} 0")
            assert acting.refused == [CREATE]
            assert reading.refused == []
            assert "lets create containers" not in proxied.log()
            proxied.next_ticks(3)
            assert acting.refused == [CREATE], "it is asked once"
            restarted(dockerd, web, f"--storage.path={proxied.storage}")
            assert acting.refused == [CREATE], "no more is needed than docs/docker.md says"
            assert [asked for asked in acting.passed if asked.startswith("POST")] == [f"POST /containers/{web}/restart"]
            assert [asked for asked in reading.passed if not asked.startswith(("GET", "HEAD"))] == []
        finally:
            proxied.close()

        raw = Sidecar(*flags, f"--sources.docker.action-host={dockerd.url}", f"--storage.path={tmp_path / 'b'}")
        try:
            raw.wait_for(lambda: raw.value(WIDE) == 1, f"{WIDE} 1")
            assert raw.log().count("also lets create containers") == 1
        finally:
            raw.close()

        dry = Sidecar(*flags, f"--sources.docker.action-host={acting.url}", "--dry-run")
        try:
            dry.next_ticks(3)
            assert dry.value(WIDE) is None
            assert acting.refused == [CREATE]
        finally:
            dry.close()
    assert everything(dockerd) == before
    assert dockerd.pid(web)


def test_one_local_socket_is_not_asked(dockerd: Dockerd) -> None:
    with closing(Filter(dockerd.socket, *ACTS)) as acting:
        brimline = Sidecar(f"--sources.docker.host={acting.url}", "--interval=250ms", "--sources.cgroups=")
        try:
            brimline.next_ticks(3)
            assert brimline.value(WIDE) is None
            assert acting.refused == []
        finally:
            brimline.close()
