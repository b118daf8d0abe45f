"""Rules x snapshot -> alerts and their changes. Subjects are indexed and conditions compiled once a change, not a tick.

Time inside one run is the clock that never jumps; what is stored is wall time, and our own downtime counts as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from brimline.model import Alert, AlertStore, Kind, Now, Phase, Snapshot, Subject, Transition
from brimline.rules.condition import Sieves, Tick
from brimline.rules.history import MOST, History
from brimline.rules.judge import Entry, Judge, judge_of
from brimline.rules.machine import Truth, milliseconds, step
from brimline.rules.sight import Sight
from brimline.rules.terms import RuleSet

OLDEST: Final = 3600.0  # seconds: a stored alert that is older says nothing any more
SAVED_EVERY: Final = 15_000  # milliseconds between two savings of how far every alert has come
SWEPT_EVERY: Final = 60_000  # milliseconds between two looks for rows nobody needs
RULE_GONE: Final = "the rule was changed or removed"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one tick says: every alert that is pending or firing, and what changed."""

    alerts: tuple[Alert, ...]
    transitions: tuple[Transition, ...]


class Evaluator:
    """Judges every tick; `use` gives it other rules, and the timers of the unchanged ones run on."""

    def __init__(self, rules: RuleSet, store: AlertStore, now: Now, *, most_samples: int = MOST) -> None:
        self._store = store
        self._sight = Sight(rules.levels)
        self._history = History(most_samples)
        self._sieves = Sieves()
        self._judges: list[Judge] = []
        self._snapshot: Snapshot | None = None
        self._saved_at = self._swept_at = milliseconds(now.mono)
        self._changes: list[Transition] = []
        self.use(rules, now)
        self._restore(now)

    def use(self, rules: RuleSet, now: Now) -> None:
        """Judge by these rules from now on."""
        before = {(judge.name, judge.rule.fingerprint): judge for judge in self._judges}
        self._sight.use(rules.levels)
        self._judges = []
        for rule in rules.rules:
            judge = judge_of(rule, self._sieves)
            if (old := before.pop((judge.name, rule.fingerprint), None)) is not None:
                judge.entries = old.entries
            self._judges.append(judge)
        self._sieves.settle()
        self._history.need(self._sieves.windows())
        for judge in before.values():
            self._changes += judge.end(self._tick(now), RULE_GONE)

    def tick(self, snapshot: Snapshot) -> Judgement:
        """Take in a snapshot and judge it."""
        self.observe(snapshot)
        return self.judge(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Remember the snapshot's samples where a window needs them."""
        self._look(snapshot)
        at, sight = milliseconds(snapshot.at.mono), self._sight
        for metric, kind in self._sieves.kinds().items():
            parts = [(places.rows, column.values) for places, column in sight.columns(kind, metric)]
            if parts:
                self._history.rings[metric].record(at, parts, len(sight.rolls[kind].subjects))

    def judge(self, snapshot: Snapshot) -> Judgement:
        """Judge the snapshot as it is."""
        self._look(snapshot)
        tick = self._tick(snapshot.at)
        changes, self._changes = self._changes, []
        alerts: list[Alert] = []
        for judge in self._judges:
            changes += judge.judge(tick)
            alerts += [entry.alert for entry in judge.entries.values() if entry.alert is not None]
        self._save_changes(changes, tick)
        self._sweep(tick.at)
        return Judgement(tuple(alerts), tuple(changes))

    def missed(self, now: Now) -> None:
        """Take the time since the last tick as unknown: nobody looked, so it counts towards nothing."""
        for judge, entry in self._open():
            entry.state, _ = step(judge.rule, entry.state, Truth.UNKNOWN, None, now)

    def save(self, now: Now) -> None:
        """Save how far every alert has come: before the process ends."""
        self._store.save([judge.stored(entry, now) for judge, entry in self._open()], ())

    def _tick(self, now: Now) -> Tick:
        return Tick(self._sight, self._history, now, milliseconds(now.mono))

    def _look(self, snapshot: Snapshot) -> None:
        if snapshot is not self._snapshot:
            self._sight.look(snapshot, milliseconds(snapshot.at.mono))
            self._snapshot = snapshot

    def _open(self) -> Iterator[tuple[Judge, Entry]]:
        for judge in self._judges:
            for entry in judge.entries.values():
                yield judge, entry

    def _save_changes(self, changes: Sequence[Transition], tick: Tick) -> None:
        """Save what changed, and every so often how far all have come."""
        changed = {change.alert.key for change in changes}
        if due := tick.at - self._saved_at >= SAVED_EVERY:
            self._saved_at = tick.at
        kept = (
            [judge.stored(e, tick.now) for judge, e in self._open() if due or e.key in changed]
            if due or changed
            else []
        )
        over = [change.alert.key for change in changes if change.alert.phase is Phase.INACTIVE]
        if kept or over:
            self._store.save(kept, over)

    def _restore(self, now: Now) -> None:
        judges = {(judge.name, judge.rule.fingerprint): judge for judge in self._judges}
        dropped = []
        for stored in self._store.load():
            judge = judges.get((stored.key.rule, stored.fingerprint))
            if judge is None or now.wall - stored.at > OLDEST:
                dropped.append(stored.key)
                continue
            key = stored.key
            subject = Subject(key.kind, key.name, key.labels, stored.uid)
            row = self._sight.rolls[key.kind].row(subject)
            self._sight.unseen.add((key.kind, row))
            judge.restore(row, subject, stored, now)
        if dropped:
            self._store.save((), dropped)

    def _sweep(self, at: int) -> None:
        """Let rows end that no alert and no window remembers."""
        if at - self._swept_at < SWEPT_EVERY:
            return
        self._swept_at = at
        longest = dict.fromkeys(Kind, 0)
        for sieve in self._sieves.all():
            longest[sieve.kind] = max(longest[sieve.kind], sieve.window)
        for kind, roll in self._sight.rolls.items():
            active = {row for judge in self._judges if judge.rule.kind is kind for row in judge.entries}
            roll.sweep(at - longest[kind], active)
