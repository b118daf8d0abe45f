"""What goes when lines are too old or too many: always the oldest ones, from the first line on.

What still means something among them is written anew at the end, and an anchor holds the hash that the chain goes on
from, so that it can be verified from there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from brimline.deeds import Entry, EntryKind
from brimline.journal.appending import append, append_row
from brimline.journal.options import StorageOptions
from brimline.journal.past import OPEN, REMEMBERED, YOUNG, since
from brimline.journal.pauses import CARRIED, Pauses
from brimline.journal.rows import COLUMNS, SELECT, Row, lines
from brimline.model import Now

STEP: Final = 5000  # lines that one transaction removes: others wait for it
_SHARE: Final = 0.5  # of the room; the samples by the minute have the rest
_KINDS: Final = ", ".join(f"'{kind}'" for kind in REMEMBERED)
_YOUNGEST: Final = f"SELECT min(seq) FROM lines WHERE {YOUNG}"  # noqa: S608 - our own clause
_MEANT: Final = f"{SELECT} WHERE seq <= :through AND (kind IN ({_KINDS}) AND {YOUNG} OR {OPEN})"
_PAUSES: Final = f"{SELECT} WHERE kind IN ('paused', 'resumed') ORDER BY seq"
_OUTBOX: Final = (
    "SELECT coalesce(sum(length(body) + 2 * length(id) + length(target) + length(error) + 120), 0) FROM outbox"
)
_FACTS: Final = COLUMNS.index("facts") + 1


def prune(connection: sqlite3.Connection, options: StorageOptions, now: Now, boot: str) -> int:
    """Remove up to STEP lines within this transaction; return by how many lines the file is shorter."""
    first, last = connection.execute("SELECT min(seq), max(seq) FROM lines").fetchone()
    if first is None:
        return 0
    young = connection.execute(_YOUNGEST, since(now, boot, options.keep)).fetchone()[0]
    cut = last if young is None else young - 1
    if used(connection) > options.max_size * _SHARE:
        cut = max(cut, first + (last - first) // 8)
    cut = min(cut, first + STEP - 1, last)
    old = range(first, cut + 1)
    meant = _meant(connection, cut, now, boot) if old else ()
    if old:
        _remove(connection, meant, old, now, boot)
    _give_back(connection)
    return max(0, len(old) - len(meant) - 1)  # 0 where all of it still counts: going on would only turn it round


def used(connection: sqlite3.Connection) -> int:
    """Return the bytes of all pages in use, less the samples and the outbox, which have bounds of their own."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    samples = "SELECT coalesce(sum(length(data)), 0) FROM "
    packed, fresh = (connection.execute(samples + table).fetchone()[0] for table in ("hours", "minutes"))
    waiting = connection.execute(_OUTBOX).fetchone()[0]
    return (pages - free) * size - int(packed) - int(fresh) - int(waiting)


def _give_back(connection: sqlite3.Connection) -> None:
    """Make the file smaller by its free pages; the module steps this pragma once only, which frees one page."""
    free = int(connection.execute("PRAGMA freelist_count").fetchone()[0])
    for _ in range(min(free, STEP)):
        connection.execute("PRAGMA incremental_vacuum(1)")


def _remove(connection: sqlite3.Connection, meant: Sequence[Row], old: range, now: Now, boot: str) -> None:
    """Remove these lines, and write anew at the end what of them is meant to stay."""
    through = old[-1]
    (last,) = connection.execute("SELECT hash FROM lines WHERE seq = ?", (through,)).fetchone()
    count = len(old)
    facts: dict[str, str | int | float | bool | None] = {"removed": count, "through": through}
    facts["hash"] = bytes(last).hex()
    text = f"{count} older line{'s' if count != 1 else ''} removed, through line {through}"
    append(connection, Entry(EntryKind.ANCHOR, now, text, facts=facts), boot)
    for row in meant:
        columns = list(row[1 : len(COLUMNS) + 1])
        known = json.loads(row[_FACTS])
        known[CARRIED] = known.get(CARRIED, row[0])
        columns[_FACTS - 1] = json.dumps(known, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        append_row(connection, tuple(columns))
    connection.execute("DELETE FROM lines WHERE seq <= ?", (through,))


def _meant(connection: sqlite3.Connection, through: int, now: Now, boot: str) -> list[Row]:
    """Return the lines up to `through` that still count: the ledger's, open intents, pauses in force."""
    rows = connection.execute(_MEANT, {"through": through, **since(now, boot)}).fetchall()
    pauses = Pauses()
    for written in lines(connection.execute(_PAUSES)):
        pauses.take(written)
    lasting = pauses.lines(now, boot)
    rows += [row for row in connection.execute(_PAUSES) if row[0] <= through and row[0] in lasting]
    return sorted(rows, key=lambda row: int(row[0]))
