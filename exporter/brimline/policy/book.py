"""The ledger as it is kept in memory: what was begun, what became of it, what others did, and whether it helped.

Moments are handed in, of the clock that never jumps. The journal is where it comes from after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Final

from brimline.deeds import CLEANUP, RESTART, Decision, Deed, Fate, Ledger, Outcome, Whose, begun, whose
from brimline.model import Container, Subject
from brimline.policy.terms import is_person, service_of

KEPT: Final = 24 * 3600.0
KEPT_OBSERVED: Final = 2 * 3600.0  # a crash loop makes thousands a day, and budgets and back-offs look no further back
KEPT_CLEANUP: Final = 6 * 3600.0  # a hundred that fire all day make fourteen thousand, and every tick goes through them
RELAPSE: Final = 300.0
ASKED_AGAIN: Final = 600.0  # Alertmanager tells of a change every 5 min, and that it resolved may come in between
_SWEEP: Final = 60.0


def end_of(deed: Deed) -> float:
    """Return when it ended, as far as that is known."""
    return deed.began if deed.ended is None else deed.ended


def asker(deed: Deed) -> str:
    """Return what asks again where a deed did not help: its rule, or the tool that has none; a person knows why."""
    return deed.rule or ("" if is_person(deed.caller) else deed.caller)


def lasts(deed: Deed) -> float:
    """Return for how long after its end nobody must ask again for it to have helped."""
    return RELAPSE if deed.rule else ASKED_AGAIN


class Book:
    """Deeds by their ids; `ledger` is what policy decides by."""

    def __init__(self, ledger: Ledger) -> None:
        self._deeds = {deed.id: deed for deed in sorted(ledger.deeds, key=attrgetter("began"))}
        self._resumed = dict(ledger.resumed)
        self._left: dict[str, float] = {}  # uids our own restarts left behind -> when
        self._hopeful = {deed.id for deed in ledger.deeds if _may_relapse(deed)}
        self._swept: float | None = None
        self._ledger: Ledger | None = None

    def ledger(self) -> Ledger:
        """Return what is known now; the same object until something changes."""
        if self._ledger is None:
            self._ledger = Ledger(tuple(self._deeds.values()), dict(self._resumed))
        return self._ledger

    def begin(self, decision: Decision) -> None:
        """Count what is about to be done: before its intent is written."""
        self._put(begun(decision))

    def drop(self, decision: Decision) -> None:
        """Forget what was refused under the lock: nothing was done."""
        self._deeds.pop(decision.id, None)
        self._ledger = None

    def conclude(self, decision: Decision, outcome: Outcome, *, fate: Fate, mono: float) -> None:
        """Keep what became of it; the incarnation it left behind is ours."""
        deed = replace(
            self._deeds.get(decision.id) or begun(decision),
            ended=mono,
            fate=fate,
            before_bytes=outcome.before_bytes,
            after_bytes=outcome.after_bytes,
        )
        if outcome.uid:
            self._left[outcome.uid] = mono
        self._put(deed)

    def observed(self, container: Container, mono: float) -> Deed | None:
        """Count a restart that was seen by its new StartedAt; None where it is ours, or was counted."""
        subject = container.subject
        name, known = whose(subject), f"observed-{subject.uid}"
        ours = any(d.fate is Fate.INTENDED and d.action == RESTART and whose(d) == name for d in self._deeds.values())
        if ours or subject.uid in self._left or known in self._deeds:
            return None
        deed = Deed(
            id=known,
            action=RESTART,
            name=subject.name,
            labels=subject.labels,
            uid=subject.uid,
            service=service_of(subject, container.labels),
            rule="",
            caller="",
            image_id=container.image_id,
            limit=container.limit,
            began=mono,
            ended=mono,
            fate=Fate.OBSERVED,
        )
        self._put(deed)
        return deed

    def notice(self, holding: Iterable[tuple[Subject, str]], mono: float) -> tuple[Deed, ...]:
        """Mark and return the restarts whose rule holds again; to be told before every decision.

        `holding` is the subject and the rule of every alert that is pending or firing and known to be, and the subject
        and the caller of every restart that another tool asks for. What still holds of the old incarnation is no
        relapse.
        """
        self._forget(mono)
        watched = [self._deeds[i] for i in self._hopeful if i in self._deeds]
        self._hopeful = {d.id for d in watched if mono - end_of(d) <= lasts(d)}
        if not self._hopeful:
            return ()
        held: dict[tuple[Whose, str], set[str]] = {}
        for subject, asks in holding:
            held.setdefault((whose(subject), asks), set()).add(subject.uid)
        relapsed = [
            replace(deed, relapsed=True)
            for deed in watched
            if deed.id in self._hopeful and held.get((whose(deed), asker(deed)), set()) - {deed.uid}
        ]
        for deed in relapsed:
            self._put(deed)
        return tuple(relapsed)

    def resume(self, name: str, mono: float) -> None:
        """Let go on what was stopped as ineffective; `name` may be a glob, "" is all."""
        self._resumed[name] = mono
        self._ledger = None

    def _put(self, deed: Deed) -> None:
        self._deeds[deed.id] = deed
        self._hopeful.discard(deed.id)
        if _may_relapse(deed):
            self._hopeful.add(deed.id)
        self._ledger = None

    def _forget(self, mono: float) -> None:
        if self._swept is not None and mono - self._swept < _SWEEP:
            return
        self._swept = mono
        kept = {i: deed for i, deed in self._deeds.items() if not _over(deed, mono)}
        self._resumed = {name: at for name, at in self._resumed.items() if mono - at <= KEPT}
        self._left = {uid: at for uid, at in self._left.items() if mono - at <= KEPT}
        if len(kept) != len(self._deeds):
            self._deeds, self._ledger = kept, None


def _may_relapse(deed: Deed) -> bool:
    return deed.action == RESTART and deed.fate is Fate.DONE and asker(deed) != "" and not deed.relapsed


def _over(deed: Deed, mono: float) -> bool:
    if deed.fate is Fate.INTENDED:
        return False
    kept = KEPT_OBSERVED if deed.fate is Fate.OBSERVED else KEPT_CLEANUP if deed.action == CLEANUP else KEPT
    return mono - end_of(deed) > kept
