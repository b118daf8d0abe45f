"""Lines of the journal for whoever shows them: the newest first, a page at a time, chosen by what they are about."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from brimline.deeds import Entry, EntryKind
from brimline.errors import JournalError
from brimline.journal.file import NAME, sentence
from brimline.journal.reading import open_reading
from brimline.journal.rows import SELECT, clean, line
from brimline.model import Kind


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines; None and () choose nothing by that."""

    limit: int = 100
    before: int | None = None  # the number of a line: only older ones
    kinds: tuple[EntryKind, ...] = ()
    subject_kind: Kind | None = None
    name: str | None = None  # of the subject, whatever its incarnation
    action: str | None = None
    since: float | None = None  # wall time, included
    until: float | None = None  # wall time, excluded


def read(directory: Path, wanted: Wanted) -> tuple[Entry, ...]:
    """Return the lines as they were written."""
    terms = list(_terms(wanted))
    where = f" WHERE {' AND '.join(term for term, _ in terms)}" if terms else ""
    values = [value for _, found in terms for value in found]
    try:
        with closing(open_reading(directory)) as connection:
            rows = connection.execute(f"{SELECT}{where} ORDER BY seq DESC LIMIT ?", (*values, wanted.limit)).fetchall()
    except sqlite3.Error as error:
        raise JournalError(sentence(directory / NAME, error)) from None
    except OSError as error:
        raise JournalError(f"{directory / NAME}: {(error.strerror or str(error)).lower()}") from None
    try:
        return tuple([line(row).entry for row in rows])
    except (ValueError, KeyError, TypeError):
        raise JournalError(f"{directory / NAME}: a line is damaged; see brimline journal verify") from None


def _terms(wanted: Wanted) -> Iterator[tuple[str, tuple[object, ...]]]:
    if wanted.before is not None:
        yield "seq < ?", (wanted.before,)
    if wanted.kinds:
        # Without a moment the plus keeps SQLite from the index by kind: it would sort all that was ever written of it.
        kind = "kind" if wanted.since is not None else "+kind"
        yield f"{kind} IN ({', '.join('?' * len(wanted.kinds))})", tuple(map(str, wanted.kinds))
    if wanted.subject_kind is not None:
        yield "subject_kind = ?", (str(wanted.subject_kind),)
    if wanted.name is not None:
        yield "name = ?", (clean(wanted.name),)
    if wanted.action is not None:
        yield "action = ?", (clean(wanted.action),)
    if wanted.since is not None:
        yield "wall >= ?", (wanted.since,)
    if wanted.until is not None:
        yield "wall < ?", (wanted.until,)
