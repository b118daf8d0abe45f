"""The forecast over the fifteen shapes of tests/shapes: false alarms a day, leads; and what it costs.

Ours beside predict_linear over one hour and Holt's smoothing, on seeds that were not used for tuning. An alarm is
InferenceLeak (time to limit < 30m for 5m) or the half of InferenceMemoryExhausted that looks ahead (> 85 % and < 60s
for 5s). Usage: python benchmarks/bench_forecast.py [--seeds N] [--quick]
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the shapes are the tests'

from brimline.rules.forecast import Forecast
from shapes.alarms import ESTIMATORS, Life, live
from shapes.services import INTERVAL, REPORTED, Shape, shapes

SUBJECTS = 1000
GIB = float(1 << 30)
Lives = Mapping[str, Sequence[Life]]


def healthy_table(found: Sequence[Shape], lives: Lives) -> dict[str, float]:
    """Print the false alarms of 24 h and return each estimator's sum over all shapes."""
    print(f"{'healthy: false alarms a day':28}" + "".join(f"{name:>20}" for name in ESTIMATORS))
    sums = dict.fromkeys(ESTIMATORS, 0.0)
    for shape in found:
        cells = []
        for name in ESTIMATORS:
            alarms = sum(len(life.leak[name]) + len(life.steep[name]) for life in lives[shape.name])
            sums[name] += alarms / len(lives[shape.name])
            cells.append(f"{alarms / len(lives[shape.name]):20.2f}")
        print(f"{shape.name:28}" + "".join(cells))
    print(f"{'all of them together':28}" + "".join(f"{total:20.2f}" for total in sums.values()))
    return sums


def dying_table(found: Sequence[Shape], lives: Lives) -> None:
    """Print how many deaths were warned of, and how long before."""
    print(f"\n{'dying: caught, lead':28}" + "".join(f"{name:>26}" for name in ESTIMATORS) + f"{'ours, first word':>20}")
    for shape in found:
        cells = []
        for name in ESTIMATORS:
            leads = [lead for life in lives[shape.name] if (lead := life.lead(name)) is not None]
            caught = f"{len(leads)}/{len(lives[shape.name])}"
            cells.append(f"{caught + '  ' + _spread(leads):>26}")
        first = [
            life.died - said for life in lives[shape.name] if life.died and (said := life.said["ours"]) is not None
        ]
        print(f"{shape.name:28}" + "".join(cells) + f"{_minutes(median(first)) if first else '-':>20}")
    print("lead: median (least); an alarm counts if it was on at the death, and leads from when it came on")


def _spread(leads: Sequence[float]) -> str:
    return f"{_minutes(median(leads))} ({_minutes(min(leads))})" if leads else "-"


def _minutes(seconds: float) -> str:
    return (
        f"{seconds / 60:.0f} min"
        if seconds >= 600
        else f"{seconds / 60:.1f} min"
        if seconds >= 60
        else f"{seconds:.0f} s"
    )


def cost(ticks: int) -> tuple[float, float]:
    """Return the CPU milliseconds of a tick with a thousand leaking subjects (median), and the bytes of each."""
    random, uids, times = Random(1), [f"c{n}" for n in range(SUBJECTS)], []  # noqa: S311
    levels = [[GIB * (0.4 + 0.5 * t / ticks + 0.01 * random.random()) for _ in uids] for t in range(ticks)]
    for measured in (False, True):
        gc.collect()
        if measured:
            tracemalloc.start()
        forecast, before = Forecast(), tracemalloc.get_traced_memory()[0]
        for tick, used in enumerate(levels):
            now = 1000.0 + INTERVAL * tick
            began = time.process_time()
            for uid, value in zip(uids, used, strict=True):
                forecast.observe(uid, now, value, 0.0, GIB, now)
            if not measured:
                times.append(time.process_time() - began)
    each = (tracemalloc.get_traced_memory()[0] - before) / SUBJECTS
    tracemalloc.stop()
    return median(times) * 1000, each


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=len(REPORTED), help="services of each shape")
    parser.add_argument("--quick", action="store_true", help="4 of each")
    arguments = parser.parse_args()
    seeds = range(REPORTED.start, REPORTED.start + (4 if arguments.quick else arguments.seeds))
    found = shapes()
    with ProcessPoolExecutor() as pool:
        judge = partial(live, estimators=tuple(ESTIMATORS))
        lives = {s.name: pool.map(judge, [s] * len(seeds), seeds, chunksize=2) for s in found}
        lives = {name: list(results) for name, results in lives.items()}
    print(f"{len(seeds)} services of each shape, seeds {seeds.start} to {seeds.stop - 1}, 24 h each or until death")
    sums = healthy_table([s for s in found if s.healthy], lives)
    dying_table([s for s in found if not s.healthy], lives)
    milliseconds, size = cost(100 if arguments.quick else 900)
    print(
        f"\n{SUBJECTS} subjects: {milliseconds:.2f} ms CPU a tick (wanted: < 3), {size:.0f} bytes each (wanted: < 2048)"
    )
    print(f"false alarms a day of ours over the healthy shapes together: {sums['ours']:.2f} (wanted: <= 1.0)")


if __name__ == "__main__":
    main()
