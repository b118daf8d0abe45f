"""What systemd hears: READY once everything was looked at, WATCHDOG only while the loop beats, STOPPING at the end."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from brimline.daemon import tell_systemd
from brimline.sdnotify import READY, STOPPING, WATCHDOG, Notice


class Systemd:
    """The socket that a service manager listens on."""

    def __init__(self, address: str) -> None:
        self.environ = {"NOTIFY_SOCKET": address}
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._door.bind(address.replace("@", "\0", 1))

    def heard(self) -> list[str]:
        """Return what came since the last call."""
        found = []
        while True:
            try:
                found.append(self._door.recv(100).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._door.close()


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    with tempfile.TemporaryDirectory() as directory:  # tmp_path may be too long for an address
        listening = Systemd(f"{directory}/notify")
        yield listening
        listening.close()


class Beating:
    """As much of the application as is asked: whether it is ready and beats, and when it ticks next."""

    def __init__(self) -> None:
        self.ready = False
        self.beats = True
        self.next_tick = asyncio.Event()
        self.asked = asyncio.Event()

    def fresh(self) -> bool:
        self.asked.set()
        return self.beats

    def tick(self) -> None:
        self.next_tick.set()
        self.next_tick = asyncio.Event()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_state_arrives_as_one_datagram(systemd: Systemd) -> None:
    notice = Notice(systemd.environ)
    notice.tell(READY)
    notice.tell(STOPPING)
    assert systemd.heard() == ["READY=1", "STOPPING=1"]


def test_an_abstract_address_is_reached() -> None:
    systemd = Systemd(f"@brimline-test-{os.getpid()}")
    try:
        Notice(systemd.environ).tell(READY)
        assert systemd.heard() == ["READY=1"]
    finally:
        systemd.close()


def test_without_systemd_nothing_is_told_and_nobody_waits() -> None:
    notice = Notice({"WATCHDOG_USEC": "30000000"})
    notice.tell(READY)
    assert notice.period is None


def test_a_socket_that_is_gone_or_full_stops_nothing(systemd: Systemd, tmp_path: Path) -> None:
    Notice({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(READY)
    notice = Notice(systemd.environ)
    for _ in range(1000):
        notice.tell(WATCHDOG)
    assert set(systemd.heard()) == {"WATCHDOG=1"}


@pytest.mark.parametrize(
    ("watchdog", "period"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_three_times_in_its_patience_where_it_waits_for_us(
    watchdog: dict[str, str], period: float | None
) -> None:
    assert Notice({"NOTIFY_SOCKET": "/nowhere", **watchdog}).period == period


def test_readiness_is_told_after_the_first_look_and_not_before(systemd: Systemd) -> None:
    async def life() -> None:
        app = Beating()
        telling = asyncio.create_task(tell_systemd(app, Notice(systemd.environ)))
        await turns()
        app.tick()
        await turns()
        assert systemd.heard() == []
        app.ready = True
        app.tick()
        await turns()
        assert systemd.heard() == ["READY=1"]
        await telling  # nobody waits for a word to the watchdog

    asyncio.run(life())


def test_a_loop_that_stands_still_does_not_feed_the_watchdog(systemd: Systemd) -> None:
    async def life() -> None:
        app = Beating()
        app.ready = True
        notice = Notice({**systemd.environ, "WATCHDOG_USEC": "30000"})
        telling = asyncio.create_task(tell_systemd(app, notice))
        for beats, heard in ((True, ["READY=1", "WATCHDOG=1"]), (False, []), (True, ["WATCHDOG=1"])):
            app.beats = beats
            app.asked.clear()
            await app.asked.wait()
            assert systemd.heard() == heard
        telling.cancel()

    asyncio.run(life())
