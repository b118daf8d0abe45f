"""The tick and the loop around it, with sources that do as told and a loop whose sleeps take no time."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import itertools
import selectors
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from brimline.engine import SHORTEST_SECONDS, STALE_INTERVALS, Engine
from brimline.errors import SourceError
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import Clock, Column, Kind, Metric, MetricKind, Now, Source, SourceReport, Subject
from fakes import FakeClock, no_rules

INTERVAL = 5.0
HOST = Subject(Kind.HOST, "host", (), "boot")


class Told:
    """A source with one gauge of its own name, that raises or answers an error when told so."""

    def __init__(self, name: str, journal: list[str]) -> None:
        self.name = name
        self.raises: Exception | None = None
        self.error: str | None = None
        self.takes: Callable[[], None] = lambda: None
        self._journal = journal
        self._metric = Metric(f"test_{name}", "A test.", MetricKind.GAUGE, ())

    def read(self, now: Now) -> SourceReport:
        self._journal.append(f"{self.name}@{now.mono:g}")
        self.takes()
        if self.raises is not None:
            raise self.raises
        if self.error is not None:
            return SourceReport(self.name, (), error=self.error)
        return SourceReport(self.name, (Column(self._metric, (HOST,), (now.mono,)),))

    def close(self) -> None:
        """Nothing is held."""


class Two:
    """Two sources, `b` before `a`."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.b, self.a = Told("b", self.journal), Told("a", self.journal)
        self.readers: dict[str, Source] = {"b": self.b, "a": self.a}
        self.look: float | None = None

    def next_look(self) -> float | None:
        return self.look


class SkippingSelector(selectors.DefaultSelector):
    """Does not wait: the time that would have passed is added to a clock."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - the base class's type is private
        ready = super().select(0)
        assert ready or timeout is not None, "everything waits for ever"
        self.now += 0 if ready or timeout is None else timeout
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop whose sleeps take no time; also the clock of what runs in it."""

    def __init__(self) -> None:
        self.selector = SkippingSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now


@dataclasses.dataclass
class LoopClock:
    loop: SkippingLoop

    def now(self) -> Now:
        return Now(1.7e9 + self.loop.time(), self.loop.time())


def make(sources: Two, clock: Clock) -> tuple[Engine, SelfMetrics]:
    own = SelfMetrics()
    engine = Engine(judging=no_rules(), self_metrics=own, clock=clock)
    engine.use(sources, Renderer(series=1000), INTERVAL)
    return engine, own


def counted(own: SelfMetrics, line: str) -> bool:
    return f"{line}\n".encode() in own.render(openmetrics=False)


def in_skipping_loop(body: Callable[[SkippingLoop], Coroutine[Any, Any, None]]) -> None:
    loop = SkippingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(body(loop))


def test_sources_are_read_in_their_order_at_one_time() -> None:
    sources, clock = Two(), FakeClock()
    engine, _ = make(sources, clock)
    view = engine.tick(clock.now())
    assert sources.journal == ["b@1000", "a@1000"]
    assert view.snapshot.at == clock.now()
    assert [report.source for report in view.snapshot.reports] == ["b", "a", "levels", "derived", "rules"]
    assert [status.source for status in view.sources] == ["b", "a"]
    assert b"test_b 1000.0\n" in view.page
    assert b"test_a 1000.0\n" in view.page
    assert engine.view is view


@pytest.mark.parametrize("raises", [RuntimeError("no"), ValueError(), OSError(5, "I/O error"), RecursionError()])
def test_what_a_source_raises_costs_only_its_own_series(raises: Exception, caplog: pytest.LogCaptureFixture) -> None:
    sources, clock = Two(), FakeClock()
    engine, own = make(sources, clock)
    engine.tick(clock.now())
    sources.b.raises = raises
    view = engine.tick(clock.pass_(INTERVAL))
    assert b"test_b" not in view.page
    assert b"test_a 1005.0\n" in view.page
    status = {s.source: s for s in view.sources}
    assert (status["b"].up, status["a"].up) == (False, True)
    assert status["b"].error == (str(raises) or type(raises).__name__)
    assert counted(own, 'brimline_source_up{source="b"} 0.0')
    assert [record.message for record in caplog.records] == ["source b failed"]
    sources.b.raises = None
    assert b"test_b 1010.0\n" in engine.tick(clock.pass_(INTERVAL)).page
    assert counted(own, 'brimline_source_up{source="b"} 1.0')


def test_a_failure_that_was_foreseen_is_logged_as_its_sentence(caplog: pytest.LogCaptureFixture) -> None:
    sources, clock = Two(), FakeClock()
    engine, _ = make(sources, clock)
    sources.b.raises = SourceError("mount it")
    engine.tick(clock.now())
    assert [(record.message, record.exc_info) for record in caplog.records] == [("source b failed: mount it", None)]


def test_every_failed_read_is_counted_and_the_first_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    sources, clock = Two(), FakeClock()
    engine, own = make(sources, clock)
    sources.b.error, sources.a.raises = "gone fishing", RuntimeError("no")
    for _ in range(3):
        view = engine.tick(clock.pass_(INTERVAL))
    assert [s.errors_total for s in view.sources] == [3, 3]
    assert counted(own, 'brimline_source_errors_total{source="a"} 3.0')
    assert len(caplog.records) == 1
    assert view.page == b""


def test_keyboard_interrupt_is_no_failed_read() -> None:
    sources, clock = Two(), FakeClock()
    engine, _ = make(sources, clock)

    def interrupt() -> None:
        raise KeyboardInterrupt

    sources.b.takes = interrupt
    with pytest.raises(KeyboardInterrupt):
        engine.tick(clock.now())


def test_before_the_first_tick_it_is_fresh_for_a_while() -> None:
    clock = FakeClock()
    engine, _ = make(Two(), clock)
    clock.pass_(30)
    assert engine.fresh()
    clock.pass_(0.1)
    assert not engine.fresh()
    engine.tick(clock.now())
    assert engine.fresh()


def test_a_cut_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    engine, _ = make(Two(), clock)
    engine.tick(clock.now())
    assert caplog.messages == []
    engine.use(Two(), Renderer(series=1), INTERVAL)
    for _ in range(3):
        assert engine.tick(clock.pass_(INTERVAL)).page == b""
    assert caplog.messages == ["2 series are left off the page; raise limits.series or measure less"]


def test_what_died_since_it_was_frozen_is_collected() -> None:
    class Cycle:
        """Holds itself."""

        def __init__(self) -> None:
            self.itself = self

    sources, clock = Two(), FakeClock()
    engine, _ = make(sources, clock)
    cycle = Cycle()
    seen = weakref.ref(cycle)
    try:
        engine.tick(clock.now())  # two series came: frozen, and the cycle with them
        del cycle
        gc.collect()
        assert seen() is not None
        del sources.readers["b"]
        engine.tick(clock.pass_(60))
        assert seen() is None
    finally:
        gc.unfreeze()


def test_it_is_fresh_for_three_intervals() -> None:
    sources, clock = Two(), FakeClock()
    engine, _ = make(sources, clock)
    engine.tick(clock.now())
    clock.pass_(STALE_INTERVALS * INTERVAL)
    assert engine.fresh()
    clock.pass_(0.1)
    assert not engine.fresh()


@pytest.mark.parametrize("hour", [3600.0, -3600.0])
def test_a_clock_that_is_set_makes_nothing_stale_and_nothing_fresh(hour: float) -> None:
    sources, clock = Two(), FakeClock()
    engine, own = make(sources, clock)
    engine.tick(clock.now())
    clock.wall += hour
    assert engine.fresh()
    engine.tick(clock.pass_(INTERVAL))
    assert counted(own, f"brimline_snapshot_timestamp_seconds {clock.wall:.9e}")
    clock.pass_(STALE_INTERVALS * INTERVAL + 1)
    clock.wall -= hour
    assert not engine.fresh()


def test_a_view_cannot_be_changed() -> None:
    sources, clock = Two(), FakeClock()
    engine, _ = make(sources, clock)
    view = engine.tick(clock.now())
    before = view.page
    for name in ("snapshot", "page", "ticks", "sources"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(view, name, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        view.snapshot.at = clock.now()  # type: ignore[misc] # that is the test
    assert engine.tick(clock.pass_(INTERVAL)) is not view
    assert view.page == before


def test_whoever_waits_for_the_next_tick_hears_of_it_once() -> None:
    clock = FakeClock()
    engine, _ = make(Two(), clock)
    first = engine.next_tick
    engine.tick(clock.now())
    second = engine.next_tick
    assert (first.is_set(), second.is_set()) == (True, False)
    engine.tick(clock.pass_(INTERVAL))
    assert second.is_set()


def test_new_sources_take_the_place_of_the_old_at_the_next_tick() -> None:
    old, new, clock = Two(), Two(), FakeClock()
    engine, _ = make(old, clock)
    engine.tick(clock.now())
    del new.readers["b"]
    engine.use(new, Renderer(series=1000), 60.0)
    assert engine.view is not None
    assert b"test_b" in engine.view.page
    assert b"test_b" not in engine.tick(clock.pass_(INTERVAL)).page
    clock.pass_(STALE_INTERVALS * 60.0)
    assert engine.fresh()


def test_it_ticks_every_interval_however_long_a_tick_takes() -> None:
    sources = Two()

    async def body(loop: SkippingLoop) -> None:
        engine, own = make(sources, LoopClock(loop))

        def slow() -> None:
            loop.selector.now += 2.0

        sources.a.takes = slow
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.run(), 4 * INTERVAL - 1)
        assert counted(own, 'brimline_ticks_total{cause="interval"} 4.0')

    in_skipping_loop(body)
    assert [entry for entry in sources.journal if entry[0] == "b"] == ["b@1000", "b@1005", "b@1010", "b@1015"]


def test_a_tick_longer_than_the_interval_leaves_the_loop_a_breath() -> None:
    sources = Two()

    async def body(loop: SkippingLoop) -> None:
        engine, _ = make(sources, LoopClock(loop))

        def slow() -> None:
            loop.selector.now += 2 * INTERVAL

        sources.a.takes = slow
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.run(), 35)

    in_skipping_loop(body)
    times = [float(entry[2:]) for entry in sources.journal if entry[0] == "b"]
    assert times == pytest.approx([1000, 1010.1, 1020.2, 1030.3])


def test_a_wake_is_a_whole_tick_at_once() -> None:
    sources = Two()

    async def body(loop: SkippingLoop) -> None:
        engine, own = make(sources, LoopClock(loop))
        loop.call_later(1.0, engine.wake, "oom")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.run(), 1.5)
        assert counted(own, 'brimline_ticks_total{cause="oom"} 1.0')
        assert counted(own, 'brimline_ticks_total{cause="interval"} 1.0')

    in_skipping_loop(body)
    assert sources.journal == ["b@1000", "a@1000", "b@1001", "a@1001"]


def test_a_storm_of_wakes_ticks_ten_times_a_second_and_loses_none() -> None:
    sources = Two()

    async def body(loop: SkippingLoop) -> None:
        engine, _ = make(sources, LoopClock(loop))
        for i in range(1000):
            loop.call_later(0.001 * i, engine.wake, "level")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.run(), 4.0)

    in_skipping_loop(body)
    times = [float(entry[2:]) for entry in sources.journal if entry[0] == "b"]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert min(gaps) >= SHORTEST_SECONDS - 1e-9
    assert len(times) == 11
    assert times[-1] > 1000.999


def test_a_filling_cgroup_is_looked_at_in_time() -> None:
    sources = Two()
    sources.look = 0.5

    async def body(loop: SkippingLoop) -> None:
        engine, own = make(sources, LoopClock(loop))
        loop.call_later(1.2, setattr, sources, "look", None)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.run(), 6.0)
        assert counted(own, 'brimline_ticks_total{cause="filling"} 3.0')

    in_skipping_loop(body)
    assert [e for e in sources.journal if e[0] == "b"] == ["b@1000", "b@1000.5", "b@1001", "b@1001.5"]


@pytest.mark.parametrize("look", [0.0, 0.01, SHORTEST_SECONDS])
def test_not_even_the_steepest_leak_is_looked_at_more_than_ten_times_a_second(look: float) -> None:
    sources = Two()
    sources.look = look

    async def body(loop: SkippingLoop) -> None:
        engine, _ = make(sources, LoopClock(loop))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.run(), 0.95)

    in_skipping_loop(body)
    assert len([e for e in sources.journal if e[0] == "b"]) == 10


def test_the_shortest_interval_is_still_the_interval() -> None:
    sources = Two()

    async def body(loop: SkippingLoop) -> None:
        engine, own = make(sources, LoopClock(loop))
        engine.use(sources, Renderer(series=1000), SHORTEST_SECONDS)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.run(), 0.95)
        assert counted(own, 'brimline_ticks_total{cause="interval"} 10.0')
        assert b"filling" not in own.render(openmetrics=False)

    in_skipping_loop(body)


def test_what_a_renderer_raises_ends_the_run() -> None:
    class Broken(Renderer):
        def render(self, snapshot: object) -> Any:  # noqa: ANN401, ARG002 - it never answers
            raise RuntimeError("a bug")

    async def body(loop: SkippingLoop) -> None:
        engine = Engine(judging=no_rules(), self_metrics=SelfMetrics(), clock=LoopClock(loop))
        engine.use(Two(), Broken(series=1), INTERVAL)
        with pytest.raises(RuntimeError, match="a bug"):
            await engine.run()

    in_skipping_loop(body)
