"""What a running `brimline run` holds and takes when nobody asks it: resident bytes, bytes a series, CPU at rest.

Resident bytes (Rss of /proc/PID/smaps_rollup) are given over those of a bare interpreter; CPU is what the scheduler
counted for all threads (schedstat) after the start has settled. With Docker: beside a private dockerd, no containers.
Usage: python benchmarks/bench_weight.py [--seconds N] [--quick]
"""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measuring import Line, heading
from parts import cgroups

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))
from real.engine import Dockerd  # noqa: E402 - the tests' real parts
from real.places import MissingPartError  # noqa: E402

MB = 1e6
SETTLED_SECONDS = 12.0  # first ticks, the first round of slow files, the collector's freeze
MANY = 1000


class Running:
    """A `brimline run`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"
        self.pid = process.pid

    def series(self) -> int:
        """Scrape it and count what it serves."""
        with urllib.request.urlopen(self._url) as answer:  # noqa: S310 - loopback
            return sum(not line.startswith(b"#") for line in answer)


@contextmanager
def brimline(*flags: str, docker: str | None = None) -> Iterator[Running]:
    """Run it until the block ends; yield it when it has settled."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("brimline")), "run", f"--web.listen-address=127.0.0.1:{port}", *flags]
    command += [f"--sources.docker.host={docker}"] if docker else ["--no-sources.docker.enabled"]
    with (
        tempfile.TemporaryDirectory(prefix="brimline-journal-") as storage,
        subprocess.Popen([*command, f"--storage.path={storage}"], stderr=subprocess.DEVNULL) as process,
    ):
        try:
            time.sleep(SETTLED_SECONDS)
            yield Running(process, port)
        finally:
            process.terminate()


def resident(pid: int) -> float:
    """Return the resident megabytes of a process."""
    found = re.search(r"^Rss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None  # noqa: S101 - for the type checker
    return int(found[1]) * 1024 / MB


def cpu_seconds(pid: int) -> float:
    """Return what all its threads have run."""
    return sum(int(stat.read_text().split()[0]) for stat in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def bare() -> float:
    """Return the resident megabytes of an interpreter that does nothing."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        time.sleep(0.5)
        megabytes = resident(process.pid)
        process.communicate()
    return megabytes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long it is watched at rest")
    parser.add_argument("--quick", action="store_true", help="30 seconds at rest")
    args = parser.parse_args()
    seconds = 30.0 if args.quick else args.seconds
    lines = []
    with cgroups(10) as directories, brimline(*over(directories)) as ours:
        light = resident(ours.pid)
        began = cpu_seconds(ours.pid)
        time.sleep(seconds)
        share = (cpu_seconds(ours.pid) - began) / seconds
        few = ours.series()
    python = bare()
    against = f"Python's {python:.1f} MB"
    lines.append(Line("RSS over", f"{light - python:.1f} MB", against, "<= 52 MB", light - python <= 52))
    with cgroups(MANY) as directories, brimline(*over(directories)) as ours:
        heavy, many = resident(ours.pid), ours.series()
    each = (heavy - light) * MB / (many - few)
    lines.append(Line(f"  each of {many} series", f"{each:.0f} B", "", "<= 1024 B", each <= 1024))
    try:
        with_docker = docker_megabytes() - python
    except MissingPartError as missing:
        print(missing)
    else:
        lines.append(Line("  with Docker", f"{with_docker:.1f} MB", against, "<= 60 MB", with_docker <= 60))
    lines.append(Line("CPU at rest, 10 cgroups, 5 s", f"{share:.4%}", "of a core", "<= 0.05 %", share <= 0.0005))
    print(heading())
    for line in lines:
        print(line)


def over(directories: list[Path]) -> list[str]:
    """Return the flags that name these cgroups."""
    return [f"--sources.cgroups={directories[0].parent.name}/*"]


def docker_megabytes() -> float:
    """Return what it holds beside a real engine."""
    engine = Dockerd()
    try:
        engine.start()
        with brimline("--sources.cgroups=", docker=engine.url) as ours:
            return resident(ours.pid)
    finally:
        engine.close()


if __name__ == "__main__":
    main()
