"""The tables, and the steps from every version of them to the next; the file's user_version says where it stands."""

from __future__ import annotations

import sqlite3
from typing import Final

from brimline.errors import JournalError

APPLICATION: Final = 0x42524D4C  # "BRML": tells the file from any other SQLite database

# From nothing to 1. Texts of `lines` are what the hash covers: labels and facts are JSON, as it was written.
_FIRST: Final = (
    """
    CREATE TABLE lines (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        wall REAL NOT NULL,
        boot TEXT NOT NULL,
        mono REAL NOT NULL,
        kind TEXT NOT NULL,
        subject_kind TEXT,
        name TEXT NOT NULL,
        labels TEXT NOT NULL,
        uid TEXT NOT NULL,
        action TEXT NOT NULL,
        decision_id TEXT NOT NULL,
        text TEXT NOT NULL,
        facts TEXT NOT NULL,
        hash BLOB NOT NULL
    )
    """,
    "CREATE INDEX lines_by_kind ON lines (kind, decision_id)",
    """
    CREATE TABLE alerts (
        rule TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        labels TEXT NOT NULL,
        uid TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        phase TEXT NOT NULL,
        since REAL,
        value REAL,
        held REAL,
        lingering INTEGER NOT NULL,
        at REAL,
        PRIMARY KEY (rule, kind, name, labels)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        target TEXT NOT NULL,
        kind TEXT NOT NULL,
        body BLOB NOT NULL,
        created REAL NOT NULL,
        state TEXT NOT NULL,
        tries INTEGER NOT NULL,
        next_at REAL NOT NULL,
        next_mono REAL NOT NULL,
        boot TEXT NOT NULL,
        changed REAL NOT NULL,
        error TEXT NOT NULL
    )
    """,
    "CREATE INDEX outbox_by_state ON outbox (state, changed)",
    """
    CREATE TABLE tallies (
        name TEXT NOT NULL,
        labels TEXT NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (name, labels)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE texts (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE state (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """
    CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        labels TEXT NOT NULL,
        UNIQUE (kind, name, labels)
    )
    """,
    "CREATE TABLE minutes (minute INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    """
    CREATE TABLE hours (
        hour INTEGER NOT NULL,
        series INTEGER NOT NULL,
        step INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (hour, series)
    )
    """,
    "CREATE INDEX hours_by_series ON hours (series, hour)",
)
# From 1 to 2: what the pages ask at every tick. Without it a month's lines are walked through for an hour's deeds.
_SECOND: Final = (
    "CREATE INDEX lines_by_moment ON lines (kind, wall)",
    "CREATE INDEX lines_by_name ON lines (name, subject_kind)",
)
STEPS: Final[tuple[tuple[str, ...], ...]] = (_FIRST, _SECOND)  # the n-th leads from version n to n + 1
VERSION: Final = len(STEPS)


def migrate(connection: sqlite3.Connection) -> int:
    """Bring the file to this version in one transaction; return the version it had. A newer one is refused."""
    connection.execute("BEGIN IMMEDIATE")
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if application != APPLICATION and (found or tables):
        connection.execute("ROLLBACK")
        raise JournalError("it is the database of another program; move it away or write another storage.path")
    if found > VERSION:
        connection.execute("ROLLBACK")
        raise JournalError(
            f"a newer Brimline wrote it (schema {found}, this one knows {VERSION}); start that one, or move it away"
        )
    for step in STEPS[found:]:
        for statement in step:
            connection.execute(statement)
    if found != VERSION:
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
    return found
