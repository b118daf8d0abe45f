"""Tells people: that an alert fires, that it is over, what was done about it and what was refused.

It looks at what fires, not at the change alone, and remembers what it told: so a process that dies loses no message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from brimline.actions import apprise, messages
from brimline.actions.alertmanager import Alertmanagers
from brimline.actions.delivery import Delivery
from brimline.actions.grouping import Bucket
from brimline.actions.lines import Draft, Line, Pace, Target, split_key
from brimline.actions.messages import Notice, OwnAlert
from brimline.actions.notify_options import NotifyOptions
from brimline.actions.refusals import Refusals
from brimline.actions.sender import Sender
from brimline.actions.shapes import SHAPES
from brimline.actions.told import Told
from brimline.actions.webhook import Webhook
from brimline.deeds import NOTIFY, Decision, Fate, Outcome, Verdict
from brimline.errors import JournalError
from brimline.httpclient import HttpClient
from brimline.model import Alert, AlertKey, Clock, Now, Phase, Transition

_log: Final = logging.getLogger(__name__)
_LOOK_EVERY: Final = 1.0
PATIENCE: Final = 10.0  # seconds for the outbox to take messages in
_ENDED: Final = 1000  # alerts that are over and may still be told of: their action ends after them

Annotate = Callable[[Alert], Mapping[str, str]]


class Notifier:
    """Hands each target's messages to the outbox, and what fires to the Alertmanagers."""

    def __init__(  # noqa: PLR0913 - what it speaks to
        self,
        options: NotifyOptions,
        *,
        annotate: Annotate,
        client: HttpClient,
        clock: Clock,
        delivery: Delivery,
        told: Told,
        interval: float,
        external_url: str = "",
    ) -> None:
        self._annotate = annotate
        self._client = client
        self._clock = clock
        self._delivery = delivery
        self._told = told
        self._refusals = Refusals()
        self._refused: dict[str, tuple[str, str]] = {}  # what to remember of a refusal once it is queued
        self._firing: dict[str, Notice] = {}
        self._abouts: dict[AlertKey, str] = {}  # of what fires and is told of
        self._alerts: Sequence[Alert] = ()  # of the last tick
        self._now_firing: dict[str, Alert] | None = None  # the same by what they are about, made when asked for
        self._ended: dict[str, Notice] = {}
        self._own: Sequence[OwnAlert] = ()
        self._changed = True
        self._woken = asyncio.Event()
        self._lines: dict[str, Line] = {}
        self.alertmanagers = Alertmanagers(
            (), client, interval=interval, external_url=external_url, latest=self._latest
        )
        self.use(options, interval=interval, external_url=external_url)
        self._restore()

    def use(self, options: NotifyOptions, *, interval: float, external_url: str = "") -> None:
        """Tell these from now on; raises ConfigError, and then changes nothing."""
        senders: dict[str, Sender] = {
            hook.target: Webhook(hook, self._client, self._clock) for hook in options.webhooks
        }
        senders |= {sender.name: sender for sender in apprise.load(options.apprise_targets)}
        pace = Pace(options.group_wait, options.burst, options.message_every)
        before, self._lines = self._lines, {}
        for target in targets(options):
            line = before.get(target.name)
            bucket = Bucket(pace.burst, pace.every, float(pace.burst), self._clock.now().mono)
            known, waiting = (line.open, line.waiting) if line is not None else ({}, [])
            since = line.since if line is not None else math.inf
            self._lines[target.name] = Line(target, pace, bucket, known, waiting, since)
        self._external_url, self._labels = external_url, options.labels
        self._delivery.use(senders)
        self.alertmanagers.use(options.alertmanagers, interval=interval, external_url=external_url)
        self._changed = True

    def tick(
        self, now: Now, alerts: Sequence[Alert], transitions: Sequence[Transition], own: Sequence[OwnAlert] = ()
    ) -> None:
        """Take in what fires, and what is wrong with Brimline itself; `own` is all of it, at every tick."""
        self._alerts, self._now_firing = alerts, None
        own = tuple(own)
        if self._changed or transitions or own != self._own:
            self._own, self._changed = own, False
            self._follow(now, transitions)
        self._woken.set()

    def decided(self, decisions: Sequence[Decision]) -> None:
        """Take in what policy says; a refusal is told of when it is news."""
        for decision in decisions:
            if decision.verdict is Verdict.RUN:
                self.alertmanagers.begun(decision)
            if not self._refusals.news(decision):
                continue
            notice = messages.refused(decision, self._alert_of(decision))
            if self._lines:
                self._refused[notice.id] = self._refusals.text(decision)
            self._tell(notice)

    def concluded(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Take in what became of an action; the same again makes the same message, which the outbox has already."""
        self._tell(messages.concluded(decision, outcome, fate, self._alert_of(decision)))

    async def flush(self) -> float:
        """Queue and post what is due; return in how many seconds there is more: without anybody to tell never."""
        now = self._clock.now()
        self.alertmanagers.post(now)  # first: they depend on no disk
        for line in list(self._lines.values()):
            if drafts := line.drafts(now.mono):
                await self._queue(drafts)
                for draft in drafts:
                    self._remember(line, draft)
            if line.unsaid:
                self._told.save(line.unsaid)
                line.unsaid = {}
        rests = [line.rest(now.mono) for line in self._lines.values()]
        return min([_LOOK_EVERY, *rests]) if rests or self.alertmanagers.listed else math.inf

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            self._woken.clear()
            rest = await self.flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest if math.isfinite(rest) else None):
                    await self._woken.wait()

    def _follow(self, now: Now, transitions: Sequence[Transition]) -> None:
        """Bring every target up to what fires now."""
        firing: dict[str, Notice] = {}
        self._abouts = {}
        for alert in self._alerts:
            if alert.phase is Phase.FIRING and NOTIFY in alert.actions:
                about = self._abouts[alert.key] = messages.about_alert(alert.key)
                known = self._firing.get(about)
                firing[about] = known if known and known.starts_at == alert.since else self._fired(alert)
        firing |= {notice.about: self._labelled(notice) for notice in map(messages.own, self._own)}
        for about, notice in self._firing.items():
            if about not in firing:
                self._ended.pop(about, None)
                self._ended[about] = messages.resolved(notice, now.wall)
        for about in list(self._ended)[:-_ENDED]:
            del self._ended[about]
        self._firing = firing
        over = {messages.about_alert(t.alert.key): t.why for t in transitions if t.why}
        for line in self._lines.values():
            line.follow(firing, over, wall=now.wall, mono=now.mono)
        self.alertmanagers.observe({about: notice.id for about, notice in firing.items()}, now)
        asking = {messages.about_alert(a.key) for a in self._alerts if a.phase is Phase.FIRING}  # told of or not
        if forgotten := self._refusals.forget(asking):
            self._told.save(dict.fromkeys(forgotten))

    def _fired(self, alert: Alert) -> Notice:
        return self._labelled(messages.fired(alert, self._annotate(alert)))

    def _labelled(self, notice: Notice) -> Notice:
        """Add the configured labels; as Prometheus's external ones they give way to its own."""
        return replace(notice, labels={**self._labels, **notice.labels}) if self._labels else notice

    def _latest(self, about: str) -> Notice | None:
        """Return an alert that fires with its values of now."""
        if self._now_firing is None:
            abouts = self._abouts
            self._now_firing = {abouts[a.key]: a for a in self._alerts if a.key in abouts and a.phase is Phase.FIRING}
        alert = self._now_firing.get(about)
        return self._fired(alert) if alert is not None else self._firing.get(about)

    def _alert_of(self, decision: Decision) -> Notice | None:
        """Return the alert that asked for it; one that is over too, since a restart ends it."""
        if decision.key is None:
            return None
        about = messages.about_alert(decision.key)
        return self._firing.get(about) or self._ended.get(about)

    def _tell(self, notice: Notice) -> None:
        mono, notice = self._clock.now().mono, self._labelled(notice)
        for line in self._lines.values():
            line.tell(notice, mono)
        self.alertmanagers.acted(notice)
        self._woken.set()

    async def _queue(self, drafts: Sequence[Draft]) -> None:
        """Put messages into the outbox; while the journal is down, or its disk hangs, they are sent once and say so."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._delivery.queue([draft.message(self._external_url, durable=True) for draft in drafts])
        except (JournalError, TimeoutError) as error:
            why = error if isinstance(error, JournalError) else f"the disk takes more than {PATIENCE:g} s"
            _log.warning("messages are sent once and stand in no outbox: %s", why)
            self._delivery.send_once([draft.message(self._external_url, durable=False) for draft in drafts])

    def _remember(self, line: Line, draft: Draft) -> None:
        changes = line.changes(draft)
        changes |= dict(self._refused.pop(n.id) for n in draft.notices if n.id in self._refused)
        if changes:
            self._told.save(changes)

    def _restore(self) -> None:
        """Take up what an earlier process told, and forget what it told a target that is there no more."""
        gone: dict[str, str | None] = {}
        for key, text in self._told.load().items():
            try:
                place = split_key(key)
                if place is not None and place[0] in self._lines:
                    self._lines[place[0]].open[place[1]] = messages.loads(text)
                elif place is not None or not self._refusals.load(key, text):
                    gone[key] = None
            except ValueError as error:  # another version wrote it
                _log.warning("what was told of %s is not known any more: %s", key, error)
                gone[key] = None
        if gone:
            self._told.save(gone)


def targets(options: NotifyOptions) -> list[Target]:
    """Return who gets messages, and in which shape."""
    hooks = [Target(hook.target, SHAPES[hook.shape], hook.send_resolved) for hook in options.webhooks]
    return [*hooks, *(Target(name, SHAPES["text"]) for name in options.apprise_targets)]
