"""Brimline as a sidecar in a container, with and without a cgroup name space of its own: it finds its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from real.contained import Contained
from real.engine import Dockerd
from real.rows import MIB

BY_CAUSE = "brimline_container_memory_oom_kills_by_cause_total"
RATIO = "brimline_container_memory_used_ratio"
# A read-only bind of the whole leaves the controllers' own mounts below it writable; only the second forbids eventfds.
WHOLE = ("--volume", "/sys/fs/cgroup:/sys/fs/cgroup:ro")
MEMORY = ("--volume", "/sys/fs/cgroup/memory:/host/cgroup/memory:ro", "--path.cgroupfs=/host/cgroup")


@dataclass(frozen=True)
class Place:
    """How the container is set up, and how it will hear of kills."""

    namespace: str
    mount: tuple[str, ...]
    events: str


PLACES = (Place("host", WHOLE, "event"), Place("private", WHOLE, "event"), Place("private", MEMORY, "poll"))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.namespace}-{place.events}")
def test_neighbours_and_itself_are_measured(place: Place, dockerd: Dockerd, containers: Callable[..., str]) -> None:
    socket = ("--volume", f"{dockerd.socket}:/var/run/docker.sock:ro")
    options = ("--pid", "host", "--cgroupns", place.namespace, *place.mount[:2], *socket)
    brimline = Contained(dockerd, "brimline", "--interval=250ms", *place.mount[2:], options=options)
    try:
        containers("anon", 30, options=["--memory", "60m", "--name", "neighbour"])
        brimline.ready()
        brimline.wait_for(lambda: brimline.value(RATIO, container="neighbour"), "the neighbour")
        brimline.next_ticks()
        assert 0.5 <= (brimline.value(RATIO, container="neighbour") or 0) < 0.53
        assert brimline.value("brimline_container_memory_limit_bytes", container="neighbour") == 60 * MIB
        assert brimline.value("brimline_container_processes", container="neighbour") == 1
        assert (brimline.value("brimline_container_memory_used_bytes", container="brimline") or 0) > 20 * MIB
        assert set(brimline.find("brimline_source_up").values()) == {1}
        assert brimline.find("brimline_source_info", source="cgroup", events=place.events, version="v1")
        dockerd.cli("exec", "--detach", "neighbour", "memload", "worker-oom", 100)
        wanted = {"container": "neighbour", "cause": "own_limit", "victim": "worker"}
        brimline.wait_for(lambda: brimline.value(BY_CAUSE, **wanted), "the worker's kill")
        assert brimline.value("brimline_container_memory_oom_kills_total", container="neighbour") == 1
    finally:
        brimline.close()
