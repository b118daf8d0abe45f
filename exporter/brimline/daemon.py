"""The running process: the journal, the application, its page, and the signals that end or reload it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Final, Protocol

from brimline import __version__, logs
from brimline.app import Acting, App
from brimline.carrying import Carrying
from brimline.config import Config, Loaded
from brimline.engine import SystemClock
from brimline.errors import BrimlineError
from brimline.hand import Hand
from brimline.journal.minutes import Measure
from brimline.journal.store import JournalFile
from brimline.model import Clock, Kind, Metric
from brimline.procfs import Procfs
from brimline.readers import end
from brimline.rules.terms import RuleSet
from brimline.sdnotify import READY, STOPPING, WATCHDOG, Notice
from brimline.sources import cgroup, process
from brimline.ties import Ties
from brimline.web.api.orders import Desk
from brimline.web.connections import Connections, Patience, serve
from brimline.web.inbound import Inbound
from brimline.web.routes import make_app

_log: Final = logging.getLogger(__name__)
_REMEMBERED: Final[dict[Metric, Measure]] = {
    **{cgroup.MEMORY_USED_BYTES[kind]: Measure.USED for kind in (Kind.CONTAINER, Kind.CGROUP)},
    **{cgroup.MEMORY_USAGE_BYTES[kind]: Measure.USAGE for kind in (Kind.CONTAINER, Kind.CGROUP)},
    **{cgroup.MEMORY_LIMIT_BYTES[kind]: Measure.LIMIT for kind in (Kind.CONTAINER, Kind.CGROUP)},
    process.MEMORY_PSS: Measure.USED,
    process.MEMORY_RSS: Measure.USAGE,
    process.MEMORY_LIMIT: Measure.LIMIT,
}


def run(loaded: Loaded, reload: Callable[[], Loaded]) -> int:
    """Run until a signal ends it; return the exit status."""
    logs.set_up(loaded.config.log.level, loaded.config.log.format)
    try:
        asyncio.run(_run(loaded, reload))
    except BrimlineError as error:
        print(error, file=sys.stderr)  # noqa: T201 - what a person at the terminal must read
        return 1
    return 0


def journal_of(config: Config, clock: Clock) -> JournalFile:
    """Return the journal, not opened yet."""
    return JournalFile(config.storage, clock, Procfs(config.path.procfs).boot_id(), measures=_REMEMBERED)


async def _run(loaded: Loaded, reload: Callable[[], Loaded]) -> None:
    clock = SystemClock()
    journal = journal_of(loaded.config, clock)
    journal.open()

    def make_hand(config: Config, rules: RuleSet, ties: Ties) -> Hand:
        return Hand(config, rules, journal, ties)

    try:
        carrying = Carrying(journal.tallies, lambda: journal.openings)
        acting = Acting(journal.alerts, make_hand, carrying)
        await _serve(App(loaded, reload, os.environ, clock=clock, acting=acting), loaded, clock)
    finally:
        journal.close()


async def _serve(app: App, loaded: Loaded, clock: Clock) -> None:
    web, loop = loaded.config.web, asyncio.get_running_loop()
    connections, notice = Connections(Patience()), Notice(os.environ)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    reloads: set[asyncio.Task[list[str]]] = set()

    def hang_up() -> None:
        reloads.add(task := loop.create_task(app.reload()))
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    token, hand = loaded.config.actions.inbound_token_file, app.hand
    inbound = Inbound(token, hand.ask, clock) if token is not None and hand is not None else None
    desk = Desk(hand.ask, hand.journal.note, clock) if web.enable_actions and hand is not None else None
    try:
        served = await serve(make_app(app, web, connections, inbound, desk), web.addresses, connections)
        try:
            for address in served.addresses:
                _log.info("Brimline %s serves its page on %s/", __version__, address)
            ticking = asyncio.create_task(app.run())
            telling = asyncio.create_task(tell_systemd(app, notice))
            await asyncio.wait({ticking, asyncio.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
            if ticking.done():
                ticking.result()
            _log.info("stopping: no new connections, answering what is under way")
            notice.tell(STOPPING)
            await end(ticking, telling, *reloads)
        finally:
            await served.close()
    finally:
        await app.close()


class Beating(Protocol):
    """As much of the application as systemd is told of."""

    @property
    def ready(self) -> bool:
        """Tell whether everything was looked at once."""

    @property
    def next_tick(self) -> asyncio.Event:
        """Return what the next tick sets."""

    def fresh(self) -> bool:
        """Tell whether the loop still ticks."""


async def tell_systemd(app: Beating, notice: Notice) -> None:
    """Say when it is ready, then feed the watchdog as long as the loop ticks: that we are scheduled is not enough."""
    while not app.ready:
        await app.next_tick.wait()
    notice.tell(READY)
    while notice.period is not None:
        if app.fresh():
            notice.tell(WATCHDOG)
        await asyncio.sleep(notice.period)
