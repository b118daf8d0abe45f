"""Reloading: the new configuration takes the place of the old in one piece, or not at all, and no count is lost."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from brimline import readers
from brimline.app import App
from brimline.config import Loaded
from brimline.loading import load
from brimline.sources import registry
from fakes import MIB, FakeClock, V2Tree, v2_events
from unit.fake_docker import FakeDocker, Request, hang
from unit.fake_procfs import FakeProcfs

CONFIG = """\
interval: 5s
path: {{procfs: {tree.procfs}, cgroupfs: {tree.cgroupfs}}}
sources:
  docker: {docker}
  presets: {presets}
  cgroups: [{globs}]
"""


class Scene:
    """An app on a v2 tree of plain files, configured by a real file."""

    def __init__(self, root: Path, docker: str = "{enabled: false}") -> None:
        self.tree = V2Tree(root)
        FakeProcfs(self.tree.procfs)
        self.tree.add("system.slice/web.service", current=30 * MIB, max=100 * MIB)
        self.tree.add("other.slice/job.service", current=10 * MIB)
        self.file = root / "brimline.yml"
        self.clock = FakeClock()
        self.reads = 0
        self.write("system.slice/*.service", docker=docker)
        self.app = App(self.load(), self.load, {}, clock=self.clock)

    def write(self, *globs: str, more: str = "", docker: str = "{enabled: false}", presets: str = "[]") -> None:
        listed = ", ".join(f'"{glob}"' for glob in globs)
        text = CONFIG.format(tree=self.tree, globs=listed, docker=docker, presets=presets)
        self.file.write_text(text + more)

    def load(self) -> Loaded:
        self.reads += 1
        return load({"config.file": str(self.file)}, {})

    def page(self) -> str:
        """Tick and return the whole page."""
        self.clock.pass_(5.0)
        view = self.app.tick()
        return (view.page + self.app.self_metrics.render(openmetrics=False)).decode()

    async def shows(self, line: str) -> None:
        """Tick until the line is on the page."""
        async with asyncio.timeout(10):
            while line not in self.page():  # noqa: ASYNC110 - the test is what ticks
                await asyncio.sleep(0.01)

    def kill(self, kills: int) -> None:
        counts = v2_events(oom=kills, oom_kill=kills, max=kills)
        self.tree.set("system.slice/web.service", events=counts, events_local=counts)


def play(root: Path, body: Callable[[Scene], Awaitable[None]], **scene_of: str) -> None:
    async def whole() -> None:
        scene = Scene(root, **scene_of)
        try:
            await body(scene)
        finally:
            await scene.app.close()

    before = open_files()
    asyncio.run(whole())
    assert open_files() == before


def open_files() -> set[str]:
    """Return what this process has open, but for the directory that is read to know it."""
    names = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            names.add(str(entry.readlink()))
    return {name for name in names if not name.startswith("socket:")}  # the pretended engine has its own


READ_AT = "brimline_config_last_reload_success_timestamp_seconds "
WEB, JOB = 'cgroup="system.slice/web.service"', 'cgroup="other.slice/job.service"'


def test_new_sources_are_measured_and_old_ones_are_gone(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        page = scene.page()
        assert (WEB in page, JOB in page) == (True, False)
        scene.write("other.slice/*.service")
        assert await scene.app.reload() == []
        page = scene.page()
        assert f"brimline_cgroup_memory_usage_bytes{{{WEB}}}" not in page
        assert f"brimline_cgroup_memory_usage_bytes{{{JOB}}} {10 * MIB}\n" in page
        assert "brimline_config_last_reload_successful 1.0\n" in page

    play(tmp_path, body)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("interval: fast\n", '{file}:1:11: interval: "fast" is no duration'),
        ("intervall: 5s\n", '{file}:1:1: unknown key "intervall"; did you mean "interval"?'),
        ("interval: [5s\n", "{file}:"),
        (None, 'no file "{file}"'),
    ],
)
def test_a_bad_file_keeps_the_old_configuration_and_says_so(
    tmp_path: Path, text: str | None, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(scene: Scene) -> None:
        before = scene.page()
        good = scene.file.read_text()
        (read_at,) = [line for line in before.splitlines() if line.startswith(READ_AT)]
        assert float(read_at.split()[1]) == scene.clock.wall - 5
        if text is None:
            scene.file.unlink()
        else:
            scene.file.write_text(text)
        (said,) = await scene.app.reload()
        assert problem.format(file=scene.file) in said
        assert any(said in record.getMessage() for record in caplog.records)
        page = scene.page()
        assert f"brimline_cgroup_memory_usage_bytes{{{WEB}}} {30 * MIB}\n" in page
        assert "brimline_config_last_reload_successful 0.0\n" in page
        assert f"{read_at}\n" in page
        scene.file.write_text(good)
        assert await scene.app.reload() == []
        assert "brimline_config_last_reload_successful 1.0\n" in scene.page()

    play(tmp_path, body)


def test_kills_counted_before_are_counted_after(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        kills = f"brimline_cgroup_memory_oom_kills_total{{{WEB}}}"
        assert f"{kills} 0\n" in scene.page()
        scene.kill(2)
        assert f"{kills} 2\n" in scene.page()
        scene.write("system.slice/*.service", "other.slice/*.service")
        assert await scene.app.reload() == []
        assert f"{kills} 2\n" in scene.page()
        scene.kill(3)
        assert f"{kills} 3\n" in scene.page()

    play(tmp_path, body)


def test_what_does_not_concern_the_sources_leaves_them_alone(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.page()
        before = dict(scene.app._sources.readers)
        more = "log: {level: warn}\nlimits: {series: 3}\ncompat: {cadvisor: true}\n"
        scene.write("system.slice/*.service", "other.slice/*", more=more)
        scene.file.write_text(scene.file.read_text().replace("interval: 5s", "interval: 7s"))
        assert await scene.app.reload() == []
        assert scene.app._sources.readers == before
        assert "brimline_dropped_series_total 0.0\n" not in scene.page()

    play(tmp_path, body)


def test_cadvisors_names_come_and_go(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        assert "container_memory_rss" not in scene.page()
        scene.write("system.slice/*.service", more="compat: {cadvisor: true}\n")
        assert await scene.app.reload() == []
        assert 'container_memory_rss{id="/system.slice/web.service",image="",name=""} 0\n' in scene.page()
        scene.write("system.slice/*.service")
        assert await scene.app.reload() == []
        assert "container_memory_rss" not in scene.page()

    play(tmp_path, body)


def test_two_reloads_at_once_follow_each_other(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.page()
        scene.write("other.slice/*.service")
        assert await asyncio.gather(*(scene.app.reload() for _ in range(5))) == [[]] * 5
        assert scene.reads == 6
        assert f"brimline_cgroup_memory_usage_bytes{{{JOB}}}" in scene.page()

    play(tmp_path, body)


def test_a_new_interval_is_how_long_a_page_is_fresh(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.page()
        scene.file.write_text(scene.file.read_text().replace("interval: 5s", "interval: 1m"))
        assert await scene.app.reload() == []
        scene.clock.pass_(170)
        assert scene.app.fresh()
        scene.clock.pass_(20)
        assert not scene.app.fresh()

    play(tmp_path, body)


@pytest.mark.parametrize("what", [OSError(24, "Too many open files"), ValueError("embedded null byte")], ids=repr)
def test_what_cannot_be_built_changes_nothing(
    tmp_path: Path, what: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise what

    async def body(scene: Scene) -> None:
        before = scene.page()
        readers = dict(scene.app._sources.readers)
        with monkeypatch.context() as broken:
            broken.setattr(registry, "Watch", fails)
            scene.write("other.slice/*.service", more="limits: {fds: 100}\nlog: {level: error}\n")
            (said,) = await scene.app.reload()
        assert said == f"source cgroup: {what}"
        assert f"reload refused, the old configuration stays: {said}" in caplog.messages
        page = scene.page()
        assert scene.app._sources.readers == readers
        assert data(page) == data(before)
        assert "brimline_config_last_reload_successful 0.0\n" in page
        assert await scene.app.reload() == []
        page = scene.page()
        assert (WEB in data(page), JOB in data(page)) == (True, True)  # the kills outlive what is not measured any more
        assert f"brimline_cgroup_memory_usage_bytes{{{WEB}}}" not in page
        assert "brimline_config_last_reload_successful 1.0\n" in page

    play(tmp_path, body)


def data(page: str) -> str:
    """Return the page down to what Brimline says of itself."""
    return page.partition("# HELP brimline_source_up")[0]


def test_a_path_that_leads_nowhere_is_a_source_that_fails_and_can_be_taken_back(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        before = scene.page()
        good = scene.file.read_text()
        scene.file.write_text(good.replace(str(scene.tree.procfs), "/nonexistent"))
        assert await scene.app.reload() == []
        assert 'brimline_source_up{source="host"} 0.0\n' in scene.page()
        scene.file.write_text(good)
        assert await scene.app.reload() == []
        assert data(scene.page()) == data(before)

    play(tmp_path, body)


def test_a_kill_at_the_moment_of_a_change_of_all_sources_is_counted(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        kills = f"brimline_cgroup_memory_oom_kills_total{{{WEB}}}"
        scene.page()
        scene.kill(2)
        assert f"{kills} 2\n" in scene.page()
        scene.kill(3)
        scene.write("system.slice/*.service", more="limits: {fds: 100}\n")
        assert await scene.app.reload() == []
        assert f"{kills} 3\n" in scene.page()

    play(tmp_path, body)


SHOP = 'container="web",compose_project="",compose_service=""'


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeDocker]:
    fake = FakeDocker(tmp_path)
    yield fake
    fake.stop()


async def list_slowly(scene: Scene, engine: FakeDocker, meanwhile: Callable[[], object] = lambda: None) -> list[str]:
    """Reload before an engine that takes its time, and return a page of each moment until it is done."""
    asked, enough = threading.Event(), threading.Event()

    def slowly(request: Request) -> None:
        asked.set()
        enough.wait(20)
        request.json([engine.listed(record) for record in list(engine.containers.values())])

    engine.faults["list"] = slowly
    reloading = asyncio.ensure_future(scene.app.reload())
    pages = []
    while not reloading.done():
        await asyncio.sleep(0.01)
        pages.append(scene.page())
        if len(pages) > 5 and asked.is_set() and not enough.is_set():
            meanwhile()
            enough.set()
    assert await reloading == []
    return [*pages, scene.page()]


@pytest.mark.parametrize("more", ["exclude: [job]", "timeout: 30s", "exclude: [job], timeout: 30s"])
def test_other_options_of_docker_never_blank_a_container_nor_its_restarts(
    tmp_path: Path, engine: FakeDocker, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "_SWAP_SECONDS", 30.0)
    for name in ("web", "job"):
        engine.add(name)
    (web, _) = engine.containers

    async def body(scene: Scene) -> None:
        await scene.app.first_look()
        scene.page()
        engine.end(web, 1)
        engine.begin(web)
        await scene.shows(f"brimline_container_restarts_total{{{SHOP}}} 1.0\n")
        await scene.shows(f"brimline_container_running{{{SHOP}}} 1.0\n")
        before = dict(scene.app._sources.readers)
        scene.write("system.slice/*.service", docker=f'{{host: "{engine.host}", {more}}}')
        pages = await list_slowly(scene, engine)
        assert len(pages) > 5
        for page in pages:
            assert f"brimline_container_running{{{SHOP}}} 1.0\n" in page
            assert f"brimline_container_restarts_total{{{SHOP}}} 1.0\n" in page
            assert 'brimline_source_up{source="docker"} 1.0\n' in page
        assert ('container="job"' in data(pages[-1])) == ("exclude" not in more)
        after = scene.app._sources.readers
        assert [name for name in before if after[name] is not before[name]] == ["docker"]
        engine.end(web, 1)
        engine.begin(web)
        await scene.shows(f"brimline_container_restarts_total{{{SHOP}}} 2.0\n")

    play(tmp_path, body, docker=f'{{host: "{engine.host}"}}')


def test_a_restart_while_docker_is_changed_is_counted_once(
    tmp_path: Path, engine: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "_SWAP_SECONDS", 30.0)
    web = engine.add("web")

    async def body(scene: Scene) -> None:
        await scene.app.first_look()
        scene.page()
        scene.write("system.slice/*.service", docker=f'{{host: "{engine.host}", timeout: 30s}}')
        counts = []
        for page in await list_slowly(scene, engine, lambda: engine.begin(web)):
            (line,) = (line for line in page.splitlines() if line.startswith("brimline_container_restarts_total{"))
            counts.append(int(float(line.rpartition(" ")[2])))
        assert counts == sorted(counts)
        await scene.shows(f"brimline_container_restarts_total{{{SHOP}}} 1.0\n")
        await asyncio.sleep(0.1)
        assert f"brimline_container_restarts_total{{{SHOP}}} 1.0\n" in scene.page()

    play(tmp_path, body, docker=f'{{host: "{engine.host}"}}')


def test_restarts_are_remembered_while_docker_is_switched_off(tmp_path: Path, engine: FakeDocker) -> None:
    web = engine.add("web")
    on = f'{{host: "{engine.host}"}}'

    async def body(scene: Scene) -> None:
        await scene.app.first_look()
        engine.begin(web)
        await scene.shows(f"brimline_container_restarts_total{{{SHOP}}} 1.0\n")
        scene.write("system.slice/*.service")
        assert await scene.app.reload() == []
        assert "brimline_container" not in data(scene.page())
        scene.write("system.slice/*.service", docker=on)
        assert await scene.app.reload() == []
        assert f"brimline_container_restarts_total{{{SHOP}}} 1.0\n" in scene.page()

    play(tmp_path, body, docker=on)


def test_a_reload_given_up_leaves_the_old_sources_in_force(tmp_path: Path, engine: FakeDocker) -> None:
    engine.faults["version"] = hang

    async def body(scene: Scene) -> None:
        before = scene.page()
        readers = dict(scene.app._sources.readers)
        scene.write("other.slice/*.service", docker=f'{{host: "{engine.host}"}}')
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(scene.app.reload(), 0.2)
        assert scene.app._sources.readers == readers
        assert data(scene.page()) == data(before)

    play(tmp_path, body)


async def read_on(fifo: Path) -> None:
    """End the read that waits for a writer, as soon as one waits."""
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):  # ENXIO: nobody reads yet
                os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
                return
            await asyncio.sleep(0.01)


def test_a_look_at_processes_that_hangs_does_not_stop_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_SWAP_SECONDS", 0.5)
    stuck = tmp_path / "proc/1/cmdline"

    async def body(scene: Scene) -> None:
        scene.page()
        stuck.unlink()
        os.mkfifo(stuck)  # reading it waits for a writer
        scene.write("system.slice/*.service", presets="[gunicorn]")
        assert await scene.app.reload() == []
        assert 'brimline_source_up{source="process"} 0.0\n' in scene.page()
        await read_on(stuck)
        stuck.unlink()
        stuck.write_text("/sbin/init\0")
        await scene.shows('brimline_source_up{source="process"} 1.0\n')

    play(tmp_path, body)
