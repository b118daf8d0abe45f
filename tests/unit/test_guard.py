"""What Brimline leans on stays guarded: over a reload, while a name cannot be looked up, at this host's own address."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brimline import endpoints, guard
from brimline.config import Config
from brimline.endpoints import leans_on
from brimline.guard import Guard
from brimline.policy.guarded import Endpoint, Guarded, local_addresses
from fakes import container, described
from unit.acting import until

TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 4
     +-- 192.168.1.0/24 2 0 2
        |-- 192.168.1.0
           /24 link UNICAST
        |-- 192.168.1.10
           /32 link UNICAST
           /32 host LOCAL
        |-- 192.168.1.255
           /32 link BROADCAST
        |-- 192.168.1.77
           /32 universe UNICAST
     |-- 127.0.0.1
        /32 host LOCAL
"""
SIX = "fd000000000000000000000000000002 04 40 00 82     eth0\n00000000000000000000000000000001 01 80 10 80 lo\nfd00"


class Names:
    """A resolver: a name that is not here cannot be looked up now."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.asked = 0
        self.goes = threading.Event()
        self.goes.set()

    def look_up(self, host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        self.asked += 1
        self.goes.wait(20)
        if host not in self.known:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return [(2, 1, 6, "", (self.known[host], port))]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(endpoints.socket, "getaddrinfo", made.look_up)
    return made


def config(procfs: Path, *alertmanagers: str) -> Config:
    return Config.model_validate({"path": {"procfs": str(procfs)}, "notify": {"alertmanagers": alertmanagers}})


@contextmanager
def looking(made: Guard) -> Iterator[None]:
    running = asyncio.ensure_future(made.run())
    try:
        yield
    finally:
        running.cancel()


def addresses(told: list[Guarded]) -> dict[str, tuple[str, ...]]:
    return {end.host: end.addresses for end in told[-1].endpoints}


def test_a_look_up_that_fails_leaves_the_addresses_that_were_known(
    tmp_path: Path, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_EVERY", 0.0)
    names.known = {"am": "10.0.0.4"}

    async def body() -> None:
        told: list[Guarded] = []
        with looking(Guard(config(tmp_path, "http://am:9093"), {}, told.append)):
            assert addresses(told) == {"am": ()}, "by name at once"
            await until(lambda: addresses(told) == {"am": ("10.0.0.4",)})
            names.known, asked, count = {}, names.asked, len(told)
            await until(lambda: names.asked > asked + 1 and len(told) > count + 1)
            assert addresses(told) == {"am": ("10.0.0.4",)}
            names.known = {"am": "10.0.0.5"}
            await until(lambda: addresses(told) == {"am": ("10.0.0.5",)})

    asyncio.run(body())


def test_a_reload_keeps_what_is_known_and_looks_at_once(tmp_path: Path, names: Names) -> None:
    names.known = {"am": "10.0.0.4", "other": "10.0.0.9"}

    async def body() -> None:
        told: list[Guarded] = []
        made = Guard(config(tmp_path, "http://am:9093"), {}, told.append)
        with looking(made):
            await until(lambda: addresses(told) == {"am": ("10.0.0.4",)})
            names.known.pop("am")
            made.use(config(tmp_path, "http://am:9093", "http://other:9093"))
            assert addresses(told) == {"am": ("10.0.0.4",), "other": ()}
            await until(lambda: addresses(told) == {"am": ("10.0.0.4",), "other": ("10.0.0.9",)})

    asyncio.run(body())


def test_a_resolver_that_hangs_costs_nothing_but_its_own_thread(
    tmp_path: Path, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_EVERY", 0.0)
    monkeypatch.setattr(guard, "_PATIENCE", 0.02)
    names.known = {"am": "10.0.0.4"}

    async def body() -> None:
        told: list[Guarded] = []
        with looking(Guard(config(tmp_path, "http://am:9093"), {}, told.append)):
            await until(lambda: addresses(told) == {"am": ("10.0.0.4",)})
            names.goes.clear()
            names.known, asked = {"am": "10.0.0.5"}, names.asked
            await until(lambda: names.asked > asked)
            for _ in range(10):
                await asyncio.sleep(0.01)
            assert names.asked == asked + 1, "it is not asked again while it hangs"
            assert addresses(told) == {"am": ("10.0.0.4",)}
            names.goes.set()
            await until(lambda: addresses(told) == {"am": ("10.0.0.5",)})

    asyncio.run(body())


def test_the_addresses_of_a_network_are_those_that_are_local() -> None:
    assert local_addresses(TRIE, SIX) == {"192.168.1.10", "127.0.0.1", "fd00::2", "::1"}
    assert local_addresses("", "") == frozenset()


@pytest.mark.parametrize("pid", ["self", "1"])
def test_an_alertmanager_at_this_hosts_own_address_is_guarded(tmp_path: Path, pid: str) -> None:
    net = tmp_path / pid / "net"
    net.mkdir(parents=True)
    (net / "fib_trie").write_text(TRIE)
    found = leans_on(config(tmp_path, "http://192.168.1.10:9093", "http://192.168.1.77:9095"), {})
    published = described(container("am", "a@1"), ports=(9093,))
    assert found.reason(published) == "it is Alertmanager (192.168.1.10)"
    assert found.reason(described(container("am", "a@1"), ports=(9095,))) is None, "another host"
    assert found.reason(described(container("db", "b@1"), ports=(5432,))) is None


def test_a_name_of_this_host_is_guarded_by_its_address() -> None:
    end = Endpoint("Alertmanager", "box.lan", 9093, ("192.168.1.10",))
    published = described(container("am", "a@1"), ports=(9093,))
    assert Guarded(endpoints=(end,), here=frozenset({"192.168.1.10"})).reason(published)
    assert Guarded(endpoints=(end,)).reason(published) is None
