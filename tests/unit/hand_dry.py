"""A dry run beside every life of a place: it sees what the acting one sees, and is held against it tick by tick.

The world is the acting one's: its measurements, its clock, what its journal tells (pauses, requests, whether it is up,
and at the start of a life the past) and which starts its own orders explain. So a dry run is asked what it would say of
a world in which its advice is followed. Left alone it would see the start as somebody else's, and with a journal of its
own its next life would know of nothing it said before: neither is compared.

By nature they differ in what an action's run takes or fails at: nothing of a dry run is under way, refused under the
lock, abandoned or failed. From there on a life is not compared any more, but nothing must be ordered all the same.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from brimline.config import Config
from brimline.deeds import Decision, Fate, Outcome, Request, Verdict
from brimline.journal.file import NAME
from brimline.metrics.render import Renderer
from brimline.model import AlertKey, Now, Snapshot, Source, SourceReport, Subject
from brimline.rules.evaluator import Judgement
from brimline.scenes import Doing
from brimline.view import View
from unit.acting import until
from unit.fake_docker import FakeDocker
from unit.hand_life import INTERVAL, Life, Place, place

Row = tuple[Subject, str, Verdict, AlertKey | None, str, str]


def row(decision: Decision) -> Row:
    """Return what a dry run must say too."""
    verdict = Verdict.DRY_RUN if decision.verdict is Verdict.RUN else decision.verdict
    return decision.subject, decision.action, verdict, decision.key, decision.caller, decision.episode


class DryPlace(Place):
    """Where the dry one lives: an engine and a journal of its own, with the same containers and the same clock."""

    def __init__(self, directory: Path, of: Place) -> None:
        directory.mkdir()
        fake = FakeDocker(directory)
        super().__init__(directory, fake)
        self.clock, self.boot, self.full = of.clock, of.boot, of.full
        fake.containers, fake.events, fake.version = of.fake.containers, of.fake.events, of.fake.version
        fake.now = of.fake.now
        self.of = of

    def take_over(self) -> None:
        """Let the journal be what the acting one's is."""
        source = self.of.storage
        if not source.is_dir():
            self.lock_out()
        elif (source / NAME).exists():
            copy = self._disk.with_name("copy") / "journal"
            copy.mkdir(mode=0o700, parents=True)
            with closing(sqlite3.connect(source / NAME)) as old, closing(sqlite3.connect(copy / NAME)) as new:
                old.backup(new)
            (copy / NAME).chmod(0o600)
            self._mount("copy")


class Played:
    """The one source of the dry one: what the acting one's said."""

    name = "docker"

    def __init__(self) -> None:
        self.report = SourceReport("docker", ())
        self.readers: Mapping[str, Source] = {"docker": self}

    def next_look(self) -> float | None:
        return None

    def read(self, now: Now) -> SourceReport:  # noqa: ARG002 - the protocol's
        return self.report

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class World:
    """What the acting one was told of in its last tick, beside the measurements."""

    doing: Doing = field(default_factory=Doing)
    asked: Sequence[Request] = ()
    ours: dict[str, bool] = field(default_factory=dict)
    resumed: Sequence[str] = ()
    begun: set[str] = field(default_factory=set)  # in this life
    apart: str = ""  # why they differ by nature from here on

    def record(self, life: Life) -> None:
        """Note what it is told, and what becomes of its actions."""
        deciding = life.hand._deciding
        decide, ours, resumed = deciding.decide, deciding._ours, life.journal.resumed
        concluded, refused = deciding.concluded, deciding.refused

        def decided(
            snapshot: Snapshot, judgement: Judgement, doing: Doing, asked: Sequence[Request]
        ) -> tuple[Decision, ...]:
            self.doing, self.asked = doing, asked
            if doing.busy:
                self.apart = self.apart or f"under way: {doing.busy}"
            decisions = decide(snapshot, judgement, doing, asked)
            self.begun |= {decision.id for decision in decisions}
            return decisions

        def ordered(container_id: str) -> bool:
            self.ours[container_id] = ours(container_id)
            return self.ours[container_id]

        def heard() -> Sequence[str]:
            self.resumed = resumed()
            return self.resumed

        def over(decision: Decision, outcome: Outcome, fate: Fate, mono: float) -> None:
            if fate is not Fate.DONE and decision.id in self.begun:
                self.apart = self.apart or f"{fate}: {outcome.detail}"
            concluded(decision, outcome, fate, mono)

        def late(decision: Decision, verdict: Verdict, reason: str) -> None:
            self.apart = self.apart or f"{verdict}: {reason}"
            refused(decision, verdict, reason)

        deciding.decide, deciding._ours = decided, ordered  # type: ignore[method-assign]
        deciding.concluded, deciding.refused = over, late  # type: ignore[method-assign]
        life.journal.resumed = heard  # type: ignore[method-assign]

    def play(self, life: Life) -> None:
        """Tell the dry one the same."""
        deciding = life.hand._deciding
        decide = deciding.decide

        def decided(
            snapshot: Snapshot, judgement: Judgement, doing: Doing, _: Sequence[Request]
        ) -> tuple[Decision, ...]:
            told = replace(self.doing, busy=doing.busy)
            return decide(snapshot, judgement, told, self.asked)

        deciding.decide = decided  # type: ignore[method-assign]
        deciding._ours = lambda container_id: self.ours.pop(container_id, False)
        life.journal.resumed = lambda: self.resumed  # type: ignore[method-assign]


@dataclass
class Compared:
    """What was held against what, over all lives of a place."""

    looked: int = 0  # ticks, from which some differ by nature
    ticks: int = 0  # that were compared
    verdicts: list[Verdict] = field(default_factory=list)  # of the acting one
    apart: list[str] = field(default_factory=list)  # by life
    dry: list[Life] = field(default_factory=list)

    def begun(self) -> int:
        """Return how often the acting one was given leave, as far as it was compared."""
        return self.verdicts.count(Verdict.RUN)


class Beside:
    """The dry one of one life."""

    def __init__(self, acting: Life, here: DryPlace, compared: Compared) -> None:
        self._acting, self._compared, self._world = acting, compared, World()
        here.take_over()
        self._here, self._played = here, Played()
        self.life = Life(here, self._dry(acting.config), acting.rules_text)
        self.life.engine.use(self._played, Renderer(series=1000), INTERVAL)
        self._config = acting.hand._config
        self._begun: list[Decision] = []
        self.life.hand._runner.begin = lambda decision, *_: self._begun.append(decision)  # type: ignore[method-assign]
        compared.dry.append(self.life)
        self._world.record(acting)
        self._world.play(self.life)
        acting.after = self._tick

    def _dry(self, config: Config) -> Config:
        written = config.model_dump()
        written["actions"]["dry_run"] = True
        written["notify"] = {}
        written["storage"]["path"] = str(self._here.storage)
        written["sources"]["docker"]["host"] = self._here.fake.host
        return Config.model_validate(written)

    def _tick(self, view: View) -> None:
        life, acting = self.life, self._acting.hand
        if acting._config is not self._config:
            self._config = acting._config
            life.hand.use(self._dry(acting._config), acting._rules)
        if life.hand._ignorant and not acting._ignorant:
            self._open()
        self._here.fake.now = self._here.of.fake.now
        self._played.report = self._acting.looking.seen
        dry = life.engine.tick(view.snapshot.at)
        assert self._here.fake.posts == [], "a dry run orders nothing"
        assert self._begun == [], "nor does it call or signal anybody"
        self._compared.looked += 1
        if self._world.apart:
            return
        says, acts = [row(d) for d in dry.decisions], [row(d) for d in view.decisions]
        assert says == acts, f"a dry run says {says} where an acting one says {acts}"
        self._compared.ticks += 1
        self._compared.verdicts += [d.verdict for d in view.decisions]

    def _open(self) -> None:
        """Let its journal be opened, as the acting one's just was."""
        self._here.take_over()
        ends = time.monotonic() + 10
        while not self.life.journal.openings:
            assert time.monotonic() < ends, self.life.journal.why
            time.sleep(0.005)

    async def over(self) -> None:
        await until(lambda: not self.life.hand._runner.busy())
        self._compared.apart.append(self._world.apart)


@contextmanager
def beside(directory: Path) -> Iterator[Place]:
    """Return a place where each life has a dry run beside it."""
    with compared(directory) as (here, _):
        yield here


@contextmanager
def compared(directory: Path) -> Iterator[tuple[Place, Compared]]:
    """Return a place where each life has a dry run beside it, and what was compared."""
    seen, dry = Compared(), list[DryPlace]()

    @asynccontextmanager
    async def with_it(acting: Life) -> AsyncIterator[None]:
        here = DryPlace(directory / f"dry-{len(dry)}", acting.place)
        dry.append(here)
        one = Beside(acting, here, seen)
        async with one.life.lived():
            yield
            await one.over()

    with place(directory) as here:
        here.beside = with_it
        try:
            yield here, seen
        finally:
            for each in dry:
                each.fake.stop()
        assert [post for each in dry for post in each.fake.posts] == []
        assert seen.ticks or not seen.looked, "nothing was compared"
