"""A dry run decides as an acting one in every fault, and orders nothing: no order to the engine, no signal, no cleanup.

Every test of test_hand_clock, _stale, _journal, _flight, _hostile, _receivers and _follow has a dry run beside each of
its lives (hand_dry.py says how, and from where on they differ by nature). Here is what those do not tell: deaths at
every point, cleanups, replicas, that a difference would be found; and random worlds for what decides alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from brimline import hand
from brimline.deciding import Deciding
from brimline.deeds import Decision, Fate, Ledger, Outcome, Pause, Request, Verdict
from brimline.faults import POINTS
from brimline.journal import told
from brimline.model import Alert, AlertKey, Column, Container, Kind, Phase, Snapshot, SourceReport, Subject
from brimline.policy.book import Book
from brimline.policy.terms import Terms
from brimline.rules.evaluator import Judgement
from brimline.scenes import Doing, Scenes
from brimline.sources.cgroup import MEMORY_USED_RATIO
from fakes import FakeClock, container, described
from unit.acting import until
from unit.hand_dry import Compared, compared, row
from unit.hand_life import Life, Place
from unit.notify_parts import receiver
from unit.test_deciding import Heard
from unit.test_journal_asked import write

ACTING = POINTS[: POINTS.index("queueing")]  # a dry run here tells nobody


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Place, Compared]]:
    with compared(tmp_path) as (here, seen):
        here.container()
        yield here, seen


def under_way(life: Life) -> bool:
    begun = any(deed.fate is Fate.INTENDED for deed in life.hand._deciding.book.ledger().deeds)
    return begun or bool(life.hand._runner.busy())


@pytest.mark.parametrize("point", ACTING)
def test_whatever_point_an_acting_one_dies_at_the_next_one_decides_as_a_dry_one(
    both: tuple[Place, Compared], point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, seen = both
    died: list[str] = []

    def reached(at: str) -> None:
        if at == point and not died:
            died.append(at)
            raise asyncio.CancelledError

    monkeypatch.setattr(hand, "points", lambda _: reached)

    async def body() -> None:
        async with here.life() as life:
            with suppress(asyncio.CancelledError):
                await life.looks(3)
        assert died == [point]
        before = seen.ticks
        here.pass_(60)
        async with here.life() as life:
            await until(lambda: not under_way(life) and not under_way(seen.dry[-1]))
            await life.looks(40)
        assert seen.apart[-1] == ""
        assert seen.ticks - before == 40
        assert seen.begun() >= 2

    asyncio.run(body())


def test_a_storm_of_replicas_a_pause_and_a_silence_of_brimline(both: tuple[Place, Compared]) -> None:
    here, seen = both
    for name in ("api-1", "api-2", "api-3"):
        here.container(name, **{"com.docker.compose.project": "shop", "com.docker.compose.service": "api"})

    async def body() -> None:
        async with here.life() as life:
            await life.looks(30)
            at = here.clock.now()
            write(here.storage, told.paused(Pause("api-*", at.wall, at.wall + 60, "cli anna", at.mono, 60.0), at))
            await life.looks(30)
            await life.tick(600.0)
            here.jump(-3600.0)
            await life.looks(30)

    asyncio.run(body())
    assert seen.apart == [""]
    assert seen.ticks == 91
    assert {Verdict.IN_FLIGHT, Verdict.PAUSED, Verdict.FIRST_SAMPLES, Verdict.COOLDOWN} <= set(seen.verdicts)
    assert seen.begun() >= 4


def test_what_a_person_asks_for_is_answered_the_same(both: tuple[Place, Compared]) -> None:
    here, seen = both
    here.full["web"] = 0.1

    async def body() -> None:
        async with here.life() as life:
            await life.looks(3)
            for number, name in enumerate(("web", "web", "wbe")):
                life.hand.ask(Request(f"r{number}", here.clock.wall, "restart", name, "cli anna"))
                await life.tick()
            await life.looks(3)

    asyncio.run(body())
    assert seen.verdicts == [Verdict.RUN, Verdict.COOLDOWN]


def test_a_cleanup_is_called_by_the_acting_one_alone(both: tuple[Place, Compared]) -> None:
    here, seen = both
    called: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        called.append(request.path)
        return web.Response(text="{}")

    async def body() -> None:
        async with receiver(answer) as url, here.life(do="cleanup", actions={"cleanup": {"web": url}}) as life:
            await life.looks(6)
            assert here.fates() == ["done"]
        assert len(called) == seen.begun() == 1

    asyncio.run(body())


def test_one_that_forgot_what_it_would_have_done_is_found_out(
    both: tuple[Place, Compared], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = both
    follow = Deciding._follow

    def forgets(self: Deciding, wish: object, decision: Decision) -> None:
        if decision.verdict is not Verdict.DRY_RUN:
            follow(self, wish, decision)  # type: ignore[arg-type] # handed on

    monkeypatch.setattr(Deciding, "_follow", forgets)

    async def body() -> None:
        async with here.life() as life:
            with pytest.raises(AssertionError, match="a dry run says"):
                await life.looks(30)

    asyncio.run(body())


def test_one_that_orders_is_found_out(both: tuple[Place, Compared], monkeypatch: pytest.MonkeyPatch) -> None:
    here, _ = both
    follow = Deciding._follow

    def obeys(self: Deciding, wish: object, decision: Decision) -> None:
        follow(self, wish, decision)  # type: ignore[arg-type] # handed on
        if decision.verdict is Verdict.DRY_RUN:
            self._begin(decision)

    monkeypatch.setattr(Deciding, "_follow", obeys)

    async def body() -> None:
        async with here.life() as life:
            with pytest.raises(AssertionError, match="nor does it call or signal anybody"):
                await life.looks(4)

    asyncio.run(body())


# Random worlds, at the level of what decides ------------------------------------------------------------------------

SERVICES = {"web": ("", ""), "api-1": ("shop", "api"), "api-2": ("shop", "api"), "job": ("shop", "job")}
NAMES = tuple(SERVICES)
LABELS = {"brimline.restart": "true"}
CALLERS = ("cli ann", "alertmanager mail")
ACTIONS = ("restart", "recycle", "cleanup")


@dataclass(frozen=True)
class Step:
    """What the world does before one tick, and what is seen then."""

    seconds: float
    jump: float = 0.0
    full: dict[str, float] = field(default_factory=dict)
    action: str = "restart"
    health: str = ""
    gone: frozenset[str] = frozenset()
    begun_anew: frozenset[str] = frozenset()  # by somebody else
    silent: bool = False  # the engine
    unknown: bool = False  # values of an earlier tick
    journal_up: bool = True
    paused: str | None = None
    asks: tuple[str, str, bool] | None = None  # whom, who, only a question
    resumed: bool = False
    missed: bool = False


def rarely(*, value: bool) -> st.SearchStrategy[bool]:
    """Draw the value now and then: with everything amiss at once nothing is ever done."""
    return st.sampled_from((*(not value,) * 19, value))


ANYBODY = st.sampled_from((frozenset(),) * 40 + tuple(frozenset((name,)) for name in NAMES))
STEPS = st.builds(
    Step,
    seconds=st.sampled_from((1.0, 1.0, 5.0, 5.0, 12.0, 60.0, 301.0, 900.0)),
    jump=st.sampled_from((0.0,) * 17 + (3600.0, -3600.0, 315_360_000.0)),
    full=st.dictionaries(st.sampled_from(NAMES), st.sampled_from((0.86, 0.9, 0.99)), max_size=3),
    action=st.sampled_from(ACTIONS),
    health=st.sampled_from(("healthy",) * 8 + ("", "unhealthy", "starting")),
    gone=ANYBODY,
    begun_anew=ANYBODY,
    silent=rarely(value=True),
    unknown=rarely(value=True),
    journal_up=rarely(value=False),
    paused=st.sampled_from((None,) * 18 + ("", "api-*")),
    asks=st.none() | st.none() | st.tuples(st.sampled_from(NAMES), st.sampled_from(CALLERS), st.booleans()),
    resumed=rarely(value=True),
    missed=rarely(value=True),
)


class Mind:
    """What decides, and what it is told of its own deeds; an acting one's are done at once."""

    def __init__(self, *, dry: bool) -> None:
        self.heard, self.ordered = Heard(), set[str]()
        self.scenes = Scenes(start_period=120.0, missing=lambda *_: None)
        self.deciding = Deciding(
            book=Book(Ledger()),
            scenes=self.scenes,
            terms=Terms(dry_run=dry),
            begin=self.heard.begin,
            told=self.heard,
            ours=self._ours,
        )

    def _ours(self, container_id: str) -> bool:
        known = container_id in self.ordered
        self.ordered.discard(container_id)
        return known

    def decide(self, step: Step, snapshot: Snapshot, alerts: tuple[Alert, ...], doing: Doing) -> tuple[Decision, ...]:
        now, asked = snapshot.at, tuple[Request, ...]()
        if step.asks is not None:
            name, caller, only = step.asks
            asked = (Request(f"r{now.mono}", now.wall, "restart", name, caller, dry_run=only),)
        if step.resumed:
            self.deciding.book.resume("", now.mono)
        if step.missed:
            self.scenes.begin_anew()
        done = len(self.heard.begun)
        decisions = self.deciding.decide(snapshot, Judgement(alerts, ()), doing, asked)
        for decision in self.heard.begun[done:]:
            outcome = Outcome(decision.id, ok=True, detail="", started=now.wall, ended=now.wall)
            self.deciding.concluded(decision, outcome, Fate.DONE, now.mono)
        return decisions


class Everybody:
    """Four containers of three services; what is restarted for real or not is started anew in the world of both."""

    def __init__(self, *, follows: bool) -> None:
        self.clock, self.follows = FakeClock(), follows
        self.minds = (Mind(dry=False), Mind(dry=True))
        self.incarnation = dict.fromkeys(NAMES, 1)
        self.pauses: tuple[Pause, ...] = ()
        self.since = self.clock.wall

    def subject(self, name: str) -> Subject:
        return container(name, f"{name}@{self.incarnation[name]}", SERVICES[name])

    def seen(self, step: Step) -> tuple[Snapshot, tuple[Alert, ...]]:
        there = [self.subject(name) for name in NAMES if name not in step.gone]
        engine: dict[Subject, Container] = {
            s: described(s, LABELS, started=1_600_000_000.0 + self.incarnation[s.name], health=step.health)
            for s in there
        }
        ratios = Column(MEMORY_USED_RATIO[Kind.CONTAINER], tuple(there), [step.full.get(s.name, 0.1) for s in there])
        docker = SourceReport("docker", (), error="hung")
        if not step.silent:
            docker = SourceReport("docker", (), containers=engine)
        alerts = tuple(self.alert(self.subject(name), step) for name in step.full if name not in step.gone)
        return Snapshot(self.clock.now(), (docker, SourceReport("cgroup", (ratios,)))), alerts

    def alert(self, subject: Subject, step: Step) -> Alert:
        key, value = AlertKey("memory/Full", Kind.CONTAINER, subject.name, subject.labels), step.full[subject.name]
        actions, known = ("notify", step.action), not step.unknown
        return Alert(
            key, Phase.FIRING, self.since, value, subject, "Full", "critical", (), actions, 0.85, known, "ratio"
        )

    def live(self, step: Step) -> list[Decision]:
        """Go one tick on; return what the acting one decided, which is what the dry one did."""
        self.clock.pass_(step.seconds)
        self.clock.wall += step.jump
        for name in step.begun_anew:
            self.incarnation[name] += 1
        at = self.clock.now()
        self.pauses = tuple(pause for pause in self.pauses if at.mono - pause.since < 30)
        if step.paused is not None:
            self.pauses = (Pause(step.paused, at.wall, at.wall + 30, "cli ann", at.mono, 30.0),)
        snapshot, alerts = self.seen(step)
        doing = Doing(pauses=self.pauses, journal_up=step.journal_up)
        acting, dry = (list(mind.decide(step, snapshot, alerts, doing)) for mind in self.minds)
        assert [row(d) for d in dry] == [row(d) for d in acting]
        assert Verdict.RUN not in {d.verdict for d in dry}
        for decision in acting:
            if decision.verdict is Verdict.RUN and decision.action == "restart" and self.follows:
                self.incarnation[decision.subject.name] += 1
                for mind in self.minds:
                    mind.ordered.add(decision.subject.name)
        return acting


BUSY = Step(5.0, full={"web": 0.9, "api-1": 0.9, "api-2": 0.95}, health="healthy")


@settings(max_examples=150)
@given(steps=st.lists(STEPS, min_size=3, max_size=30), follows=st.booleans())
@example(steps=[BUSY] * 30, follows=True)
@example(steps=[BUSY, BUSY, replace(BUSY, seconds=60.0)] * 8, follows=False)
def test_in_any_world_a_dry_run_says_what_an_acting_one_does(steps: list[Step], follows: bool) -> None:  # noqa: FBT001 - drawn
    both = Everybody(follows=follows)
    done = [decision for step in [*steps, *[BUSY] * 3] for decision in both.live(step)]
    acting, dry = both.minds
    assert [d.id for d in acting.heard.begun] == [d.id for d in done if d.verdict is Verdict.RUN]
    assert dry.heard.begun == []


@pytest.mark.parametrize(
    ("follows", "says"),
    [
        (True, {Verdict.RUN, Verdict.FIRST_SAMPLES, Verdict.IN_FLIGHT, Verdict.INEFFECTIVE}),
        (False, {Verdict.RUN, Verdict.IN_FLIGHT, Verdict.COOLDOWN, Verdict.BUDGET_SUBJECT, Verdict.BUDGET_SERVICE}),
    ],
)
def test_the_busiest_of_these_worlds_makes_it_act(follows: bool, says: set[Verdict]) -> None:  # noqa: FBT001 - a row
    both = Everybody(follows=follows)
    verdicts = {decision.verdict for _ in range(30) for decision in both.live(BUSY)}
    assert says <= verdicts
