"""What is decided and seen, written into the journal, counted and logged: once each, when it happens."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from brimline.deeds import Decision, Deed, Entry, EntryKind, Fate, Outcome, Request, Verdict
from brimline.journal import told
from brimline.journal.store import JournalFile
from brimline.metrics.acted import Acted
from brimline.model import Clock, Now, Phase, Subject, Transition

_log: Final = logging.getLogger(__name__)


class Chronicle:
    """Hears of everything that policy says and sees."""

    def __init__(self, journal: JournalFile, acted: Acted, clock: Clock) -> None:
        self._journal, self._acted, self._clock = journal, acted, clock

    def decided(self, decision: Decision) -> None:
        """Note a decision that is new; `run` has its own line, the intent."""
        self._acted.decided(decision)
        _log.info("%s of %s: %s: %s", decision.action, decision.subject.name, decision.verdict, decision.reason)
        if decision.verdict is not Verdict.RUN:
            self._journal.note(told.refused(decision, self._clock.now()))

    def concluded(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Count what became of an action; its line is written already."""
        level = logging.INFO if outcome.ok else logging.ERROR
        _log.log(level, "%s of %s %s: %s", decision.action, decision.subject.name, fate, outcome.detail)
        self._acted.concluded(decision, outcome, fate)

    def observed(self, deed: Deed, subject: Subject, now: Now) -> None:
        """Note somebody else's restart."""
        self._journal.note(told.observed(deed, subject, now, f"{deed.name} was started anew, not by Brimline"))

    def relapsed(self, deed: Deed, subject: Subject, now: Now) -> None:
        """Note that a restart did not help for long."""
        self._journal.note(told.relapsed(deed, subject, now))

    def unanswered(self, request: Request, why: str, now: Now) -> None:
        """Note that a request names nothing that is there."""
        self._journal.note(told.unanswered(request, now, why))

    def changed(self, changes: Iterable[Transition], now: Now) -> None:
        """Note which alerts begin to fire, and which are over."""
        for change in changes:
            if Phase.FIRING in {change.before, change.alert.phase}:
                self._journal.note(told.changed(change, now))

    def note(self, text: str) -> None:
        """Note what happened to Brimline itself."""
        self._journal.note(Entry(EntryKind.NOTE, self._clock.now(), text))
