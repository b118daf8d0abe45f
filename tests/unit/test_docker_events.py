from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.sources.docker_events import FILTERS, NEAR, Event, Exit, is_oom, parse_event

ID = "d635209fcc27402ace952be897655cd940e9391d496416c3c5138935ac019684"
DIE: dict[str, Any] = json.loads(
    '{"status":"die","id":"d635","from":"busybox:local","Type":"container","Action":"die","Actor":{"ID":'
    '"d635209fcc27402ace952be897655cd940e9391d496416c3c5138935ac019684",'
    '"Attributes":{"com.docker.compose.project":"shop","exitCode":"137","image":"busybox:local","name":"web2"}},'
    '"scope":"local","time":1795246276,"timeNano":1795246276415029167}'
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def event(action: str, **more: object) -> Event:
    found = parse_event({**DIE, "Action": action, **more})
    assert found is not None
    return found


def test_dockers_event() -> None:
    found = event("die")
    assert (found.id, found.action, found.exit_code) == (ID, "die", 137)
    assert found.at == pytest.approx(1795246276.415029)
    assert found.attributes["name"] == "web2"


def test_the_engine_of_api_1_52_leaves_the_old_fields_out() -> None:
    newer = {k: v for k, v in DIE.items() if k not in {"status", "id", "from", "time"}} | {"extra": {"a": [1]}}
    assert parse_event(newer) == parse_event(DIE)


@pytest.mark.parametrize(
    ("action", "more", "name", "health"),
    [
        ("health_status: unhealthy", {}, "health_status", "unhealthy"),
        ("health_status", {"HealthStatus": "healthy"}, "health_status", "healthy"),  # Podman
        ("died", {}, "die", ""),  # Podman before 4
        ("remove", {}, "destroy", ""),  # Podman
        ("exec_create: sh -c true", {}, "exec_create", "sh -c true"),
    ],
)
def test_actions_by_one_name(action: str, more: dict[str, Any], name: str, health: str) -> None:
    found = event(action, **more)
    assert (found.action, found.health) == (name, health)


def test_podmans_exit_code() -> None:
    assert event("died", Actor={"ID": ID, "Attributes": {"containerExitCode": "3"}}).exit_code == 3
    assert event("die", Actor={"ID": ID, "Attributes": {"exitCode": "?"}}).exit_code is None
    assert event("die", Actor={"ID": ID, "Attributes": None}).exit_code is None


@pytest.mark.parametrize(
    "other", [{}, {**DIE, "Type": "network"}, {**DIE, "Actor": None}, {**DIE, "Action": 3}, {**DIE, "timeNano": "1"}]
)
def test_what_is_no_container_event_is_none(other: dict[str, Any]) -> None:
    assert parse_event(other) is None


@given(st.dictionaries(st.sampled_from([*DIE, "HealthStatus"]), JSON))
def test_any_object_is_an_event_or_none(answer: dict[str, Any]) -> None:
    found = parse_event({**DIE, **answer})
    assert found is None or (isinstance(found.exit_code, int | None) and found.id)


def test_health_checks_do_not_flood_the_stream() -> None:
    assert not [action for action in FILTERS["event"] if action.startswith("exec")]


DIED = 1000.0


def death(**facts: Any) -> Exit:  # noqa: ANN401 - a subset of the fields
    usual = {
        "oom_killed": True,
        "exit_code": 137,
        "died": DIED,
        "oom": None,
        "kill": None,
        "watched": True,
        "flag_before": False,
    }
    return Exit(**{**usual, **facts})


@pytest.mark.parametrize(
    ("facts", "oom"),
    [
        pytest.param({"oom": DIED - 0.02}, True, id="PID 1 killed: 137, flag, event"),
        pytest.param({"oom": DIED - 0.02, "flag_before": None, "watched": False}, True, id="one that ran before us"),
        pytest.param({"oom": DIED - 0.02, "oom_killed": False}, True, id="the flag came late"),
        pytest.param({"oom": DIED + 0.01}, True, id="the event came after the death"),
        pytest.param({"oom_killed": False}, False, id="137 alone"),
        pytest.param({"oom_killed": False, "kill": DIED - 0.02}, False, id="docker kill"),
        pytest.param({"oom_killed": False, "kill": DIED - 0.02, "flag_before": None}, False, id="stop timeout"),
        pytest.param({"oom": DIED - 3600, "kill": DIED - 0.02}, False, id="worker OOM, an hour later docker stop"),
        pytest.param({"oom": DIED - 3, "kill": DIED - 0.02}, False, id="worker OOM, at once docker stop"),
        pytest.param({"oom": DIED - 3600}, False, id="worker OOM, an hour later kill -9 from the host"),
        pytest.param({"oom": DIED - 0.1, "exit_code": 1}, False, id="worker OOM, then the main process gave up"),
        pytest.param({"oom": DIED - 0.1, "exit_code": 143}, False, id="worker OOM, then SIGTERM was obeyed"),
        pytest.param({"kill": DIED - 0.02}, False, id="flag of a worker OOM nobody told us of, then docker kill"),
        pytest.param({"kill": DIED - 0.02, "watched": False}, False, id="the same before our start"),
        pytest.param({"flag_before": True}, False, id="flag kept through docker start"),
        pytest.param({"flag_before": True, "kill": DIED - 1}, False, id="flag kept, then docker stop"),
        pytest.param({"watched": False, "flag_before": None}, False, id="flag, but from when?"),
        pytest.param({"oom": DIED - 0.02, "kill": DIED - 5}, True, id="OOM while stopping"),
        pytest.param({"oom": DIED - 0.02, "kill": DIED - 3600}, True, id="an hour after docker kill -s HUP"),
        pytest.param({}, True, id="Podman: no oom event, a whole life without a signal, the flag is new"),
        pytest.param({"kill": DIED - 3600}, True, id="Podman, an hour after a SIGHUP"),
        pytest.param({"exit_code": None}, False, id="removed before it could be asked"),
    ],
)
def test_was_it_the_oom_killer(facts: dict[str, Any], oom: bool) -> None:  # noqa: FBT001 - a table
    assert is_oom(death(**facts)) is oom


@given(
    st.builds(
        Exit,
        oom_killed=st.booleans(),
        exit_code=st.none() | st.sampled_from([0, 1, 137, 143]),
        died=st.just(DIED),
        oom=st.none() | st.floats(0, 2000),
        kill=st.none() | st.floats(0, 2000),
        watched=st.booleans(),
        flag_before=st.none() | st.booleans(),
    )
)
def test_an_oom_always_has_evidence(facts: Exit) -> None:
    if is_oom(facts):
        assert facts.exit_code == 137
        assert facts.oom_killed or (facts.oom is not None and abs(facts.oom - DIED) <= NEAR)
