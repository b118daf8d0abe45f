"""Reloading: the new configuration takes the place of the old in one piece, or not at all, and no count is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from brimline.app import App
from brimline.config import Loaded
from brimline.loading import load
from fakes import MIB, FakeClock, V2Tree, v2_events
from unit.fake_procfs import FakeProcfs

CONFIG = """\
interval: 5s
path: {{procfs: {tree.procfs}, cgroupfs: {tree.cgroupfs}}}
sources:
  docker: {{enabled: false}}
  presets: []
  cgroups: [{globs}]
"""


class Scene:
    """An app on a v2 tree of plain files, configured by a real file."""

    def __init__(self, root: Path) -> None:
        self.tree = V2Tree(root)
        FakeProcfs(self.tree.procfs)
        self.tree.add("system.slice/web.service", current=30 * MIB, max=100 * MIB)
        self.tree.add("other.slice/job.service", current=10 * MIB)
        self.file = root / "brimline.yml"
        self.clock = FakeClock()
        self.reads = 0
        self.write("system.slice/*.service")
        self.app = App(self.load(), self.load, {}, clock=self.clock)

    def write(self, *globs: str, more: str = "") -> None:
        text = CONFIG.format(tree=self.tree, globs=", ".join(f'"{glob}"' for glob in globs))
        self.file.write_text(text + more)

    def load(self) -> Loaded:
        self.reads += 1
        return load({"config.file": str(self.file)}, {})

    def page(self) -> str:
        """Tick and return the whole page."""
        self.clock.pass_(5.0)
        view = self.app.tick()
        return (view.page + self.app.self_metrics.render(openmetrics=False)).decode()

    def kill(self, kills: int) -> None:
        counts = v2_events(oom=kills, oom_kill=kills, max=kills)
        self.tree.set("system.slice/web.service", events=counts, events_local=counts)


def play(root: Path, body: Callable[[Scene], Awaitable[None]]) -> None:
    async def whole() -> None:
        scene = Scene(root)
        try:
            await body(scene)
        finally:
            await scene.app.close()

    before = open_files()
    asyncio.run(whole())
    assert open_files() == before


def open_files() -> set[str]:
    """Return what this process has open, but for the directory that is read to know it."""
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


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
        before = scene.app._sources
        scene.write("system.slice/*.service", more="log: {level: warn}\nlimits: {series: 3}\n")
        assert await scene.app.reload() == []
        assert scene.app._sources is before
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
