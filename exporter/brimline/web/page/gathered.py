"""Everything the pages say of one tick, gathered once: how each subject stands, what was decided, what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from brimline.deeds import Decision, Entry, EntryKind
from brimline.errors import JournalError
from brimline.journal.hours import Key
from brimline.journal.lines import Wanted
from brimline.journal.minutes import Trace
from brimline.model import Alert, Kind, Phase, Subject
from brimline.policy.served import BUDGET
from brimline.standing import Measures, Row, ended, gravity, rows, stopped
from brimline.view import View
from brimline.web.face import Past
from brimline.web.page.sparks import HOUR, Hour, hour_of

DEEDS: Final = (EntryKind.OUTCOME, EntryKind.OBSERVED, EntryKind.RELAPSED)
_LAST_LINES: Final = 12
_LAST_DEEDS: Final = 500  # of all subjects, within the hour
STOPPED: Final = "stopped"


@dataclass(frozen=True, slots=True)
class Line:
    """One subject: measured, unknown or stopped."""

    subject: Subject
    row: Row | None  # None: it does not run
    ended: str = ""

    @property
    def state(self) -> str:
        """Return the word shown."""
        return STOPPED if self.row is None else str(self.row.state)

    @property
    def remembered(self) -> bool:
        """Tell whether the journal keeps samples of it."""
        return self.row is not None and self.subject.kind is not Kind.HOST

    @property
    def ratio(self) -> float:
        """Return the share of its limit; nothing is less than any."""
        return -1.0 if self.row is None or self.row.ratio is None else self.row.ratio


class Gathered:
    """One tick as the pages show it."""

    def __init__(self, view: View, past: Past | None) -> None:
        self.view = view
        self.at = view.snapshot.at.wall
        self.measures = Measures(view)
        found = rows(self.measures)
        measured = {row.subject for row in found}
        idle = [(subject, code) for subject, code in stopped(self.measures) if subject not in measured]
        self.lines = (
            *(Line(row.subject, row) for row in found),
            *(Line(subject, None, ended(code)) for subject, code in idle),
        )
        self.budgets = self.measures.of(BUDGET)
        self._alerts: dict[Key, list[Alert]] = {}
        for alert in self.measures.alerts:
            self._alerts.setdefault(key_of(alert.subject), []).append(alert)
        self.decisions: dict[Subject, list[Decision]] = {}
        for decision in sorted(view.decisions, key=lambda decision: gravity(decision.severity)):
            self.decisions.setdefault(decision.subject, []).append(decision)
        self.up, self.trouble = (past.up, past.why) if past is not None else (True, "")
        self._hours: Mapping[Key, Trace] = past.hour() if past is not None else {}
        self.entries: Sequence[Entry] = ()
        self._deeds: dict[Key, list[Entry]] = {}
        if past is not None:
            self._remember(past)

    def called(self, kind: str, name: str) -> Line | None:
        """Return the line of what the path of a page names."""
        return next((line for line in self.lines if line.subject.kind == kind and _name(line.subject) == name), None)

    def deeds(self, subject: Subject) -> Sequence[Entry]:
        """Return what was done to it within the hour, the newest first."""
        return self._deeds.get(key_of(subject), ())

    def hour(self, line: Line) -> Hour:
        """Return its last hour."""
        return hour_of(self._hours.get(key_of(line.subject)), line.row, self.deeds(line.subject), self.at)

    def kills(self, subject: Subject) -> int:
        """Return how many of its processes were killed for want of memory; a host's count is as old as its boot."""
        if subject.kind is Kind.HOST:
            return 0
        return int(self.measures.get(subject, "memory_oom_kills_total") or 0)

    def alerts(self, subject: Subject) -> Sequence[Alert]:
        """Return its alerts, the most urgent first."""
        return self._alerts.get(key_of(subject), ())

    def fires(self, subject: Subject) -> bool:
        """Tell whether an alert of it fires."""
        return any(alert.phase is Phase.FIRING for alert in self.alerts(subject))

    def _remember(self, past: Past) -> None:
        try:
            self.entries = past.lines(Wanted(limit=_LAST_LINES))
            deeds = past.lines(Wanted(limit=_LAST_DEEDS, kinds=DEEDS, since=self.at - HOUR))
        except JournalError as error:
            self.trouble = self.trouble or str(error)
            return
        for deed in deeds:
            if deed.subject is not None:
                self._deeds.setdefault(key_of(deed.subject), []).append(deed)


def key_of(subject: Subject) -> Key:
    """Return by what a subject is remembered, through every incarnation."""
    return str(subject.kind), subject.name, subject.labels


def _name(subject: Subject) -> str:
    return subject.name or str(Kind.HOST)
