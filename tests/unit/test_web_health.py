"""GET /health/{name}: 503 only while a rule that restarts fires, and never for want of knowledge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brimline.model import Phase
from unit.api_scene import API, IDLE, LOST, OTHER, UNIT, YOUNG, face, restarting
from unit.cli_views import Scene, alert, cgroup, container, group
from unit.web_faces import Ask, FakeFace, browse


def test_a_container_fails_only_while_a_rule_that_restarts_fires() -> None:
    there = face(restarting())

    async def check(ask: Ask) -> None:
        answer = await ask("/health/shop-api-1")
        found = await answer.json()
        assert (answer.status, answer.headers["Content-Type"]) == (503, "application/json")
        assert found["status"] == "failing"
        assert found["sentence"] == (
            "shop-api-1: failing, 1.86 GiB of 2 GiB used (92.8 %); InferenceMemoryCritical fires and asks for a restart"
        )
        (target,) = found["targets"]
        assert (target["used_bytes"], target["limit_bytes"], target["restart_at"]) == (1900 << 20, 2048 << 20, 0.9)
        there.tick(alerts=())
        answer = await ask("/health/shop-api-1")
        assert (answer.status, (await answer.json())["status"]) == (200, "ok")

    browse(check, there)


@pytest.mark.parametrize(
    "fires",
    [
        alert(API, phase=Phase.FIRING),  # nobody is restarted for it
        replace(restarting(), phase=Phase.PENDING),
        replace(restarting(), actions=("notify", "cleanup")),
        restarting(subject=OTHER),
    ],
)
def test_nothing_else_makes_it_fail(fires: object) -> None:
    async def check(ask: Ask) -> None:
        answer = await ask("/health/shop-api-1")
        assert (answer.status, (await answer.json())["status"]) == (200, "ok")

    browse(check, face(fires))  # type: ignore[arg-type] # an alert


def test_what_is_starting_is_said_and_does_not_fail_even_while_it_fires() -> None:
    async def check(ask: Ask) -> None:
        answer = await ask("/health/young")
        assert (answer.status, (await answer.json())["status"]) == (200, "starting")

    browse(check, face(restarting(subject=YOUNG)))


@pytest.mark.parametrize(("name", "status"), [(IDLE.name, "stopped"), (LOST.name, "unknown")])
def test_what_is_stopped_or_unknown_is_said_and_does_not_fail(name: str, status: str) -> None:
    async def check(ask: Ask) -> None:
        answer = await ask(f"/health/{name}")
        assert (answer.status, (await answer.json())["status"]) == (200, status)

    browse(check, face())


def test_what_cannot_be_read_any_more_fails_for_as_long_as_its_alert_fires() -> None:
    unread = replace(restarting(subject=LOST), known=False)
    there = face(unread)

    async def check(ask: Ask) -> None:
        answer = await ask(f"/health/{LOST.name}")
        found = await answer.json()
        assert (answer.status, found["status"]) == (503, "failing")
        assert found["sentence"] == "lost: failing; InferenceMemoryCritical fires and asks for a restart"
        there.tick(alerts=())
        answer = await ask(f"/health/{LOST.name}")
        assert (answer.status, (await answer.json())["status"]) == (200, "unknown")

    browse(check, there)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("shop-api-1", ["shop-api-1"]),
        ("container/shop-api-1", ["shop-api-1"]),
        ("shop/shop-api-1", ["shop-api-1"]),
        ("shop/api", ["shop-api-1", "shop-api-2"]),
        ("shop%2Fapi", ["shop-api-1", "shop-api-2"]),
        ("api", ["shop-api-1", "shop-api-2"]),
        ("system.slice/ollama.service", [UNIT.name]),
        ("cgroup/system.slice/ollama.service", [UNIT.name]),
        ("ollama.service", [UNIT.name]),
        ("soroka", ["soroka"]),
        ("host", ["host"]),
    ],
)
def test_a_name_may_be_a_containers_a_services_a_units_or_a_groups(name: str, targets: list[str]) -> None:
    async def check(ask: Ask) -> None:
        found = await (await ask(f"/health/{name}")).json()
        assert sorted(target["name"] for target in found["targets"]) == targets

    browse(check, face())


def test_a_service_fails_once_every_replica_that_runs_does() -> None:
    there = face(restarting())

    async def check(ask: Ask) -> None:
        answer = await ask("/health/shop/api")
        found = await answer.json()
        assert (answer.status, found["status"]) == (200, "ok")
        assert "shop-api-1 failing" in found["sentence"]
        there.tick(alerts=(restarting(), restarting(subject=OTHER)))
        assert (await ask("/health/shop/api")).status == 503

    browse(check, there)


def test_a_replica_that_is_stopped_does_not_speak_for_one_that_fails() -> None:
    scene = Scene(alerts=(restarting(subject=API),))
    scene.memory(API, 95, 100, running=1.0)
    scene.values[OTHER] = {"running": 0.0, "exit_code": 0.0}

    async def check(ask: Ask) -> None:
        assert (await ask("/health/shop/api")).status == 503

    browse(check, FakeFace(scene.view()))


def test_a_container_goes_before_a_group_of_its_name() -> None:
    scene = Scene().memory(container("ollama"), 1, 2).memory(group("ollama"), 1, 2, memory_pss_bytes=1)

    async def check(ask: Ask) -> None:
        for name, kind in (("ollama", "container"), ("process/ollama", "process")):
            (target,) = (await (await ask(f"/health/{name}")).json())["targets"]
            assert target["kind"] == kind

    browse(check, FakeFace(scene.view()))


def test_a_name_that_nobody_has_is_refused_with_what_was_probably_meant() -> None:
    async def check(ask: Ask) -> None:
        answer = await ask("/health/shop-ap-1")
        assert answer.status == 404
        assert (await answer.json())["error"] == ('nothing that is measured has this name; did you mean "shop-api-1"?')

    browse(check, face())


def test_what_was_probably_meant_is_found_in_a_crowd() -> None:
    scene = Scene()
    for number in range(400):
        scene.memory(container(f"service-{number}"), 1, 2)

    async def check(ask: Ask) -> None:
        for path in ("/health/service-39O", "/api/v1/targets/container/service-39O"):
            assert (await (await ask(path)).json())["error"].endswith('; did you mean "service-39"?')
        assert (await (await ask("/health/x")).json())["error"].endswith("service-142, and 350 more")

    browse(check, FakeFace(scene.view()))


def test_a_name_that_several_have_is_refused_with_all_of_them() -> None:
    scene = Scene().memory(cgroup("a.slice/x.service"), 1, 2).memory(cgroup("b.slice/x.service"), 1, 2)
    scene.memory(container("one", "red", "api"), 1, 2).memory(container("two", "blue", "api"), 1, 2)

    async def check(ask: Ask) -> None:
        answer = await ask("/health/x.service")
        assert (answer.status, (await answer.json())["error"]) == (
            404,
            '"x.service" may be any of a.slice/x.service, b.slice/x.service; write which one',
        )
        assert "blue/api, red/api" in (await (await ask("/health/api")).json())["error"]

    browse(check, FakeFace(scene.view()))


def test_that_brimline_knows_nothing_takes_no_service_out() -> None:
    there, blind = face(restarting()), FakeFace()
    there.is_fresh = False

    async def check(ask: Ask) -> None:
        for name in ("shop-api-1", "whoever"):
            answer = await ask(f"/health/{name}")
            assert (answer.status, (await answer.json())["status"]) == (200, "unknown")

    for one in (there, blind):
        browse(check, one)


def test_head_has_the_status_alone() -> None:
    async def check(ask: Ask) -> None:
        answer = await ask("/health/shop-api-1", "HEAD")
        assert (answer.status, await answer.read()) == (503, b"")

    browse(check, face(restarting()))
