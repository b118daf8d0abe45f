"""Names are looked up in threads of their own: one that hangs holds up nobody else, and nothing else that waits."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from brimline import lookups
from brimline.errors import UnreachableError
from brimline.httpclient import HttpClient
from brimline.lookups import Lookups
from unit.acting import until


class Server:
    """A name server that does not answer for names that begin with "hung", until it ends."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ended = threading.Event()

    def __call__(self, host: str, port: int, **_: object) -> list[Any]:
        self.asked.append(host)
        if host.startswith("hung"):
            self.ended.wait(20)
        if host.startswith("none"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", port))]


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.ended.set()


def test_a_name_that_hangs_holds_up_no_other_and_no_thread_of_the_loops(server: Server) -> None:
    async def body() -> None:
        names = Lookups(server)
        hung = [asyncio.create_task(names.resolve(f"hung-{n}", 80)) for n in range(lookups.MOST - 1)]
        await until(lambda: len(server.asked) == len(hung))
        async with asyncio.timeout(5):
            [found] = await names.resolve("fine", 8080)
            await asyncio.to_thread(str)  # the loop's own threads are free
        assert (found["host"], found["port"], found["hostname"]) == ("10.0.0.7", 8080, "fine")
        assert not any(one.done() for one in hung)
        await names.close()
        assert all(isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*hung, return_exceptions=True))

    asyncio.run(body())


def test_a_name_that_hangs_is_asked_for_once_however_often_it_is_given_up(server: Server) -> None:
    async def body() -> None:
        names = Lookups(server)
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await names.resolve("hung", 80)
        assert server.asked == ["hung"]
        server.ended.set()
        assert [found["host"] for found in await names.resolve("hung", 80)] == ["10.0.0.7"]
        await names.resolve("hung", 80)
        assert server.asked == ["hung", "hung"], "an answer is not kept"

    asyncio.run(body())


def test_where_too_many_hang_the_next_is_refused_with_a_sentence(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "MOST", 2)

    async def body() -> None:
        names = Lookups(server)
        hung = [asyncio.create_task(names.resolve(f"hung-{n}", 80)) for n in range(2)]
        await until(lambda: len(server.asked) == 2)
        with pytest.raises(OSError, match="fine is not looked up: 2 other names still wait"):
            await names.resolve("fine", 80)
        await names.close()
        await asyncio.gather(*hung, return_exceptions=True)

    asyncio.run(body())


def test_a_name_that_nobody_knows_is_said_to_be_none(server: Server) -> None:
    async def body() -> None:
        with pytest.raises(socket.gaierror, match="not known"):
            await Lookups(server).resolve("none", 80)

    asyncio.run(body())


def test_requests_look_names_up_this_way(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brimline.httpclient.Lookups", lambda: Lookups(server))

    async def body() -> None:
        client = HttpClient()
        for name, seconds, words in (("hung", 0.05, "no answer within 0.05 s"), ("none", 30, "not known")):
            with pytest.raises(UnreachableError, match=words):
                await client.send("GET", f"http://{name}:1/", seconds=seconds)
        await client.close()

    asyncio.run(body())
