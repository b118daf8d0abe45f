"""Counters that outlive Brimline: what one life counted, the next goes on from, by way of the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brimline import carrying
from brimline.app import Acting, App
from brimline.carrying import Carrying, Counts, Key, counts_of, values_of
from brimline.config import Config, Loaded
from brimline.journal.reading import open_reading
from brimline.model import SUBJECT_LABELS, Kind, Now, SourceReport, Subject
from brimline.readers import end
from brimline.rules.alertstore import MemoryAlertStore
from brimline.sources.docker_roster import Tally
from brimline.sources.oom import OomLedger
from brimline.sources.oom_kill import PAIRS, CarriedKills, Cause
from fakes import MIB, FakeClock, V2Tree, container, v2_events, values
from unit.fake_docker import FakeDocker
from unit.fake_procfs import FakeProcfs
from unit.journals import opened

WORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
TOTAL = "brimline_container_memory_oom_kills_total"
BY_CAUSE = "brimline_container_memory_oom_kills_by_cause_total"
RESTARTS = "brimline_container_restarts_total"
STARTED = "brimline_container_start_time_seconds"
WEB: tuple[str, ...] = ("web", "", "")
JOB: tuple[str, ...] = ("job", "", "")


@st.composite
def kills_of(draw: st.DrawFn) -> CarriedKills:
    kind = draw(st.sampled_from([Kind.CONTAINER, Kind.CGROUP]))
    width = len(SUBJECT_LABELS[kind])
    labels = tuple(draw(st.lists(WORD, min_size=width, max_size=width)))
    counted = draw(st.none() | st.integers(0, 2**40))
    subject = Subject(kind, labels[0], labels, "" if counted is None else draw(st.text(min_size=1)))
    kills = draw(st.integers(int(counted is None), 2**40))
    pairs = st.dictionaries(st.sampled_from(PAIRS), st.integers(1, 2**40))
    return CarriedKills(subject, kills, draw(pairs) if kind is Kind.CONTAINER and kills else {}, counted)


def tally(labels: tuple[str, ...], last: float, restarts: int) -> Tally:
    return Tally(Subject(Kind.CONTAINER, labels[0], labels, ""), last, restarts)


LABELS = st.tuples(WORD, WORD, WORD)
ALL_KILLS = st.lists(
    kills_of(), unique_by=(lambda k: (k.subject.kind, k.subject.labels), lambda k: k.subject.uid or k.subject)
)
ALL_RESTARTS = st.dictionaries(LABELS, st.tuples(st.floats(0, 1e10), st.integers(0, 2**40))).map(
    lambda rows: {labels: tally(labels, *row) for labels, row in rows.items()}
)


class Shelf:
    """A store in memory that remembers what it was told to write."""

    def __init__(self) -> None:
        self.rows: dict[Key, float] = {}
        self.openings = 1
        self.writes: list[tuple[Mapping[Key, float], Sequence[Key]]] = []

    def load(self) -> Mapping[Key, float]:
        return dict(self.rows)

    def save(self, values: Mapping[Key, float], over: Sequence[Key]) -> None:
        self.writes.append((values, over))
        for key in over:
            del self.rows[key]
        self.rows.update(values)

    def carrying(self) -> Carrying:
        return Carrying(self, lambda: self.openings)


@given(ALL_KILLS, ALL_RESTARTS)
def test_counts_come_back_as_they_were(kills: list[CarriedKills], restarts: dict[tuple[str, ...], Tally]) -> None:
    back = counts_of(values_of(Counts(kills, restarts)))
    assert {(k.subject.kind, k.subject.labels): k for k in back.kills} == {
        (k.subject.kind, k.subject.labels): k for k in kills
    }
    assert back.restarts == restarts


@given(ALL_KILLS, st.data())
def test_what_a_ledger_is_given_it_hands_on(kills: list[CarriedKills], data: st.DataObject) -> None:
    ledger = OomLedger(kills)
    assert values_of(Counts(tuple(ledger.carried()))) == values_of(Counts(kills))
    living = [one for one in kills if one.counted is not None]
    for one in data.draw(st.lists(st.sampled_from(living), unique_by=id)) if living else ():
        assert ledger.begin(one.subject, one.counted or 0, newborn=False)
        assert not ledger.rose(one.subject, one.counted or 0)
    assert values_of(Counts(tuple(ledger.carried()))) == values_of(Counts(kills))


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(sorted(carrying._NAMES)), st.lists(WORD, max_size=5).map(tuple)), st.floats()
    )
)
@example({(TOTAL, WEB): float("inf"), (RESTARTS, WEB): float("nan"), (STARTED, WEB): float("inf")})
def test_rows_that_are_no_counts_do_no_harm(rows: dict[Key, float]) -> None:
    counts = counts_of(rows)
    columns = values(SourceReport("cgroup", tuple(OomLedger(counts.kills).columns())))
    assert all(value >= 0 for found in columns.values() for value in found.values())
    assert all(t.restarts >= 0 and t.subject.labels == labels for labels, t in counts.restarts.items())


def test_only_what_changed_is_written() -> None:
    shelf = Shelf()
    life = shelf.carrying()
    restarts = {WEB: tally(WEB, 5.0, 1), JOB: tally(JOB, 6.0, 0)}
    life.keep(Counts((), restarts))
    life.keep(Counts((), restarts))
    restarts[WEB].restarts += 1
    del restarts[JOB]
    life.keep(Counts((), restarts))
    first = {(RESTARTS, WEB): 1, (STARTED, WEB): 5.0, (STARTED, JOB): 6.0}
    assert shelf.writes == [(first, []), ({(RESTARTS, WEB): 2}, [(STARTED, JOB)])]


def test_a_store_that_begins_anew_gets_everything_again() -> None:
    shelf = Shelf()
    life, counts = shelf.carrying(), Counts((), {WEB: tally(WEB, 5.0, 1)})
    life.keep(counts)
    shelf.rows.clear()
    life.keep(counts)
    assert shelf.rows == {}
    shelf.openings += 1
    life.keep(counts)
    assert shelf.rows == {(RESTARTS, WEB): 1, (STARTED, WEB): 5.0}


def test_what_others_keep_in_the_store_is_left_alone() -> None:
    shelf = Shelf()
    shelf.rows = {("another", ("web",)): 7.0, (TOTAL, ("web",)): 7.0}
    shelf.carrying().keep(Counts())
    assert shelf.rows == {("another", ("web",)): 7.0}


class Lives:
    """A ledger, and the next Brimline's, which begins some seconds later."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = OomLedger()

    def restart(self, away: float = 60.0) -> None:
        kept = values_of(Counts(tuple(self.ledger.carried())))
        self.ledger = OomLedger(counts_of(kept).kills, self.clock.pass_(away).mono)

    def settle(self, seconds: float = 1.0) -> Now:
        now = self.clock.pass_(seconds)
        self.ledger.settle(now, lambda _: True)
        return now

    def kept(self) -> dict[Key, float]:
        return values_of(Counts(tuple(self.ledger.carried())))

    def shown(self) -> dict[str, float]:
        found = values(SourceReport("cgroup", tuple(self.ledger.columns())))
        rows = {**found.get(TOTAL, {}), **{k: v for k, v in found.get(BY_CAUSE, {}).items() if v}}
        return dict(sorted(rows.items()))


@pytest.fixture
def lives() -> Lives:
    lives = Lives()
    lives.ledger.begin(container(), 0, newborn=True)
    lives.ledger.observe(container(), 2, Cause.OWN_LIMIT, lives.clock.now())
    return lives


OWN = ("own_limit", "worker")
TWO = {"web": 2.0, "web{own_limit,worker}": 2.0}


def test_kills_go_on_where_they_were(lives: Lives) -> None:
    lives.settle()
    for _ in range(3):
        lives.restart()
        assert lives.shown() == TWO  # from the first page on, before anybody has looked at its cgroup
        lives.ledger.begin(container(), 2, newborn=False)
        assert not lives.ledger.rose(container(), 2)
    lives.ledger.observe(container(), 3, Cause.HOST, lives.settle())
    lives.settle()
    assert lives.shown() == {"web": 3, "web{host,worker}": 1, "web{own_limit,worker}": 2}


def test_a_victim_that_was_not_named_yet_is_a_worker(lives: Lives) -> None:
    assert lives.shown() == {"web": 2}
    lives.restart()
    assert lives.shown() == TWO


def test_a_kill_while_nobody_looked_is_counted_in_the_very_incarnation(lives: Lives) -> None:
    lives.settle()
    lives.restart()
    assert lives.ledger.begin(container(), 3, newborn=False), "it goes on: what it counts has no cause that is known"
    assert lives.ledger.rose(container(), 3)
    lives.ledger.observe(container(), 3, Cause.UNKNOWN, lives.clock.now())
    lives.settle()
    assert lives.shown() == {**TWO, "web": 3, "web{unknown,worker}": 1}


def test_another_incarnation_brings_no_fresh_kill(lives: Lives) -> None:
    lives.settle()
    lives.restart()
    assert not lives.ledger.begin(container(uid="c2"), 9, newborn=False)
    assert not lives.ledger.rose(container(uid="c2"), 9)
    assert lives.shown() == TWO


def test_levels_below_may_have_gone_with_what_they_counted(lives: Lives) -> None:
    lives.settle()
    lives.restart()
    lives.ledger.begin(container(), 1, newborn=False)
    assert not lives.ledger.rose(container(), 1)
    assert lives.ledger.rose(container(), 2)


@pytest.mark.parametrize("ended", [False, True])
def test_one_that_does_not_come_back_within_an_hour_is_forgotten(lives: Lives, *, ended: bool) -> None:
    if ended:
        lives.ledger.gone(container(), lives.clock.now())
        lives.settle(10)
    lives.settle()
    lives.restart()
    lives.settle(3600)
    assert lives.shown()["web"] == 2
    assert lives.kept()
    lives.settle()
    assert (lives.shown(), lives.kept()) == ({}, {})


def test_of_a_life_that_has_ended_only_its_kills_are_kept(lives: Lives) -> None:
    assert set(lives.kept()) == {(TOTAL, WEB), (f"{TOTAL}_kernel", (*WEB, "c1")), (BY_CAUSE, (*WEB, *OWN))}
    lives.ledger.gone(container(), lives.clock.now())
    assert set(lives.kept()) == {(TOTAL, WEB), (BY_CAUSE, (*WEB, "own_limit", "main")), (BY_CAUSE, (*WEB, *OWN))}


def test_one_that_comes_back_late_is_not_forgotten(lives: Lives) -> None:
    lives.settle()
    lives.restart()
    lives.settle(3000)
    lives.ledger.begin(container(), 2, newborn=False)
    lives.settle(3000)
    assert lives.shown() == TWO


def test_one_without_a_kill_is_not_shown_before_it_is_there_and_its_first_kill_is_not_missed() -> None:
    lives = Lives()
    lives.ledger.begin(container(), 4, newborn=False)
    lives.restart()
    assert lives.shown() == {}
    lives.restart()  # nobody looked in between either
    assert lives.ledger.begin(container(), 5, newborn=False)
    assert lives.ledger.rose(container(), 5)


def test_dockers_word_on_a_cgroup_that_went_before_the_first_look(lives: Lives) -> None:
    lives.settle()
    lives.restart()
    lives.ledger.told(container(), lives.clock.now())
    lives.settle(5)
    lives.settle(1)
    assert lives.shown() == {**TWO, "web": 3, "web{unknown,main}": 1}


class Idle:
    """A hand that does nothing."""

    pauses = ()
    dry_run = True

    def report(self, _: Now) -> SourceReport:
        return SourceReport("policy", ())

    def decide(self, *_: object) -> tuple[()]:
        return ()

    def missed(self) -> None:
        pass

    async def run(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Whole:
    """Apps one after the other, on a tree, an engine and a journal that stay."""

    def __init__(self, root: Path, engine: FakeDocker) -> None:
        self.tree, self.engine, self.root, self.clock = V2Tree(root), engine, root, FakeClock()
        FakeProcfs(self.tree.procfs)
        self.tree.add("a.slice", current=30 * MIB, max=100 * MIB)

    def kill(self, kills: int) -> None:
        counts = v2_events(oom=kills, oom_kill=kills, max=kills)
        self.tree.set("a.slice", events=counts, events_local=counts)

    def live(self, body: Callable[[App], Awaitable[None]]) -> None:
        places = {"procfs": str(self.tree.procfs), "cgroupfs": str(self.tree.cgroupfs)}
        sources = {"docker": {"host": self.engine.host}, "cgroups": ["*.slice"], "presets": []}
        loaded = Loaded(Config.model_validate({"path": places, "sources": sources}), {}, None)

        async def whole() -> None:
            with opened(self.root / "journal", self.clock) as journal:
                life = Carrying(journal.tallies, lambda: journal.openings)
                acting = Acting(MemoryAlertStore(), lambda *_: cast("Any", Idle()), life)
                app = App(loaded, lambda: loaded, {}, clock=self.clock, acting=acting)
                try:
                    await app.first_look()
                    await body(app)
                finally:
                    await app.close()

        asyncio.run(whole())

    def written(self) -> dict[str, float]:
        with closing(open_reading(self.root / "journal")) as journal:
            return dict(journal.execute("SELECT name, value FROM tallies").fetchall())

    def page(self, app: App) -> dict[str, float]:
        self.clock.pass_(5.0)
        lines = [line.rpartition(" ") for line in app.tick().page.decode().splitlines() if line.startswith("brimline_")]
        return {name: float(value) for name, _, value in lines}

    async def until(self, app: App, name: str, value: float | None) -> None:
        async with asyncio.timeout(10):
            while self.page(app).get(name) != value:  # noqa: ASYNC110 - the test is what ticks
                await asyncio.sleep(0.01)


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    engine = FakeDocker(tmp_path)
    yield Whole(tmp_path, engine)
    engine.stop()


WEB_RESTARTS = f'{RESTARTS}{{container="web",compose_project="",compose_service=""}}'
SLICE_KILLS = 'brimline_cgroup_memory_oom_kills_total{cgroup="a.slice"}'


def test_a_whole_life_goes_on_from_the_one_before(whole: Whole) -> None:
    web = whole.engine.add("web")

    async def counts(app: App) -> None:
        whole.page(app)
        whole.kill(2)
        for restarts in (1, 2):
            whole.engine.end(web, 1)
            whole.engine.begin(web)
            await whole.until(app, WEB_RESTARTS, restarts)

    async def goes_on(app: App) -> None:
        page = whole.page(app)
        assert (page[WEB_RESTARTS], page[SLICE_KILLS]) == (2, 2)

    async def was_away(app: App) -> None:
        page = whole.page(app)
        assert (page[WEB_RESTARTS], page[SLICE_KILLS]) == (3, 3)

    async def is_gone(app: App) -> None:
        assert whole.page(app)[WEB_RESTARTS] == 3
        whole.clock.pass_(3601)
        assert WEB_RESTARTS not in whole.page(app)

    whole.live(counts)
    whole.live(goes_on)
    whole.engine.end(web, 1)
    whole.engine.begin(web)
    whole.kill(3)
    whole.live(was_away)
    del whole.engine.containers[web]
    whole.live(is_gone)
    assert set(whole.written()) == {
        "brimline_cgroup_memory_oom_kills_total",
        "brimline_cgroup_memory_oom_kills_total_kernel",
    }


def test_an_engine_that_is_away_costs_no_count(whole: Whole) -> None:
    web = whole.engine.add("web")

    async def counts(app: App) -> None:
        whole.page(app)
        whole.engine.end(web, 1)
        whole.engine.begin(web)
        await whole.until(app, WEB_RESTARTS, 1)

    async def sees_nothing(app: App) -> None:
        assert WEB_RESTARTS not in whole.page(app)

    async def sees_it_again(app: App) -> None:
        assert whole.page(app)[WEB_RESTARTS] == 1

    whole.live(counts)
    host, whole.engine.host = whole.engine.host, f"unix://{whole.root}/nobody"
    whole.live(sees_nothing)
    whole.engine.host = host
    whole.live(sees_it_again)


def test_what_is_counted_is_written_while_it_lives(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "_EVERY", 0.01)
    whole.kill(4)

    async def runs(app: App) -> None:
        running = asyncio.create_task(app.run())
        try:
            async with asyncio.timeout(10):
                while not whole.written():  # noqa: ASYNC110 - the app is not asked to tell its tests
                    await asyncio.sleep(0.01)
        finally:
            await end(running)

    whole.live(runs)
    assert whole.written() == {"brimline_cgroup_memory_oom_kills_total_kernel": 4}
