"""One rule and its open alerts: which subjects it holds for, and what that does to each of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from brimline.model import Alert, AlertKey, Now, Phase, StoredAlert, Subject, Transition
from brimline.rules.condition import Sieves, Tick, Whether
from brimline.rules.machine import INACTIVE, State, Truth, milliseconds, step
from brimline.rules.terms import Rule

NEW_INCARNATION: Final = "a new incarnation"


@dataclass(slots=True)
class Entry:
    """One alert that is pending or firing."""

    key: AlertKey
    subject: Subject
    state: State
    alert: Alert | None = None  # as it was last shown


@dataclass(slots=True)
class Judge:
    """A rule, compiled, and its alerts by row."""

    rule: Rule
    name: str
    whether: Whether
    unit: str  # of the value; empty where the alternatives have several
    entries: dict[int, Entry] = field(default_factory=dict)
    _allowed: dict[int, bool] = field(default_factory=dict)
    _freed: int = -1
    _levels_version: int = -1

    def judge(self, tick: Tick) -> Iterator[Transition]:
        """Move every alert on, and yield what changed."""
        if self._levels_version != tick.sight.levels_version:
            self._levels_version = tick.sight.levels_version
            for entry in self.entries.values():
                entry.alert = None
        hits = self.whether.hits(tick)
        if hits and self.rule.selector.patterns:
            hits = {row: value for row, value in hits.items() if self._is_judged(tick, row)}
        if self.entries:
            yield from self._follow(tick, hits)
        for row, value in hits.items():
            yield from self._step(tick, row, Truth.TRUE, value)

    def end(self, tick: Tick, why: str) -> Iterator[Transition]:
        """End every alert."""
        for row in list(self.entries):
            yield self._ended(tick, row, why)

    def stored(self, entry: Entry, now: Now) -> StoredAlert:
        """Return an alert as it survives a restart."""
        state = entry.state
        return StoredAlert(
            key=entry.key,
            uid=entry.subject.uid,
            fingerprint=self.rule.fingerprint,
            phase=state.phase,
            since=state.since,
            value=state.value,
            held=(state.seen - state.counted) / 1000,
            lingering=state.lingering,
            at=now.wall - (milliseconds(now.mono) - state.seen) / 1000,
        )

    def restore(self, row: int, subject: Subject, stored: StoredAlert, now: Now) -> None:
        """Take an alert up again; the time since then is unknown and does not count."""
        at = milliseconds(now.mono)
        counted = at - milliseconds(stored.held)
        state = State(stored.phase, stored.since, stored.value, counted, stored.lingering, at, known=False)
        self.entries[row] = Entry(stored.key, subject, state)

    def _follow(self, tick: Tick, hits: dict[int, float]) -> Iterator[Transition]:
        """Move on the alerts whose condition does not hold, or whose subject is another incarnation."""
        roll = tick.sight.rolls[self.rule.kind]
        for row, entry in list(self.entries.items()):
            present = roll.subjects[row]
            if present is not None and present.uid != entry.subject.uid:
                yield self._ended(tick, row, NEW_INCARNATION)
            elif row not in hits:
                truth, value = self.whether.miss(tick, row, firing=entry.state.phase is Phase.FIRING)
                yield from self._step(tick, row, truth, value)

    def _step(self, tick: Tick, row: int, truth: Truth, value: float | None) -> Iterator[Transition]:
        entry = self.entries.get(row)
        if entry is None:
            subject = tick.sight.rolls[self.rule.kind].subjects[row]
            if subject is None:
                return
            entry = Entry(AlertKey(self.name, subject.kind, subject.name, subject.labels), subject, INACTIVE)
            self.entries[row] = entry
        before = entry.state
        entry.state, left = step(self.rule, before, truth, value, tick.now)
        if entry.state.phase is Phase.INACTIVE:
            entry.state = before
            yield self._ended(tick, row)
        elif left is not None:
            entry.alert = self._alert(tick, row, entry)
            yield Transition(entry.alert, left, tick.now.wall)
        elif entry.alert is None or (before.value, before.known) != (entry.state.value, entry.state.known):
            entry.alert = self._alert(tick, row, entry)

    def _ended(self, tick: Tick, row: int, why: str = "") -> Transition:
        entry = self.entries.pop(row)
        left, entry.state = entry.state.phase, State(Phase.INACTIVE, tick.now.wall, entry.state.value)
        return Transition(self._alert(tick, row, entry), left, tick.now.wall, why)

    def _alert(self, tick: Tick, row: int, entry: Entry) -> Alert:
        rule, state = self.rule, entry.state
        return Alert(
            key=entry.key,
            phase=state.phase,
            since=state.since,
            value=state.value,
            subject=entry.subject,
            alertname=rule.alert,
            severity=rule.severity,
            labels=rule.labels,
            actions=rule.actions,
            threshold=self.whether.threshold(tick, row),
            known=state.known,
            unit=self.unit,
        )

    def _is_judged(self, tick: Tick, row: int) -> bool:
        roll = tick.sight.rolls[self.rule.kind]
        if self._freed != roll.freed:
            self._allowed, self._freed = {}, roll.freed
        if row not in self._allowed:
            subject = roll.subjects[row]
            self._allowed[row] = subject is not None and self.rule.selector.matches(subject)
        return self._allowed[row]


def judge_of(rule: Rule, sieves: Sieves) -> Judge:
    """Compile a rule."""
    units = {alternative[0].operand.unit for alternative in rule.when.alternatives}
    unit = units.pop() if len(units) == 1 else ""
    return Judge(rule, rule.name, Whether(sieves, rule.kind, rule.when, rule.stays), unit)
