"""How far every alert has come, in the journal's file; saving never waits for the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from brimline.errors import JournalError
from brimline.journal.pending import Pending
from brimline.journal.reading import Reader
from brimline.journal.rows import clean, labels_of, labels_text
from brimline.journal.writer import Writer
from brimline.model import AlertKey, Kind, Phase, StoredAlert

_SELECT: Final = (
    "SELECT rule, kind, name, labels, uid, fingerprint, phase, since, value, held, lingering, at FROM alerts"
)


class Alerts:
    """An AlertStore."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._reader = reader
        self._pending: Pending[AlertKey, StoredAlert | None] = Pending(writer, _write)

    def load(self) -> Sequence[StoredAlert]:
        """Return what was saved last; nothing where it cannot be read."""
        try:
            rows = self._reader.rows(_SELECT)
        except JournalError:
            return ()
        return tuple(
            StoredAlert(
                AlertKey(rule, Kind(kind), name, labels_of(labels)),
                uid,
                fingerprint,
                Phase(phase),
                since,
                float("nan") if value is None else value,
                held,
                bool(lingering),
                at,
            )
            for rule, kind, name, labels, uid, fingerprint, phase, since, value, held, lingering, at in rows
        )

    def save(self, alerts: Sequence[StoredAlert], over: Sequence[AlertKey]) -> None:
        """Keep these in the place of their older selves, and forget those that are over."""
        self._pending.put([(key, None) for key in over] + [(alert.key, alert) for alert in alerts])


def _write(connection: sqlite3.Connection, changes: Sequence[tuple[AlertKey, StoredAlert | None]]) -> None:
    connection.executemany(
        "DELETE FROM alerts WHERE rule = ? AND kind = ? AND name = ? AND labels = ?",
        [_key(key) for key, alert in changes if alert is None],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (*_key(key), clean(a.uid), a.fingerprint, str(a.phase), a.since, a.value, a.held, int(a.lingering), a.at)
            for key, a in changes
            if a is not None
        ],
    )


def _key(key: AlertKey) -> tuple[str, str, str, str]:
    return clean(key.rule), str(key.kind), clean(key.name), labels_text(key.labels)
