"""What judging costs: 100 rules (60 plain, 30 lists of two, 10 windows) x 1,000 containers, 1 % of the pairs firing.

Process CPU of a tick, median and worst, beside a loop that asks every rule of every container; then random pairs of a
rule and its series against promtool. Usage: python benchmarks/bench_rules.py [--differential N] [--lives N] [--quick]
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import time
from pathlib import Path

from brimline.metrics.catalog import by_name
from brimline.model import Column, Kind, Now, Snapshot, SourceReport, Subject
from brimline.rules.alertstore import MemoryAlertStore
from brimline.rules.condition import HOLDS
from brimline.rules.evaluator import Evaluator
from brimline.rules.spec import load
from brimline.rules.terms import RuleSet
from brimline.rules.vocabulary import vocabulary
from brimline.rules.windows import reduce

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from differential.comparing import compare
from differential.lives import live

CONTAINERS, TICKS, INTERVAL = 1000, 150, 5
METRICS = by_name()
GAUGES = ("memory_used_ratio", "memory_working_set_ratio", "memory_high_ratio", "memory_pressure_full_ratio")
COUNTERS = ("memory_oom_kills_total", "memory_limit_hits_total", "memory_refaults_total", "cpu_seconds_total")
GATE_MS = 25.0


def rules() -> RuleSet:
    """Return the hundred rules; a threshold of 99 % leaves one in a hundred above it."""
    found = [f"when: {GAUGES[n % 4]} > {99 + n / 1000}%, for: {n % 5 * 10}s" for n in range(60)]
    for index in range(30):
        both = f'["{GAUGES[index % 4]} > {98.9 + index / 1000}%", "{GAUGES[(index + 1) % 4]} > {index + 1}%"]'
        found.append(f"when: {both}, for: 10s")
    for index, window in enumerate(("5m", "10m")):
        found.append(f'when: "increase({COUNTERS[index]}, {window}) > 2"')
        found.append(f'when: "rate({COUNTERS[2 + index]}, {window}) > {("60/s", "600%")[index]}"')
        found.append(f'when: "max({GAUGES[index]}, {window}) > 99.9%"')
        found.append(f'when: "min({GAUGES[2 + index]}, {window}) > 10%"')
        found.append(f'when: "avg({GAUGES[index]}, {window}) > 98%"')
    text = "\n".join(f"  - {{alert: R{index}, on: container, {rule}}}" for index, rule in enumerate(found))
    return load(f"groups:\n- name: bench\n  rules:\n{text}\n", "bench.yml", vocabulary(METRICS.values()))


class World:
    """Containers whose gauges are drawn anew every tick, so that nothing is remembered from the last one."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a load, not a secret
        names = [f"shop-whisper-{index}" for index in range(CONTAINERS)]
        self.subjects = tuple(
            Subject(Kind.CONTAINER, name, (name, "shop", "whisper"), f"{index:064x}@0")
            for index, name in enumerate(names)
        )
        self.counts = {name: [0.0] * CONTAINERS for name in COUNTERS}
        self.levels = [self.random.random() for _ in range(CONTAINERS)]
        self.ticks = 0

    def snapshot(self) -> Snapshot:
        """Return the next tick's."""
        draw, at = self.random.random, 1000.0 + self.ticks * INTERVAL
        self.ticks += 1
        columns = []
        for name in GAUGES:
            values = tuple(0.9912 + 0.009 * draw() if level > 0.987 else 0.97 * draw() for level in self.levels)
            columns.append(Column(METRICS[f"brimline_container_{name}"], self.subjects, values))
        for name, counts in self.counts.items():
            busy = name in {"memory_refaults_total", "cpu_seconds_total"}
            chance = 1.0 if busy else 0.0002
            self.counts[name] = [c + (10 * draw() if busy else 1) if draw() < chance else c for c in counts]
            columns.append(Column(METRICS[f"brimline_container_{name}"], self.subjects, tuple(self.counts[name])))
        return Snapshot(Now(1e9 + at, at), (SourceReport("cgroup", tuple(columns)),))


class Naive:
    """Every rule of every container, every window read from its beginning; no states, which spares it work."""

    def __init__(self, ruleset: RuleSet) -> None:
        self.rules = ruleset.rules
        self.past: dict[object, list[tuple[int, dict[Subject, float]]]] = {}

    def tick(self, snapshot: Snapshot) -> int:
        """Return how many pairs hold."""
        at, firing = round(snapshot.at.mono * 1000), 0
        now = {column.metric: snapshot.by_subject(column.metric) for column in snapshot.reports[0].columns}
        for metric, values in now.items():
            self.past.setdefault(metric, []).append((at, values))
        for rule in self.rules:
            for subject in snapshot.reports[0].columns[0].subjects:
                firing += rule.selector.matches(subject) and any(
                    all(self._holds(comparison, subject, now, at) for comparison in every)
                    for every in rule.when.alternatives
                )
        return firing

    def _holds(self, comparison, subject, now, at) -> bool:  # type: ignore[no-untyped-def] # noqa: ANN001
        operand = comparison.operand
        if operand.func is None:
            value = now[operand.measure.metric].get(subject)
        else:
            start = at - round(operand.window * 1000)
            inside = [(t, v[subject]) for t, v in self.past[operand.measure.metric] if start < t <= at]
            value = reduce(operand.func, [t for t, _ in inside], [v for _, v in inside], start, at)
        return value is not None and HOLDS[comparison.op](value, comparison.threshold)


def main() -> int:
    """Print the table; exit 1 beyond the gate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--differential", type=int, default=10_000, help="pairs to compare with promtool; 0: none")
    parser.add_argument("--lives", type=int, default=10_000, help="lives of an alert, 50 steps each, beside a model")
    parser.add_argument("--quick", action="store_true", help="500 pairs and 500 lives at most")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.differential, chosen.lives = min(chosen.differential, 500), min(chosen.lives, 500)
    ruleset, world = rules(), World(1)
    evaluator, naive = Evaluator(ruleset, MemoryAlertStore(), Now(1e9, 1000.0)), Naive(ruleset)
    spent, naive_spent, firing = [], [], []
    gc.freeze()
    for number in range(TICKS):
        snapshot = world.snapshot()
        began = time.process_time()
        judgement = evaluator.tick(snapshot)
        spent.append((time.process_time() - began) * 1000)
        firing.append(len(judgement.alerts))
        began = time.process_time()
        if number >= TICKS - 3:
            naive.tick(snapshot)
            naive_spent.append((time.process_time() - began) * 1000)
        else:
            for column in snapshot.reports[0].columns:
                at = round(snapshot.at.mono * 1000)
                naive.past.setdefault(column.metric, []).append((at, snapshot.by_subject(column.metric)))
    settled = spent[TICKS // 2 :]
    median, worst, loop = statistics.median(settled), max(settled), statistics.median(naive_spent)
    share = 100 * statistics.mean(firing[TICKS // 2 :]) / (len(ruleset.rules) * CONTAINERS)
    print(f"{len(ruleset.rules)} rules x {CONTAINERS} containers, {share:.2f} % of the pairs pending or firing")
    print(f"judging a tick   {median:8.1f} ms CPU median, {worst:.1f} worst of {len(settled)} (gate {GATE_MS:.0f})")
    print(f"naive loop       {loop:8.1f} ms CPU: {loop / median:.0f} times ours")
    good = median <= GATE_MS
    if chosen.differential:
        found = compare(seed=int(time.time()), pairs=chosen.differential)
        print(f"differential     {found}")
        print("\n".join(found.differences[:3]))
        good &= not found.differences
    if chosen.lives:
        live(chosen.lives)
        print(f"lives            {chosen.lives} of up to 50 steps, as the model says")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
