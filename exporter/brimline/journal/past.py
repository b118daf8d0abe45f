"""What the lines say of the past: the deeds of the last day, and intents that nobody concluded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from brimline.deeds import Decision, Deed, EntryKind, Fate, Ledger, Outcome, begun
from brimline.journal import told
from brimline.journal.reading import Reader
from brimline.journal.rows import SELECT, Line, lines
from brimline.model import Now

DAY: Final = 86_400.0
REMEMBERED: Final = (
    EntryKind.INTENT,
    EntryKind.OUTCOME,
    EntryKind.OBSERVED,
    EntryKind.RELAPSED,
    EntryKind.RESUMED,
)
# A line of this boot is as old as its clock says; one of an earlier boot as old as the wall clock says.
YOUNG: Final = "(CASE WHEN boot = :boot AND boot != '' THEN mono >= :mono ELSE wall >= :wall END)"
OPEN: Final = (
    "kind = 'intent' AND decision_id NOT IN (SELECT decision_id FROM lines WHERE kind = 'outcome')"  # kept by prune
)
_KINDS: Final = ", ".join(f"'{kind}'" for kind in REMEMBERED)
_LAST_DAY: Final = f"{SELECT} WHERE kind IN ({_KINDS}) AND {YOUNG} ORDER BY seq"
_OPEN: Final = f"{SELECT} WHERE {OPEN} ORDER BY seq"
_INTENT: Final = f"{SELECT} WHERE kind = 'intent' AND decision_id = ? LIMIT 1"
_STARTED: Final = "(SELECT coalesce(max(seq), 0) FROM lines WHERE kind = 'note' AND text = :text)"
_UNTOLD: Final = 3600.0  # seconds before its last line: older ones were told, and the outbox forgets in a day
_OPENED: Final = "(SELECT value FROM state WHERE key = 'opened')"  # lines from then on are this life's
_ENDED: Final = f"coalesce((SELECT wall FROM lines WHERE wall < {_OPENED} ORDER BY seq DESC LIMIT 1), 0)"  # noqa: S608 - our own clause
_LAST_LIFE: Final = f"{SELECT} WHERE kind = 'outcome' AND seq > {_STARTED} AND wall >= {_ENDED} - :untold ORDER BY seq"


def since(now: Now, boot: str, seconds: float = DAY) -> dict[str, Any]:
    """Return what YOUNG is asked with."""
    return {"boot": boot, "mono": now.mono - seconds, "wall": now.wall - seconds}


def ledger(reader: Reader, now: Now, boot: str) -> Ledger:
    """Return the deeds of the last day and those not concluded, oldest first."""
    rows = reader.rows(_OPEN) + reader.rows(_LAST_DAY, since(now, boot))
    deeds: dict[str, Deed] = {}
    resumed: dict[str, float] = {}
    # Intents first: one that prune wrote anew stands behind its outcome.
    known = sorted(lines(rows), key=lambda written: (written.entry.kind is not EntryKind.INTENT, written.entry.seq))

    def take(written: Line) -> None:
        entry = written.seen(now, boot)
        match entry.kind:
            case EntryKind.INTENT:
                deeds.setdefault(entry.decision_id, begun(told.decision_of(entry, written.entry)))
            case EntryKind.OUTCOME if entry.decision_id in deeds:
                deeds[entry.decision_id] = told.concluded(deeds[entry.decision_id], entry)
            case EntryKind.OBSERVED:
                deeds[entry.decision_id] = told.seen(entry)
            case EntryKind.RELAPSED if entry.decision_id in deeds:
                deeds[entry.decision_id] = replace(deeds[entry.decision_id], relapsed=True)
            case EntryKind.RESUMED:
                resumed[str(entry.facts.get("glob") or "")] = entry.at.mono
            case _:  # of a deed that is a day old
                pass

    _each(known, take)
    return Ledger(tuple(sorted(deeds.values(), key=lambda deed: (deed.began, deed.id))), resumed)


def open_intents(reader: Reader, now: Now, boot: str) -> Sequence[Decision]:
    """Return what was begun and not concluded, oldest first, whenever that was."""
    found: dict[str, Decision] = {}

    def take(written: Line) -> None:
        decision = told.decision_of(written.seen(now, boot), written.entry)
        found.setdefault(decision.id, decision)

    _each(lines(reader.rows(_OPEN)), take)
    return tuple(sorted(found.values(), key=lambda decision: (decision.at.mono, decision.id)))


def last_life(reader: Reader, now: Now, boot: str) -> Sequence[tuple[Decision, Outcome, Fate]]:
    """Return what the last daemon concluded at its end: whoever died may not have told of all of it."""
    found = []

    def take(written: Line) -> None:
        for before in lines(reader.rows(_INTENT, (written.entry.decision_id,))):
            decision = told.decision_of(before.seen(now, boot), before.entry)
            found.append((decision, *told.outcome_of(written.entry)))

    _each(lines(reader.rows(_LAST_LIFE, {"text": told.STARTED, "untold": _UNTOLD})), take)
    return found


def _each(known: Iterable[Line], take: Callable[[Line], None]) -> None:
    """Take each line in; one that says what nobody understands, damaged or of another version, costs only itself."""
    for written in known:
        with suppress(ValueError, KeyError, TypeError):
            take(written)
