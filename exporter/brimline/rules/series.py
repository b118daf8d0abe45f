"""Series in promtool's notation and the snapshots they make: `0.5+0.1x4 _x3 stale`, and `unknown`, which is ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isnan
from typing import Final, TypeAlias

from brimline.mistakes import did_you_mean
from brimline.model import SUBJECT_LABELS, Column, Kind, Metric, Now, Snapshot, SourceReport, Subject
from brimline.rules.slips import Slip, SlipError

LOOK_BACK: Final = 300_000  # milliseconds for which the last sample holds; Prometheus's default
MOST: Final = 1_000_000  # samples of one series
FAILED: Final = "the test says that it is unknown"


class Mark(Enum):
    """What stands in a series instead of a number."""

    MISSING = "_"  # no sample: the last value holds
    STALE = "stale"  # the series ended
    UNKNOWN = "unknown"  # the source failed


Sample: TypeAlias = float | Mark


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one subject, a sample every interval from 0 on."""

    metric: Metric
    subject: Subject
    extra: tuple[str, ...]  # of a break-down
    samples: tuple[Sample, ...]


_NUMBER: Final = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?[Ii][Nn][Ff]"
_RUN: Final = re.compile(
    rf"({_NUMBER})(?:([+-](?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))?x([0-9]+)", re.ASCII
)
_MARKS: Final = re.compile(r"(_|stale|unknown)(?:x([0-9]+))?", re.ASCII)
_SERIES: Final = re.compile(r"\s*([A-Za-z_:][\w:]*)\s*(?:\{(.*)\})?\s*", re.ASCII | re.DOTALL)
_LABEL: Final = re.compile(
    r"""\s*([A-Za-z_]\w*)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)\s*(,|$)""", re.ASCII
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


def parse_values(text: str) -> tuple[Sample, ...]:
    """Read `1 2+1x3 _ stale unknownx2`; raises SlipError with every word that is none of these."""
    samples: list[Sample] = []
    slips = []
    for word in re.finditer(r"\S+", text):
        try:
            samples += _word(word[0], MOST - len(samples))
        except ValueError as error:
            slips.append(Slip(word.start(), len(word[0]), str(error)))
    if slips:
        raise SlipError(slips)
    return tuple(samples)


def _word(word: str, room: int) -> Iterable[Sample]:
    if found := _MARKS.fullmatch(word):
        mark, times = Mark(found[1]), int(found[2] or 1)
        _fits(times, room)
        return [mark] * times
    if found := _RUN.fullmatch(word):
        value, step, times = float(found[1]), float(found[2] or 0), int(found[3])
        _fits(times + 1, room)
        return _run(value, step, times)
    if re.fullmatch(_NUMBER, word):
        return [float(word)]
    if word.lower() == "nan":
        raise ValueError('"NaN" is no measurement; write "_" where there is no sample, or "stale" at the end')
    if word.startswith("{{"):
        raise ValueError("histograms are no measures; write numbers")
    raise ValueError(f'"{word}" is no sample; write a number, "0+1x10", "_", "stale" or "unknown"')


def _fits(times: int, room: int) -> None:
    if times > room:
        raise ValueError(f"more than {MOST} samples; write fewer")


def _run(value: float, step: float, times: int) -> Iterator[float]:
    """Yield a value and so many after it; added up one by one, as promtool does."""
    for _ in range(times + 1):
        yield value
        value += step


def parse_series(text: str, metrics: Mapping[str, Metric]) -> tuple[Metric, Subject, tuple[str, ...]]:
    """Read `brimline_container_memory_used_ratio{container="a"}`; raises SlipError."""
    found = _SERIES.fullmatch(text)
    if found is None:
        raise SlipError(
            [Slip(0, len(text), "no series; write one such as 'brimline_host_memory_used_ratio' or with {…}")]
        )
    name = found[1]
    kind = next((k for k in Kind if name.startswith(f"brimline_{k}_")), None)
    if name not in metrics or kind is None or metrics[name].labels[: len(SUBJECT_LABELS[kind])] != SUBJECT_LABELS[kind]:
        hint = did_you_mean(name, metrics)
        raise SlipError([Slip(found.start(1), len(name), f'no rule reads "{name}"{hint if "mean" in hint else ""}')])
    metric = metrics[name]
    labels = _labels(found[2] or "", max(found.start(2), 0), metric)
    values = tuple(labels.get(label, "") for label in metric.labels)
    own = len(SUBJECT_LABELS[kind])
    subject = Subject(kind, values[0] if own else str(kind), values[:own], "1")
    return metric, subject, values[own:]


def _labels(text: str, start: int, metric: Metric) -> dict[str, str]:
    labels: dict[str, str] = {}
    slips: list[Slip] = []
    position = 0
    while text[position:].strip():
        found = _LABEL.match(text, position)
        if found is None:
            message = 'no label; write name="value", with a comma between two'
            raise SlipError([*slips, Slip(start + position, len(text) - position, message)])
        label, value = found[1], found[2]
        if label not in metric.labels:
            hint = did_you_mean(label, metric.labels) or "; it has none"
            slips.append(Slip(start + found.start(1), len(label), f'{metric.name} has no label "{label}"{hint}'))
        elif label in labels:
            slips.append(Slip(start + found.start(1), len(label), f'the label "{label}" is written twice; remove one'))
        labels[label] = value[1:-1] if value[0] == "`" else _ESCAPE.sub(_unescaped, value[1:-1])
        position = found.end()
    if slips:
        raise SlipError(slips)
    return labels


def _unescaped(found: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t"}.get(found[1], found[1])


class Film:
    """Series as they pass: what is sampled at a moment, and what stands then. Each metric is a source of its own."""

    def __init__(self, series: Sequence[Series], interval: int) -> None:
        self.interval = interval
        self.length = max((len(one.samples) for one in series), default=0)
        self._series = series
        self._latest = [_latest(one.samples) for one in series]
        self._tuples: dict[tuple[int, ...], tuple[tuple[Subject, ...], tuple[tuple[str, ...], ...] | None]] = {}
        self._metrics: dict[Metric, list[int]] = {}
        for index, one in enumerate(series):
            self._metrics.setdefault(one.metric, []).append(index)

    def sampled(self, at: int) -> Snapshot | None:
        """Return what is sampled at this very moment, None where nothing is."""
        index, rest = divmod(at, self.interval)
        if rest or index >= self.length:
            return None
        return self._snapshot(at, [one.samples[index] if index < len(one.samples) else None for one in self._series])

    def standing(self, at: int) -> Snapshot:
        """Return what stands: samples hold until they are LOOK_BACK old."""
        return self._snapshot(at, [self._stands(which, at) for which in range(len(self._series))])

    def _stands(self, which: int, at: int) -> Sample | None:
        samples, latest = self._series[which].samples, self._latest[which]
        index = min(at // self.interval, len(samples) - 1)
        last = latest[index] if index >= 0 else None
        if last is None:
            return None
        sample = samples[last]
        old = at - last * self.interval >= LOOK_BACK
        return None if old and not isinstance(sample, Mark) else sample

    def _snapshot(self, at: int, samples: Sequence[Sample | None]) -> Snapshot:
        reports = []
        for metric, places in self._metrics.items():
            known = tuple(place for place in places if isinstance(samples[place], float))
            failed = {self._series[p].subject: FAILED for p in places if samples[p] is Mark.UNKNOWN}
            values = tuple(sample for p in known if isinstance(sample := samples[p], float))
            columns: tuple[Column, ...] = ()
            if known:
                subjects, extra = self._subjects(known)
                columns = (Column(metric, subjects, values, extra),)
            reports.append(SourceReport(metric.name, columns, failed=failed))
        return Snapshot(Now(at / 1000, at / 1000), tuple(reports))

    def _subjects(self, known: tuple[int, ...]) -> tuple[tuple[Subject, ...], tuple[tuple[str, ...], ...] | None]:
        """Return the same tuples for the same series, as sources do."""
        if known not in self._tuples:
            subjects = tuple(self._series[place].subject for place in known)
            extra = tuple(self._series[place].extra for place in known)
            self._tuples[known] = (subjects, extra if any(extra) else None)
        return self._tuples[known]


def _latest(samples: Sequence[Sample]) -> list[int | None]:
    """Return, for each place, where the last sample that says something stands."""
    last, found = None, list[int | None]()
    for index, sample in enumerate(samples):
        if sample is not Mark.MISSING and not (isinstance(sample, float) and isnan(sample)):
            last = index
        found.append(last)
    return found
