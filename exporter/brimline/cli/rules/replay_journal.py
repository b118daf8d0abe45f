"""History from the journal's own samples: of each minute the greatest use against the least limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from brimline.journal import history
from brimline.journal.history import Sample
from brimline.journal.reading import Reader
from brimline.model import Kind, Metric, Subject
from brimline.procfs import parse_meminfo
from brimline.rules.replay import Moment
from brimline.sources import cgroup, process

_AT_ONCE: Final = 6 * 3600.0  # seconds of all subjects that are held at once


@dataclass(frozen=True, slots=True)
class Span:
    """Which time is read, and how much memory the host has: a limit as large as that is none."""

    end: float
    back: float
    host: float | None


def moments_of_journal(where: Path, asked: Span) -> Iterator[Moment]:
    """Yield what the journal holds, in the order of time; raises JournalError."""
    with closing(Reader(where, lambda: 1)) as reader:
        subjects = [replace(subject, uid=subject.name) for subject in history.subjects(reader)]
        since = asked.end - asked.back
        while since < asked.end:
            until = min(since + _AT_ONCE, asked.end)
            moments: dict[float, dict[Metric, dict[Subject, float]]] = {}
            for subject in subjects:
                for sample in history.read(reader, subject, since, until):
                    values = moments.setdefault(float(sample.at + sample.seconds), {})
                    for metric, value in _values(subject, sample, asked.host).items():
                        values.setdefault(metric, {})[subject] = value
            for at in sorted(moments):
                yield Moment(at, moments[at])
            since = until


def memory_of(procfs: str) -> float | None:
    """Return this host's memory; None where it cannot be read."""
    try:
        total = parse_meminfo(Path(procfs, "meminfo").read_bytes(), ["MemTotal"]).get("MemTotal")
    except (OSError, ValueError):
        return None
    return None if total is None else float(total)


def _values(subject: Subject, sample: Sample, host: float | None) -> Mapping[Metric, float]:
    used, usage = (None if spread is None else float(spread.greatest) for spread in (sample.used, sample.usage))
    limit = None if sample.limit is None else float(sample.limit.least)
    if subject.kind is Kind.PROCESS:
        held = usage if used is None else used  # PSS, where it was measured
        found = {process.MEMORY_PSS: used, process.MEMORY_RSS: usage, process.MEMORY_LIMIT: limit}
        ratio = process.MEMORY_USED_RATIO
    else:
        held, kind = used, subject.kind
        found = {
            cgroup.MEMORY_USED_BYTES[kind]: used,
            cgroup.MEMORY_USAGE_BYTES[kind]: usage,
            cgroup.MEMORY_LIMIT_BYTES[kind]: limit,
            cgroup.LIMITED[kind]: None if limit is None else float(host is None or limit < host),
        }
        ratio = cgroup.MEMORY_USED_RATIO[kind]
    found[ratio] = held / limit if held is not None and limit else None
    return {metric: value for metric, value in found.items() if value is not None}
