"""Starting: ticks at once, ready when everything was looked at once, and a guest that looks for an engine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from brimline import app as composition
from brimline.app import App
from brimline.config import Config, Loaded
from brimline.glance import observe
from brimline.procfs import Procfs
from brimline.sources import assembly
from brimline.sources.alone import AloneSource
from fakes import MIB, FakeClock, V2Tree
from unit.fake_docker import FakeDocker, hang
from unit.fake_procfs import FakeProcfs


@pytest.fixture
def tree(tmp_path: Path) -> V2Tree:
    made = V2Tree(tmp_path)
    FakeProcfs(made.procfs)
    made.add("system.slice/web.service", current=30 * MIB, max=100 * MIB)
    return made


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeDocker]:
    fake = FakeDocker(tmp_path)
    yield fake
    fake.stop()


def configured(tree: V2Tree, **docker: object) -> Config:
    places = {"procfs": str(tree.procfs), "cgroupfs": str(tree.cgroupfs)}
    return Config.model_validate({"path": places, "sources": {"docker": docker}})


@asynccontextmanager
async def running(config: Config, environ: dict[str, str] | None = None) -> AsyncIterator[App]:
    loaded = Loaded(config, {}, None)
    app = App(loaded, lambda: loaded, environ or {})
    task = asyncio.create_task(app.run())
    try:
        yield app
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await app.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the app is not asked to tell its tests
            await asyncio.sleep(0.01)


def up(app: App) -> dict[str, bool]:
    return {status.source: status.up for status in app.view.sources} if app.view is not None else {}


def test_an_engine_that_hangs_delays_neither_the_first_tick_nor_the_end(
    tree: V2Tree, engine: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "_READY_SECONDS", 0.5)
    engine.faults["version"] = hang

    async def body() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with running(configured(tree, host=engine.host)) as app:
            assert app.fresh()
            assert not app.ready
            await until(lambda: app.view)
            assert loop.time() - began < 8  # the engine is given up after 10 s
            assert app.view is not None
            assert b"brimline_cgroup_memory_usage_bytes{" in app.view.page
            assert not app.ready
            await until(lambda: app.ready)
            assert 1 <= loop.time() - began < 8
            await until(lambda: up(app) == {"host": True, "docker": False, "cgroup": True, "process": True})
            ending = loop.time()
        assert loop.time() - ending < 8

    asyncio.run(body())


def test_ready_is_a_tick_that_saw_everything(tree: V2Tree, engine: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "_READY_SECONDS", 30.0)
    engine.add("web")

    async def body() -> None:
        async with running(configured(tree, host=engine.host)) as app:
            await until(lambda: app.ready)
            assert set(up(app).values()) == {True}
            assert app.view is not None
            assert b'brimline_container_running{container="web"' in app.view.page

    asyncio.run(body())


def test_a_single_reading_waits_for_everything(tree: V2Tree, engine: FakeDocker) -> None:
    engine.add("web")
    view = asyncio.run(observe(configured(tree, host=engine.host)))
    assert {status.source for status in view.sources if not status.up} == set()
    assert b'brimline_container_running{container="web"' in view.page


def lonely(tree: V2Tree) -> V2Tree:
    (tree.cgroupfs / "memory.max").write_text("max\n")  # the top is a cgroup itself
    return tree


def test_a_guest_looks_for_an_engine_again(tree: V2Tree, engine: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.add("web")
    found: list[str] = []
    monkeypatch.setattr(composition, "_LOOK_AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(assembly, "find_host", lambda *_: found[0] if found else None)

    async def body() -> None:
        async with running(configured(lonely(tree))) as app:
            await until(lambda: app.ready)
            await asyncio.sleep(0.1)
            assert "docker" not in up(app)
            found.append(engine.host)
            await until(lambda: "docker" in app._sources.readers)
            assert list(app._sources.readers) == ["host", "docker", "cgroup", "process"]

    asyncio.run(body())


def test_an_engine_that_may_not_be_asked_is_no_company(tree: V2Tree) -> None:
    async def body() -> None:
        async with running(configured(lonely(tree), enabled=False), {"DOCKER_HOST": "unix:///x"}) as app:
            await until(lambda: app.view)
            assert set(up(app)) == {"host", "alone", "cgroup", "process"}

    asyncio.run(body())


def test_a_guest_without_a_proc_says_so_when_it_is_read() -> None:
    source = AloneSource({}, Procfs("/nonexistent"), {}, socket.gethostname(), None)
    report = source.read(FakeClock().now())
    assert source.targets() == ()
    assert report.error is not None
    assert report.error.startswith("/nonexistent: ")
    assert "--path.procfs" in report.error
