"""Policy and its book in random steps, beside a model that only keeps a list of what happened and counts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from brimline.deeds import Decision, Fate, Ledger, Outcome, Verdict, whose
from brimline.model import AlertKey, Container, Kind, Now, Subject
from brimline.policy.book import Book
from brimline.policy.case import Tick
from brimline.policy.decide import decide
from brimline.policy.terms import Scene, Terms, Wish

SERVICES = {"a1": "shop/a", "a2": "shop/a", "a3": "shop/a", "b1": "shop/b", "b2": "shop/b", "c": ""}
NAMES = tuple(SERVICES)
RULES = ("g/Critical", "g/Exhausted")
PER_SERVICE = {"shop/a": 5, "shop/b": 4}
SHIFTS = (-3600.0, 3600.0, 315_360_000.0)
TERMS = Terms(allow=("*",))


@dataclass
class Event:
    """A restart as the model remembers it."""

    name: str
    began: float
    rule: str = ""
    uid: int = 0
    image: str = ""
    ended: float | None = None
    fate: str = ""
    relapsed: bool = False
    ours: bool = True

    @property
    def over(self) -> float:
        return self.began if self.ended is None else self.ended


class Model:
    """What the promises allow, counted anew from the list each time."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.resumed = -1e9

    def busy(self) -> set[str]:
        return {e.name for e in self.events if e.ours and e.ended is None}

    def within(self, seconds: float, at: float, names: set[str]) -> int:
        return sum(at - seconds <= e.began <= at for e in self.events if e.name in names)

    def wait(self, name: str) -> float:
        wait, last = 0.0, None
        for event in self.events:
            if event.name == name:
                well = last is not None and last.fate != "failed" and event.began - last.over >= 600
                wait = 10.0 if last is None or well else min(300.0, 2 * wait)
                last = event
        return wait

    def in_vain(self, name: str, image: str, at: float) -> bool:
        row = [e for e in self.events if e.name == name and e.rule and e.fate == "done" and e.image == image]
        row = [e for e in row if e.began > self.resumed][-2:]
        return len(row) == 2 and all(e.relapsed for e in row) and at - row[1].over < 6 * 3600

    def storm(self, firing: set[str], at: float) -> bool:
        recent = {e.name for e in self.events if e.rule and at - e.began <= 3600 and at - e.over <= 300}
        return bool(firing) and len(firing | recent) > len(NAMES) / 2

    def may(self, name: str, *, image: str, at: float, person: bool, pressed: set[str], storm: bool) -> bool:
        busy, service = self.busy(), SERVICES[name]
        mates = {n for n in NAMES if service and SERVICES[n] == service} - {name}
        ends = [e.over for e in self.events if e.name == name]
        together = self.within(3600, at, mates | {name}) if service else 0
        spare = not mates or bool(mates - busy - pressed) or (not mates & busy)
        return (
            name not in busy
            and (person or not self.in_vain(name, image, at))
            and not (storm and busy)
            and (not ends or at - max(ends) >= self.wait(name))
            and self.within(3600, at, {name}) < 3
            and together < PER_SERVICE.get(service, 1)
            and self.within(3600, at, set(NAMES)) < 10
            and spare
        )


class Hands(RuleBasedStateMachine):
    """Six containers of three services, two rules, a person, and everything that can happen to a restart."""

    @initialize(wall=st.just(1e9))
    def begin(self, wall: float) -> None:
        self.wall, self.mono = wall, 50_000.0
        self.book, self.model = Book(Ledger()), Model()
        self.uids, self.images = dict.fromkeys(NAMES, 1), dict.fromkeys(NAMES, "1")
        self.firing: dict[str, tuple[str, float]] = {}  # name -> rule and ratio
        self.under_way: dict[str, tuple[Decision, Event]] = {}

    @rule(seconds=st.sampled_from((1.0, 5.0, 9.0, 20.0, 60.0, 299.0, 600.0, 1800.0, 3600.0, 25_000.0)))
    def pass_(self, seconds: float) -> None:
        self.wall, self.mono = self.wall + seconds, self.mono + seconds
        self.tick()

    @rule(seconds=st.sampled_from(SHIFTS))
    def clock_set(self, seconds: float) -> None:
        self.wall += seconds

    @rule(names=st.sets(st.sampled_from(NAMES)), which=st.sampled_from(RULES), seed=st.integers(0, 5))
    def fire(self, names: set[str], which: str, seed: int) -> None:
        self.firing = {n: (which, 0.86 + (NAMES.index(n) * 5 + seed) % 6 / 100) for n in names}
        self.tick()

    @rule(names=st.sets(st.sampled_from(NAMES), min_size=1, max_size=2))
    def a_person_asks(self, names: set[str]) -> None:
        self.tick(tuple(sorted(names)))

    @rule(fate=st.sampled_from((Fate.DONE, Fate.DONE, Fate.DONE, Fate.FAILED, Fate.ABANDONED)), every=st.booleans())
    def conclude(self, fate: Fate, *, every: bool) -> None:
        for name in sorted(self.under_way)[: None if every else 1]:
            decision, event = self.under_way.pop(name)
            if fate is Fate.DONE:
                self.uids[name] += 1
                assert self.book.observed(self.container(name), self.mono) is None, "ours, while it is under way"
            uid = f"{name}@{self.uids[name]}"
            outcome = Outcome(decision.id, ok=fate is Fate.DONE, detail="", started=0.0, ended=0.0, uid=uid)
            self.book.conclude(decision, outcome, fate=fate, mono=self.mono)
            assert self.book.observed(self.container(name), self.mono) is None, "ours, and just over"
            event.ended, event.fate = self.mono, str(fate)

    @rule(name=st.sampled_from(NAMES), which=st.sampled_from(RULES), wait=st.sampled_from((5.0, 298.0, 302.0)))
    def restarted_in_vain(self, name: str, which: str, wait: float) -> None:
        """Let time pass until it may be restarted, and its rule hold again soon, or not soon enough."""
        self.firing = {}
        self.pass_(1800.0)
        self.conclude(Fate.DONE, every=True)
        self.fire({name}, which, 0)
        self.conclude(Fate.DONE, every=True)
        self.firing = {}
        self.pass_(wait)
        self.fire({name}, which, 0)

    @rule()
    def refused_under_the_lock(self) -> None:
        if self.under_way:
            decision, event = self.under_way.pop(min(self.under_way))
            self.book.drop(decision)
            self.model.events.remove(event)

    @rule(name=st.sampled_from(NAMES))
    def somebody_restarts(self, name: str) -> None:
        if name not in self.under_way:
            self.uids[name] += 1
            assert self.book.observed(self.container(name), self.mono) is not None
            assert self.book.observed(self.container(name), self.mono) is None, "counted once"
            self.model.events.append(Event(name, self.mono, ended=self.mono, fate="observed", ours=False))

    @rule(name=st.sampled_from(NAMES))
    def deployed_anew(self, name: str) -> None:
        if name not in self.under_way:
            self.images[name] += "1"

    @rule()
    def resumed(self) -> None:
        self.book.resume("", self.mono)
        self.model.resumed = self.mono

    @rule()
    def brimline_starts_again(self) -> None:
        self.book = Book(self.book.ledger())

    def container(self, name: str) -> Container:
        project, _, service = SERVICES[name].partition("/")
        subject = Subject(Kind.CONTAINER, name, (name, project, service), f"{name}@{self.uids[name]}")
        image = self.images[name]
        return Container(name, subject, {}, "i", image, "runc", True, 1, 1.0, None, "", False)  # noqa: FBT003 - running, not killed

    def scene(self, persons: tuple[str, ...]) -> Scene:
        there = {name: self.container(name) for name in NAMES}
        wishes = [Wish(there[name].subject, "restart", caller="cli ann") for name in persons]
        for name, (which, _) in self.firing.items():
            subject = there[name].subject
            key = AlertKey(which, subject.kind, subject.name, subject.labels)
            wishes.append(Wish(subject, "restart", key=key, alertname=which, severity="critical", episode="1"))
        return Scene(
            now=Now(self.wall, self.mono),
            wishes=tuple(wishes),
            containers={c.subject: c for c in there.values()},
            fresh={c.subject for c in there.values()},
            samples={c.subject.uid: 9 for c in there.values()},
            busy={whose(decision.subject): "restart" for decision, _ in self.under_way.values()},
            replicas={"shop/a": {"a1", "a2", "a3"}, "shop/b": {"b1", "b2"}},
            pressed={there[name].subject: ratio for name, (_, ratio) in self.firing.items()},
        )

    def tick(self, persons: tuple[str, ...] = ()) -> None:
        scene = self.scene(persons)
        holding = [(w.subject, w.rule) for w in scene.wishes if w.rule]
        self.book.notice(holding, self.mono)
        for event in self.model.events:
            fires = self.firing.get(event.name, ("", 0.0))[0]
            recent = event.fate == "done" and self.mono - event.over <= 300
            event.relapsed |= recent and fires == event.rule != "" and self.uids[event.name] != event.uid
        decisions = decide(Tick(scene, self.book.ledger(), TERMS))
        for shift in SHIFTS:
            shifted = replace(scene, now=Now(scene.now.wall + shift, scene.now.mono))
            told = [(d.verdict, d.reason) for d in decide(Tick(shifted, self.book.ledger(), TERMS))]
            assert told == [(d.verdict, d.reason) for d in decisions], "the wall clock counts for nothing"
        storm = self.model.storm(set(self.firing), self.mono)

        def urgency(decision: Decision) -> tuple[bool, float, bool, str]:
            name = decision.subject.name
            return decision.key is not None, -self.firing.get(name, ("", 0.0))[1], decision.key is None, name

        for decision in sorted(decisions, key=urgency):
            name, runs = decision.subject.name, decision.verdict is Verdict.RUN
            may = self.model.may(
                name,
                image=self.images[name],
                at=self.mono,
                person=decision.key is None,
                pressed=set(self.firing),
                storm=storm,
            )
            assert runs == may, (decision.verdict, decision.reason)
            if runs:
                event = Event(name, self.mono, decision.rule, self.uids[name], self.images[name])
                self.model.events.append(event)
                self.under_way[name] = decision, event
                self.book.begin(decision)
        self.promises_hold()

    def promises_hold(self) -> None:
        """Hold the promises themselves against the list, whatever the model makes of them."""
        for service, replicas in (("shop/a", 3), ("shop/b", 2)):
            assert sum(SERVICES[name] == service for name in self.under_way) < replicas, "one always works"
        for nth, last in enumerate(self.model.events):
            if not last.ours or last.began < self.mono:
                continue
            before = [e.name for e in self.model.events[: nth + 1] if self.mono - 3600 <= e.began]
            together = sum(SERVICES[name] == SERVICES[last.name] for name in before)
            assert before.count(last.name) <= 3
            assert not SERVICES[last.name] or together <= PER_SERVICE[SERVICES[last.name]]
            assert len(before) <= 10


def act(runs: int) -> None:
    """Go through so many runs of up to 50 steps; fails at the first that is not as the model says."""
    often = settings(max_examples=runs, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Hands, settings=often)  # type: ignore[no-untyped-call] # hypothesis does not say
