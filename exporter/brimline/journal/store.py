"""The journal as the rest sees it: a file, its writer, and what is read of it; `open` never raises, it may be down."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from brimline.deeds import Decision, Entry, EntryKind, Fate, Ledger, Outcome, Pause, Request
from brimline.errors import JournalError
from brimline.journal import lines, past, told
from brimline.journal.alerts import Alerts
from brimline.journal.appending import append
from brimline.journal.file import NAME, Lock, make_directory, open_checked, sentence
from brimline.journal.history import Sample
from brimline.journal.hours import Key
from brimline.journal.minutes import Measure, Minutes, Trace
from brimline.journal.options import StorageOptions
from brimline.journal.outbox import OutboxTable
from brimline.journal.pauses import Asked
from brimline.journal.pending import Pending
from brimline.journal.prune import prune
from brimline.journal.reading import Reader
from brimline.journal.tallies import Tallies
from brimline.journal.texts import Texts
from brimline.journal.writer import RETRY_SECONDS, Trouble, Writer
from brimline.model import Clock, Metric, Now, Subject

_TAKEN: Final = "taken"
_SAMPLES_SHARE: Final = 2  # half of the room is for samples, the other half for everything else
_PRUNE_SECONDS: Final = 600.0


class JournalFile:
    """The journal in a directory. `boot` names this boot of the machine, whose clock `mono` is."""

    def __init__(
        self,
        options: StorageOptions,
        clock: Clock,
        boot: str,
        *,
        measures: Mapping[Metric, Measure] | None = None,
        retry: float = RETRY_SECONDS,
    ) -> None:
        self._options, self._clock, self._boot = options, clock, boot
        self._directory = Path(options.path)
        self._path = self._directory / NAME
        self._lock = Lock(self._directory)
        self._inode = 0
        self._writer = Writer(self._open, self._current, lambda error: sentence(self._path, error), retry=retry)
        self._reader = Reader(self._directory, lambda: self._writer.generation)
        self._taken: Pending[str, int] = Pending(self._writer, _write_state)
        self._asked = Asked(self._reader, clock, boot, lambda seq: self._taken.put([(_TAKEN, seq)]))
        self._followed = 0  # the opening that was read last
        self._pruned = clock.now().mono
        self.alerts = Alerts(self._writer, self._reader)
        self.tallies = Tallies(self._writer, self._reader)
        self.texts = Texts(self._writer, self._reader)
        self.minutes = Minutes(self._writer, self._reader, measures or {}, options.max_size // _SAMPLES_SHARE)
        self.outbox = OutboxTable(self._writer, self._reader, clock, boot)

    @property
    def up(self) -> bool:
        """Tell whether it can be written now."""
        return self._writer.up

    @property
    def why(self) -> str:
        """Return a sentence about why it is down; empty while it is up."""
        return self._writer.why

    @property
    def openings(self) -> int:
        """Return how often it was opened: 0 is never, and what is read of it then is nothing."""
        return self._writer.generation

    @property
    def lost(self) -> int:
        """Return how many lines were lost."""
        return self._writer.lost

    def open(self) -> None:
        """Open it, or leave it down with a sentence; what is wrong is looked at again every few seconds."""
        self._writer.start()
        self._follow()

    def close(self) -> None:
        """Write what waits and let the file go."""
        self.minutes.save()
        self._reader.close()  # first: only a last connection that may write tidies up the files beside the journal
        self._writer.close()
        self._lock.release()

    async def intend(self, decision: Decision) -> None:
        """Return once the intent is on the disk."""
        await self._written(told.intent(decision, self._clock.now()))

    async def conclude(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Return once the outcome is on the disk; it is written even if nobody waits for that any more."""
        await self._written(told.outcome(decision, outcome, fate, self._clock.now()), stays=True)

    def note(self, entry: Entry) -> None:
        """Write a line soon, in order; while the journal is down it is lost, and counted.

        A request written here is taken already by whoever writes it: `requests` leaves it out.
        """
        if entry.kind is EntryKind.REQUESTED:
            self._asked.taken_already(told.request_of(entry))
        self._writer.post(lambda connection: append(connection, entry, self._boot), lines=1)

    def ledger(self, now: Now) -> Ledger:
        """Return the deeds of the last day; nothing where the file cannot be read."""
        try:
            return past.ledger(self._reader, now, self._boot)
        except JournalError:
            return Ledger()

    def open_intents(self) -> Sequence[Decision]:
        """Return what was begun and never concluded."""
        try:
            return past.open_intents(self._reader, self._clock.now(), self._boot)
        except JournalError:
            return ()

    def last_life(self) -> Sequence[tuple[Decision, Outcome, Fate]]:
        """Return what was concluded since the last daemon started: to be asked for before this one says so."""
        try:
            return past.last_life(self._reader, self._clock.now(), self._boot)
        except JournalError:
            return ()

    def pauses(self) -> Sequence[Pause]:
        """Return the pauses in force; cheap where nothing changed."""
        self._follow()
        return self._asked.pauses()

    def resumed(self) -> Sequence[str]:
        """Return the globs resumed since the last call; what was before the start is in the ledger."""
        self._follow()
        return self._asked.resumed()

    def requests(self) -> Sequence[Request]:
        """Return what was asked for since the last call; nothing while no answer could be written."""
        self._follow()
        return self._asked.requests() if self.up else ()

    def recent(self, subject: Subject) -> tuple[Sample, ...]:
        """Return the samples of the last hour, oldest first, whatever the incarnation."""
        return self.minutes.recent(subject)

    def hour(self) -> dict[Key, Trace]:
        """Return the last hour of everybody."""
        return self.minutes.hour()

    def lines(self, wanted: lines.Wanted) -> tuple[Entry, ...]:
        """Return lines, the newest first; with a connection of its own, so that it may be called in any thread."""
        return lines.read(self._directory, wanted)

    def prune(self) -> None:
        """Let what is too old or too much go: called every tick, it looks every ten minutes."""
        now = self._clock.now()
        if now.mono - self._pruned < _PRUNE_SECONDS:
            return
        self._pruned = now.mono

        def job(connection: sqlite3.Connection) -> None:
            if prune(connection, self._options, now, self._boot):
                self._writer.post(job)

        self._writer.post(job)

    async def _written(self, entry: Entry, *, stays: bool = False) -> None:
        job = self._writer.submit(lambda connection: append(connection, entry, self._boot), stays=stays)
        await asyncio.wrap_future(job)

    def _current(self) -> None:
        """Refuse a file that somebody removed or replaced: what is written into it is seen by nobody."""
        try:
            inode = self._path.stat().st_ino
        except OSError:
            inode = -1
        if inode != self._inode:
            raise JournalError(f"{self._path}: it was removed or replaced while it was in use")

    def _open(self, trouble: Trouble | None) -> sqlite3.Connection:
        """Open the file, in the writer's thread, and write down what there is to say about it."""
        make_directory(self._directory)
        try:
            self._lock.take()
        except OSError as error:
            said = (error.strerror or str(error)).lower()
            raise JournalError(f"{self._directory}: {said}; write another storage.path") from None
        now = self._clock.now()
        connection, aside = open_checked(self._directory, now.wall)
        lines = [f"{aside}; a new one begins here"] if aside else []
        if trouble is not None:
            lost = f"; {trouble.lost} lines were lost" if trouble.lost else ""
            lines.append(f"the journal can be written again; it could not: {trouble.why}{lost}")
        try:
            self._inode = self._path.stat().st_ino
            connection.execute("BEGIN IMMEDIATE")
            _write_state(connection, [("opened", now.wall)])
            for text in lines:
                append(connection, Entry(EntryKind.NOTE, now, text), self._boot)
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            connection.close()
            why = sentence(self._path, error) if isinstance(error, sqlite3.Error) else f"{self._path}: {error}"
            raise JournalError(why) from None
        return connection

    def _follow(self) -> None:
        """Begin anew with a file that was opened since the last look."""
        generation = self._writer.generation
        if self._followed == generation:
            return
        with suppress(JournalError):
            rows = self._reader.rows("SELECT value FROM state WHERE key = ?", (_TAKEN,))
            dropped = self._asked.start(int(rows[0][0]) if rows else 0)
            if self._followed == 0:
                self.outbox.load()
                self.minutes.load(self._clock.now().wall)
            else:
                self.outbox.save_again()
            self._followed = generation
            for entry in dropped:
                self.note(entry)


def _write_state(connection: sqlite3.Connection, changes: Sequence[tuple[str, float]]) -> None:
    connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", changes)
