"""Changes by key that reach their table sooner or later: what cannot be written now is kept until it can."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

from brimline.journal.writer import Writer

K = TypeVar("K")
V = TypeVar("V")


class Pending(Generic[K, V]):
    """The last change of every key, until it is on the disk; handing one in never waits."""

    def __init__(self, writer: Writer, write: Callable[[sqlite3.Connection, Sequence[tuple[K, V]]], None]) -> None:
        self._writer, self._write = writer, write
        self._changes: dict[K, V] = {}
        self._lock = Lock()
        self._asked = False
        writer.opened.append(self._flush)

    def put(self, changes: Iterable[tuple[K, V]]) -> None:
        """Keep these changes, each in the place of an older one of its key."""
        with self._lock:
            self._changes.update(changes)
        if self._writer.up:
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            if self._asked or not self._changes:
                return
            self._asked = True
        taken: dict[K, V] = {}

        def job(connection: sqlite3.Connection) -> None:
            with self._lock:
                self._asked = False
                taken.update(self._changes)
            self._write(connection, tuple(taken.items()))

        def done(future: Future[None]) -> None:
            failed = future.exception() is not None
            with self._lock:
                if failed:
                    self._asked = False
                    return
                for key, value in taken.items():
                    if self._changes.get(key) is value:
                        del self._changes[key]

        self._writer.submit(job).add_done_callback(done)
