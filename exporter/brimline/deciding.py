"""What policy makes of a tick: wishes and facts in, decisions out; what may be done is begun, what changed is told.

Decisions are made anew in every tick from all that fires, so a refusal of now may be a restart of later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from brimline.deeds import RESTART, Decision, Deed, Fate, Ledger, Outcome, Request, Verdict
from brimline.labels import names
from brimline.mistakes import did_you_mean
from brimline.model import Container, Kind, Now, Phase, Snapshot, SourceReport, Subject
from brimline.policy import budget, effect
from brimline.policy.book import Book
from brimline.policy.case import Tick
from brimline.policy.decide import decide
from brimline.policy.served import Served
from brimline.policy.terms import Scene, Terms, Wish, service_of
from brimline.rules.evaluator import Judgement
from brimline.scenes import Doing, Scenes, wishes_of

_HOST: Final = "host"
_SLIDES: Final = 15.0  # seconds for which a budget may be told a little too small: the hour slides
Asked = tuple[str, str, tuple[str, ...], str, str]  # caller or rule, name, labels, action, episode


class Told(Protocol):
    """Who hears of what policy says and sees."""

    def decided(self, decision: Decision) -> None:
        """Hear that a decision is new, or its verdict another; `run` is told here too."""
        ...

    def observed(self, deed: Deed, subject: Subject, now: Now) -> None:
        """Hear that somebody else restarted a container."""
        ...

    def relapsed(self, deed: Deed, subject: Subject, now: Now) -> None:
        """Hear that a restart did not help for long."""
        ...

    def unanswered(self, request: Request, why: str, now: Now) -> None:
        """Hear that a request names nothing that is there."""
        ...


Begin = Callable[[Decision], None]


class Deciding:
    """Decides tick after tick, and keeps the book in step with what is begun and ends."""

    def __init__(  # noqa: PLR0913 - what it asks and whom it tells
        self, *, book: Book, scenes: Scenes, terms: Terms, begin: Begin, told: Told, ours: Callable[[str], bool]
    ) -> None:
        self.book = book
        self.scenes = scenes
        self.terms = terms
        self._begin = begin
        self._told = told
        self._ours = ours  # whether an order of ours explains a container's new start, by its id
        self._last: dict[Asked, Verdict] = {}
        self._late: set[Asked] = set()  # what was refused under the lock, where the next tick tries again
        self._known: Mapping[Subject, Container] = {}  # as they were, to see a restart by
        self._served = Served()
        self._storm = False
        self._of: Mapping[Subject, Container] | None = None
        self._by: Ledger | None = None
        self._due = 0.0
        self._remaining: Mapping[Subject, int] = {}
        self._vain: Collection[Subject] = frozenset()

    def report(self, now: Now) -> SourceReport:
        """Return the budgets and what does not help, as of the last tick; worked out anew only when they may differ."""
        containers, ledger = self.scenes.containers, self.book.ledger()
        if containers is not self._of or ledger is not self._by or now.mono >= self._due:
            self._of, self._by, self._due = containers, ledger, now.mono + _SLIDES
            tick = Tick(Scene(now, containers=containers, replicas=self.scenes.replicas(now.mono)), ledger, self.terms)
            self._remaining = {s: budget.remaining(tick, s, service_of(s, c.labels)) for s, c in containers.items()}
            self._vain = {s for s, c in containers.items() if effect.in_vain(tick, s, c) is not None}
        host = Subject(Kind.HOST, _HOST, (), _HOST)
        return self._served.report(self._remaining, self._vain, host, storm=self._storm)

    def decide(
        self, snapshot: Snapshot, judgement: Judgement, doing: Doing, asked: Sequence[Request]
    ) -> tuple[Decision, ...]:
        """Return the decisions of this tick."""
        now = snapshot.at
        self.scenes.look(snapshot)
        self._observe(now)
        requested = self._wishes(asked, now)
        holding = [(a.subject, a.key.rule) for a in judgement.alerts if a.known and a.phase is not Phase.INACTIVE]
        holding += [(w.subject, w.caller) for w in requested if w.action == RESTART and not w.dry_run]
        for deed in self.book.notice(holding, now.mono):
            self._told.relapsed(deed, Subject(Kind.CONTAINER, deed.name, deed.labels, deed.uid), now)
        wishes = (*wishes_of(judgement.alerts), *requested)
        if not wishes:
            self._storm = False
            self._last.clear()
            self._late.clear()
            return ()
        scene = self.scenes.scene(snapshot, judgement.alerts, wishes, doing)
        tick = Tick(scene, self.book.ledger(), self.terms)
        decisions = decide(tick)
        self._storm = tick.storm
        for wish, decision in zip(wishes, decisions, strict=True):
            self._follow(wish, decision)
        standing = set(map(_asked, decisions))
        self._last = {key: verdict for key, verdict in self._last.items() if key in standing}
        self._late &= standing
        return decisions

    def concluded(self, decision: Decision, outcome: Outcome, fate: Fate, mono: float) -> None:
        """Keep what became of an action."""
        self.book.conclude(decision, outcome, fate=fate, mono=mono)

    def refused(self, decision: Decision, verdict: Verdict, reason: str) -> None:
        """Take back what was refused under the lock."""
        self.book.drop(decision)
        asked = _asked(decision)
        self._late.add(asked)
        if self._last.get(asked) is not verdict:
            self._last[asked] = verdict
            self._told.decided(replace(decision, verdict=verdict, reason=reason))

    def _follow(self, wish: Wish, decision: Decision) -> None:
        match decision.verdict:
            case Verdict.RUN:
                self.book.begin(decision)
            case Verdict.DRY_RUN if not wish.dry_run:
                # It has the same consequences, or a dry run would go on to say what a real one never does.
                self.book.begin(decision)
                done = Outcome(decision.id, ok=True, detail="dry run", started=decision.at.wall, ended=decision.at.wall)
                self.book.conclude(decision, done, fate=Fate.DONE, mono=decision.at.mono)
        self._tell(decision)
        if decision.verdict is Verdict.RUN:  # last: it may be refused at once
            self._begin(decision)

    def _tell(self, decision: Decision) -> None:
        """Tell what is new; not what is tried in vain tick after tick, nor that an action waits for itself."""
        asked, verdict = _asked(decision), decision.verdict
        if verdict is Verdict.RUN and asked in self._late:
            return
        before = self._last.get(asked)
        own = verdict is Verdict.IN_FLIGHT and (before is Verdict.RUN or asked in self._late)
        self._last[asked] = verdict
        self._late.discard(asked)
        if verdict in {Verdict.RUN, Verdict.DRY_RUN} or (before is not verdict and not own):
            self._told.decided(decision)

    def _observe(self, now: Now) -> None:
        """See by StartedAt who was started again, and tell where it was not us."""
        containers = self.scenes.containers
        if containers is self._known:
            return
        before, self._known = {c.id: c for c in self._known.values()}, containers
        for container in containers.values():
            known = before.get(container.id)
            if known is None or not container.running or container.started == known.started:
                continue
            if not known.started:
                continue  # it was made, and starts for the first time
            if container.policy_restarts > known.policy_restarts:
                continue  # its restart policy did it: a crash loop must not use up what the others need
            deed = None if self._ours(container.id) else self.book.observed(container, now.mono)
            if deed is not None:
                self._told.observed(deed, container.subject, now)

    def _wishes(self, asked: Sequence[Request], now: Now) -> list[Wish]:
        wishes = []
        for request in asked:
            found = [s for s in self.scenes.containers if request.name in {*names(s), s.labels[2]} - {""}]
            exact = [s for s in found if s.name == request.name]
            chosen = exact or found
            if len(chosen) != 1:
                hint = did_you_mean(request.name, (s.name for s in self.scenes.containers), listed=20)
                why = (
                    f"{len(chosen)} containers are called so; write one's own name"
                    if chosen
                    else f"no such container{hint}"
                )
                self._told.unanswered(request, why, now)
                continue
            wishes.append(
                Wish(chosen[0], request.action, episode=request.id, caller=request.caller, dry_run=request.dry_run)
            )
        return wishes


def _asked(decision: Decision) -> Asked:
    subject = decision.subject
    return (decision.rule or decision.caller, subject.name, subject.labels, decision.action, decision.episode)
