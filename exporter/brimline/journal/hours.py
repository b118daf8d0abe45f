"""Samples in the file: a row a minute for all series, after an hour or two a row an hour for each, within a bound.

Kept are 7 days. Where they take more than their room, hours older than a day are thinned to five minutes, the oldest
first; where that is not enough, the oldest hours go.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from brimline.journal.packing import FIELDS, MINUTES, Words, hours, pack, thinned, unpack, words
from brimline.journal.rows import clean, labels_text

KEPT_HOURS: Final = 7 * 24
THIN_STEP: Final = 5
_FRESH_HOURS: Final = 1  # whole hours that stay as minutes: the last hour is read at the start
_THIN_AFTER: Final = 24
_AT_ONCE: Final = 4000  # rows thinned in one transaction

Key = tuple[str, str, tuple[str, ...]]  # kind, name, labels


class Hours:
    """The samples' three tables, as the writer's thread keeps them."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._ids: dict[Key, int] = {}

    def forget(self) -> None:
        """Forget what was known of the file: another one may have been opened."""
        self._ids = {}

    def write(self, connection: sqlite3.Connection, minute: int, keys: Sequence[Key], fields: Sequence[Words]) -> None:
        """Write one minute, and keep house: one hour at a time is packed, one portion thinned."""
        ids = words(self._id(connection, key) for key in keys)
        data = pack([ids, *fields])
        connection.execute("INSERT OR REPLACE INTO minutes VALUES (?, ?)", (minute, data))
        hour = minute // MINUTES
        if self._pack_hour(connection, hour):
            connection.execute("DELETE FROM hours WHERE hour < ?", (hour - KEPT_HOURS,))
            self._forget_series(connection)
        self._keep_to_room(connection, hour)

    def _id(self, connection: sqlite3.Connection, key: Key) -> int:
        if (known := self._ids.get(key)) is not None:
            return known
        kind, name, labels = key
        columns = (kind, clean(name), labels_text(labels))
        found = connection.execute(
            "SELECT id FROM series WHERE kind = ? AND name = ? AND labels = ?", columns
        ).fetchone()
        if found is None:
            found = connection.execute(
                "INSERT INTO series (kind, name, labels) VALUES (?, ?, ?) RETURNING id", columns
            ).fetchone()
        self._ids[key] = int(found[0])
        return self._ids[key]

    def _pack_hour(self, connection: sqlite3.Connection, hour: int) -> bool:
        first = connection.execute("SELECT min(minute) FROM minutes").fetchone()[0]
        if first is None or first // MINUTES >= hour - _FRESH_HOURS:
            return False
        begin = first // MINUTES * MINUTES
        bounds = (begin, begin + MINUTES - 1)
        rows = connection.execute("SELECT minute, data FROM minutes WHERE minute BETWEEN ? AND ?", bounds).fetchall()
        packed = hours({minute - begin: data for minute, data in rows})
        connection.executemany(
            "INSERT OR REPLACE INTO hours VALUES (?, ?, 1, ?)",
            [(begin // MINUTES, series, data) for series, data in packed.items()],
        )
        connection.execute("DELETE FROM minutes WHERE minute BETWEEN ? AND ?", bounds)
        return True

    def _forget_series(self, connection: sqlite3.Connection) -> None:
        """Let the names go that no sample is left of."""
        rows = connection.execute("SELECT data FROM minutes").fetchall()
        fresh = {series for (data,) in rows for series in unpack(data, FIELDS + 1)[0]}
        packed = {series for (series,) in connection.execute("SELECT DISTINCT series FROM hours")}
        known = {series for (series,) in connection.execute("SELECT id FROM series")}
        connection.executemany("DELETE FROM series WHERE id = ?", [(one,) for one in known - fresh - packed])
        self._ids = {}

    def _keep_to_room(self, connection: sqlite3.Connection, hour: int) -> None:
        taken = connection.execute("SELECT coalesce(sum(length(data)), 0) FROM hours").fetchone()[0]
        if taken <= self._room:
            return
        rows = connection.execute(
            "SELECT rowid, data FROM hours WHERE hour < ? AND step = 1 ORDER BY hour LIMIT ?",
            (hour - _THIN_AFTER, _AT_ONCE),
        ).fetchall()
        for rowid, data in rows:
            connection.execute(
                "UPDATE hours SET step = ?, data = ? WHERE rowid = ?", (THIN_STEP, thinned(data, THIN_STEP), rowid)
            )
        if not rows:
            connection.execute("DELETE FROM hours WHERE hour = (SELECT min(hour) FROM hours)")
