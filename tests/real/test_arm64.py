"""The other machine that the image is made for: the locked wheels for arm64 and Brimline, by QEMU on this kernel."""

from __future__ import annotations

import platform
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from real import images, wheels
from real.engine import Dockerd
from real.places import ROOT, MissingPartError
from real.prometheus import check_metrics
from real.rows import MIB
from real.sidecar import Sidecar

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def python() -> list[str]:
    """Return the command line of a Python for arm64."""
    emulator = shutil.which("qemu-aarch64-static")
    if emulator is None:
        pytest.skip("no qemu-aarch64-static: apt-get install qemu-user-static")
    if platform.machine() != "x86_64":
        pytest.skip("this is no other machine than arm64, or none that QEMU was tried on")
    try:
        root = images.foreign_python("arm64")
    except MissingPartError as missing:
        pytest.skip(str(missing))
    return [emulator, "-L", str(root), str(root / "usr/bin/python3")]


@pytest.fixture(scope="module")
def environ(python: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return where that Python finds what the lock names for its machine, and Brimline."""
    version = Path(python[-1]).readlink().name.removeprefix("python")
    site = tmp_path_factory.mktemp("site")
    for wheel in wheels.fetch(["requirements.txt"], version, "aarch64").glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(site)
    return {"PYTHONPATH": f"{site}:{ROOT / 'exporter'}", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def brimline(python: list[str], environ: dict[str, str], dockerd: Dockerd) -> Iterator[Sidecar]:
    flags = (f"--sources.docker.host={dockerd.url}", "--interval=1s")
    with closing(Sidecar(*flags, python=python, environ=environ)) as one:
        yield one


def test_what_is_compiled_is_for_arm64(python: list[str], environ: dict[str, str]) -> None:
    site = Path(environ["PYTHONPATH"].partition(":")[0])
    compiled = list(site.rglob("*.so"))
    assert compiled
    assert {file.read_bytes()[18] for file in compiled} == {0xB7}, "the ELF number of AArch64"
    ask = [*python, "-c", "import platform; print(platform.machine())"]
    assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "aarch64\n"


def test_it_measures_as_it_does_here(
    dockerd: Dockerd, brimline: Sidecar, containers: Callable[..., str], python: list[str]
) -> None:
    assert Path(f"/proc/{brimline.pid}/exe").readlink() == Path(python[0])
    options = ["--memory", "60m", "--name", "held", "--label", "brimline.restart=true"]
    container = containers("anon", 30, options=options)

    def used() -> float:
        return brimline.value("brimline_container_memory_used_bytes", container="held") or 0.0

    brimline.wait_for(lambda: 30 * MIB < used() < 36 * MIB, "what it holds is measured")
    assert brimline.value("brimline_container_memory_limit_bytes", container="held") == 60 * MIB
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert brimline.value("brimline_host_memory_total_bytes") == int(total.split()[1]) * 1024
    assert brimline.find("brimline_source_info", source="docker", mode="cgroupfs")
    assert set(brimline.find("brimline_source_up").values()) == {1}
    assert brimline.value("brimline_journal_up") == 1
    assert check_metrics(brimline.get("/metrics")[1]) == []
    dockerd.cli("exec", "--detach", container, "memload", "worker-oom", 80)
    kills = "brimline_container_memory_oom_kills_by_cause_total"
    wanted = {"container": "held", "cause": "own_limit", "victim": "worker"}
    brimline.wait_for(lambda: brimline.value(kills, **wanted) == 1, "the kernel's event of the kill")


def test_it_restarts_what_it_may(
    dockerd: Dockerd, brimline: Sidecar, containers: Callable[..., str], python: list[str], environ: dict[str, str]
) -> None:
    labels = ["--label", "brimline.restart=true", "--label", "brimline.start-period=1s"]
    containers("anon", 30, options=["--memory", "60m", "--name", "mine", "--stop-timeout", "1", *labels])
    before = dockerd.inspect("mine")["State"]["StartedAt"]
    brimline.wait_for(lambda: brimline.value("brimline_container_memory_used_ratio", container="mine"), "mine")
    brimline.next_ticks(3)
    order, journal = [*python, "-m", "brimline", "restart", "mine"], {"BRIMLINE_STORAGE_PATH": str(brimline.storage)}
    done = subprocess.run(order, env={**environ, **journal}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert dockerd.inspect("mine")["State"]["StartedAt"] > before
