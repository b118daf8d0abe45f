"""A tick over N cgroups: ours, the C reference that reads the same files, and the naive way, interleaved in one run.

A hot tick reads the hot files only; one in three, at an interval of 5 s, reads more. "All dirty": before every single
measurement 100 pages are charged to, or taken from, every cgroup, so that its usage and its memory.stat differ.
Usage: python benchmarks/bench_cgroups.py [--cgroups N] [--rounds N] [--pause SECONDS] [--quick]
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from brimline.sources.cgroup_reader import CgroupSource
from measuring import Line, Reference, Way, all_descriptors, compiled, heading, interleaved, timed
from parts import HOT, Time, cgroups, naively, source

DEFAULT_BUDGET = 4096
ROUND_OF_SLOW_FILES = 3  # ticks of 5 s in which every slow file comes round once


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cgroups", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--pause", type=float, default=0.25, help="seconds before every measurement")
    parser.add_argument("--quick", action="store_true", help="five rounds")
    args = parser.parse_args()
    all_descriptors()
    with cgroups(args.cgroups) as directories:
        measure(directories, rounds=5 if args.quick else args.rounds, pause=args.pause)


def measure(directories: list[Path], *, rounds: int, pause: float) -> None:
    """Run every way and print what came out."""
    glob, clock = f"{directories[0].parent.name}/*", Time()
    with (
        compiled("ref_cgroups.c") as binary,
        tempfile.NamedTemporaryFile("w+") as listed,
        closing(source(glob, clock, fds=100_000)) as kept,
        closing(source(glob, clock, fds=DEFAULT_BUDGET)) as within,
    ):
        listed.writelines(f"{directory}\n" for directory in directories)
        listed.flush()
        with closing(Reference(binary, "read", listed.name, *HOT)) as reference:
            for one in (kept, within):
                settle(one, clock)
            ways: dict[str, Way] = {
                "C": reference.milliseconds,
                "ours": timed(lambda: kept.read(clock.now())),
                "within": timed(lambda: within.read(clock.now())),
                "naive": timed(lambda: naively(directories)),
            }
            cold = interleaved(ways, rounds=rounds, pause=pause)
            with closing(Reference(binary, "dirty", listed.name)) as dirt:
                two = {name: ways[name] for name in ("C", "ours")}
                dirty = interleaved(two, rounds=rounds, pause=pause, before=dirt.round)
        mean = all_ticks(kept, clock, rounds=rounds, pause=pause)
    print(heading())
    for line in lines(len(directories), cold, dirty):
        print(line)
    by_default = cold["within"]
    print(f"\nWith the default {DEFAULT_BUDGET} descriptors: {by_default:.2f} ms, {by_default / cold['C']:.2f}x C.")
    print(f"Mean of all ticks at an interval of 5 s, slow files and the look for new cgroups included: {mean:.1f} ms.")


def settle(one: CgroupSource, clock: Time) -> None:
    """Let every slow file come round, so that the next tick at this moment is a hot one; freeze as the engine does."""
    for _ in range(ROUND_OF_SLOW_FILES + 1):
        one.read(clock.pass_(5))
    gc.collect()
    gc.freeze()


def all_ticks(one: CgroupSource, clock: Time, *, rounds: int, pause: float) -> float:
    """Return the mean of ticks 5 s apart."""
    tick, taken = timed(lambda: one.read(clock.pass_(5))), []
    for _ in range(ROUND_OF_SLOW_FILES * max(1, rounds // 5)):
        time.sleep(pause)
        taken.append(tick())
    return statistics.mean(taken)


def lines(count: int, cold: dict[str, float], dirty: dict[str, float]) -> list[Line]:
    """Return the rows of the table."""
    by_c, by_c_dirty, by_naive = cold["ours"] / cold["C"], dirty["ours"] / dirty["C"], cold["naive"] / cold["ours"]
    ours, naive = f"{cold['ours']:.2f} ms", f"naive {cold['naive']:.1f} ms: 1/{by_naive:.1f}"
    return [
        Line(f"tick, {count} cgroups, cold", ours, f"C {cold['C']:.2f} ms: {by_c:.2f}x", "<= 1.5x C", by_c <= 1.5),
        Line("  against the naive way", ours, naive, "<= 1/10", by_naive >= 10),
        Line(
            "  all dirty",
            f"{dirty['ours']:.2f} ms",
            f"C {dirty['C']:.2f} ms: {by_c_dirty:.2f}x",
            "<= 2x C",
            by_c_dirty <= 2,
        ),
    ]


if __name__ == "__main__":
    main()
