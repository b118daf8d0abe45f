"""A clock that is set, by an hour or by ten years, gives nothing and takes nothing: the whole hand, over its lives."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from brimline.actions import delivery
from brimline.deeds import Entry, Pause, Verdict
from brimline.journal import told
from brimline.model import Now
from unit.acting import until
from unit.hand_dry import beside
from unit.hand_life import Inbox, Life, Place
from unit.notify_parts import receiver
from unit.test_journal_asked import write

HOUR, YEARS = 3600.0, 10 * 365 * 86_400.0
jumps = pytest.mark.parametrize("jump", [HOUR, -HOUR, YEARS], ids=["an hour on", "an hour back", "ten years on"])


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with beside(tmp_path) as made:
        made.container()
        yield made


async def restarted(life: Life, times: int) -> None:
    """Let it be full as often, and well for six minutes after each restart."""
    for _ in range(times):
        life.place.full["web"] = 0.9
        await life.until_run()
        life.place.full["web"] = 0.1
        await life.looks(3, 120.0)


@jumps
def test_a_spent_budget_stays_spent_and_is_there_again_an_hour_later(here: Place, jump: float) -> None:
    async def body() -> None:
        began = here.clock.mono
        async with here.life() as life:
            await restarted(life, 3)
            here.full["web"] = 0.9
            here.jump(jump)
            assert (await life.looks(8))[-1] is Verdict.BUDGET_SUBJECT
            assert Verdict.RUN not in await life.looks(3, 300.0), "the journal was pruned meanwhile, and forgot nothing"
        async with here.life() as life:
            assert (await life.looks(8))[-1] is Verdict.BUDGET_SUBJECT
            here.pass_(began + HOUR - here.clock.mono)
            assert len(here.restarts()) == 3
            await life.until_run()
        assert len(here.restarts()) == 4

    asyncio.run(body())


@jumps
@pytest.mark.parametrize("again", [False, True], ids=["in one life", "over a restart of Brimline"])
def test_a_cooldown_lasts_as_long_as_it_would_have(here: Place, jump: float, *, again: bool) -> None:
    async def until_over(life: Life, ended: float) -> None:
        while await life.tick() is not Verdict.RUN:
            assert here.clock.mono - ended < 15
        assert here.clock.mono - ended >= 10

    async def body() -> None:
        async with here.life() as life:
            await life.until_run()
            ended = here.clock.mono
            here.jump(jump)
            if not again:
                await until_over(life, ended)
        if again:
            async with here.life() as life:
                await until_over(life, ended)
        assert here.fates() == ["done", "done"]

    asyncio.run(body())


def paused(here: Place, seconds: float) -> Entry:
    at = here.clock.now()
    return told.paused(Pause("web", at.wall, at.wall + seconds, "cli anna", at.mono, seconds), at)


@jumps
def test_a_pause_lasts_as_long_as_it_was_asked_for(here: Place, jump: float) -> None:
    async def body() -> None:
        async with here.life() as life:
            write(here.storage, paused(here, 2 * HOUR))
            assert await life.tick() is Verdict.PAUSED
            here.jump(jump)
            assert set(await life.looks(11, 600.0)) == {Verdict.PAUSED}
        async with here.life() as life:
            assert set(await life.looks(4)) == {Verdict.PAUSED}
            here.pass_(600)
            await life.until_run()

    asyncio.run(body())


def tries(life: Life) -> int:
    """Return how often the outbox knows its message to be tried: the receiver hears of a try before it has failed."""
    return sum(message.tries for message in life.journal.outbox.due(Now(math.inf, math.inf)))


@jumps
def test_a_message_that_waits_is_neither_hurried_nor_put_off_nor_given_up(
    here: Place, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_LOOK_EVERY", 0.02)
    inbox = Inbox(status=500)

    async def body() -> None:
        async with receiver(inbox.answer) as url:
            hooks = {"webhooks": [{"url": url, "name": "hook"}], "group_wait": "0s"}
            async with here.life(do="notify", notify=hooks) as life:
                await life.tick()
                await until(lambda: tries(life) == 1)
                here.pass_(6)
                await until(lambda: tries(life) == 2)
                here.jump(jump)
                here.pass_(20)
                await asyncio.sleep(0.2)
                assert len(inbox.tries) == 2, "it is tried half a minute later, not before"
            async with here.life(do="notify", notify=hooks) as life:
                await asyncio.sleep(0.2)
                assert len(inbox.tries) == 2, "nor by the next one"
                inbox.status = 200
                here.pass_(15)
                await until(lambda: life.journal.outbox.counts()["delivered"])
                assert sum(life.journal.outbox.counts().values()) == 1
        assert inbox.events() == ["alert_fired"]
        assert len(set(inbox.tries)) == 1

    asyncio.run(body())


@jumps
@pytest.mark.parametrize("tried_between", [False, True])
def test_a_message_has_its_day_of_tries_over_a_jump_and_a_restart_of_brimline(
    here: Place, jump: float, monkeypatch: pytest.MonkeyPatch, *, tried_between: bool
) -> None:
    monkeypatch.setattr(delivery, "_LOOK_EVERY", 0.02)
    inbox = Inbox(status=500)

    async def tried(life: Life, times: int, seconds: float) -> None:
        here.pass_(seconds)
        await until(lambda: tries(life) == times)
        assert len(inbox.tries) == times

    async def body() -> None:
        async with receiver(inbox.answer) as url:
            hooks = {"webhooks": [{"url": url, "name": "hook"}], "group_wait": "0s"}
            async with here.life(do="notify", notify=hooks) as life:
                await life.tick()
                await tried(life, 1, 0)
                here.jump(jump)
                if tried_between:
                    await tried(life, 2, 10)
            before = len(inbox.tries)
            async with here.life(do="notify", notify=hooks) as life:
                await tried(life, before + 1, 60)
                here.jump(jump)
                await tried(life, before + 2, 600)
                assert life.journal.outbox.counts()["dead"] == 0
                here.pass_(86_400)
                await until(lambda: life.journal.outbox.counts()["dead"] == 1)

    asyncio.run(body())
