"""The half of Brimline that acts: journal, policy's book, runner and messages put together, and fed tick by tick.

Nothing in a tick waits: what takes time is a task, and what is written is written by the journal's own thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from brimline import telling
from brimline.actions.attempt import World
from brimline.actions.runner import Runner
from brimline.chronicle import Chronicle
from brimline.config import Config
from brimline.deciding import Deciding
from brimline.deeds import RESTART, Decision, Fate, Outcome, Pause, Request, Verdict, whose
from brimline.faults import points
from brimline.guard import Guard
from brimline.journal import told
from brimline.journal.store import JournalFile
from brimline.leave import Leave, terms_of
from brimline.model import Container, Now, Snapshot, SourceReport, Subject
from brimline.policy import consent
from brimline.policy.book import Book
from brimline.policy.pauses import pause_of, sentence
from brimline.rules.evaluator import Judgement
from brimline.rules.terms import RuleSet
from brimline.scenes import Doing, Scenes
from brimline.standings import Lacks, Standings
from brimline.telling import Telling
from brimline.ties import Ties
from brimline.tools import Tools

_log: Final = logging.getLogger(__name__)
_GRACE: Final = 8.0  # seconds in which what is under way may end with us; Docker gives ten


class Hand:
    """Decides and acts beside the ticks of one engine."""

    def __init__(self, config: Config, rules: RuleSet, journal: JournalFile, ties: Ties) -> None:
        self._config, self._rules, self._journal, self._ties = config, rules, journal, ties
        point = points(ties.environ)
        self._chronicle = Chronicle(journal, ties.acted, ties.clock)
        self._standings = Standings(ties.pids, ties.targets)
        self._lacks = Lacks(self._standings)
        self._tools = Tools(config, ties, point, self._against)
        self._telling = Telling(
            config,
            rules,
            journal=journal,
            clock=ties.clock,
            http=self._tools.http,
            point=point,
            chronicle=self._chronicle,
        )
        actions = self._tools.actions(config)
        self._lacks.use(actions)
        world = World(self._tools.containers, journal, self._standings, ties.clock, asyncio.sleep, point)
        settle = config.actions.settle
        self._runner = Runner(world, self, actions, self._tools.reconciler(config), settle=settle)
        self._scenes = Scenes(start_period=config.start_period, missing=self._lacks)
        self._deciding = Deciding(
            book=Book(journal.ledger(ties.clock.now())),
            scenes=self._scenes,
            terms=terms_of(config.actions),
            begin=self._begin,
            told=self._chronicle,
            ours=self._take_order,
        )
        self._guard = Guard(config, ties.environ, self._scenes.guard)
        self._knows = journal.openings > 0  # what the journal tells; else the first tick after its opening takes it up
        self._ignorant = not self._knows
        self._present: Mapping[Subject, Container] = {}
        self._inbound: list[Request] = []
        self._introduced = False

    @property
    def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force."""
        return tuple(self._journal.pauses())

    @property
    def dry_run(self) -> bool:
        """Tell whether everything is decided and nothing done."""
        return self._config.actions.dry_run

    @property
    def journal(self) -> JournalFile:
        """Return where everything is written."""
        return self._journal

    def check(self, config: Config, rules: RuleSet) -> None:
        """Say what the rules ask for and nobody configured; raises ConfigError where a notifier cannot be had."""
        telling.check(config, rules)

    def use(self, config: Config, rules: RuleSet) -> None:
        """Act by this configuration from now on; what is under way ends by its own."""
        for what in _only_at_the_start(self._config, config):
            _log.warning("what is new under %s takes effect at the next start", what)
        self._config, self._rules, self._introduced = config, rules, False
        self._tools.use(config)
        actions = self._tools.actions(config)
        self._lacks.use(actions)
        reconciler = self._tools.reconciler(config)
        self._runner.reconfigure(self._tools.containers, actions, reconciler, settle=config.actions.settle)
        self._deciding.terms = terms_of(config.actions)
        self._scenes.start_period = config.start_period
        self._scenes.begin_anew()
        self._guard.use(config)
        self._telling.use(config, rules)
        self._chronicle.note("the configuration was read again")

    def report(self, now: Now) -> SourceReport:
        """Return what is known of budgets, for the rules to judge too."""
        return self._deciding.report(now)

    def missed(self) -> None:
        """Nobody looked for long: what the next tick says is a first sample."""
        self._scenes.begin_anew()

    def decide(self, snapshot: Snapshot, judgement: Judgement) -> tuple[Decision, ...]:
        """Decide what every firing alert asks for, and begin what may be done."""
        journal, now = self._journal, snapshot.at
        self._take_up(now)
        self._standings.look(snapshot)
        self._telling.look(snapshot)
        paused = self.pauses
        for glob in journal.resumed():
            self._deciding.book.resume(glob, now.mono)
        asked = (*journal.requests(), *self._inbound)
        self._inbound.clear()
        # One that was opened since has not been taken up: its budgets are not known.
        doing = Doing(self._runner.busy(), paused, journal.up and not self._ignorant)
        decisions = self._deciding.decide(snapshot, judgement, doing, asked)
        self._follow(self._scenes.containers)
        self._chronicle.changed(judgement.transitions, now)
        self._telling.tick(now, judgement, decisions, paused)
        journal.minutes.observe(snapshot)
        journal.prune()
        acted = self._ties.acted
        acted.journal_up, acted.pauses, acted.outbox = journal.up, paused, journal.outbox.counts()
        return decisions

    def _follow(self, containers: Mapping[Subject, Container]) -> None:
        """Forget whoever is gone; say once who may be restarted, as soon as somebody is there and a rule restarts."""
        if containers is not self._present:
            self._present = containers
            self._ties.acted.forget(containers)
        if self._introduced or not containers:
            return
        self._introduced = True
        if any(RESTART in rule.actions for rule in self._rules.rules):
            _log.info("%s", Leave(self._deciding.terms, self._scenes.guarded).summary(containers))

    def _take_up(self, now: Now) -> None:
        """Take over what a journal tells that could not be opened at the start: until then nothing was done."""
        if self._ignorant and self._journal.openings:
            self._ignorant = False
            ledger, seen = self._journal.ledger(now), self._deciding.book.ledger().deeds  # what others did meanwhile
            self._deciding.book = Book(replace(ledger, deeds=(*ledger.deeds, *seen)))
            self._go_on()

    def _go_on(self) -> None:
        """Tell what an earlier Brimline did not come to tell, and conclude what it began."""
        for decision, outcome, fate in self._journal.last_life():
            self._telling.concluded(decision, outcome, fate)
        self._chronicle.note(told.STARTED)
        self._runner.reconcile(self._journal.open_intents())

    def ask(self, request: Request) -> None:
        """Take what another tool asks for into the next tick."""
        self._journal.note(told.requested(request, self._ties.clock.now()))
        self._inbound.append(request)
        self._ties.wake("request")

    async def run(self) -> None:
        """Conclude what an earlier Brimline began, and deliver messages, until cancelled."""
        if not self._journal.up:
            _log.error("nothing will be done, and messages do not outlive Brimline: %s", self._journal.why)
        if self._knows:
            self._go_on()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._telling.run())
            group.create_task(self._guard.run())
            group.create_task(self._tools.look_early())

    async def close(self) -> None:
        """Let what is under way end, say what can still be said, and write everything down."""
        await self._runner.close(_GRACE)
        await self._telling.close()
        await self._tools.close()
        self._chronicle.note("Brimline stopped")

    def concluded(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Take in what became of an action."""
        self._deciding.concluded(decision, outcome, fate, self._ties.clock.now().mono)  # first: it frees the subject
        self._chronicle.concluded(decision, outcome, fate)
        self._telling.concluded(decision, outcome, fate)
        self._ties.wake("action")

    def refused(self, decision: Decision, verdict: Verdict, reason: str) -> None:
        """Take in that a decision was not begun after all."""
        self._deciding.refused(decision, verdict, reason)
        self._telling.decided(replace(decision, verdict=verdict, reason=reason))

    def _begin(self, decision: Decision) -> None:
        standing = self._standings(decision.subject)
        if standing is None:
            self.refused(decision, Verdict.STALE_DATA, f"{decision.subject.name} was not measured in this tick")
            return
        self._runner.begin(decision, standing, self._standings.directories(decision.subject))

    def _take_order(self, container_id: str) -> bool:
        return self._tools.containers.take_order(container_id)  # of the engine that is asked now

    def _against(self, container: Container) -> str | None:
        """Say why a container is not to follow another one's restart; None: it may."""
        if why := self._scenes.guarded.reason(container) or consent.refusal(container.labels):
            return why
        mono = self._ties.clock.now().mono
        if (pause := pause_of(self.pauses, container.subject, mono)) is not None:
            return sentence(pause, mono)
        action = self._runner.busy().get(whose(container.subject))
        return None if action is None else f"a {action} of it is under way"


def _only_at_the_start(before: Config, after: Config) -> list[str]:
    """Return what is configured anew and needs a start to take effect."""
    changed = {
        "storage": before.storage != after.storage,
        "actions.inbound_token_file": before.actions.inbound_token_file != after.actions.inbound_token_file,
    }
    return [what for what, is_new in changed.items() if is_new]
