"""How a Brimline fares, as far as its journal and the lock beside it tell; nothing is asked of the process itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from brimline.cli import asking
from brimline.deeds import Entry, Pause
from brimline.errors import JournalError
from brimline.journal import told
from brimline.journal.file import LOCK, NAME, daemon_runs
from brimline.journal.packing import FIELDS, unpack
from brimline.journal.past import OPEN
from brimline.journal.pauses import Pauses
from brimline.journal.reading import Reader
from brimline.journal.rows import SELECT, line, moment
from brimline.model import Kind, Now
from brimline.procfs import Procfs

_LAST: Final = 5
_MINUTE: Final = 60
_PAUSED: Final = f"{SELECT} WHERE kind IN ('paused', 'resumed') ORDER BY seq"
_NOTED: Final = "SELECT wall FROM lines WHERE kind = 'note' AND text = ? ORDER BY seq DESC LIMIT 1"
_RECENT: Final = f"{SELECT} WHERE kind IN ('outcome', 'observed') ORDER BY seq DESC LIMIT {_LAST}"
_UNDER_WAY: Final = f"{SELECT} WHERE {OPEN} ORDER BY seq"
_FIRING: Final = "SELECT rule, kind, name, since FROM alerts WHERE phase = 'firing' ORDER BY since"


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that fires, or fired when Brimline ended."""

    alertname: str
    labels: str  # of the rule: `severity=critical`
    kind: Kind
    name: str
    since: float  # wall time


@dataclass(frozen=True, slots=True)
class Status:
    """Everything there is to say; with `trouble` the journal could not be read."""

    runs: bool
    pid: int | None = None
    trouble: str = ""
    started: float | None = None  # wall time of the last start
    lines: int = 0
    size: int = 0  # bytes of the journal, with what SQLite keeps beside it
    written: float | None = None  # wall time of the last line or sample
    measured: tuple[tuple[Kind, int], ...] = ()  # in the last minute that was written
    pauses: tuple[Pause, ...] = ()
    under_way: tuple[Entry, ...] = ()
    done: tuple[Entry, ...] = ()  # the newest first
    firing: tuple[Firing, ...] = ()


def look(where: Path, now: Now) -> Status:
    """Read what is there; what is wrong with it is a sentence."""
    runs = daemon_runs(where)
    pid = _pid(where) if runs else None
    reader = Reader(where, lambda: 1)
    try:
        return _read(reader, where, now, runs=runs, pid=pid)
    except (JournalError, OSError) as error:
        return Status(runs, pid, trouble=str(error))
    except asking.DAMAGED:
        return Status(runs, pid, trouble=asking.damaged(where))
    finally:
        reader.close()


def _read(reader: Reader, where: Path, now: Now, *, runs: bool, pid: int | None) -> Status:
    boot = Procfs().boot_id()
    pauses = Pauses()
    for row in reader.rows(_PAUSED):
        pauses.take(line(row))
    lines, last = reader.rows("SELECT count(*), max(wall) FROM lines")[0]
    minute, measured = _measured(reader)
    moments = [moment(at) for at in (last, minute) if at is not None]
    started = reader.rows(_NOTED, (told.STARTED,))
    return Status(
        runs,
        pid,
        started=moment(started[0][0]) if started else None,
        lines=lines,
        size=sum(path.stat().st_size for path in where.glob(f"{NAME}*") if ".corrupt-" not in path.name),
        written=max(moments, default=None),
        measured=measured,
        pauses=pauses.in_force(now, boot),
        under_way=_entries(reader.rows(_UNDER_WAY)) if runs else (),
        done=_entries(reader.rows(_RECENT)),
        firing=tuple([_firing(*row) for row in reader.rows(_FIRING)]),
    )


def _entries(rows: Sequence[tuple[Any, ...]]) -> tuple[Entry, ...]:
    return tuple([line(row).entry for row in rows])


def _measured(reader: Reader) -> tuple[float | None, tuple[tuple[Kind, int], ...]]:
    """Return when the last minute that was written ended, and of whom it tells."""
    rows = reader.rows("SELECT minute, data FROM minutes ORDER BY minute DESC LIMIT 1")
    if not rows:
        return None, ()
    minute, data = rows[0]
    kinds = dict(reader.rows("SELECT id, kind FROM series"))
    counts = Counter(Kind(kinds[series]) for series in unpack(data, FIELDS + 1)[0] if series in kinds)
    return float((minute + 1) * _MINUTE), tuple([(kind, counts[kind]) for kind in Kind if counts[kind]])


def _firing(rule: str, kind: str, name: str, since: float | None) -> Firing:
    alert, _, labels = rule.partition("/")[2].partition("{")
    return Firing(alert, labels.removesuffix("}"), Kind(kind), name, moment(since or 0.0))


def _pid(where: Path) -> int | None:
    try:
        return int((where / LOCK).read_text("ascii").strip())
    except (OSError, ValueError):
        return None
