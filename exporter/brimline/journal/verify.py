"""Walks the chain from the first line to the last and says which line is the first that is not what was written."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from brimline.journal.chain import GENESIS, link
from brimline.journal.rows import NAMES, SELECT

_WALK: Final = f"{SELECT} ORDER BY seq"
_ANCHORS: Final = "SELECT facts FROM lines WHERE kind = 'anchor' ORDER BY seq DESC"
_WIDTH: Final = len(NAMES.split(", ")) + 1
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Finding:
    """What the walk found."""

    lines: int  # that are as they were written
    first: int = 0
    last: int = 0
    removed: int = 0  # by prune, before the first
    broken: int | None = None  # number of the first line that is not
    found: str = ""  # what is wrong with it


def verify(connection: sqlite3.Connection) -> Finding:
    """Walk through all lines as they are at this moment."""
    connection.execute("BEGIN")
    try:
        return _walk(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _walk(connection: sqlite3.Connection) -> Finding:
    good, first, last = 0, 0, 0
    before: bytes | None = None
    try:
        for row in connection.execute(_WALK):
            seq = int(row[0])
            if before is None:
                before = _start(connection, seq)
                first, last = seq, seq - 1
            fault = _fault(row, before, last)
            if fault:
                return Finding(good, first, last, first - 1, seq, fault)
            good, last, before = good + 1, seq, bytes(row[_WIDTH])
        given = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'lines'").fetchone()
    except sqlite3.Error as error:
        return Finding(good, first, last, max(0, first - 1), last + 1, f"it cannot be read: {error}")
    ended = int(given[0]) if given is not None else 0
    if ended != last:
        missing = (
            f"it is missing; the last line that was written is {ended}" if ended > last else "it was never given out"
        )
        return Finding(good, first, last, max(0, first - 1), last + 1 if ended > last else last, missing)
    return Finding(good, first, last, max(0, first - 1))


def _start(connection: sqlite3.Connection, seq: int) -> bytes | None:
    """Return the hash before the first line: that of nothing, or the one an anchor holds."""
    if seq == 1:
        return GENESIS
    for (text,) in connection.execute(_ANCHORS):
        try:
            facts = json.loads(text)
            if facts.get("through") == seq - 1:
                return bytes.fromhex(facts["hash"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return None


def _fault(row: tuple[Any, ...], before: bytes | None, last: int) -> str:
    seq, written = int(row[0]), row[_WIDTH]
    if before is None:
        return f"no anchor tells of the {seq - 1} lines before it"
    if seq != last + 1:
        return f"it follows line {last}: {seq - last - 1} in between are missing"
    if not isinstance(written, bytes) or len(written) != _HASH_BYTES:
        return "its hash is none"
    if link(before, seq, row[1:_WIDTH]) != written:
        return "it, or the hash of the line before it, is not what was written"
    return ""
