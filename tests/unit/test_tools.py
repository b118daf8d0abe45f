"""Another engine after a reload: what was begun ends where it began, what is begun later goes to the new one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from brimline.actions.containers import StopTime
from brimline.config import Config
from brimline.deeds import Verdict
from brimline.errors import SourceError
from brimline.faults import points
from brimline.metrics.self import SelfMetrics
from brimline.ties import Ties
from brimline.tools import Tools
from fakes import FakeClock
from unit.acting import until
from unit.fake_docker import FakeDocker, Request
from unit.hand_life import place


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[tuple[FakeDocker, FakeDocker]]:
    made = []
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        made.append(FakeDocker(tmp_path / name))
    yield made[0], made[1]
    for engine in made:
        engine.stop()


def config(engine: FakeDocker) -> Config:
    return Config.model_validate({"sources": {"docker": {"host": engine.host, "timeout": "30s"}}})


def made(configured: Config) -> Tools:
    ties = Ties(
        clock=FakeClock(),
        environ={},
        wake=lambda _: None,
        acted=SelfMetrics().acted,
        targets=tuple,
        pids=lambda _: (),
        alert_at=lambda _: 0.8,
    )
    return Tools(configured, ties, points({}), lambda _: None)


def test_containers_stay_with_their_engine_and_share_what_was_ordered(engines: tuple[FakeDocker, FakeDocker]) -> None:
    old, new = engines
    web, _, other = old.add("web"), new.add("first"), new.add("other")  # the ids of fakes are counted

    async def body() -> None:
        tools = made(config(old))
        before = tools.containers
        assert await before.inspect(web) is not None
        tools.use(config(new))
        after = tools.containers
        assert [one.name for one in await after.list()] == ["first", "other"]
        assert [one.name for one in await before.list()] == ["web"]
        await before.restart(web, StopTime(10.0))
        await after.restart(other, StopTime(10.0))
        assert before.take_order(other), "both know of every order"
        assert after.take_order(web)
        assert not before.take_order(web), "it explains one start"
        await tools.close()

    asyncio.run(body())


def test_what_was_replaced_keeps_no_connection(engines: tuple[FakeDocker, FakeDocker]) -> None:
    old, new = engines

    async def body() -> None:
        tools = made(config(old))
        before = tools.containers
        await before.list()
        tools.use(config(new))
        asked = len(old.requests)
        for _ in range(2):
            await before.list()
        assert old.requests[asked:].count("version") == 2, "each question connects anew"
        old.stop()
        with pytest.raises(SourceError):
            await before.list()
        old.start()
        assert await before.list() == []
        await tools.close()

    asyncio.run(body())


def test_the_same_engine_keeps_its_connection_through_a_reload(engines: tuple[FakeDocker, FakeDocker]) -> None:
    old, _ = engines

    async def body() -> None:
        tools = made(config(old))
        before = tools.containers
        await before.list()
        tools.use(config(old))
        assert tools.containers is before
        await before.list()
        assert old.requests.count("version") == 1
        await tools.close()

    asyncio.run(body())


def test_a_restart_ends_where_it_began_whatever_engine_is_configured_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other, going, asked = FakeDocker(tmp_path / "other"), threading.Event(), []

    def slow(request: Request) -> None:
        parts = urlsplit(request.path).path.split("/")
        asked.append(parts[-2])
        going.wait(20)
        request._obey(parts[-1], parts[-2])

    async def body() -> None:
        with place(tmp_path) as here:
            web = here.container()
            here.fake.faults["restart"] = slow
            async with here.life() as life:
                while life.look() is not Verdict.RUN:  # noqa: ASYNC110 - it is the looks that bring it about
                    await asyncio.sleep(0)
                await until(lambda: asked)
                written = life.config.model_dump()
                written["sources"]["docker"]["host"] = other.host
                life.hand.use(Config.model_validate(written), life.rules)
                going.set()
                await until(here.fates)
            assert here.fates() == ["done"], here.told("SELECT text FROM lines WHERE kind = 'outcome'")
            assert asked == [web]
            assert not [request for request in other.requests if web in request]

    try:
        asyncio.run(body())
    finally:
        going.set()
        other.stop()
