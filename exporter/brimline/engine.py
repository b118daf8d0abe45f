"""One tick: every source in its order, one snapshot, one view. The only place that knows the order.

Time is taken once a tick and handed down; the loop sleeps until the interval, a filling cgroup or a wake.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Protocol

from brimline.deeds import Decision, Pause
from brimline.errors import SourceError
from brimline.judging import Judging
from brimline.labels import printable
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import Clock, Now, Snapshot, Source, SourceReport, SourceStatus
from brimline.rules.evaluator import Judgement
from brimline.view import View

_log: Final = logging.getLogger(__name__)
SHORTEST_SECONDS: Final = 0.1  # between two wakes, however many alarms there are, and before a look at what fills up
STALE_INTERVALS: Final = 3
_GRACE_SECONDS: Final = 30.0  # for the first tick, which opens everything
_FREEZE_SECONDS: Final = 60.0  # a collection pauses for 6-14 ms with a thousand containers: not at every change


class Sources(Protocol):
    """What is read in a tick, in this order, and when it should be read again."""

    @property
    def readers(self) -> Mapping[str, Source]:
        """Return the sources by name."""
        ...

    def next_look(self) -> float | None:
        """Return in how many seconds something should be looked at again; None: the interval will do."""
        ...


class Hand(Protocol):
    """What is decided and done beside the ticks."""

    def report(self, now: Now) -> SourceReport:
        """Return what is known of budgets, for the rules to judge too."""
        ...

    def decide(self, snapshot: Snapshot, judgement: Judgement) -> tuple[Decision, ...]:
        """Decide what every firing alert asks for, and begin what may be done; nothing here waits."""
        ...

    def missed(self) -> None:
        """Nobody looked for long: what the next tick says is a first sample."""
        ...

    @property
    def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force."""
        ...

    @property
    def dry_run(self) -> bool:
        """Tell whether everything is decided and nothing done."""
        ...


class SystemClock:
    """The real time."""

    def now(self) -> Now:
        """Return this moment."""
        return Now(time.time(), time.monotonic())


class LoopPoller:
    """The running event loop as the sources see it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def add(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` whenever `fd` is readable."""
        self._loop.add_reader(fd, ready)

    def remove(self, fd: int) -> None:
        """Stop watching `fd`."""
        self._loop.remove_reader(fd)

    def later(self, seconds: float, ready: Callable[[], None]) -> None:
        """Call `ready` once after some seconds."""
        self._loop.call_later(seconds, ready)


class Engine:
    """The loop and what it last saw. Holds no source's knowledge and makes no decision."""

    def __init__(self, *, judging: Judging, self_metrics: SelfMetrics, clock: Clock, hand: Hand | None = None) -> None:
        self.view: View | None = None
        self._judging = judging
        self._hand = hand  # None: it only looks
        self._self_metrics = self_metrics
        self._clock = clock
        self._errors: Counter[str] = Counter()
        self._ticks = 0
        self._cause: str | None = None
        self._woken = asyncio.Event()
        self.next_tick = asyncio.Event()  # set once a view comes after the one of now; each tick has another
        self._early_at = float("-inf")
        self._began_at = clock.now().mono
        self._cut = False
        self._series = 0
        self._frozen_at = float("-inf")

    def use(self, sources: Sources, renderer: Renderer, interval: float) -> None:
        """Read these sources from the next tick on."""
        self._sources = sources
        self._renderer = renderer
        self._interval = interval
        self._cut = False
        if self.view is not None:
            self.wake("reload")

    def wake(self, reason: str) -> None:
        """Ask for a tick before its time."""
        self._cause = self._cause or reason
        self._woken.set()

    def fresh(self) -> bool:
        """Tell whether the loop still ticks, or has not had the time to begin."""
        patience = STALE_INTERVALS * self._interval
        if self.view is None:
            return self._clock.now().mono - self._began_at <= max(patience, _GRACE_SECONDS)
        return self._clock.now().mono - self.view.snapshot.at.mono <= patience

    def tick(self, now: Now, cause: str = "interval") -> View:
        """Read everything once and make the next view."""
        began = time.perf_counter()
        # tuple([...]), not tuple(...): a tuple of a generator is cut to its length, and CPython keeps up to 2,000 freed
        # ones of each length below 20 but takes none of them for the next (Objects/tupleobject.c): a leak for hours.
        reports = tuple([self._read(name, source, now) for name, source in self._sources.readers.items()])
        self._note_missed(now)
        hand = self._hand
        known = reports if hand is None else (*reports, hand.report(now))
        snapshot, judgement = self._judging.judge(Snapshot(now, known))
        decisions = () if hand is None else hand.decide(snapshot, judgement)
        page = self._renderer.render(snapshot)
        self._ticks += 1
        view = View(
            snapshot=snapshot,
            sources=tuple([self._status(report) for report in reports]),
            ticks=self._ticks,
            tick_seconds=time.perf_counter() - began,
            page=page.body,
            alerts=judgement.alerts,
            decisions=decisions,
            pauses=() if hand is None else hand.pauses,
            dry_run=hand is not None and hand.dry_run,
            levels=self._judging.levels,
        )
        self._self_metrics.ticked(view, cause=cause, dropped=page.dropped)
        self.view = view
        ticked, self.next_tick = self.next_tick, asyncio.Event()
        ticked.set()
        self._note_cut(page.dropped)
        self._freeze(now, page.series)
        return view

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        self._early_at = loop.time()
        while True:
            cause, self._cause = self._cause or "interval", None
            self._woken.clear()
            began = loop.time()
            self.tick(self._clock.now(), cause)
            await self._rest(began)

    async def _rest(self, began: float) -> None:
        """Sleep until the next tick is due, an interval after this one began, or until a wake."""
        loop = asyncio.get_running_loop()
        breath = loop.time() + min(loop.time() - began, SHORTEST_SECONDS)  # the web's, however long a tick takes
        look = self._sources.next_look()
        due = self._interval if look is None else min(self._interval, max(look, SHORTEST_SECONDS))
        try:
            async with asyncio.timeout_at(max(began + due, breath)):
                await self._woken.wait()
        except TimeoutError:
            if due < self._interval:
                self._cause = self._cause or "filling"
        else:  # only wakes are kept apart: an alarm soon after a tick that nobody called for does not wait
            await asyncio.sleep(max(self._early_at + SHORTEST_SECONDS, breath) - loop.time())
            self._early_at = loop.time()

    def _read(self, name: str, source: Source, now: Now) -> SourceReport:
        began = time.perf_counter()
        try:
            report = source.read(now)
        except Exception as error:  # noqa: BLE001 - a source's read: it costs its own series and nothing else
            if not self._errors[name]:
                if isinstance(error, SourceError):
                    _log.error("source %s failed: %s", name, error)
                else:
                    _log.exception("source %s failed", name)
            report = SourceReport(name, (), error=f"{error}" or type(error).__name__)
        self._errors[name] += report.error is not None
        return replace(report, seconds=time.perf_counter() - began)

    def _note_missed(self, now: Now) -> None:
        """Take the time since the last tick as unknown where it was too long: we were stopped, or the host slept."""
        last = self.view.snapshot.at.mono if self.view is not None else now.mono
        if now.mono - last > STALE_INTERVALS * self._interval:
            self._judging.missed(now)
            if self._hand is not None:
                self._hand.missed()

    def _status(self, report: SourceReport) -> SourceStatus:
        return SourceStatus(
            source=report.source,
            up=report.error is None,
            seconds=report.seconds,
            error=None if report.error is None else printable(report.error),
            errors_total=self._errors[report.source],
            info=report.info,
        )

    def _note_cut(self, dropped: int) -> None:
        """Say once that limits.series leaves something off; brimline_dropped_series_total goes on counting."""
        if dropped and not self._cut:
            self._cut = True
            _log.warning("%d series are left off the page; raise limits.series or measure less", dropped)

    def _freeze(self, now: Now, series: int) -> None:
        """Take what now lives long out of the collector's sight, after the topology changed."""
        if series != self._series and now.mono - self._frozen_at >= _FREEZE_SECONDS:
            self._series, self._frozen_at = series, now.mono
            gc.unfreeze()
            gc.collect()
            gc.freeze()
