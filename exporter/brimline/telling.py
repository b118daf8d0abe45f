"""The half of the hand that tells people: notifier, delivery, and what is wrong with Brimline itself."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from brimline.actions import apprise
from brimline.actions.delivery import Delivery
from brimline.actions.messages import OwnAlert
from brimline.actions.notifier import Notifier
from brimline.chronicle import Chronicle
from brimline.config import Config
from brimline.deeds import NOTIFY, Decision, Fate, Outcome, Pause
from brimline.faults import Point
from brimline.httpclient import HttpClient
from brimline.journal.store import JournalFile
from brimline.model import Clock, Now, Snapshot
from brimline.rules.evaluator import Judgement
from brimline.rules.filling import Filling
from brimline.rules.terms import RuleSet

_log: Final = logging.getLogger(__name__)
_LAST_WORDS: Final = 1.0  # seconds for telling of what ended with us


class Telling:
    """Tells what fires, what was decided and done, and what holds Brimline up."""

    def __init__(  # noqa: PLR0913 - what it tells by
        self,
        config: Config,
        rules: RuleSet,
        *,
        journal: JournalFile,
        clock: Clock,
        http: HttpClient,
        point: Point,
        chronicle: Chronicle,
    ) -> None:
        check(config, rules)
        self._rules, self._journal = rules, journal
        self._filling: Filling | None = None
        self._own: dict[str, float] = {}  # what is wrong with ourselves -> since when
        self._delivery = Delivery(
            journal.outbox,
            clock=clock,
            jitter=lambda: random.uniform(-0.1, 0.1),  # noqa: S311 - it keeps senders apart, it hides nothing
            point=point,
            note=chronicle.note,
        )
        self._notifier = Notifier(
            config.notify,
            annotate=lambda alert: self._filling.annotations(alert) if self._filling is not None else {},
            client=http,
            clock=clock,
            delivery=self._delivery,
            told=journal.texts,
            interval=config.interval,
            external_url=config.web.external_url or "",
        )

    def use(self, config: Config, rules: RuleSet) -> None:
        """Tell these from now on."""
        self._rules = rules
        self._notifier.use(config.notify, interval=config.interval, external_url=config.web.external_url or "")

    def look(self, snapshot: Snapshot) -> None:
        """Fill annotations with this tick's values."""
        self._filling = Filling(self._rules, snapshot)

    def tick(self, now: Now, judgement: Judgement, decisions: Sequence[Decision], pauses: Sequence[Pause]) -> None:
        """Take in a tick."""
        own = self._troubles(now, pauses)
        self._notifier.tick(now, judgement.alerts, judgement.transitions, own)
        self._notifier.decided(decisions)

    def decided(self, decision: Decision) -> None:
        """Take in a decision that changed after its tick."""
        self._notifier.decided([decision])

    def concluded(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Take in what became of an action."""
        self._notifier.concluded(decision, outcome, fate)

    async def run(self) -> None:
        """Deliver messages, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._delivery.run())
            group.create_task(self._notifier.run())

    async def close(self) -> None:
        """Say what can still be said."""
        await self._notifier.flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await asyncio.gather(self._delivery.empty(), self._notifier.alertmanagers.settle())
        await self._notifier.alertmanagers.close()
        await self._delivery.close()

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


def check(config: Config, rules: RuleSet) -> None:
    """Say what the rules ask for and nobody configured; raises ConfigError where a notifier cannot be had."""
    notify = config.notify
    apprise.load(notify.apprise_targets)
    telling = sum(NOTIFY in rule.actions for rule in rules.rules)
    if telling and not (notify.alertmanagers or notify.webhooks or notify.apprise):
        _log.warning("%d rules do notify, and nobody is told: set notify.alertmanagers or notify.webhooks", telling)
