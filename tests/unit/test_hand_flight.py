"""What happens while a restart is under way: a reload, an end, another container of its name; engines that differ."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from brimline import hand, telling
from brimline.config import Config
from brimline.deeds import Verdict
from brimline.hand import Hand
from unit.acting import until
from unit.fake_docker import Request, cut_off
from unit.hand_dry import beside
from unit.hand_life import Life, Place, place


class Slow:
    """An engine that takes its time for a restart: until `go`."""

    def __init__(self, here: Place) -> None:
        self.going = threading.Event()
        self.asked: list[str] = []
        here.fake.faults["restart"] = self._restart

    def _restart(self, request: Request) -> None:
        parts = urlsplit(request.path).path.split("/")
        self.asked.append(parts[-2])
        self.going.wait(20)
        request._obey(parts[-1], parts[-2])

    def go(self) -> None:
        self.going.set()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with beside(tmp_path) as made:
        made.container()
        yield made


@pytest.fixture
def slow(here: Place) -> Iterator[Slow]:
    one = Slow(here)
    yield one
    one.go()


async def begun(life: Life, slow: Slow) -> None:
    """Tick until a restart has reached the engine."""
    while life.look() is not Verdict.RUN:
        assert life.place.clock.mono < 1100
        await asyncio.sleep(0)
    await until(lambda: slow.asked)


def reloaded(life: Life, **actions: object) -> Hand:
    """Let it read a configuration again."""
    written = life.config.model_dump()
    written["actions"] |= actions
    life.hand.use(Config.model_validate(written), life.rules)
    return life.hand


def test_a_reload_neither_ends_nor_repeats_what_is_under_way(here: Place, slow: Slow) -> None:
    async def body() -> None:
        async with here.life() as life:
            await begun(life, slow)
            reloaded(life)
            for _ in range(8):
                assert life.look() in {Verdict.IN_FLIGHT, Verdict.FIRST_SAMPLES}
                await asyncio.sleep(0.01)
            slow.go()
            await until(here.fates)
            assert here.fates() == ["done"]
            assert len(slow.asked) == 1
            assert (await life.looks(3))[-1] is Verdict.COOLDOWN, "what was begun before the reload counts"

    asyncio.run(body())


def test_a_reload_that_takes_leave_back_does_not_leave_the_container_down(here: Place, slow: Slow) -> None:
    (web,) = here.fake.containers

    async def body() -> None:
        async with here.life() as life:
            await begun(life, slow)
            reloaded(life, dry_run=True)
            slow.go()
            await until(here.fates)
            assert here.fates() == ["done"]
            verdicts = await life.looks(30)
            assert Verdict.RUN not in verdicts
            assert Verdict.DRY_RUN in verdicts
        assert here.fake.containers[web]["State"]["Running"]
        assert slow.asked == [web]

    asyncio.run(body())


def test_an_end_fits_into_the_ten_seconds_that_docker_gives() -> None:
    assert hand._GRACE + telling._LAST_WORDS < 10


def test_a_dry_run_starts_what_an_acting_one_had_stopped_and_begins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand, "_GRACE", 0.0)

    async def body(here: Place) -> None:
        web = here.container()

        def stopped(request: Request) -> None:
            here.fake.end(web, 143)
            cut_off(request)

        here.fake.faults["restart"] = stopped
        async with here.life() as life:
            while life.look() is not Verdict.RUN:
                assert here.clock.mono < 1100
                await asyncio.sleep(0)
            await until(lambda: not here.fake.containers[web]["State"]["Running"])
        assert here.fates() == []
        here.fake.faults.clear()
        here.pass_(60)
        async with here.life(actions={"dry_run": "true"}) as life:
            await until(here.fates)
            assert here.fates() == ["done"]
            verdicts = await life.looks(40)
        assert Verdict.DRY_RUN in verdicts
        assert here.fake.orders == [("start", web, None)]

    with place(tmp_path) as here:
        asyncio.run(body(here))


@pytest.mark.parametrize("which", ["_chronicle", "_telling"])
def test_telling_of_it_that_breaks_does_not_leave_it_under_way_for_ever(
    here: Place, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    async def body() -> None:
        async with here.life() as life:
            monkeypatch.setattr(getattr(life.hand, which), "concluded", breaks)
            await life.until_run()
            assert here.fates() == ["done"]
            here.pass_(20)
            assert Verdict.RUN in await life.looks(30), "in_flight ended with it"

    asyncio.run(body())


def test_what_breaks_under_way_has_failed_and_its_container_is_free(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        async with here.life() as life:
            with monkeypatch.context() as patch:
                patch.setattr("brimline.actions.attempt.Attempt._used", None)
                await life.until_run()
            assert here.fates() == ["failed"]
            assert Verdict.RUN in await life.looks(40)
            assert here.fates()[:2] == ["failed", "done"]

    asyncio.run(body())


def test_an_end_waits_for_a_restart_that_ends_in_time(here: Place, slow: Slow) -> None:
    async def body() -> None:
        async with here.life() as life:
            await begun(life, slow)
            asyncio.get_running_loop().call_later(0.3, slow.go)
        assert here.fates() == ["done"]
        async with here.life() as life:
            await life.looks(6)
        assert len(slow.asked) == 1

    asyncio.run(body())


def test_a_restart_that_outlives_brimline_is_concluded_by_the_next_one(
    here: Place, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand, "_GRACE", 0.1)

    async def body() -> None:
        async with here.life() as life:
            await begun(life, slow)
        assert here.fates() == []
        here.full["web"] = 0.1
        async with here.life() as life:
            for _ in range(5):
                life.look()
                await asyncio.sleep(0.02)
            assert here.fates() == [], "it is not known yet"
            slow.go()
            await until(here.fates)
        assert here.fates() == ["done"]
        assert len(slow.asked) == 1

    asyncio.run(body())


def test_another_container_that_took_its_name_meanwhile_is_not_touched(here: Place, slow: Slow) -> None:
    (old,) = here.fake.containers

    async def body() -> None:
        async with here.life() as life:
            await begun(life, slow)
            here.fake.remove(old)
            new = here.container()
            began = here.fake.containers[new]["State"]["StartedAt"]
            slow.go()
            await until(here.fates)
            assert here.fates() == ["failed"]
            assert here.fake.containers[new]["State"]["StartedAt"] == began
            assert slow.asked == [old]
            assert here.fake.orders == []
            here.full["web"] = 0.1
            await life.looks(3)

    asyncio.run(body())


def test_another_container_that_took_its_name_before_it_was_begun_is_not_touched(here: Place) -> None:
    (old,) = here.fake.containers

    async def body() -> None:
        async with here.life() as life:
            await life.looks(2)
            assert life.look() is Verdict.RUN
            here.fake.remove(old)
            here.container()
            assert await life.tick() is not Verdict.RUN
        texts = [text for (text,) in here.told("SELECT text FROM lines WHERE kind = 'refused'")]  # written by now
        assert any("stale_data" in text and "gone since it was measured" in text for text in texts)
        assert here.fake.orders == []

    asyncio.run(body())


def test_newer_engines_are_spoken_to_in_a_version_they_still_know(here: Place) -> None:
    here.fake.version |= {"Version": "29.0.0", "ApiVersion": "1.52", "MinAPIVersion": "1.50"}
    paths: list[str] = []

    def restart(request: Request) -> None:
        paths.append(request.path)
        version, _, container, verb = urlsplit(request.path).path.strip("/").split("/")
        if version == "v1.50":
            request._obey(verb, container)
        else:
            request.raw(400, b'{"message":"client version is too old. Minimum supported API version is 1.50"}')

    here.fake.faults["restart"] = restart

    async def body() -> None:
        async with here.life() as life:
            await life.until_run()
        assert here.fates() == ["done"]
        assert len(paths) == 1

    asyncio.run(body())


def test_an_engine_that_was_replaced_by_a_newer_one_is_asked_in_its_own_version_next_time(here: Place) -> None:
    """Docker was updated under a running Brimline: the version that was agreed on is one it takes no more."""
    refused: list[str] = []

    def strict(request: Request) -> None:
        path = urlsplit(request.path).path
        if not path.startswith("/v1.50/"):
            refused.append(path)
            request.raw(400, b'{"message":"client version 1.41 is too old. Minimum supported API version is 1.50"}')
            return
        _, _, container, verb = path.strip("/").split("/")
        if verb == "json":
            request.json(here.fake.containers[container])
        else:
            request._obey(verb, container)

    async def body() -> None:
        async with here.life() as life:
            await life.until_run()
            here.fake.version |= {"Version": "29.0.0", "ApiVersion": "1.52", "MinAPIVersion": "1.50"}
            here.fake.faults |= {"restart": strict, "inspect": strict}
            for _ in range(60):
                await life.tick()
            assert here.fates()[:2] == ["done", "done"], refused

    asyncio.run(body())
