"""What the journal remembers of one subject, read beside a running Brimline or without one; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from brimline.cli import asking
from brimline.deeds import Entry, EntryKind, Ledger, Pause
from brimline.errors import JournalError
from brimline.journal.past import ledger
from brimline.journal.pauses import Pauses
from brimline.journal.reading import Reader
from brimline.journal.rows import SELECT, labels_text, line
from brimline.model import Now, Subject
from brimline.procfs import Procfs

_LAST: Final = 3  # decisions, and actions, of each
_DECIDED: Final = (EntryKind.INTENT, EntryKind.REFUSED)
_DONE: Final = (EntryKind.OUTCOME, EntryKind.OBSERVED, EntryKind.RELAPSED)
_PAUSED: Final = f"{SELECT} WHERE kind IN ('paused', 'resumed') ORDER BY seq"
_WHOSE: Final = "subject_kind = :kind AND name = :name AND labels = :labels"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What policy would know of the past, and the last lines about one subject, the newest first."""

    ledger: Ledger = field(default_factory=Ledger)
    pauses: tuple[Pause, ...] = ()
    decided: tuple[Entry, ...] = ()
    done: tuple[Entry, ...] = ()
    trouble: str = ""  # why nothing is known


def remember(where: Path, subject: Subject, now: Now) -> Remembered:
    """Read the journal in a directory; what is wrong with it is a sentence."""
    boot = Procfs().boot_id()
    reader = Reader(where, lambda: 1)
    try:
        pauses = Pauses()
        for row in reader.rows(_PAUSED):
            pauses.take(line(row))
        whose = {"kind": str(subject.kind), "name": subject.name, "labels": labels_text(subject.labels)}

        def last(kinds: Iterable[EntryKind]) -> tuple[Entry, ...]:
            among = ", ".join(f"'{kind}'" for kind in kinds)
            rows = reader.rows(f"{SELECT} WHERE kind IN ({among}) AND {_WHOSE} ORDER BY seq DESC LIMIT {_LAST}", whose)
            return tuple([line(row).seen(now, boot) for row in rows])

        return Remembered(ledger(reader, now, boot), pauses.in_force(now, boot), last(_DECIDED), last(_DONE))
    except (JournalError, OSError) as error:
        return Remembered(trouble=str(error))
    except asking.DAMAGED:
        return Remembered(trouble=asking.damaged(where))
    finally:
        reader.close()
