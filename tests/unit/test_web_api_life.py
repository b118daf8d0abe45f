"""What is asked for over HTTP goes the way of an alert: a whole Brimline behind the API, and a Docker that obeys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from brimline.web.api.orders import Desk
from unit.hand_life import Life, place
from unit.web_faces import Ask, FakeFace, asking, data, served

RESTART = "/api/v1/targets/container/web/restart"
Tick = Callable[[], Awaitable[None]]


def live(directory: Path, check: Callable[[Ask, Tick, Life], Awaitable[None]]) -> None:
    """Run `check(ask, tick, life)` with a container that may be restarted and has been measured for a while."""

    async def run() -> None:
        with place(directory) as here:
            here.container("web", 0.5)
            async with here.life() as life:
                face = FakeFace(rules=life.rules)
                face.past = life.journal  # type: ignore[assignment] # the real one

                async def tick() -> None:
                    await life.tick()
                    face.view = life.engine.view
                    before, face.next_tick = face.next_tick, asyncio.Event()
                    before.set()

                for _ in range(200):
                    await tick()
                desk = Desk(life.hand.ask, life.journal.note, here.clock)
                async with served(face, desk) as running, asking(running) as ask:
                    await check(ask, tick, life)

    asyncio.run(run())


async def journal(ask: Ask, kind: str) -> list[dict[str, Any]]:
    """Return the lines of this kind, the oldest first, once there is one."""
    for _ in range(500):
        entries: list[dict[str, Any]] = (await data(await ask(f"/api/v1/journal?kind={kind}")))["entries"]
        if entries:
            return entries[::-1]
        await asyncio.sleep(0.01)
    raise AssertionError(f"the journal tells of no {kind}")


async def asked(ask: Ask, tick: Tick, path: str) -> dict[str, Any]:
    """Ask and wait, while Brimline ticks, for the decision."""
    waiting = asyncio.ensure_future(ask(f"{path}wait=30", "POST"))
    while not waiting.done():
        await tick()
        await asyncio.sleep(0.01)
    found: dict[str, Any] = await data(await waiting)
    return found


def test_a_restart_is_decided_done_and_written_down_with_its_caller(tmp_path: Path) -> None:
    async def check(ask: Ask, tick: Tick, life: Life) -> None:
        found = await asked(ask, tick, f"{RESTART}?")
        assert (found["decision"]["verdict"], found["decision"]["caller"]) == ("run", "api anonymous@127.0.0.1")
        await tick()
        assert len(life.place.restarts()) == 1
        (requested,), (intent,) = await journal(ask, "requested"), await journal(ask, "intent")
        assert requested["facts"]["id"] == intent["facts"]["episode"] == found["request"]
        assert requested["text"] == "restart of web asked for by api anonymous@127.0.0.1"

    live(tmp_path, check)


def test_a_dry_run_is_decided_and_not_done(tmp_path: Path) -> None:
    async def check(ask: Ask, tick: Tick, life: Life) -> None:
        found = await asked(ask, tick, f"{RESTART}?dry_run=true&")
        assert found["decision"]["verdict"] == "dry_run"
        assert life.place.restarts() == []

    live(tmp_path, check)


def test_budgets_hold_for_the_api_too(tmp_path: Path) -> None:
    async def check(ask: Ask, tick: Tick, life: Life) -> None:
        verdicts = []
        for _ in range(4):
            verdicts.append((await asked(ask, tick, f"{RESTART}?"))["decision"]["verdict"])
            for _ in range(300):  # beyond the cooldown and the start period
                await tick()
        assert verdicts == ["run", "run", "run", "budget_subject"]
        assert len(life.place.restarts()) == 3

    live(tmp_path, check)


def test_a_pause_holds_until_it_is_ended(tmp_path: Path) -> None:
    async def check(ask: Ask, tick: Tick, life: Life) -> None:
        await data(await ask("/api/v1/targets/container/web/pause", "POST"), 202)
        await journal(ask, "paused")
        await tick()
        (target,) = (await data(await ask("/api/v1/targets?name=web")))["targets"]
        assert target["paused"]
        assert (await asked(ask, tick, f"{RESTART}?"))["decision"]["verdict"] == "paused"
        await data(await ask("/api/v1/targets/container/web/resume", "POST"), 202)
        await journal(ask, "resumed")
        assert (await asked(ask, tick, f"{RESTART}?"))["decision"]["verdict"] == "run"
        assert len(life.place.restarts()) == 1

    live(tmp_path, check)
