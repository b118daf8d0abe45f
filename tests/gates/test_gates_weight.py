"""What a running Brimline holds: descriptors, memory that must not grow, and no library that it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import FakeClock
from gates.ticking import lay_out
from gates.whole import Whole, engine_over

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024
CGROUPS = 20
A_FEW_CGROUPS = 8
HOT_FILES = 4
ALARMS = 3  # a cgroup: out of memory, and two levels
HOST_FILES = 2  # meminfo and vmstat; the tree has no pressure
EPOLL = 1

# What `brimline run` does until its first ticks, where no engine's socket is; then it says what was imported.
RUN = """
import asyncio, sys, tempfile
from brimline import dockerconnect

dockerconnect.find_host = lambda environ, exists: None
from brimline import daemon, loading

async def run():
    with tempfile.TemporaryDirectory() as directory:
        environ = {"BRIMLINE_WEB_LISTEN_ADDRESS": "127.0.0.1:0", "BRIMLINE_INTERVAL": "100ms"}
        loaded = loading.load({}, {**environ, "BRIMLINE_STORAGE_PATH": directory})
        serving = asyncio.create_task(daemon._run(loaded, lambda: loaded))
        await asyncio.sleep(0.5)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

asyncio.run(run())
print(*sys.modules)
"""


def python(*arguments: str) -> str:
    environment = {"PYTHONPATH": f"{ROOT / 'exporter'}:{ROOT / 'tests'}", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_without_docker_its_library_is_not_imported() -> None:
    modules = python("-c", RUN).split()
    assert "brimline.sources.cgroup_reader" in modules
    assert "brimline.web.routes" in modules
    assert not {"docker", "requests", "urllib3"} & set(modules)


def test_a_thousand_ticks_do_not_make_it_grow(tmp_path: Path) -> None:
    said = python(str(Path(__file__).with_name("ticking.py")), "growth", str(tmp_path), str(CGROUPS))
    early, late = map(int, said.split())
    assert late - early <= MIB


@pytest.mark.parametrize(("budget", "kept"), [(4096, True), (A_FEW_CGROUPS * HOT_FILES + HOST_FILES, False)])
def test_open_descriptors_are_the_budgets(tmp_path: Path, budget: int, kept: bool) -> None:  # noqa: FBT001 - a case
    tree, made = lay_out(tmp_path, CGROUPS)
    for cgroup in made:
        cgroup.close()
    before = open_descriptors()
    clock = FakeClock()
    sources = Whole(tree, clock, fds=budget)
    engine = engine_over(sources, clock)
    for _ in range(5):
        engine.tick(clock.pass_(5))
    assert open_descriptors() - before == sources.fds.used + EPOLL
    every = CGROUPS * (HOT_FILES + ALARMS) + HOST_FILES
    assert sources.fds.used == (every if kept else budget)
    sources.close()
    assert sources.fds.used == 0
    assert open_descriptors() == before
