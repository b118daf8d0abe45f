"""What may be asked for over HTTP: through policy and journal, by name, and only where it is switched on."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiohttp.test_utils import make_mocked_request

from brimline.deeds import EntryKind, Pause, Request, Verdict
from brimline.journal import told
from brimline.policy.pauses import pause_of
from brimline.web.api.orders import caller
from brimline.web.door import USER
from unit.api_scene import API, face, refusal
from unit.cli_views import Scene, group
from unit.web_faces import Ask, FakeDesk, FakeFace, FakePast, asking, browse, data, error, served

RESTART = "/api/v1/targets/container/shop-api-1/restart"


def answering(there: FakeFace, desk: FakeDesk, verdict: Verdict = Verdict.RUN) -> None:
    """Let the next tick decide what is asked for."""

    def then(request: Request) -> None:
        decision = replace(refusal(), episode=request.id, caller=request.caller, verdict=verdict)
        asyncio.get_running_loop().call_soon(lambda: there.tick(decisions=(decision,)))

    desk.then = then


@pytest.mark.parametrize("action", ["restart", "cleanup", "pause", "resume"])
def test_orders_are_off_unless_enabled(action: str) -> None:
    async def check(ask: Ask) -> None:
        answer = await ask(f"/api/v1/targets/container/shop-api-1/{action}", "POST")
        assert "--web.enable-actions" in await error(answer, 403, "forbidden")

    browse(check, face())


@pytest.mark.parametrize("action", ["restart", "cleanup"])
def test_an_action_is_handed_to_policy_and_accepted_with_its_id(action: str) -> None:
    desk, there = FakeDesk(), face()

    async def check(ask: Ask) -> None:
        answer = await ask(f"/api/v1/targets/container/shop-api-1/{action}?dry_run=true", "POST")
        found = await data(answer, 202)
        (asked,) = desk.asked
        assert asked == Request(
            found["request"], desk.clock.wall, action, "shop-api-1", "api anonymous@127.0.0.1", dry_run=True
        )
        assert (found["action"], found["kind"], found["name"]) == (action, "container", "shop-api-1")
        assert (found["dry_run"], found["caller"], found["decision"]) == (True, asked.caller, None)
        assert (await data(await ask("/api/v1/status")))["actions_enabled"]

    browse(check, there, desk.desk())


def test_each_request_has_an_id_of_its_own() -> None:
    desk = FakeDesk()

    async def check(ask: Ask) -> None:
        for _ in range(2):
            await data(await ask(RESTART, "POST"), 202)
        assert len({request.id for request in desk.asked}) == 2
        assert not any(request.dry_run for request in desk.asked)

    browse(check, face(), desk.desk())


@pytest.mark.parametrize("verdict", [Verdict.RUN, Verdict.BUDGET_HOST])
def test_who_waits_gets_the_decision(verdict: Verdict) -> None:
    desk, there = FakeDesk(), face()
    answering(there, desk, verdict)

    async def check(ask: Ask) -> None:
        found = await data(await ask(f"{RESTART}?wait=30", "POST"), 200)
        assert found["decision"]["verdict"] == str(verdict)
        assert found["decision"]["episode"] == found["request"]

    browse(check, there, desk.desk())


def test_who_waits_in_vain_gets_the_id() -> None:
    desk, there = FakeDesk(), face()
    desk.then = lambda _: asyncio.get_running_loop().call_soon(there.tick)  # type: ignore[assignment] # of somebody else

    async def check(ask: Ask) -> None:
        found = await data(await ask(f"{RESTART}?wait=1", "POST"), 202)
        assert (found["decision"], found["request"]) == (None, desk.asked[0].id)

    browse(check, there, desk.desk())


def test_only_so_many_wait_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brimline.web.api.orders._WAITERS", 1)
    desk, there = FakeDesk(), face()

    async def run() -> None:
        async with served(there, desk.desk()) as running, asking(running) as ask:
            heard = asyncio.Event()
            desk.then = lambda _: heard.set()
            waits = asyncio.create_task(ask(f"{RESTART}?wait=30", "POST"))
            await heard.wait()
            await data(await ask(f"{RESTART}?wait=30", "POST"), 202)
            there.tick(decisions=(replace(refusal(), episode=desk.asked[0].id),))
            assert (await waits).status == 200

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "status", "kind", "sentence"),
    [
        ("container/nobody/restart", 404, "not_found", "there is no container of this name"),
        ("cgroup/system.slice/ollama.service/restart", 400, "bad_data", "only a container can be asked a restart for"),
        ("host/host/cleanup", 400, "bad_data", "only a container"),
        ("container/shop-api-1/restart?wait=31", 400, "bad_data", 'wait: found "31"; write at most 30'),
        (
            "container/shop-api-1/restart?dry-run=true",
            400,
            "bad_data",
            'unknown parameter "dry-run"; did you mean "dry_run"',
        ),
        ("container/shop-api-1/restart?dry_run=yes", 400, "bad_data", 'dry_run: found "yes"; write true or false'),
        ("container/shop-api-1/pause?seconds=0", 400, "bad_data", "seconds: "),
        ("container/shop-api-1/explode", 405, "method_not_allowed", "POST is not possible here"),
    ],
)
def test_what_cannot_be_meant_asks_for_nothing(path: str, status: int, kind: str, sentence: str) -> None:
    desk = FakeDesk()

    async def check(ask: Ask) -> None:
        assert sentence in await error(await ask(f"/api/v1/targets/{path}", "POST"), status, kind)
        assert (desk.asked, desk.noted) == ([], [])

    browse(check, face(), desk.desk())


def test_nothing_is_asked_for_while_nothing_is_known_or_written_down() -> None:
    desk, there = FakeDesk(), face()

    async def check(ask: Ask) -> None:
        there.is_fresh = False
        await error(await ask(RESTART, "POST"), 503, "unavailable")
        there.is_fresh, there.past = True, FakePast(why="the disk is full")
        assert "the disk is full" in await error(await ask(RESTART, "POST"), 503, "unavailable")
        there.past = None
        await error(await ask(RESTART, "POST"), 503, "unavailable")
        assert desk.asked == []

    browse(check, there, desk.desk())


def test_a_pause_and_its_end_are_written_down_as_those_of_the_command_line() -> None:
    desk = FakeDesk()

    async def check(ask: Ask) -> None:
        for order in ("pause?seconds=7200", "pause", "resume"):
            found = await data(await ask(f"/api/v1/targets/cgroup/system.slice/ollama.service/{order}", "POST"), 202)
            assert (found["request"], found["name"]) == (None, "system.slice/ollama.service")
        lasting, endless, over = desk.noted
        assert [entry.kind for entry in desk.noted] == [EntryKind.PAUSED, EntryKind.PAUSED, EntryKind.RESUMED]
        assert lasting.facts["glob"] == endless.facts["glob"] == over.facts["glob"] == "system.slice/ollama.service"
        assert (lasting.facts["until"], lasting.facts["seconds"]) == (desk.clock.wall + 7200, 7200)
        assert (endless.facts["until"], endless.facts["seconds"]) == (None, None)
        assert over.facts["caller"] == "api anonymous@127.0.0.1"

    browse(check, face(), desk.desk())


@pytest.mark.parametrize("order", ["pause", "resume"])
def test_a_dry_run_of_a_pause_writes_nothing(order: str) -> None:
    desk = FakeDesk()

    async def check(ask: Ask) -> None:
        path = f"/api/v1/targets/container/{API.name}/{order}?dry_run=true"
        assert (await data(await ask(path, "POST"), 202))["dry_run"]
        assert desk.noted == []

    browse(check, face(), desk.desk())


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("ada", "api ada"),
        ("ada\nrule", "api ada\\x0arule"),
        ("", "api anonymous@10.0.0.9"),
        (None, "api anonymous@10.0.0.9"),
    ],
)
def test_the_caller_is_who_was_proved_to_be_there(user: str | None, said: str) -> None:
    request = make_mocked_request("POST", RESTART, headers={"Authorization": "Basic bWFsbG9yeTp4"}).clone(
        remote="10.0.0.9"
    )
    if user is not None:
        request[USER] = user
    assert caller(request) == said


@pytest.mark.parametrize(
    ("glob", "sentence"),
    [
        (
            "shop/*",
            (
                'shop-api-1 stays paused: cli ada paused "shop/*", until "brimline resume". '
                "On the command line this ends that: brimline resume 'shop/*'"
            ),
        ),
        (
            "",
            (
                'shop-api-1 stays paused: cli ada paused everything, until "brimline resume". '
                "On the command line this ends that, and every other pause: brimline resume"
            ),
        ),
    ],
)
def test_a_resume_of_one_while_more_is_paused_is_refused_with_what_ends_that(glob: str, sentence: str) -> None:
    desk, there = FakeDesk(), face()
    own, wider = Pause(API.name, 1.0, None, "api ada"), Pause(glob, 1.0, None, "cli ada")

    async def check(ask: Ask) -> None:
        path = f"/api/v1/targets/container/{API.name}/resume"
        there.tick(pauses=(own, wider))
        for query in ("", "?dry_run=true"):
            assert await error(await ask(path + query, "POST"), 409, "conflict") == sentence
        assert desk.noted == []
        over = replace(wider, since=desk.clock.mono - 60, seconds=60)
        there.tick(pauses=(own, over, Pause("other", 1.0, None, "cli ada")))
        await data(await ask(path, "POST"), 202)
        assert [entry.facts["glob"] for entry in desk.noted] == [API.name]

    browse(check, there, desk.desk())


def test_a_pause_of_a_name_with_brackets_is_of_that_very_name() -> None:
    brackets = group("bot[1]")
    found = FakeFace(Scene().memory(brackets, 1, 2).view(), past=FakePast())

    async def check(ask: Ask) -> None:
        await data(await ask("/api/v1/targets/process/bot[1]/pause", "POST"), 202)

    desk = FakeDesk()
    browse(check, found, desk.desk())
    (line,) = desk.noted
    pauses = [told.pause_of(line)]
    assert pause_of(pauses, brackets, 0.0) is not None
    assert pause_of(pauses, group("bot1"), 0.0) is None
