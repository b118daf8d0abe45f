"""The half of Brimline that acts: journal, policy's book, runner and messages put together, and fed tick by tick.

Nothing in a tick waits: what takes time is a task, and what is written is written by the journal's own thread.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from brimline.actions import apprise
from brimline.actions.delivery import Delivery
from brimline.actions.messages import OwnAlert
from brimline.actions.notifier import Notifier
from brimline.actions.runner import Runner, World
from brimline.chronicle import Chronicle
from brimline.config import Config
from brimline.deciding import Deciding
from brimline.deeds import Decision, Fate, Outcome, Pause, Request, Verdict
from brimline.endpoints import leans_on, resolved
from brimline.faults import points
from brimline.journal import told
from brimline.journal.store import JournalFile
from brimline.leave import Leave, terms_of
from brimline.model import Container, Now, Snapshot, SourceReport, Subject
from brimline.policy.book import Book
from brimline.policy.guarded import Guarded
from brimline.policy.terms import RESTART
from brimline.rules.evaluator import Judgement
from brimline.rules.filling import Filling
from brimline.rules.terms import RuleSet
from brimline.scenes import Doing, Scenes
from brimline.standings import Standings
from brimline.ties import Ties
from brimline.tools import Tools

_log: Final = logging.getLogger(__name__)
_GRACE: Final = 8.0  # seconds in which what is under way may end with us; Docker gives ten
_LAST_WORDS: Final = 1.0  # seconds for telling of it after that
_GUARD_EVERY: Final = 300.0  # seconds between two looks at where our own connections lead


class Hand:
    """Decides and acts beside the ticks of one engine."""

    def __init__(self, config: Config, rules: RuleSet, journal: JournalFile, ties: Ties) -> None:
        self._config, self._rules, self._journal, self._ties = config, rules, journal, ties
        self._point = points(ties.environ)
        self._chronicle = Chronicle(journal, ties.acted, ties.clock)
        self.check(config, rules)
        self._standings = Standings(ties.pids)
        self._tools = Tools(config, ties, self._point, self._is_guarded)
        self._actions = self._tools.actions(config)
        world = World(self._tools.containers, journal, self._standings, ties.clock, asyncio.sleep, self._point)
        settle = config.actions.settle
        self._runner = Runner(world, self, self._actions, self._tools.reconciler(config), settle=settle)
        self._deciding = Deciding(
            book=Book(journal.ledger(ties.clock.now())),
            scenes=Scenes(start_period=config.start_period, missing=self._missing),
            terms=terms_of(config.actions),
            begin=self._begin,
            told=self._chronicle,
            ours=self._tools.containers.take_order,
        )
        self._deciding.scenes.guard(self._leans_on())
        self._filling: Filling | None = None
        self._delivery = Delivery(
            journal.outbox,
            clock=ties.clock,
            jitter=lambda: random.uniform(-0.1, 0.1),  # noqa: S311 - it keeps senders apart, it hides nothing
            point=self._point,
            note=self._chronicle.note,
        )
        self._notifier = Notifier(
            config.notify,
            annotate=lambda alert: self._filling.annotations(alert) if self._filling is not None else {},
            client=self._tools.http,
            clock=ties.clock,
            delivery=self._delivery,
            told=journal.texts,
            interval=config.interval,
            external_url=config.web.external_url or "",
        )
        self._knows = journal.openings > 0  # what the journal tells; else the first tick after its opening takes it up
        self._ignorant = not self._knows
        self._own: dict[str, float] = {}  # what is wrong with ourselves -> since when
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
        notify = config.notify
        apprise.load(notify.apprise_targets)
        telling = sum("notify" in rule.actions for rule in rules.rules)
        if telling and not (notify.alertmanagers or notify.webhooks or notify.apprise):
            _log.warning("%d rules do notify, and nobody is told: set notify.alertmanagers or notify.webhooks", telling)

    def use(self, config: Config, rules: RuleSet) -> None:
        """Act by this configuration from now on; what is under way ends by its own."""
        if config.storage != self._config.storage:
            _log.warning("what is new under storage takes effect at the next start")
        self._config, self._rules, self._introduced = config, rules, False
        self._tools.use(config)
        self._actions = self._tools.actions(config)
        self._runner.reconfigure(self._actions, self._tools.reconciler(config), settle=config.actions.settle)
        self._deciding.terms = terms_of(config.actions)
        self._deciding.scenes.start_period = config.start_period
        self._deciding.scenes.begin_anew()
        self._deciding.scenes.guard(self._leans_on())
        self._notifier.use(config.notify, interval=config.interval, external_url=config.web.external_url or "")
        self._chronicle.note("the configuration was read again")

    def report(self, now: Now) -> SourceReport:
        """Return what is known of budgets, for the rules to judge too."""
        return self._deciding.report(now)

    def missed(self) -> None:
        """Nobody looked for long: what the next tick says is a first sample."""
        self._deciding.scenes.begin_anew()

    def decide(self, snapshot: Snapshot, judgement: Judgement) -> tuple[Decision, ...]:
        """Decide what every firing alert asks for, and begin what may be done."""
        journal, now = self._journal, snapshot.at
        self._take_up(now)
        self._standings.look(snapshot)
        self._filling = Filling(self._rules, snapshot)
        pauses = self.pauses
        for glob in journal.resumed():
            self._deciding.book.resume(glob, now.mono)
        asked = (*journal.requests(), *self._inbound)
        self._inbound.clear()
        doing = Doing(self._runner.busy(), pauses, journal.up)
        decisions = self._deciding.decide(snapshot, judgement, doing, asked)
        self._introduce()
        self._chronicle.changed(judgement.transitions, now)
        own = self._troubles(now, pauses)
        self._notifier.tick(now, judgement.alerts, judgement.transitions, own)
        self._notifier.decided(decisions)
        journal.minutes.observe(snapshot)
        journal.prune()
        acted = self._ties.acted
        acted.journal_up, acted.pauses, acted.outbox = journal.up, pauses, journal.outbox.counts()
        return decisions

    def _introduce(self) -> None:
        """Say once who may be restarted, as soon as containers are known; who asks for no restart need not hear it."""
        scenes = self._deciding.scenes
        if self._introduced or not scenes.containers:
            return
        self._introduced = True
        if any(RESTART in rule.actions for rule in self._rules.rules):
            _log.info("%s", Leave(self._deciding.terms, scenes.guarded).summary(scenes.containers))

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
            self._notifier.concluded(decision, outcome, fate)
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
            group.create_task(self._delivery.run())
            group.create_task(self._notifier.run())
            group.create_task(self._keep_guard())
            group.create_task(self._tools.look_early())

    async def close(self) -> None:
        """Let what is under way end, say what can still be said, and write everything down."""
        await self._runner.close(_GRACE)
        await self._notifier.flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await asyncio.gather(self._delivery.empty(), self._notifier.alertmanagers.settle())
        await self._notifier.alertmanagers.close()
        await self._delivery.close()
        await self._tools.close()
        self._chronicle.note("Brimline stopped")

    def concluded(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Take in what became of an action."""
        self._chronicle.concluded(decision, outcome, fate)
        self._deciding.concluded(decision, outcome, fate, self._ties.clock.now().mono)
        self._notifier.concluded(decision, outcome, fate)
        self._ties.wake("action")

    def refused(self, decision: Decision, verdict: Verdict, reason: str) -> None:
        """Take in that a decision was not begun after all."""
        self._deciding.refused(decision, verdict, reason)
        self._notifier.decided([replace(decision, verdict=verdict, reason=reason)])

    def _begin(self, decision: Decision, _: Container | None) -> None:
        standing = self._standings(decision.subject)
        if standing is None:
            self.refused(decision, Verdict.STALE_DATA, f"{decision.subject.name} was not measured in this tick")
            return
        self._runner.begin(decision, standing, self._directories(decision.subject))

    def _is_guarded(self, container: Container) -> str | None:
        return self._deciding.scenes.guarded.reason(container)

    def _missing(self, action: str, subject: Subject, container: Container | None) -> str | None:
        standing, known = self._standings(subject), self._actions.get(action)
        if standing is None or known is None:
            return None  # policy says so itself
        return known.lacks(standing, container, self._directories(subject)) or None

    def _directories(self, subject: Subject) -> Mapping[str, str]:
        return next((t.directories for t in self._ties.targets() if t.subject == subject), {})

    def _troubles(self, now: Now, pauses: Sequence[Pause]) -> list[OwnAlert]:
        """Return what is wrong with Brimline itself now."""
        found = {}
        if not self._journal.up:
            found["BrimlineJournalDown"] = (f"nothing is done: {self._journal.why}", "critical")
        if pauses:
            globs = ", ".join(pause.glob or "everything" for pause in pauses)
            found["BrimlinePaused"] = (f"nothing is done to {globs}", "info")
        self._own = {name: self._own.get(name, now.wall) for name in found}
        return [OwnAlert(name, text, self._own[name], severity) for name, (text, severity) in found.items()]

    async def _keep_guard(self) -> None:
        """Look now and then which containers we ourselves lean on."""
        while True:
            self._deciding.scenes.guard(await asyncio.to_thread(resolved, self._leans_on()))
            await asyncio.sleep(_GUARD_EVERY)

    def _leans_on(self) -> Guarded:
        return leans_on(self._config, self._ties.environ)
