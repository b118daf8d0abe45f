"""A receiver that is down for an hour, slow, moved, busy or gone, seen from the whole hand: nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from brimline import telling
from brimline.actions import delivery
from brimline.deeds import Verdict
from unit.acting import until
from unit.hand_dry import beside
from unit.hand_life import Inbox, Life, Place
from unit.notify_parts import receiver

STORY = ["alert_fired", "alert_resolved", "action_done"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(delivery, "_LOOK_EVERY", 0.02)
    with beside(tmp_path) as made:
        made.container()
        yield made


def hooks(url: str, **more: object) -> dict[str, object]:
    return {"webhooks": [{"url": url, "name": "hook", **more}], "group_wait": "0s"}


async def story(life: Life) -> None:
    """Let it fire, be restarted and be well again; each chapter is handed to the outbox before the next."""
    await life.until_run()
    life.place.full["web"] = 0.1
    await life.looks(3)
    await until(lambda: sum(life.journal.outbox.counts().values()) == len(STORY))


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (500, {}),
        (301, {"Location": "http://127.0.0.1:1/elsewhere"}),
        (404, {}),
        (429, {"Retry-After": "120"}),
        (503, {"Retry-After": "forever"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("again", [False, True], ids=["one life", "two lives"])
def test_one_that_is_down_for_an_hour_is_told_everything_in_its_order(
    here: Place, status: int, headers: dict[str, str], *, again: bool
) -> None:
    inbox = Inbox(status, headers)

    async def hour(life: Life) -> None:
        for _ in range(12):
            await life.tick(300.0)
            await asyncio.sleep(0.03)
        inbox.status = 200
        for _ in range(60):
            if life.journal.outbox.counts()["delivered"] == len(STORY):
                return
            await life.tick(300.0)
            await asyncio.sleep(0.03)
        raise AssertionError(life.journal.outbox.counts())

    async def body() -> None:
        async with receiver(inbox.answer) as url:
            async with here.life(do="notify, restart", notify=hooks(url)) as life:
                await story(life)
                if not again:
                    await hour(life)
            if again:
                async with here.life(do="notify, restart", notify=hooks(url)) as life:
                    await hour(life)
        assert sorted(inbox.events()) == sorted(STORY)
        assert inbox.events()[0] == "alert_fired"
        assert len(set(inbox.tries)) == len(inbox.taken) == len(STORY), "a message keeps its id over its tries"
        assert len(inbox.tries) > len(STORY)
        assert here.fates() == ["done"]

    asyncio.run(body())


def test_one_that_is_gone_is_left_alone_until_the_configuration_is_read_again(here: Place) -> None:
    inbox = Inbox(status=410)

    async def body() -> None:
        async with receiver(inbox.answer) as url, here.life(do="notify, restart", notify=hooks(url)) as life:
            await story(life)
            for _ in range(10):
                await life.tick(300.0)
                await asyncio.sleep(0.03)
            assert len(inbox.tries) == 1
            off = "SELECT 1 FROM lines WHERE text LIKE '%is off until the configuration is read again%'"
            await until(lambda: here.told(off))
            inbox.status = 200
            life.hand.use(life.config, life.rules)
            await until(lambda: len(inbox.taken) == len(STORY))

    asyncio.run(body())


def test_one_that_never_answers_delays_neither_a_restart_nor_the_end(here: Place) -> None:
    asked = asyncio.Event()

    async def body() -> None:
        async def never(_: object) -> None:
            asked.set()
            await asyncio.sleep(3600)

        loop = asyncio.get_running_loop()
        async with receiver(never) as url:  # type: ignore[arg-type] # it returns nothing
            parts = {**hooks(url, timeout="30s"), "alertmanagers": [url.removesuffix("/hook")]}
            async with here.life(do="notify, restart", notify=parts) as life:
                began = loop.time()
                await life.until_run()
                here.full["web"] = 0.1
                assert await life.looks(5) == [None] * 5
                assert loop.time() - began < 20  # the hook may take 30 s
                await asked.wait()
                assert here.fates() == ["done"]
                ending = loop.time()
            assert loop.time() - ending < 20

    asyncio.run(body())


def test_what_was_done_last_is_told_before_the_end(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_LAST_WORDS", 30.0)
    inbox = Inbox()

    async def body() -> None:
        async with receiver(inbox.answer) as url, here.life(do="notify, restart", notify=hooks(url)) as life:
            while life.look() is not Verdict.RUN:
                pass
        assert here.fates() == ["done"]
        assert inbox.events() == ["alert_fired", "action_done"]

    asyncio.run(body())
