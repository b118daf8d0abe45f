"""Brimline acts beside a dockerd with the systemd driver: on a leak, and not on what is full of mapped weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from brimline.deeds import EntryKind
from real.engine import Dockerd
from real.service import MIB, Service, Traffic
from real.watching import LABELLED, Watching, quick_rules, settings

DONE = "brimline_actions_total"
LIMIT = 96
PATIENCE = 90  # seconds on an emulated CPU


@pytest.fixture(scope="module")
def service(dockerd: Dockerd) -> Iterator[Service]:
    """The leaking service; a health check each second would take all of this CPU."""
    one = Service(dockerd, "leaky", limit=LIMIT, grace=1.0, labels={}, health=False)
    yield one
    dockerd.cli("rm", "--force", one.id)


@pytest.fixture(scope="module")
def weights(dockerd: Dockerd) -> Iterator[str]:
    """A container whose mapped file fills what its own 5 MiB leave of the limit."""
    options = ["--name", "weights", "--memory", "48m", "--memory-swap", "48m", *LABELLED]
    container = dockerd.load("mmap-file", "/weights", 46, "+", "anon", 5, options=options)
    yield container
    dockerd.cli("rm", "--force", container)


@pytest.fixture(scope="module")
def acting(dockerd: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    place = tmp_path_factory.mktemp("hand")
    flags = (quick_rules(place), settings(place, "hand"))
    with closing(Watching(dockerd, *flags, include=["leaky", "weights"], interval="1s")) as one:
        yield one


@pytest.mark.usefixtures("weights")
def test_a_leak_is_cleaned_up_then_restarted_and_weights_are_left_alone(
    dockerd: Dockerd, service: Service, acting: Watching
) -> None:
    sidecar, before = acting.sidecar, service.state()["StartedAt"]
    sidecar.wait_for(lambda: len(sidecar.find("brimline_container_memory_used_ratio")) == 2, "both are measured")
    sidecar.next_ticks(3)
    with Traffic(service) as traffic:
        traffic.fill(0.83, cache=14)
        sidecar.wait_for(lambda: sidecar.value(DONE, action="cleanup"), "it is cleaned up", PATIENCE)
        traffic.fill(0.89)
        sidecar.wait_for(lambda: sidecar.value(DONE, action="restart"), "it is restarted", PATIENCE)
    cleanup, restart = acting.lines(EntryKind.OUTCOME)
    assert (cleanup.action, restart.action) == ("cleanup", "restart")
    assert cleanup.facts["freed_bytes"] > 10 * MIB
    assert restart.facts["ok"], restart.text
    assert [line.action for line in acting.lines(EntryKind.INTENT)] == ["cleanup", "restart"]
    assert acting.recorder.orders() == [f"POST /containers/{service.id}/restart"]
    state = service.state()
    assert state["StartedAt"] > before
    assert not state["OOMKilled"]
    assert service.ask() is not None
    assert sidecar.value("brimline_container_memory_oom_kills_total", container="leaky") == 0
    assert sidecar.value("brimline_restart_budget_remaining", container="leaky") == 2
    usage = sidecar.value("brimline_container_memory_usage_bytes", container="weights")
    used = sidecar.value("brimline_container_memory_used_ratio", container="weights")
    assert usage is not None
    assert used is not None
    assert usage > 0.9 * 48 * MIB
    assert used < 0.25
    assert acting.lines(EntryKind.REFUSED, subject="weights") == []
    assert dockerd.inspect("weights")["RestartCount"] == 0
