"""Counters that outlive a restart of Brimline: the last value by name and labels."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from brimline.errors import JournalError
from brimline.journal.pending import Pending
from brimline.journal.reading import Reader
from brimline.journal.rows import clean, labels_of, labels_text
from brimline.journal.writer import Writer

Key = tuple[str, tuple[str, ...]]  # the counter's name, and its labels' values


class Tallies:
    """Values by name and labels; saving never waits for the disk."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._reader = reader
        self._pending: Pending[Key, float | None] = Pending(writer, _write)

    def load(self) -> Mapping[Key, float]:
        """Return every value saved last; nothing where it cannot be read."""
        try:
            rows = self._reader.rows("SELECT name, labels, value FROM tallies")
        except JournalError:
            return {}
        return {(name, labels_of(labels)): value for name, labels, value in rows}

    def save(self, values: Mapping[Key, float], over: Sequence[Key] = ()) -> None:
        """Keep these values, and forget those whose subject is gone for good."""
        self._pending.put([(key, None) for key in over] + list(values.items()))


def _write(connection: sqlite3.Connection, changes: Sequence[tuple[Key, float | None]]) -> None:
    rows = [(clean(name), labels_text(labels), value) for (name, labels), value in changes]
    connection.executemany(
        "DELETE FROM tallies WHERE name = ? AND labels = ?", [row[:2] for row in rows if row[2] is None]
    )
    connection.executemany(
        "INSERT OR REPLACE INTO tallies VALUES (?, ?, ?)", [row for row in rows if row[2] is not None]
    )
