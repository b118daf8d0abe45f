"""The one way in which a line gets into the file: within a transaction, chained to the last one, whoever wrote that."""

from __future__ import annotations

import sqlite3
from typing import Final

from brimline.deeds import Entry
from brimline.journal.chain import GENESIS, link
from brimline.journal.rows import COLUMNS, NAMES, Row, columns

_INSERT: Final = f"INSERT INTO lines (seq, {NAMES}, hash) VALUES (?, {', '.join('?' * len(COLUMNS))}, ?)"  # noqa: S608 - our names


def append(connection: sqlite3.Connection, entry: Entry, boot: str) -> int:
    """Write one line; return its number."""
    return append_row(connection, columns(entry, boot))


def append_row(connection: sqlite3.Connection, row: Row) -> int:
    """Write one line as its columns are; return its number."""
    last = connection.execute("SELECT seq, hash FROM lines ORDER BY seq DESC LIMIT 1").fetchone()
    seq, before = (last[0] + 1, last[1]) if last is not None else (1, GENESIS)
    connection.execute(_INSERT, (seq, *row, link(before, seq, row)))
    return int(seq)
