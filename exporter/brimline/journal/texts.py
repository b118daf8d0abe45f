"""Texts by key that outlive a restart of Brimline: what was told to whom."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from brimline.errors import JournalError
from brimline.journal.pending import Pending
from brimline.journal.reading import Reader
from brimline.journal.rows import clean
from brimline.journal.writer import Writer


class Texts:
    """What `actions.told` asks for; saving never waits for the disk."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._reader = reader
        self._pending: Pending[str, str | None] = Pending(writer, _write)

    def load(self) -> Mapping[str, str]:
        """Return what was saved last; nothing where it cannot be read."""
        try:
            return dict(self._reader.rows("SELECT key, text FROM texts"))
        except JournalError:
            return {}

    def save(self, changes: Mapping[str, str | None]) -> None:
        """Keep these in the place of their older selves; None: forget it."""
        self._pending.put(changes.items())


def _write(connection: sqlite3.Connection, changes: Sequence[tuple[str, str | None]]) -> None:
    connection.executemany("DELETE FROM texts WHERE key = ?", [(clean(key),) for key, text in changes if text is None])
    kept = [(clean(key), clean(text)) for key, text in changes if text is not None]
    connection.executemany("INSERT OR REPLACE INTO texts VALUES (?, ?)", kept)
