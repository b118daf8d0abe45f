"""What the journal costs: intents and outcomes on this disk, lines in bulk, a tick's calls, samples of 1,000 subjects.

Usage: python benchmarks/bench_journal.py [--directory DIR] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from brimline.deeds import Decision, Entry, EntryKind, Fate, Outcome, Verdict
from brimline.journal.file import NAME
from brimline.journal.minutes import Measure
from brimline.journal.options import StorageOptions
from brimline.journal.reading import open_reading
from brimline.journal.store import JournalFile
from brimline.journal.verify import verify
from brimline.model import Column, Kind, Metric, MetricKind, Now, Snapshot, SourceReport, Subject

sys.path.append(str(Path(__file__).resolve().parent))
from parts import Time

SUBJECTS = 1000
MEASURES = {Metric(str(measure), "", MetricKind.GAUGE, ()): measure for measure in Measure}
GATE_MS = 1.0  # of a tick at 1,000 subjects


def millis(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how long it takes, in milliseconds."""
    began = clock()
    work()
    return (clock() - began) * 1000


def tell(name: str, spent: list[float]) -> None:
    """Print a line of the table."""
    ordered = sorted(spent)
    high = ordered[int(len(ordered) * 0.99)]
    print(f"{name:<34}{statistics.median(spent):10.3f} ms p50 {high:10.3f} p99 {ordered[-1]:10.3f} worst")


async def deeds(journal: JournalFile, clock: Time, count: int) -> tuple[list[float], list[float]]:
    """Return how long each intent and each outcome took until it was on the disk."""
    intents, outcomes = [], []
    subject = Subject(Kind.CONTAINER, "web", ("web", "shop", "web"), "c1@5")
    for number in range(count):
        decision = Decision(f"{number:08}", clock.now(), "restart", subject, Verdict.RUN, "91 % of 2 GiB used")
        outcome = Outcome(decision.id, ok=True, detail="running again after 2s", started=1.0, ended=3.0)
        began = time.perf_counter()
        await journal.intend(decision)
        between = time.perf_counter()
        await journal.conclude(decision, outcome, Fate.DONE)
        intents.append((between - began) * 1000)
        outcomes.append((time.perf_counter() - between) * 1000)
    return intents, outcomes


def settle(journal: JournalFile) -> None:
    """Wait until all that was handed in is on the disk."""
    asyncio.run(asyncio.wait_for(journal.outbox.add([]), 60))


def samples(journal: JournalFile, clock: Time, minutes: int) -> tuple[list[float], list[float]]:
    """Return the CPU of the tick's thread for each tick, and the process's for each minute."""
    draw = random.Random(1).random  # noqa: S311 - a load
    subjects = tuple(
        Subject(Kind.CONTAINER, f"shop-web-{n}", (f"shop-web-{n}", "shop", "web"), f"{n:064x}@5")
        for n in range(SUBJECTS)
    )
    level = [draw() * 2**31 for _ in subjects]
    limits = [float(2**31)] * SUBJECTS
    ticks, whole = [], []
    for _ in range(minutes):
        began = time.process_time()
        for _ in range(12):
            used, usage = ([value * (0.99 + 0.02 * draw()) for value in level] for _ in range(2))
            columns = tuple(
                Column(metric, subjects, values) for metric, values in zip(MEASURES, (used, usage, limits), strict=True)
            )
            snapshot = Snapshot(clock.pass_(5), (SourceReport("cgroup", columns),))
            ticks.append(millis(partial(journal.minutes.observe, snapshot), time.thread_time))
        settle(journal)
        whole.append((time.process_time() - began) * 1000)
    return ticks, whole


def main() -> int:
    """Print the table; exit 1 beyond the gate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", help="where the file is made; by default below the system's temporary one")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    chosen = parser.parse_args()
    part = 10 if chosen.quick else 1
    with tempfile.TemporaryDirectory(dir=chosen.directory) as directory:
        clock = Time()
        journal = JournalFile(StorageOptions(path=directory), clock, "bench", measures=MEASURES)
        journal.open()
        intents, outcomes = asyncio.run(deeds(journal, clock, 2000 // part))
        tell("intent on the disk", intents)
        tell("outcome on the disk", outcomes)
        count = 9000 // part
        entries = [Entry(EntryKind.NOTE, Now(1.0 * n, 1.0), "a line of usual length, in bulk") for n in range(count)]

        def bulk() -> None:
            for entry in entries:
                journal.note(entry)
            settle(journal)

        took = millis(bulk)
        print(f"{'lines in bulk':<34}{count / took * 1000:10.0f} a second")
        tell(
            "pauses and requests of a tick",
            [millis(lambda: (journal.pauses(), journal.requests())) for _ in range(1000)],
        )
        tell("the ledger of a day", [millis(lambda: journal.ledger(clock.now())) for _ in range(5)])
        ticks, whole = samples(journal, clock, 1300 // part)
        tell(f"samples of {SUBJECTS}: CPU of a tick", ticks)
        tell("  CPU of a minute, drawing included", whole)
        lines = open_reading(Path(directory))
        took = millis(lambda: print(f"{'':<34}{verify(lines).lines:>10} lines verified"))
        packed, hours = lines.execute("SELECT sum(length(data)), count(DISTINCT hour) FROM hours").fetchone()
        lines.close()
        print(f"{'verify':<34}{took:10.1f} ms")
        if hours:
            week = packed / hours * 24 * 7
            print(f"{'samples':<34}{packed / hours / 2**20:10.2f} MiB an hour, {week / 2**20:.0f} MiB a week unthinned")
        size = (Path(directory) / NAME).stat().st_size
        print(f"{'the file':<34}{size / 2**20:10.1f} MiB")
        opening = []
        for _ in range(3):
            journal.close()
            journal = JournalFile(StorageOptions(path=directory), clock, "bench", measures=MEASURES)
            opening.append(millis(journal.open))
        tell("opening it", opening)
        journal.close()
    mean = statistics.mean(ticks)
    print(f"{'samples: CPU of a tick, mean':<34}{mean:10.3f} ms (gate {GATE_MS:g})")
    return 0 if mean < GATE_MS else 1


if __name__ == "__main__":
    sys.exit(main())
