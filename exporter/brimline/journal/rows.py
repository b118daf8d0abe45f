"""A line as the table holds it, and back: columns for what is looked up, JSON for the rest. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from brimline.deeds import Entry, EntryKind
from brimline.model import Kind, Now, Subject

COLUMNS: Final = (
    "wall",
    "boot",
    "mono",
    "kind",
    "subject_kind",
    "name",
    "labels",
    "uid",
    "action",
    "decision_id",
    "text",
    "facts",
)
NAMES: Final = ", ".join(COLUMNS)
SELECT: Final = f"SELECT seq, {NAMES}, hash FROM lines"  # noqa: S608 - names of our own columns

Row = tuple[Any, ...]  # as SQLite returns it


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it stands in the file; `entry.at.mono` counts in the boot it was written in."""

    entry: Entry
    boot: str

    def seen(self, now: Now, boot: str) -> Entry:
        """Return the entry with its moment on this boot's clock, which never jumps.

        A line of an earlier boot is as old as the wall clock says, and of age 0 where that clock went back.
        """
        if self.boot == boot and boot:
            return self.entry
        at = self.entry.at
        return replace(self.entry, at=Now(at.wall, now.mono - max(0.0, now.wall - at.wall)))


def columns(entry: Entry, boot: str) -> Row:
    """Return what is stored of an entry, in the order of COLUMNS."""
    subject = entry.subject
    return (
        _number(entry.at.wall),
        clean(boot),
        _number(entry.at.mono),
        str(entry.kind),
        None if subject is None else str(subject.kind),
        "" if subject is None else clean(subject.name),
        labels_text(() if subject is None else subject.labels),
        "" if subject is None else clean(subject.uid),
        clean(entry.action),
        clean(entry.decision_id),
        clean(entry.text),
        _facts(entry.facts),
    )


def line(row: Sequence[Any]) -> Line:
    """Return the line of a row of SELECT; raises ValueError or TypeError where it cannot be read."""
    seq, wall, boot, mono, kind, subject_kind, name, labels, uid, action, decision_id, text, facts, *_ = row
    wall, mono = moment(wall), moment(mono)
    subject = None if subject_kind is None else Subject(Kind(subject_kind), name, labels_of(labels), uid)
    entry = Entry(EntryKind(kind), Now(wall, mono), text, subject, action, decision_id, dict(json.loads(facts)), seq)
    return Line(entry, boot)


def lines(rows: Iterable[Sequence[Any]]) -> list[Line]:
    """Return the lines of rows; one that cannot be read, damaged or of another version, is left out."""
    found = []
    for row in rows:
        with suppress(ValueError, TypeError):
            found.append(line(row))
    return found


def moment(value: float) -> float:
    """Return a moment as it was written; raises ValueError or TypeError where it is none."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no moment")
    return value


def labels_text(labels: Sequence[str]) -> str:
    """Return labels as one column holds them."""
    return json.dumps([clean(label) for label in labels], ensure_ascii=False, separators=(",", ":"))


def labels_of(text: str) -> tuple[str, ...]:
    """Return the labels of a column."""
    return tuple(json.loads(text))


def clean(text: str) -> str:
    r"""Return the text as UTF-8 can hold it: a lone surrogate becomes `\udcff`, which SQLite would refuse."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _number(value: float) -> float:
    return float(value) + 0.0 if math.isfinite(value) else 0.0


def _facts(facts: Mapping[str, str | int | float | bool | None]) -> str:
    kept = {
        clean(key): None
        if isinstance(value, float) and not math.isfinite(value)
        else clean(value)
        if isinstance(value, str)
        else value
        for key, value in facts.items()
    }
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
