"""A journal that cannot be written, at the start or later: nothing is done, people are told, and nobody gains by it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from brimline.actions import runner
from brimline.deeds import Pause, Verdict
from brimline.journal import store
from unit.acting import until
from unit.fake_docker import Request
from unit.hand_dry import beside
from unit.hand_life import Inbox, Life, Place
from unit.notify_parts import receiver


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with beside(tmp_path) as made:
        made.container()
        yield made


async def spent(life: Life) -> None:
    """Restart it twice in a quarter of an hour."""
    for _ in range(2):
        life.place.full["web"] = 0.9
        await life.until_run()
        life.place.full["web"] = 0.1
        await life.looks(3, 120.0)
    life.place.full["web"] = 0.9


def test_one_that_can_be_opened_later_brings_its_budgets_along_and_what_was_seen_meanwhile_counts(here: Place) -> None:
    (web,) = here.fake.containers

    async def body() -> None:
        async with here.life() as life:
            await spent(life)
        here.lock_out()
        async with here.life() as life:
            assert (await life.looks(6))[2:] == [Verdict.NO_JOURNAL] * 4
            here.fake.begin(web)
            assert (await life.looks(20))[-1] is Verdict.NO_JOURNAL
            here.let_in()
            await until(lambda: life.journal.up)
            assert (await life.looks(30))[-1] is Verdict.BUDGET_SUBJECT
        assert len(here.restarts()) == 2

    asyncio.run(body())


def test_one_that_opens_within_a_tick_lets_nothing_be_done_before_its_budgets_are_known(here: Place) -> None:
    async def body() -> None:
        async with here.life() as life:
            await spent(life)
            await life.until_run()
            here.full["web"] = 0.1
        here.lock_out()
        here.pass_(900)  # no cooldown any more
        async with here.life() as life:
            await life.looks(4)
            here.full["web"] = 0.9
            assert await life.tick() is Verdict.NO_JOURNAL
            opened, pauses = threading.Event(), life.journal.pauses
            life.journal._writer.opened.append(opened.set)

            def meanwhile() -> Sequence[Pause]:
                here.let_in()
                assert opened.wait(10)
                life.journal.pauses = pauses  # type: ignore[method-assign]
                return pauses()

            life.journal.pauses = meanwhile  # type: ignore[method-assign]
            assert await life.tick() is Verdict.NO_JOURNAL
            assert life.journal.up
            assert await life.tick() is Verdict.BUDGET_SUBJECT
        assert len(here.restarts()) == 3

    asyncio.run(body())


def test_what_an_earlier_life_intended_is_concluded_once_its_journal_can_be_opened(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None:
        await asyncio.sleep(60)

    async def body() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("brimline.hand._GRACE", 0.05)
            patch.setattr("brimline.actions.containers.Containers.restart", lost)
            async with here.life() as life:
                for _ in range(4):
                    life.look()
                    await asyncio.sleep(0.02)
                await until(lambda: here.told("SELECT 1 FROM lines WHERE kind = 'intent'"))
        here.lock_out()
        here.pass_(30)
        async with here.life() as life:
            assert await life.tick() is Verdict.FIRST_SAMPLES
            assert await life.tick() is Verdict.FIRST_SAMPLES
            here.let_in()
            await until(lambda: life.journal.up)
            await life.tick()
            assert here.fates() == ["abandoned"]
        assert here.restarts() == []

    asyncio.run(body())


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Let every line be refused while it holds something."""
    whole, now = store.append, list[bool]()

    def append(*arguments: object) -> object:
        if now:
            raise sqlite3.OperationalError("database or disk is full")
        return whole(*arguments)  # type: ignore[arg-type] # handed on

    monkeypatch.setattr(store, "append", append)
    return now


def test_while_it_is_down_nothing_is_done_and_people_are_told_once_with_a_word_about_it(
    here: Place, broken: list[bool]
) -> None:
    inbox = Inbox()

    async def body() -> None:
        async with receiver(inbox.answer) as url:
            hooks = {"webhooks": [{"url": url, "name": "hook"}], "group_wait": "0s"}
            here.full["web"] = 0.1
            async with here.life(do="notify, restart", notify=hooks) as life:
                await life.looks(4)
                broken.append(True)
                here.full["web"] = 0.9
                verdicts = await life.looks(5)
                assert Verdict.RUN not in verdicts[1:]
                assert verdicts[-1] is Verdict.NO_JOURNAL
                await until(lambda: "alert_fired" in inbox.events())
                assert here.restarts() == []
                told = [body["durable"] for body in inbox.taken if body["notices"][0]["event"] == "alert_fired"]
                assert set(told) == {False}
                broken.clear()
                await until(lambda: life.journal.up)
                await life.until_run()
        assert here.fates() == ["done"]

    asyncio.run(body())


def test_it_comes_back_however_much_there_is_to_write(here: Place) -> None:
    async def body() -> None:
        here.lock_out()
        async with here.life() as life:
            here.let_in()
            async with asyncio.timeout(30):
                while not life.journal.up:
                    life.journal.prune()
                    life.hand._chronicle.note("one more")
                    await asyncio.sleep(0.005)
            assert await life.looks(3) == [Verdict.FIRST_SAMPLES, Verdict.FIRST_SAMPLES, Verdict.RUN]

    asyncio.run(body())


def test_what_was_done_while_it_broke_is_concluded_once_it_is_back_and_costs_its_budget(
    here: Place, broken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "FIRST_RETRY", 0.02)

    def breaks(request: Request) -> None:
        broken.append(True)
        request._obey("restart", *here.fake.containers)

    here.fake.faults["restart"] = breaks

    async def body() -> None:
        async with here.life() as life:
            while life.look() is not Verdict.RUN:
                pass
            await until(lambda: not life.journal.up)
            assert here.fates() == []
            assert life.look() in {Verdict.IN_FLIGHT, Verdict.NO_JOURNAL}
            broken.clear()
            await until(here.fates)
            assert here.fates() == ["done"]
            del here.fake.faults["restart"]
            await life.until_run()
            here.full["web"] = 0.1
        async with here.life() as life:
            assert await life.tick() is None
            report = life.hand.report(here.clock.now())
            left = {c.metric.name: list(c.values) for c in report.columns}["brimline_restart_budget_remaining"]
            assert left == [1]

    asyncio.run(body())
