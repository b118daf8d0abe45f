"""What the rules make of a tick: levels, then derived readings, then alerts; each a report beside the sources'.

A snapshot in, a longer snapshot and a judgement out; no clock and nothing of the world.
"""

from __future__ import annotations

from dataclasses import replace

from brimline.levels import LevelBook, Levels, Override
from brimline.model import AlertStore, Now, Snapshot
from brimline.rules.derived import Derived
from brimline.rules.evaluator import Evaluator, Judgement
from brimline.rules.served import Served
from brimline.rules.terms import RuleSet


class Judging:
    """Judges tick after tick by one set of rules, until it is given another."""

    def __init__(
        self, rules: RuleSet, overrides: tuple[Override, ...], store: AlertStore, start_period: float, now: Now
    ) -> None:
        self._rules = rules
        self._levels = Levels(book(rules, overrides))
        self._start_period = start_period
        self._derived = Derived(rules.levels, start_period)
        self._evaluator = Evaluator(rules, store, now)
        self._served = Served()

    @property
    def levels(self) -> tuple[float, float]:
        """Return the alert and restart levels of what has none of its own."""
        return self._rules.levels.alert_at, self._rules.levels.restart_at

    @property
    def rules(self) -> RuleSet:
        """Return the rules it judges by."""
        return self._rules

    @property
    def in_force(self) -> Levels:
        """Return each subject's own levels, as of what was judged last."""
        return self._levels

    def use(self, rules: RuleSet, overrides: tuple[Override, ...], start_period: float, now: Now) -> None:
        """Judge by these rules from now on; what is known of leaks is forgotten only where its terms changed."""
        if (rules.levels, start_period) != (self._rules.levels, self._start_period):
            self._derived = Derived(rules.levels, start_period)
        self._rules, self._start_period = rules, start_period
        self._levels.use(book(rules, overrides))
        self._evaluator.use(rules, now)

    def judge(self, snapshot: Snapshot) -> tuple[Snapshot, Judgement]:
        """Return the snapshot with the derived readings and the alerts in it, and the judgement itself."""
        levelled = replace(snapshot, reports=(*snapshot.reports, self._levels.report(snapshot)))
        seen = replace(levelled, reports=(*levelled.reports, self._derived.report(levelled, snapshot.at)))
        judgement = self._evaluator.tick(seen)
        return replace(seen, reports=(*seen.reports, self._served.report(judgement.alerts))), judgement

    def missed(self, now: Now) -> None:
        """Nobody looked since the last tick: that time counts towards nothing."""
        self._evaluator.missed(now)

    def save(self, now: Now) -> None:
        """Save how far every alert has come: before the process ends."""
        self._evaluator.save(now)


def book(rules: RuleSet, overrides: tuple[Override, ...]) -> LevelBook:
    """Return the levels a rule file states with those the configuration gives to some."""
    return LevelBook(rules.levels.alert_at, rules.levels.restart_at, overrides)
