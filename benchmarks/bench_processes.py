"""A tick over N sleeping processes: ours, the C reference, psutil and the naive way, interleaved in one run.

Each way is run once a round, with a pause before it as in production (cold caches), and the median of its CPU time is
what counts. Usage: python benchmarks/bench_processes.py [--processes 1000] [--rounds 15] [--pause 0.25] [--quick]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from brimline.fds import FdBudget
from brimline.model import Now
from brimline.procfs import Procfs
from brimline.sources.process import GroupOptions, ProcessOptions, ProcessSource

HERE = Path(__file__).parent
PAGE = resource.getpagesize()
Way = Callable[[], tuple[float, int]]  # CPU milliseconds, resident bytes of the group


def children_of(pid: int) -> set[int]:
    """Return the direct children of a process."""
    return {p.pid for p in psutil.Process(pid).children()}


@contextmanager
def processes(binary: Path, count: int) -> Iterator[int]:
    """Keep `count` sleeping processes for the time of the block; yield their parent."""
    with subprocess.Popen([binary, "spawn", str(count)], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdout is not None  # noqa: S101 - for the type checker
        if parent.stdout.readline() != "ready\n":
            raise SystemExit("the processes could not be forked; is the limit on processes (ulimit -u) high enough?")
        yield parent.pid
        assert parent.stdin is not None  # noqa: S101 - for the type checker
        parent.stdin.close()


def timed(read: Callable[[], int]) -> Way:
    """Return a way that measures this process's CPU time, all threads included."""

    def run() -> tuple[float, int]:
        began = time.process_time()
        value = read()
        return (time.process_time() - began) * 1000, value

    return run


def ours(parent: int, names: set[str]) -> tuple[ProcessSource, Way]:
    """Return the source over one group, and a tick of it."""
    options = ProcessOptions(groups=(GroupOptions.model_validate({"group": "bench", "cmdline": "ref_statm spawn"}),))
    source = ProcessSource(options, Procfs(), FdBudget(100_000))
    source.start()
    clock = Now(time.time(), 0.0)

    def tick() -> int:
        nonlocal clock
        clock = Now(clock.wall + 5, clock.mono + 5)
        report = source.read(clock)
        values = {c.metric.name.removeprefix("brimline_process_"): c.values[0] for c in report.columns}
        if values["processes"] != len(names) + 1:
            raise SystemExit(f"saw {values['processes']} processes below {parent}, expected {len(names) + 1}")
        return int(values["memory_rss_bytes"])

    return source, timed(tick)


def c_reference(binary: Path, pids: list[int], folder: str) -> tuple[subprocess.Popen[str], Way]:
    """Return the running C reader, and a tick of it."""
    listed = Path(folder, "pids")
    listed.write_text("\n".join(map(str, pids)))
    reader = subprocess.Popen([binary, "read", listed], stdin=-1, stdout=-1, text=True, bufsize=1)
    assert reader.stdin is not None  # noqa: S101 - for the type checker
    assert reader.stdout is not None  # noqa: S101 - for the type checker
    to, back = reader.stdin, reader.stdout

    def tick() -> tuple[float, int]:
        to.write("\n")
        nanoseconds, pages, _ = back.readline().split()
        return int(nanoseconds) / 1e6, int(pages) * PAGE

    return reader, tick


def psutil_way(pids: set[int]) -> Way:
    """Return the way of most exporters in Python."""
    return timed(lambda: sum(p.info["memory_info"].rss for p in psutil.process_iter(["memory_info"]) if p.pid in pids))


def naive_way(pids: set[int]) -> Way:
    """Return the way that first comes to mind: open every status, go through its lines."""

    def read() -> int:
        total = 0
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) in pids:
                for line in (folder / "status").read_text().splitlines():
                    if line.startswith("VmRSS:"):
                        total += int(line.split()[1]) * 1024
        return total

    return timed(read)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pause", type=float, default=0.25)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder, "ref_statm")
        subprocess.run(["cc", "-O2", "-o", binary, HERE / "ref_statm.c"], check=True)
        with processes(binary, args.processes) as parent:
            pids = children_of(parent)
            source, ours_tick = ours(parent, {str(p) for p in pids})
            members = pids | {parent}
            reader, c_tick = c_reference(binary, sorted(members), folder)
            ways = {"C": c_tick, "ours": ours_tick, "psutil": psutil_way(members), "naive": naive_way(members)}
            times, sums, aside = measure(ways, 3 if args.quick else args.rounds, args.pause)
            source.close()
            reader.communicate()
    report(times, sums, args.processes)
    print(f"\nOurs took {aside:.2f} ms more a tick beside the ticks: a look at every member each 15 s of them.")


def measure(ways: dict[str, Way], rounds: int, pause: float) -> tuple[dict[str, list[float]], dict[str, int], float]:
    """Run every way once a round, in turn; the first two rounds only warm up. At last, what our thread took a round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    sums: dict[str, int] = {}
    aside = 0.0
    for number in range(rounds + 2):
        for name, way in ways.items():
            began = time.process_time()
            time.sleep(pause)
            if number >= 2:
                aside += time.process_time() - began
            milliseconds, sums[name] = way()
            if number >= 2:
                times[name].append(milliseconds)
    return times, sums, aside * 1000 / rounds


def report(times: dict[str, list[float]], sums: dict[str, int], count: int) -> None:
    """Print medians and ratios."""
    middle = {name: statistics.median(values) for name, values in times.items()}
    print(f"$ python benchmarks/bench_processes.py {' '.join(sys.argv[1:])}".rstrip())
    print(f"{count} sleeping processes, one tick, median CPU time of {len(times['ours'])} rounds\n")
    print(f"{'way':8} {'ms':>8} {'best':>8} {'/ C':>7} {'/ ours':>7} {'resident MB':>12}")
    for name, value in middle.items():
        ratios = f"{value / middle['C']:7.2f} {value / middle['ours']:7.2f}"
        print(f"{name:8} {value:8.2f} {min(times[name]):8.2f} {ratios} {sums[name] / 1e6:12.1f}")


if __name__ == "__main__":
    main()
