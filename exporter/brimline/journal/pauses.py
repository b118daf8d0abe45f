"""What people and other tools asked for: the pauses in force, and requests, each taken once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from brimline.deeds import Entry, EntryKind, Pause, Request
from brimline.errors import JournalError
from brimline.journal import told
from brimline.journal.reading import Reader
from brimline.journal.rows import SELECT, Line, lines
from brimline.model import Clock, Now

STALE_SECONDS: Final = 60.0  # a request that met no daemon for so long is not done any more
CARRIED: Final = "carried"  # fact of a line that prune wrote anew: the number it had; it says nothing new
# The plus keeps SQLite from the index by kind: it would go through all that was ever asked for, at every look.
_ASKED: Final = f"{SELECT} WHERE +kind IN ('paused', 'resumed', 'requested') AND seq > ? ORDER BY seq"
_REMEMBERED: Final = 10_000  # requests; more than the file can hold that were not taken yet


class Pauses:
    """The pauses of a journal: the last word on each glob counts."""

    def __init__(self) -> None:
        self._pauses: dict[str, Line] = {}

    def take(self, written: Line) -> None:
        """Take a line in."""
        if written.entry.kind is EntryKind.RESUMED and CARRIED in written.entry.facts:
            return
        glob = str(written.entry.facts.get("glob") or "")
        match written.entry.kind:
            case EntryKind.PAUSED:
                self._pauses[glob] = written
            case EntryKind.RESUMED if glob:
                self._pauses.pop(glob, None)
            case EntryKind.RESUMED:
                self._pauses.clear()
            case _:
                pass

    def in_force(self, now: Now, boot: str) -> tuple[Pause, ...]:
        """Return those that are not over; one of this boot is counted by the clock that never jumps."""
        return tuple(told.pause_of(written.seen(now, boot)) for written in self._lasting(now, boot))

    def lines(self, now: Now, boot: str) -> frozenset[int]:
        """Return the numbers of the lines that put them into force."""
        return frozenset(written.entry.seq for written in self._lasting(now, boot))

    def _lasting(self, now: Now, boot: str) -> list[Line]:
        return [w for w in self._pauses.values() if _lasts(w, now, same=bool(boot) and w.boot == boot)]


def _lasts(written: Line, now: Now, *, same: bool) -> bool:
    pause = told.pause_of(written.entry)
    if same and pause.seconds is not None:
        return now.mono < pause.since + pause.seconds
    return pause.until is None or now.wall < pause.until


class Asked:
    """Follows the lines in which something is asked for; a call costs next to nothing while nobody writes."""

    def __init__(self, reader: Reader, clock: Clock, boot: str, taken: Callable[[int], None]) -> None:
        self._reader, self._clock, self._boot, self._taken = reader, clock, boot, taken
        self._pauses = Pauses()
        self._requests: list[Request] = []
        self._read = 0  # the last line that was read
        self._begin = 0  # requests up to this line were taken by an earlier life
        self._handed: dict[str, None] = {}  # ids; the file may have been opened anew before that was written
        self._resumed: list[str] = []
        self._heard: set[tuple[str, float]] = set()  # what was resumed, and when
        self._started = False

    def start(self, taken: int) -> Sequence[Entry]:
        """Begin after the last request an earlier life took; return lines about those that are too old."""
        self._pauses, self._requests, self._read, self._begin = Pauses(), [], 0, taken
        now, dropped = self._clock.now(), []
        for request, age in self._look():
            if age <= STALE_SECONDS:
                self._requests.append(request)
            else:
                why = f"nobody took it for {age:.0f} s; ask again"
                dropped.append(told.unanswered(request, now, why))
        if dropped:
            self._taken(self._read)
        if not self._started:  # what was resumed before is in the ledger
            self._resumed, self._started = [], True
        return dropped

    def taken_already(self, request: Request) -> None:
        """Leave this request out: whoever wrote it sees to it."""
        self._keep(request)

    def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force; where the file cannot be read, those known last."""
        self._follow()
        return self._pauses.in_force(self._clock.now(), self._boot)

    def requests(self) -> tuple[Request, ...]:
        """Return what was asked for since the last call."""
        self._follow()
        found, self._requests = tuple(self._requests), []
        if found:
            for request in found:
                self._keep(request)
            self._taken(self._read)
        return found

    def resumed(self) -> tuple[str, ...]:
        """Return the globs that were resumed since the last call."""
        self._follow()
        found, self._resumed = tuple(self._resumed), []
        return found

    def _follow(self) -> None:
        try:
            if self._reader.changed():
                self._requests += [request for request, _ in self._look()]
        except JournalError:  # the writer notices by itself; until then what is known goes on
            pass

    def _look(self) -> list[tuple[Request, float]]:
        now, found = self._clock.now(), []
        for written in lines(self._reader.rows(_ASKED, (self._read,))):
            self._read = written.entry.seq
            if written.entry.kind is not EntryKind.REQUESTED:
                self._hear(written)
                self._pauses.take(written)
                continue
            request = told.request_of(written.entry)
            if request.id in self._handed:
                self._taken(self._read)
            elif self._read > self._begin:
                found.append((request, now.mono - written.seen(now, self._boot).at.mono))
        return found

    def _keep(self, request: Request) -> None:
        self._handed[request.id] = None
        if len(self._handed) > _REMEMBERED:
            del self._handed[next(iter(self._handed))]

    def _hear(self, written: Line) -> None:
        glob = str(written.entry.facts.get("glob") or "")
        known = glob, written.entry.at.mono
        if written.entry.kind is EntryKind.RESUMED and known not in self._heard:
            self._heard.add(known)
            self._resumed.append(glob)
