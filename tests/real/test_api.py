"""The API of a running Brimline before real containers: orders, their traces, events and health checks."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from brimline.deeds import EntryKind
from real.engine import Dockerd
from real.places import wait_until
from real.service import Service, Traffic
from real.watching import Watching, quick_rules

pytestmark = pytest.mark.timeout(240)
NAMES = ("asked", "leaking")


@pytest.fixture(scope="module")
def acts(engine: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    """A Brimline that takes orders; nothing restarts by itself here, since nobody opted `leaking` in."""
    flags = ("--web.enable-actions", quick_rules(tmp_path_factory.mktemp("api")))
    with closing(Watching(engine, *flags, include=NAMES)) as watching:
        yield watching


def ask(acts: Watching, path: str, method: str = "GET") -> tuple[int, Any]:
    """Return status and body."""
    request = urllib.request.Request(f"{acts.sidecar.url}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def order(acts: Watching, name: str, action: str) -> Any:  # noqa: ANN401 - JSON
    """Return the answer to an order that was decided."""
    status, found = ask(acts, f"/api/v1/targets/container/{name}/{action}?wait=30", "POST")
    assert status == 200, found
    return found["data"]


def settled(acts: Watching, name: str) -> None:
    """Wait until it is measured and its start period is over."""
    wait_until(lambda: ask(acts, f"/health/{name}")[1].get("status") == "ok", f"{name} has started", 60)


def test_orders_are_done_and_leave_their_trace(engine: Dockerd, acts: Watching) -> None:
    service = Service(engine, "asked", labels={})
    settled(acts, service.name)
    acts.sidecar.next_ticks(4)
    before = service.state()["StartedAt"]

    swept = order(acts, service.name, "cleanup")
    assert swept["decision"]["verdict"] == "run", swept
    (done,) = acts.sidecar.wait_for(lambda: acts.lines(EntryKind.OUTCOME, service.name), "the cleanup's outcome")
    assert (done.action, done.decision_id) == ("cleanup", swept["decision"]["id"])

    found = order(acts, service.name, "restart")
    assert (found["decision"]["verdict"], found["caller"]) == ("run", "api anonymous@127.0.0.1"), found
    wait_until(lambda: service.state()["StartedAt"] != before, "it was restarted", 30)
    acts.sidecar.wait_for(lambda: len(acts.lines(EntryKind.OUTCOME, service.name)) == 2, "the restart's outcome")
    _, page = ask(acts, f"/api/v1/journal?name={service.name}&action=restart&kind=outcome&kind=intent")
    outcome, intent = page["data"]["entries"]
    assert (outcome["kind"], outcome["facts"]["fate"]) == ("outcome", "done")
    assert intent["facts"]["episode"] == found["request"]


def test_a_health_check_fails_while_the_rule_that_restarts_fires(engine: Dockerd, acts: Watching) -> None:
    service = Service(engine, "leaking", labels={"brimline.restart": "false"})
    settled(acts, service.name)
    with Traffic(service) as traffic:
        traffic.fill(0.88)
        wait_until(lambda: ask(acts, f"/health/{service.name}")[0] == 503, "the health check fails", 60)
        status, found = ask(acts, f"/health/{service.name}")
        assert (status, found["status"]) == (503, "failing")
        assert "asks for a restart" in found["sentence"]
        assert found["targets"][0]["ratio"] > found["targets"][0]["restart_at"]
    _, told = ask(acts, f"/api/v1/targets/container/{service.name}")
    assert [d["verdict"] for d in told["data"]["target"]["decisions"] if d["action"] == "restart"] == ["not_opted_in"]
    engine.cli("restart", "--time", "1", service.name)
    wait_until(lambda: ask(acts, f"/health/{service.name}")[0] == 200, "it is started anew", 60)
    assert ask(acts, "/health/leakin")[1]["error"].endswith('did you mean "leaking"?')


def test_events_come_with_the_readings(acts: Watching) -> None:
    with urllib.request.urlopen(f"{acts.sidecar.url}/api/v1/events", timeout=30) as stream:
        ticks = [json.loads(line.removeprefix(b"data: "))["tick"] for line in _data(stream, 4)]
    assert ticks == list(range(ticks[0], ticks[0] + 4))


def _data(stream: Any, count: int) -> Iterator[bytes]:  # noqa: ANN401 - a response
    while count:
        line = stream.readline()
        if line.startswith(b"data: "):
            count -= 1
            yield line


def test_targets_are_told_with_the_limit_their_engine_gave_them(acts: Watching) -> None:
    _, found = ask(acts, "/api/v1/targets?kind=container")
    assert {(t["name"], t["limit_bytes"], t["limited"]) for t in found["data"]["targets"]} == {
        (name, 256 << 20, True) for name in NAMES
    }
