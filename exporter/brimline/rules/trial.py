"""Rules over series: what fires at which moment, and how that differs from what a test expects. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from brimline.model import Alert, Now, Phase, Snapshot
from brimline.rules.alertstore import MemoryAlertStore
from brimline.rules.casefile import Case, Check, Expected
from brimline.rules.evaluator import Evaluator, Judgement
from brimline.rules.filling import Filling, labels_of
from brimline.rules.series import Film, Series
from brimline.rules.terms import RuleSet
from brimline.units import spell_duration


def run(
    rules: RuleSet, series: Sequence[Series], *, interval: int, every: int, until: int
) -> Iterator[tuple[int, Judgement, Snapshot]]:
    """Judge `every` so many milliseconds from 0 to `until`; samples come every `interval`, at their own moments."""
    film = Film(series, interval)
    evaluator = Evaluator(rules, MemoryAlertStore(), Now(0.0, 0.0), most_samples=1 << 40)
    sampled = 0
    for at in range(0, until + 1, every):
        while sampled <= at:
            if (snapshot := film.sampled(sampled)) is not None:
                evaluator.observe(snapshot)
            sampled += interval
        standing = film.standing(at)
        yield at, evaluator.judge(standing), standing


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that does not hold, line by line."""

    where: str
    lines: tuple[str, ...]


def failures(rules: RuleSet, case: Case, every: int) -> Iterator[Failure]:
    """Run one test, and yield each check that does not hold; a moment between two evaluations sees the earlier one."""
    due = sorted(case.checks, key=lambda check: check.at)
    until = due[-1].at if due else 0
    for at, judgement, snapshot in run(rules, case.series, interval=case.interval, every=every, until=until):
        while due and due[0].at < at + every:
            if lines := tuple(_compare(due[0], judgement.alerts, Filling(rules, snapshot), at)):
                yield Failure(due[0].where, (f"{case.name}, at {_at(due[0].at)}: {due[0].alertname}", *lines))
            due.pop(0)


def _compare(check: Check, alerts: Sequence[Alert], filling: Filling, at: int) -> Iterator[str]:
    named = [alert for alert in alerts if alert.alertname == check.alertname]
    firing = [alert for alert in named if alert.phase is Phase.FIRING]
    wanted = Counter(_spelled(expected.labels) for expected in check.alerts)
    got = Counter(_spelled(labels_of(alert)) for alert in firing)
    for text in (wanted - got).elements():
        yield f"  - {text}: expected, but it does not fire{_instead(text, named, at)}"
    for text in (got - wanted).elements():
        found = next(alert for alert in firing if _spelled(labels_of(alert)) == text)
        yield f"  + {text}: fires, but is not expected; value {found.value:g}, {_since(found, at)}"
    for expected in check.alerts:
        for alert in firing:
            if dict(expected.labels) == labels_of(alert):
                yield from _compare_annotations(expected, alert, filling)


def _compare_annotations(expected: Expected, alert: Alert, filling: Filling) -> Iterator[str]:
    if expected.annotations is None:
        return
    got = filling.annotations(alert)
    for name in sorted({*expected.annotations, *got}):
        if expected.annotations.get(name) != got.get(name):
            yield f"  {_spelled(labels_of(alert))}: annotation {name}"
            yield f"    - {expected.annotations.get(name, '(none)')}"
            yield f"    + {got.get(name, '(none)')}"


def _instead(text: str, named: Sequence[Alert], at: int) -> str:
    for alert in named:
        if _spelled(labels_of(alert)) == text and alert.phase is Phase.PENDING:
            return f"; it is pending, {_since(alert, at)}"
    return "" if named else "; neither does any other"


def _since(alert: Alert, at: int) -> str:
    return f"since {_at(round(alert.since * 1000))} ({spell_duration(at / 1000 - alert.since)})"


def _at(milliseconds: int) -> str:
    return spell_duration(milliseconds / 1000)


def _spelled(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{label}="{value}"' for label, value in sorted(labels.items())) + "}"
