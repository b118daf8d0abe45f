"""The compose file as people start it, with the demonstration: a leak is alerted, cleaned and restarted in view."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import pytest

from grafana.boards import BOARDS, Board
from grafana.stage import MAY_BE_EMPTY, Stage, everything
from real.places import wait_until
from real.stack.walled import Compose, Walled

pytestmark = pytest.mark.timeout(800)

MINUTE = 7  # scrapes, one each 10 s
STORY = 120.0  # seconds from the moment that everything is up to the new start
PATIENCE = 180
LEAKER = '{compose_service="translator"}'
OURS = "fedcba9876543210"  # no container has this id
ASK = """
import http.client, json, sys
answers = []
for method, path, headers, body in json.load(sys.stdin):
    line = http.client.HTTPConnection("socket-proxy", 2375, timeout=5)
    line.request(method, path, body, headers)
    answers.append(line.getresponse().status)
    line.close()
print(json.dumps(answers))
"""


def value(stack: Compose, expression: str) -> float | None:
    found = stack.query(expression)
    return found[0][1] if found else None


def asked(walled: Walled, stack: Compose, *requests: tuple[str, str, dict[str, str], str | None]) -> list[int]:
    """Ask the socket proxy from where Brimline sits."""
    container = stack.container("brimline")
    told = walled.cli("exec", "--interactive", container, "python3", "-c", ASK, stdin=json.dumps(requests).encode())
    answers: list[int] = json.loads(told)
    return answers


def test_the_proxy_lets_look_and_restart_and_nothing_else(walled: Walled, stack: Compose) -> None:
    allowed = [
        ("GET", "/_ping", {}, None),
        ("GET", "/version", {}, None),
        ("GET", "/v1.41/containers/json?all=1", {}, None),
        ("GET", f"/v1.41/containers/{stack.container('redis')}/json", {}, None),
    ]
    assert asked(walled, stack, *allowed) == [200] * len(allowed)
    acts = [("POST", f"/v1.41/containers/{OURS}/{act}", {}, None) for act in ("restart", "start", "stop")]
    assert asked(walled, stack, *acts) == [404] * 3, "the engine itself answered: there is no such container"
    refused = [
        ("POST", "/containers/create", {}, "{}"),
        ("POST", "/v1.41/containers/create", {}, None),
        ("POST", f"/v1.41/containers/{OURS}/exec", {}, None),
        ("POST", f"/v1.41/containers/{OURS}/kill", {}, None),
        ("POST", f"/v1.41/containers/{OURS}/update", {}, None),
        ("DELETE", f"/v1.41/containers/{OURS}", {}, None),
        ("PUT", f"/v1.41/containers/{OURS}/archive?path=/", {}, "x"),
        ("GET", f"/v1.41/containers/{OURS}/archive?path=/etc/shadow", {}, None),
        ("GET", f"/v1.41/containers/{OURS}/logs?stdout=1", {}, None),
        ("GET", f"/v1.41/containers/../images/{OURS}/json", {}, None),
        ("GET", f"/v1.41/containers/..%2Fimages%2F{OURS}/json", {}, None),
        ("GET", "//containers/json", {}, None),
        ("GET", "/info", {}, None),
        ("GET", "/images/json", {}, None),
        ("GET", "/secrets", {}, None),
        ("POST", "/build", {}, None),
        ("GET", f"/v1.41/containers/{OURS}/attach/ws", {}, None),
        # A start of an old API could bring mounts of the host along.
        ("POST", f"/v1.19/containers/{OURS}/start", {}, None),
        ("POST", f"/v1.41/containers/{OURS}/start", {"Content-Type": "application/json"}, '{"Binds": ["/:/host"]}'),
        ("POST", f"/containers/{OURS}/start", {"Transfer-Encoding": "chunked"}, "2\r\n{}\r\n0\r\n\r\n"),
    ]
    answers = asked(walled, stack, *refused)
    assert [(request[:2], answer) for request, answer in zip(refused, answers, strict=True) if answer != 403] == []


def test_every_part_of_the_stack_is_bound_and_takes_few_rights(walled: Walled, stack: Compose) -> None:
    found = [walled.inspect(container) for container in walled.cli("ps", "--all", "--quiet").split()]
    assert len(found) == 12
    for record in found:
        name, host = record["Name"], record["HostConfig"]
        assert host["Memory"] > 0, name
        assert host["MemorySwap"] == host["Memory"], name
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["Privileged"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        bindings = (host["PortBindings"] or {}).values()
        assert {one["HostIp"] for binding in bindings for one in binding} <= {"127.0.0.1"}, name
        as_root = record["Config"]["User"] in {"", "0", "0:0", "root"}
        assert as_root == (stack.container("socket-proxy") == record["Id"]), name


def test_a_leak_is_alerted_cleaned_and_restarted_within_two_minutes(walled: Walled, stack: Compose) -> None:
    began = time.time()
    leaker = stack.container("translator")
    started = walled.inspect(leaker)["State"]["StartedAt"]

    def alerted() -> float:
        time.sleep(0.2)
        told = walled.fetch("http://127.0.0.1:9093/api/v2/alerts")
        alerts: list[dict[str, Any]] = json.loads(told) if told else []
        for alert in alerts:
            labels = alert["labels"]
            if (labels["alertname"], labels.get("compose_service")) == ("InferenceMemoryHigh", "translator"):
                return datetime.fromisoformat(alert["startsAt"]).timestamp()
        return 0.0

    def restarted() -> bool:
        time.sleep(0.2)
        return bool(value(stack, f"brimline_container_restarts_total{LEAKER}"))

    try:
        fired = wait_until(alerted, "Alertmanager has the leaker's alert", PATIENCE)
        wait_until(restarted, "Prometheus has seen its restart", PATIENCE)
        done = 'brimline_action_timestamp_seconds{action="%s",outcome="done",compose_service="translator"}'
        wait_until(lambda: value(stack, done % "restart"), "the restart is concluded", PATIENCE)
    except TimeoutError as late:
        raise AssertionError(f"{late}\n{stack.logs('brimline')}\n{stack.logs('load')}") from late
    # The times of those who did it: Prometheus sees them up to a scrape later.
    cleaned, ended = value(stack, done % "cleanup"), value(stack, done % "restart")
    assert cleaned is not None
    assert ended is not None
    after = walled.inspect(leaker)
    assert after["State"]["StartedAt"] != started
    assert fired < cleaned < datetime.fromisoformat(after["State"]["StartedAt"]).timestamp() < began + STORY
    assert cleaned < ended
    assert after["RestartCount"] == 0, "it was Brimline, not the restart policy"

    # Nobody died of it, nobody else was touched, and the way to the engine is narrow.
    assert value(stack, "sum(brimline_container_memory_oom_kills_total)") == 0
    assert value(stack, "sum(brimline_container_restarts_total)") == 1
    assert value(stack, "brimline_docker_overprivileged") == 0
    assert {labels["job"]: up for labels, up in stack.query("up")} == {
        "brimline": 1,
        "prometheus": 1,
        "alertmanager": 1,
    }
    assert value(stack, "min(brimline_source_up)") == 1
    # The model looks full where page cache counts, and is not.
    assert (value(stack, 'brimline_container_memory_used_ratio{compose_service="model"}') or 1) < 0.3
    assert (value(stack, 'brimline_container_memory_working_set_ratio{compose_service="model"}') or 0) > 0.7
    healthy = stack.query("brimline_container_healthy == 0")
    assert [labels["compose_service"] for labels, _ in healthy] == []


@pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])
def test_each_query_of_a_dashboard_finds_data_of_the_demonstration(board: Board, stack: Compose, unit: str) -> None:
    scrapes = "count_over_time(brimline_ticks_total[2m])"
    wait_until(lambda: (value(stack, scrapes) or 0) >= MINUTE, "a minute's scrapes", PATIENCE)
    ended = time.time()
    chosen = everything(container="shop_translator_1", cgroup=unit, __rate_interval="40s")
    seen = Stage(stack, ended - 2 * STORY, ended, chosen)
    without = seen.without(board)
    silent = [(panel["title"], query) for panel, query in without if MAY_BE_EMPTY not in panel["description"]]
    assert silent == []
    variables = [variable for variable in board.variables.values() if variable["type"] == "query"]
    assert [variable["name"] for variable in variables if not seen.choices(variable)] == []
