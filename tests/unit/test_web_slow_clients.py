"""Clients that send by drops, never read, or only occupy a place, on real sockets with short patience."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from brimline.config import Config, WebConfig
from brimline.metrics.self import SelfMetrics
from brimline.model import Now, Snapshot
from brimline.rules.terms import Levels, RuleSet
from brimline.view import View
from brimline.web.connections import Connections, Patience, serve
from brimline.web.routes import make_app

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
BIG = b"# HELP b_bytes B.\n# TYPE b_bytes gauge\n" + b'b_bytes{x="a name of some length"} 1\n' * 600_000
Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Engine:
    """A Face with one page."""

    ready = True
    config = Config()
    rules = RuleSet((), Levels())
    past = None

    def __init__(self, page: bytes) -> None:
        self.self_metrics = SelfMetrics()
        self.next_tick = asyncio.Event()
        self.view = View(Snapshot(Now(1, 1), ()), (), 1, 0.0, page)

    def fresh(self) -> bool:
        return True

    async def reload(self) -> list[str]:
        return []


@asynccontextmanager
async def served(patience: Patience, page: bytes = b"") -> AsyncIterator[tuple[Connections, Connect]]:
    connections = Connections(patience)
    running = await serve(make_app(Engine(page), WebConfig(), connections), [("127.0.0.1", 0)], connections)
    port = int(running.addresses[0].rpartition(":")[2])
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(0)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=16384)
        writers.append(writer)
        return reader, writer

    try:
        yield connections, connect
    finally:
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        await running.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send a whole request and read the head of its answer."""
    writer.write(GET)
    return await reader.readuntil(b"\r\n\r\n")


async def rest(reader: asyncio.StreamReader) -> int:
    """Return how many bytes come until the server ends the connection; the test's timeout is for when it never does."""
    count = 0
    with suppress(ConnectionError):
        while data := await reader.read(1 << 20):
            count += len(data)
    return count


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the server is not asked to tell its tests
        await asyncio.sleep(0.01)


async def dribble(writer: asyncio.StreamWriter) -> None:
    """Send a header that never ends."""
    writer.write(b"GET /metrics HTTP/1.1\r\nX: ")
    while not writer.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.02)


def test_a_request_that_never_ends_is_cut_while_others_are_served() -> None:
    async def run() -> None:
        async with served(Patience()) as (connections, connect), asyncio.timeout(30):
            good = await connect()
            connections.patience = Patience(request=0.25)
            slow = [await connect() for _ in range(20)]
            drops = [asyncio.create_task(dribble(writer)) for _, writer in slow]
            assert (await answer(*good)).startswith(b"HTTP/1.1 200")
            assert sum(await asyncio.gather(*(rest(reader) for reader, _ in slow))) == 0
            for drop in drops:
                drop.cancel()

    asyncio.run(run())


def test_silence_is_cut_too() -> None:
    async def run() -> None:
        async with served(Patience(request=0.1)) as (_, connect), asyncio.timeout(30):
            reader, _ = await connect()
            assert await rest(reader) == 0

    asyncio.run(run())


def test_a_second_request_that_never_ends_is_cut() -> None:
    async def run() -> None:
        async with served(Patience(request=60, idle=0.25)) as (_, connect), asyncio.timeout(30):
            reader, writer = await connect()
            assert (await answer(reader, writer)).startswith(b"HTTP/1.1 200")
            drops = asyncio.create_task(dribble(writer))
            await rest(reader)
            drops.cancel()

    asyncio.run(run())


def test_a_scraper_keeps_its_connection_between_scrapes() -> None:
    async def run() -> None:
        async with served(Patience(request=2, idle=60)) as (_, connect), asyncio.timeout(30):
            reader, writer = await connect()
            assert (await answer(reader, writer)).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(2.5)  # beyond the deadline of a first request
            writer.write(GET)
            assert b"HTTP/1.1 200" in await reader.readuntil(b"HTTP/1.1 200")

    asyncio.run(run())


def test_an_answer_nobody_reads_is_cut() -> None:
    async def run() -> None:
        async with served(Patience(answer=0.2, idle=60), BIG) as (connections, connect), asyncio.timeout(30):
            reader, writer = await connect()
            writer.write(GET)
            await writer.drain()
            await until(lambda: connections.busy == 1)
            await until(lambda: connections.busy == 0)
            assert await rest(reader) < len(BIG)

    asyncio.run(run())


def test_a_crowd_that_does_not_read_shares_one_page() -> None:
    async def run() -> None:
        async with served(Patience(), BIG) as (connections, connect), asyncio.timeout(30):
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                for _ in range(20):
                    _, writer = await connect()
                    writer.write(GET)
                await until(lambda: connections.busy == 20)
                await asyncio.sleep(0.2)  # by then whatever is buffered at all is
                _, most = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert connections.busy == 20
            assert most - before < 20 * 400_000 < len(BIG)

    asyncio.run(run())


def test_beyond_so_many_pages_a_newcomer_is_asked_to_come_again_and_health_is_told() -> None:
    async def run() -> None:
        async with served(Patience(pages=2), BIG) as (connections, connect), asyncio.timeout(30):
            for _ in range(2):
                _, writer = await connect()
                writer.write(GET)
            await until(lambda: connections.busy == 2)
            head = await answer(*await connect())
            assert head.startswith(b"HTTP/1.1 503")
            assert b"Retry-After: 60" in head
            reader, writer = await connect()
            writer.write(GET.replace(b"/metrics", b"/-/healthy"))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")

    asyncio.run(run())


def test_a_place_is_free_again_once_its_page_is_sent() -> None:
    async def run() -> None:
        async with served(Patience(pages=1)) as (_, connect), asyncio.timeout(30):
            for _ in range(3):
                assert (await answer(*await connect())).startswith(b"HTTP/1.1 200")

    asyncio.run(run())


def test_the_one_that_waited_longest_makes_room_for_a_scraper() -> None:
    async def run() -> None:
        async with served(Patience(connections=3)) as (_, connect), asyncio.timeout(30):
            idlers = [await connect() for _ in range(3)]
            assert (await answer(*await connect())).startswith(b"HTTP/1.1 200")
            assert await rest(idlers[0][0]) == 0
            assert (await answer(*idlers[2])).startswith(b"HTTP/1.1 200")

    asyncio.run(run())


def test_beyond_the_places_all_of_them_busy_a_newcomer_is_turned_away() -> None:
    async def run() -> None:
        async with served(Patience(connections=1), BIG) as (connections, connect), asyncio.timeout(30):
            _, writer = await connect()
            writer.write(GET)
            await until(lambda: connections.busy == 1)
            reader, _ = await connect()
            told = await reader.read()
            assert told.startswith(b"HTTP/1.1 503 ")
            assert told.endswith(b"\r\n\r\nAll places are taken; try again in a few seconds.\n")
            assert connections.busy == 1

    asyncio.run(run())
