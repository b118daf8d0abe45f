"""Random rules with random series: what a person could write, and often enough exactly at a threshold or an edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from differential.naive import Compare, Plan, Samples

RATIO, BYTES, COUNTER, SECONDS = "memory_used_ratio", "memory_used_bytes", "memory_oom_kills_total", "cpu_seconds_total"
OTHERS = ("memory_pressure_full_ratio", "memory_limit_hits_total", "processes", "memory_anon_bytes")
COUNTERS = frozenset({COUNTER, SECONDS, "memory_limit_hits_total"})
LEVEL = "memory_threshold_ratio"
RATIOS = (0.0, 0.25, 0.5, 0.7, 0.75, 0.8, 0.8001, 0.85, 0.9, 0.95, 1.0)
MIB = 1 << 20


@dataclass
class Pair:
    """One rule in Brimline's words, as the plain model reads it, and its series by measure."""

    alert: str
    container: str
    text: dict[str, object]
    plan: Plan
    series: dict[str, str] = field(default_factory=dict)  # measure (or measure@level) -> promtool's notation
    samples: dict[str, Samples] = field(default_factory=dict)


@dataclass
class Batch:
    """Pairs that share one test file: sample and evaluation interval in milliseconds."""

    interval: int
    every: int
    until: int
    pairs: list[Pair]

    @property
    def times(self) -> range:
        return range(0, self.until + 1, self.every)


def batch(random: Random, number: int, size: int) -> Batch:
    interval = random.choice((5, 7, 10, 11, 13, 15, 20, 30, 45, 60)) * 1000
    every = random.choice((interval, interval, interval, 2 * interval, 3 * interval, 10_000, 17_000, 30_000))
    count = random.randint(20, 60)
    until = min(every * 80, interval * (count + 5) + random.choice((0, 330_000)))
    pairs = [pair(random, f"{number}x{index}", interval, every, count) for index in range(size)]
    return Batch(interval, every, until // every * every, pairs)


def pair(random: Random, name: str, interval: int, every: int, count: int) -> Pair:
    shape = random.random()  # alternatives and lists hold no comparison twice: that is refused
    measures = random.sample((RATIO, BYTES, COUNTER, SECONDS, *OTHERS), 3, counts=(4, 1, 2, 1, 1, 1, 1, 1))
    measures = list(dict.fromkeys([*measures, BYTES, COUNTER, SECONDS]))[:3]
    alternatives: tuple[tuple[Compare, ...], ...]
    if shape < 0.6:
        alternatives = ((compare(random, measures[0], interval),),)
    elif shape < 0.8:
        alternatives = (tuple(compare(random, measure, interval) for measure in measures[:2]),)
    elif shape < 0.9:
        alternatives = tuple((compare(random, measure, interval),) for measure in measures[:2])
    else:
        alternatives = (
            tuple(compare(random, measure, interval) for measure in measures[:2]),
            (compare(random, measures[2], interval),),
        )
    clear = None
    if shape < 0.8 and random.random() < 0.5:
        clear = clearing(random, alternatives[0][0])
    hold, keep = (random.choice((0, 0, every, 2 * every, every * 3 // 2, 5 * every, 1)) for _ in range(2))
    plan = Plan(alternatives, clear, hold, keep)
    container = f"c{name}"
    found = Pair(f"A{name}", container, {}, plan)
    found.text = rule_text(random, found)
    used = {c.measure for alternative in alternatives for c in alternative}
    for measure in used:
        if random.random() < 0.97:  # else it is absent for ever
            add(random, found, measure, interval, count)
    for level in {c.level.partition("@")[2] for a in alternatives for c in a if c.level}:
        found.series[f"{LEVEL}@{level}"], found.samples[f"{LEVEL}@{level}"] = levels(random, interval, count + 60)
    return found


def compare(random: Random, measure: str, interval: int) -> Compare:
    func, window = "", 0
    if measure in COUNTERS and random.random() < 0.75:
        func = random.choice(("increase", "rate"))
    elif measure not in COUNTERS and random.random() < 0.3:
        func = random.choice(("max", "min", "avg"))
    if func:
        window = random.choice((interval // 2, interval, 2 * interval, interval * 7 // 2, 5 * interval, 61_000, 90_000))
    op = random.choice((">", ">", ">", ">=", "<", "<=", "==", "!="))
    if measure == RATIO and op in {">", ">=", "<"} and random.random() < 0.2:
        return Compare(measure, op, 0.0, func, window, f"{LEVEL}@{random.choice(('alert', 'restart'))}")
    return Compare(measure, op, threshold(random, measure, func), func, window)


def threshold(random: Random, measure: str, func: str) -> float:
    if measure in {RATIO, "memory_pressure_full_ratio"}:
        return random.choice(RATIOS[1:-1])
    if measure in {BYTES, "memory_anon_bytes"}:
        return random.randint(1, 9) * 100 * MIB
    if func == "rate":
        return random.choice((0.0, 0.05, 0.1, 0.2, 0.5, 1.0))
    return float(random.choice((0, 1, 2, 3, 5, 8)))


def clearing(random: Random, when: Compare) -> Compare | None:
    """A second threshold on the safe side of the first."""
    if when.op not in {">", ">=", "<", "<="} or when.level:
        return None
    above = when.op in {">", ">="}
    if when.measure in {RATIO, "memory_pressure_full_ratio"}:
        beyond = [r for r in RATIOS if (r < when.threshold if above else r > when.threshold) and 0 < r < 1]
        second = random.choice(beyond) if beyond else None
    elif when.measure in {BYTES, "memory_anon_bytes"}:
        second = when.threshold - 50 * MIB if above else when.threshold + 50 * MIB
    else:
        second = when.threshold / 2 if above and when.threshold > 1 and when.func == "rate" else None
    if second is None:
        return None
    return Compare(when.measure, random.choice(("<", "<=") if above else (">", ">=")), second, when.func, when.window)


def rule_text(random: Random, made: Pair) -> dict[str, object]:
    plan, name = made.plan, made.container
    where = random.choice((name, f"{name[:-1]}[{name[-1]}]"))
    found: dict[str, object] = {"alert": made.alert, "on": "container", "where": {"container": where}}
    lists = [[spelled(c) for c in alternative] for alternative in plan.when]
    if len(lists) > 1:
        found["any"] = [one[0] if len(one) == 1 else one for one in lists]
    else:
        found["when"] = lists[0][0] if len(lists[0]) == 1 else lists[0]
    if plan.clear is not None:
        found["clear"] = spelled(plan.clear)
    if plan.hold:
        found["for"] = f"{plan.hold}ms"
    if plan.keep:
        found["keep_firing_for"] = f"{plan.keep}ms"
    if random.random() < 0.5:
        found["severity"] = "critical"
    if random.random() < 0.3:
        found["labels"] = {"team": "ml"}
    return found


def spelled(c: Compare) -> str:
    left = f"{c.func}({c.measure}, {c.window}ms)" if c.func else c.measure
    if c.level:
        return f"{left} {c.op} {c.level.partition('@')[2]}_at"
    if c.measure in {RATIO, "memory_pressure_full_ratio"}:
        return f"{left} {c.op} {c.threshold * 100:.10g}%"
    if c.measure in {BYTES, "memory_anon_bytes"}:
        return f"{left} {c.op} {int(c.threshold)}B"
    if c.measure == SECONDS:
        quantity = f"{c.threshold * 100:g}%" if c.func == "rate" else f"{int(c.threshold * 1000)}ms"
        return f"{left} {c.op} {quantity}"
    return f"{left} {c.op} {c.threshold:g}" + ("/s" if c.func == "rate" else "")


def add(random: Random, made: Pair, measure: str, interval: int, count: int) -> None:
    made.series[measure], made.samples[measure] = notation(random, measure, interval, count)


def levels(random: Random, interval: int, count: int) -> tuple[str, Samples]:
    first, second = random.choice((0.7, 0.8, 0.85)), random.choice((0.75, 0.8, 0.9))
    half = count // 2
    text = f"{first}x{half} {second}x{count - half}"
    values = [first] * (half + 1) + [second] * (count - half + 1)
    return text, [(i * interval, v) for i, v in enumerate(values)]


def notation(random: Random, measure: str, interval: int, count: int) -> tuple[str, Samples]:
    """Words of promtool's notation, and the samples they mean."""
    words: list[str] = []
    tokens: list[float | str] = []
    value = start(random, measure)
    while len(tokens) < count:
        kind = random.random()
        if kind < 0.08:
            times = random.randint(1, 3)
            words.append(f"_x{times}" if times > 1 else "_")
            tokens += ["_"] * times
        elif kind < 0.1:
            times = random.choice((5, 300_000 // interval, 300_000 // interval + 1))
            words.append(f"_x{times}")
            tokens += ["_"] * times
        elif kind < 0.14:
            words.append("stale")
            tokens.append("stale")
        elif kind < 0.3:
            step, times = stride(random, measure), random.randint(1, 5)
            sign = "-" if step < 0 else "+"
            words.append(f"{value!r}{sign}{abs(step)!r}x{times}")
            for _ in range(times + 1):
                tokens.append(value)
                value += step
            value = following(random, measure, value)
        elif kind < 0.4:
            times = random.randint(1, 4)
            words.append(f"{value!r}x{times}")
            tokens += [value] * (times + 1)
            value = following(random, measure, value)
        else:
            words.append(repr(value))
            tokens.append(value)
            value = following(random, measure, value)
    said = [(index * interval, one) for index, one in enumerate(tokens) if one != "_"]
    return " ".join(words), [(at, None if isinstance(one, str) else one) for at, one in said]


def start(random: Random, measure: str) -> float:
    if measure in COUNTERS:
        return float(random.choice((0, 0, 1, 7, 100)))
    return following(random, measure, 0.5)


def following(random: Random, measure: str, value: float) -> float:
    if measure in {RATIO, "memory_pressure_full_ratio"}:
        return random.choice(RATIOS) if random.random() < 0.6 else value
    if measure in {BYTES, "memory_anon_bytes"}:
        return float(random.randint(0, 20) * 50 * MIB)
    if measure == "processes":
        return float(random.randint(0, 9))
    if random.random() < 0.1:
        return float(random.choice((0, 0, 1)))  # a reset
    return value + (random.random() if measure == SECONDS else random.choice((0, 0, 0, 1, 2, 5)))


def stride(random: Random, measure: str) -> float:
    if measure in {RATIO, "memory_pressure_full_ratio"}:
        return random.choice((0.01, 0.025, 0.05))
    if measure in {BYTES, "memory_anon_bytes"}:
        return float(25 * MIB)
    return random.choice((0.0, 1.0, 2.0))
