"""The one thread that writes: what waits becomes one transaction, what fails makes the journal `down` for a while."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

from brimline.errors import JournalError

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

RETRY_SECONDS: Final = 10.0
_TOGETHER: Final = 500  # jobs of one transaction
_MOST_WAITING: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Work(Generic[T]):
    job: Job[T]
    lines: int = 0  # that are lost if it fails and nobody waits
    future: Future[T] = field(default_factory=Future)

    def wanted(self) -> bool:
        return self.future.running() or self.future.set_running_or_notify_cancel()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing could be written, and how many lines were lost meanwhile."""

    why: str
    lost: int


class Writer:
    """Owns the connection. `opening` makes one, in this thread, and is told what went wrong before.

    `current` is asked before each transaction and raises a JournalError where the file is not what was opened.
    """

    def __init__(
        self,
        opening: Callable[[Trouble | None], sqlite3.Connection],
        current: Callable[[], None],
        explain: Callable[[sqlite3.Error], str],
        *,
        retry: float = RETRY_SECONDS,
    ) -> None:
        self.why = "it is not open"
        self.lost = 0
        self.generation = 0  # how often it was opened
        self.opened: list[Callable[[], None]] = []  # called in the thread after each opening
        self._opening, self._current, self._explain, self._retry = opening, current, explain, retry
        self._queue: SimpleQueue[_Work[Any] | None] = SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._lost_now = 0
        self._again = 0.0  # when to open it again while it is down, by the clock that never jumps
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    @property
    def up(self) -> bool:
        """Tell whether what is handed in now is written."""
        return self._connection is not None

    def start(self) -> None:
        """Start the thread; returns after the first attempt to open."""
        self._thread.start()
        self._first.wait()

    def submit(self, job: Job[T], *, stays: bool = False) -> Future[T]:
        """Have the job done; the future is done once it is on the disk, or holds a JournalError.

        Cancelled in time it is not done, unless it stays.
        """
        work = _Work(job)
        if stays:
            work.future.set_running_or_notify_cancel()
        self._put(work)
        return work.future

    def post(self, job: Job[object], *, lines: int = 0) -> None:
        """Have the job done soon; where it cannot be, its lines are counted as lost."""
        self._put(_Work(job, lines))

    def close(self) -> None:
        """Write what waits, then end."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _put(self, work: _Work[Any]) -> None:
        if not self._thread.is_alive():
            self._refuse(work, "it is closed")
        elif self._queue.qsize() >= _MOST_WAITING:
            self._refuse(work, f"{_MOST_WAITING} writes wait for the disk")
        else:
            self._queue.put(work)

    def _refuse(self, work: _Work[Any], why: str) -> None:
        self.lost += work.lines
        self._lost_now += work.lines
        if work.wanted():
            work.future.set_exception(JournalError(why))

    def _run(self) -> None:
        try:
            self._open(None)
            while self._round():
                pass
        finally:  # even where the thread dies of a bug nobody may wait for ever
            self._first.set()
            self._close("it is closed")
            while not self._queue.empty():
                if (work := self._queue.get()) is not None:
                    self._refuse(work, self.why)

    def _round(self) -> bool:
        wait = None if self.up else self._again - time.monotonic()
        if wait is not None and wait <= 0:  # however much is handed in meanwhile
            self._open(Trouble(self.why, self._lost_now))
            return True
        try:
            first = self._queue.get(timeout=wait)
        except Empty:
            return True
        batch = [] if first is None else [first]
        while first is not None and len(batch) < _TOGETHER:
            try:
                work = self._queue.get_nowait()
            except Empty:
                break
            if work is None:
                first = None
            else:
                batch.append(work)
        self._write(batch)
        return first is not None

    def _open(self, trouble: Trouble | None) -> None:
        try:
            self._connection = self._opening(trouble)
        except JournalError as error:
            self.why, self._again = str(error), time.monotonic() + self._retry
        else:
            self.why, self._lost_now = "", 0
            self.generation += 1
            for call in self.opened:
                call()
        self._first.set()

    def _close(self, why: str) -> None:
        self.why, self._again = why, time.monotonic() + self._retry
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _write(self, batch: list[_Work[Any]]) -> None:
        connection = self._connection
        if connection is None:
            for work in batch:
                self._refuse(work, self.why)
            return
        asked = [work for work in batch if work.wanted()]
        results = []
        try:
            self._current()
            connection.execute("BEGIN IMMEDIATE")
            results = [work.job(connection) for work in asked]
            connection.execute("COMMIT")
        except (sqlite3.Error, JournalError) as error:
            self._fail(asked, self._explain(error) if isinstance(error, sqlite3.Error) else str(error))
            return
        except BaseException as error:
            self._fail(asked, f"the writer ended: {type(error).__name__}")
            raise
        for work, result in zip(asked, results, strict=True):
            work.future.set_result(result)

    def _fail(self, asked: list[_Work[Any]], why: str) -> None:
        self._close(why)
        for work in asked:
            self.lost += work.lines
            self._lost_now += work.lines
            work.future.set_exception(JournalError(why))
