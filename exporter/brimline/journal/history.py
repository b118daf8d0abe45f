"""The samples by the minute as others read them: of one subject, over a time, with or without a running daemon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from brimline.journal.packing import FIELDS, MINUTES, NOTHING, PAGE, unpack
from brimline.journal.reading import Reader
from brimline.journal.rows import labels_of, labels_text
from brimline.model import Kind, Subject

_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Spread:
    """How one value moved, in bytes, to 4 KiB."""

    least: int
    average: int
    greatest: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One subject over a minute, or over five where older ones were thinned; None: not known."""

    at: int  # wall time at which it begins
    seconds: int
    used: Spread | None
    usage: Spread | None
    limit: Spread | None


def subjects(reader: Reader) -> tuple[Subject, ...]:
    """Return everybody of whom there are samples, without an incarnation."""
    rows = reader.rows("SELECT kind, name, labels FROM series ORDER BY kind, name, labels")
    return tuple(Subject(Kind(kind), name, labels_of(labels), "") for kind, name, labels in rows)


def read(reader: Reader, subject: Subject, since: float, until: float) -> tuple[Sample, ...]:
    """Return the samples that begin within [since, until), oldest first."""
    found = reader.rows(
        "SELECT id FROM series WHERE kind = ? AND name = ? AND labels = ?",
        (str(subject.kind), subject.name, labels_text(subject.labels)),
    )
    if not found:
        return ()
    samples = {sample.at: sample for sample in _hours(reader, found[0][0], since, until)}
    samples |= {sample.at: sample for sample in _minutes(reader, found[0][0], since, until)}
    return tuple(samples[at] for at in sorted(samples) if since <= at < until)


def sample(at: int, seconds: int, fields: Sequence[int]) -> Sample:
    """Return the sample of nine packed fields."""
    return Sample(at, seconds, *(_spread(fields[index : index + 3]) for index in range(0, FIELDS, 3)))


def _spread(words: Sequence[int]) -> Spread | None:
    return None if words[0] == NOTHING else Spread(*(word * PAGE for word in words))


def _hours(reader: Reader, series: int, since: float, until: float) -> Iterator[Sample]:
    rows = reader.rows(
        "SELECT hour, step, data FROM hours WHERE series = ? AND hour >= ? AND hour <= ? ORDER BY hour",
        (series, since // (_SECONDS * MINUTES), until // (_SECONDS * MINUTES)),
    )
    for hour, step, data in rows:
        for index, fields in enumerate(zip(*unpack(data, FIELDS), strict=True)):
            if fields[0] != NOTHING or fields[3] != NOTHING:
                yield sample((hour * MINUTES + index * step) * _SECONDS, step * _SECONDS, fields)


def _minutes(reader: Reader, series: int, since: float, until: float) -> Iterator[Sample]:
    rows = reader.rows(
        "SELECT minute, data FROM minutes WHERE minute >= ? AND minute <= ? ORDER BY minute",
        (since // _SECONDS, until // _SECONDS),
    )
    for minute, data in rows:
        ids, *fields = unpack(data, FIELDS + 1)
        if series in ids:
            place = ids.index(series)
            yield sample(minute * _SECONDS, _SECONDS, [field[place] for field in fields])
