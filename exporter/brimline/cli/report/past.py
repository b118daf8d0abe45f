"""The past as `report` and `plot` read it from the journal's file, with or without a running Brimline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Final

import click

from brimline.cli import asking
from brimline.cli.report.facts import Terms
from brimline.config import Loaded
from brimline.deeds import Entry
from brimline.errors import BrimlineError, JournalError
from brimline.journal import history
from brimline.journal.history import Sample
from brimline.journal.packing import FIELDS, unpack
from brimline.journal.pauses import CARRIED
from brimline.journal.reading import Reader
from brimline.journal.rows import SELECT, labels_of, line
from brimline.levels import LevelBook
from brimline.model import Kind, Subject
from brimline.rulefiles import overrides_of, rules_of
from brimline.rules.terms import Rule

_SECONDS: Final = 60
_MINUTES: Final = "SELECT minute, data FROM minutes WHERE minute >= ? AND minute < ? ORDER BY minute"
_KILLS: Final = "memory_oom_kills_total"
_TOLD: Final = (
    f"{SELECT} WHERE kind IN ('alert', 'outcome', 'observed', 'refused') AND wall >= ? AND wall < ? ORDER BY seq"
)


@contextmanager
def reading(where: Path) -> Iterator[Reader]:
    """Read the journal for the time of the block; what is wrong with it ends the command with a sentence."""
    reader = Reader(where, lambda: 1)
    try:
        yield reader
    except JournalError as error:
        raise click.ClickException(str(error)) from None
    finally:
        reader.close()


@contextmanager
def _understood(reader: Reader) -> Iterator[None]:
    """Call damaged what cannot be understood of what was read; nothing is worked out in the block."""
    try:
        yield
    except asking.DAMAGED:
        raise JournalError(asking.damaged(reader.directory)) from None


def entries(reader: Reader, since: float, until: float) -> Sequence[Entry]:
    """Return what was decided, done and told of, oldest first; what prune wrote anew says nothing new."""
    with _understood(reader):
        found = [line(row).entry for row in reader.rows(_TOLD, (since, until))]
    return [entry for entry in found if CARRIED not in entry.facts]


def subjects(reader: Reader) -> tuple[Subject, ...]:
    """Return everybody of whom there are samples."""
    with _understood(reader):
        return history.subjects(reader)


def samples(reader: Reader, subject: Subject, since: float, until: float) -> tuple[Sample, ...]:
    """Return one subject's samples."""
    with _understood(reader):
        return judged(subject, history.read(reader, subject, since, until))


def pasts(reader: Reader, since: float, until: float) -> Iterator[tuple[Subject, tuple[Sample, ...]]]:
    """Yield everybody's samples, one subject at a time; the minutes, which all share, are unpacked once."""
    rows = reader.rows(_MINUTES, (ceil(since / _SECONDS), ceil(until / _SECONDS)))
    fresh: defaultdict[int, list[Sample]] = defaultdict(list)
    with _understood(reader):
        for minute, data in rows:
            ids, *fields = unpack(data, FIELDS + 1)
            for place, series in enumerate(ids):
                fresh[series].append(history.sample(minute * _SECONDS, _SECONDS, [field[place] for field in fields]))
    edge = rows[0][0] * _SECONDS if rows else until
    for series, kind, name, labels in reader.rows("SELECT id, kind, name, labels FROM series"):
        with _understood(reader):
            subject = Subject(Kind(kind), name, labels_of(labels), "")
            older = history.read(reader, subject, since, edge)
        yield subject, judged(subject, (*older, *fresh.pop(series, ())))


def judged(subject: Subject, samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Return the samples with what rules judge as `used`: of a process group PSS, where nobody reads that its RSS."""
    if subject.kind is not Kind.PROCESS:
        return tuple(samples)
    return tuple([one if one.used is not None else replace(one, used=one.usage, usage=None) for one in samples])


def terms(found: Loaded) -> Terms:
    """Return by what the past is judged: the rules and levels as they are configured now."""
    try:
        rules = rules_of(found)
    except BrimlineError as error:
        raise click.ClickException(str(error)) from None
    book = LevelBook(rules.levels.alert_at, rules.levels.restart_at, overrides_of(found.config))
    return Terms(book, {rule.alert for rule in rules.rules if _is_of_kills(rule)})


def _is_of_kills(rule: Rule) -> bool:
    alternatives = rule.when.alternatives
    return any(c.operand.measure.name == _KILLS for comparisons in alternatives for c in comparisons)
