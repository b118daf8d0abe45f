"""The HTTP face on a real socket, before an engine made of plain values."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientResponse, ClientSession, DummyCookieJar

from brimline.config import Config, WebConfig
from brimline.errors import BrimlineError
from brimline.metrics.self import SelfMetrics
from brimline.model import Now, Snapshot
from brimline.rules.terms import Levels, RuleSet
from brimline.view import View
from brimline.web import exposition
from brimline.web.connections import Connections, Patience, Served, serve
from brimline.web.deflate import Deflated, deflate
from brimline.web.routes import make_app

Ask = Callable[..., Awaitable[ClientResponse]]
PAGE = (
    b'# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} 5\n# HELP b_bytes B.\n# TYPE b_bytes gauge\nb_bytes 7\n'
)


class Engine:
    """A Face made of plain values."""

    config = Config()
    rules = RuleSet((), Levels())
    past = None

    def __init__(self, page: bytes = PAGE) -> None:
        self.self_metrics = SelfMetrics()
        self.next_tick = asyncio.Event()
        self.is_fresh = True
        self.problems: list[str] = []
        self.reloads = 0
        self.view: View | None = None
        self.tick(page)

    def tick(self, page: bytes) -> None:
        self.view = View(Snapshot(Now(100.0, 1.0), ()), (), 1, 0.004, page)

    @property
    def ready(self) -> bool:
        return self.view is not None

    def fresh(self) -> bool:
        return self.is_fresh

    async def reload(self) -> list[str]:
        self.reloads += 1
        return self.problems


@asynccontextmanager
async def served(engine: Engine, *, patience: Patience | None = None, **config: object) -> AsyncIterator[Served]:
    connections = Connections(patience or Patience())
    app = make_app(engine, WebConfig(listen_address=("127.0.0.1:0",), **config), connections)
    running = await serve(app, [("127.0.0.1", 0)], connections)
    try:
        yield running
    finally:
        await running.close()


def browse(
    check: Callable[[Ask], Awaitable[None]],
    engine: Engine | None = None,
    **config: object,
) -> None:
    """Run `check(ask)` against a server; `ask(path, method, headers)` follows no redirect."""

    async def run() -> None:
        async with (
            served(engine or Engine(), **config) as running,
            ClientSession(cookie_jar=DummyCookieJar(), auto_decompress=False) as session,
        ):
            base = running.addresses[0]

            async def ask(path: str, method: str = "GET", headers: dict[str, str] | None = None) -> ClientResponse:
                sent = {"Accept-Encoding": "identity", **(headers or {})}
                answer = await session.request(method, base + path, allow_redirects=False, headers=sent)
                await answer.read()
                return answer

            await check(ask)

    asyncio.run(run())


def test_metrics_is_the_page_and_the_self_metrics() -> None:
    async def check(ask: Ask) -> None:
        answer = await ask("/metrics")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        body = await answer.read()
        assert body.startswith(PAGE)
        assert b"\nbrimline_build_info{" in body
        assert not body.endswith(b"# EOF\n")

    browse(check)


def test_openmetrics_is_the_same_with_other_headers_and_an_end() -> None:
    async def check(ask: Ask) -> None:
        answer = await ask("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
        assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        body = await answer.read()
        assert body.startswith(b'# HELP a A.\n# TYPE a counter\na_total{x="1"} 5\n# HELP b_bytes')
        assert body.endswith(b"# EOF\n")

    browse(check)


@pytest.mark.parametrize("accept", ["*/*", "application/openmetrics-text"])
def test_gzip_holds_the_same_page(accept: str) -> None:
    async def check(ask: Ask) -> None:
        url, headers = "/metrics?name[]=b_bytes&name[]=brimline_build_info", {"Accept": accept}
        plain = await (await ask(url, headers=dict(headers))).read()
        packed = await ask(url, headers={"Accept-Encoding": "gzip", **headers})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await packed.read()) == plain
        whole = await ask("/metrics", headers={"Accept-Encoding": "gzip", **headers})
        assert b"b_bytes 7\n" in gzip.decompress(await whole.read())

    browse(check)


def test_names_select_families() -> None:
    async def check(ask: Ask) -> None:
        body = await (await ask("/metrics?name[]=b_bytes&name[]=brimline_build_info")).read()
        assert [line.split()[2] for line in body.splitlines() if line.startswith(b"# TYPE")] == [
            b"b_bytes",
            b"brimline_build_info",
        ]

    browse(check)


def test_a_stale_loop_serves_no_data_and_is_not_healthy() -> None:
    engine = Engine()
    engine.is_fresh = False

    async def check(ask: Ask) -> None:
        for encoding in ("identity", "gzip"):
            answer = await ask("/metrics", headers={"Accept-Encoding": encoding})
            body = await answer.read()
            text = gzip.decompress(body) if encoding == "gzip" else body
            assert answer.status == 200
            assert b"b_bytes" not in text
            assert b"brimline_build_info" in text
        assert (await ask("/-/healthy")).status == 503
        assert "3 intervals" in await (await ask("/-/healthy")).text()

    browse(check, engine)


def test_before_the_first_tick_it_is_healthy_and_not_ready() -> None:
    engine = Engine()
    engine.view = None

    async def check(ask: Ask) -> None:
        assert (await ask("/-/healthy")).status == 200
        assert (await ask("/-/ready")).status == 503
        assert (await ask("/metrics")).status == 200
        assert "first reading" in await (await ask("/")).text()
        engine.tick(PAGE)
        assert (await ask("/-/ready")).status == 200

    browse(check, engine)


def test_the_compressed_page_is_made_once_a_tick_and_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(data: bytes) -> Deflated:
        made.append(threading.current_thread().name)
        return deflate(data)

    monkeypatch.setattr(exposition, "deflate", counted)
    engine = Engine()

    async def check(ask: Ask) -> None:
        async def scrape() -> bytes:
            return gzip.decompress(await (await ask("/metrics", headers={"Accept-Encoding": "gzip"})).read())

        await asyncio.gather(*(scrape() for _ in range(8)))
        assert len(made) == 1
        assert made[0].startswith("brimline-web")
        engine.tick(b"# HELP n N.\n# TYPE n gauge\nn 1\n")
        assert b"\nn 1\n" in await scrape()
        assert len(made) == 2

    browse(check, engine)


def test_reload_is_off_unless_enabled() -> None:
    engine = Engine()

    async def check(ask: Ask) -> None:
        answer = await ask("/-/reload", "POST")
        assert answer.status == 403
        assert "--web.enable-lifecycle" in await answer.text()
        assert engine.reloads == 0

    browse(check, engine)


def test_reload_reads_the_configuration_again_and_says_what_is_wrong_with_it() -> None:
    engine = Engine()

    async def check(ask: Ask) -> None:
        assert (await ask("/-/reload", "POST")).status == 200
        engine.problems = ['brimline.yml:3:5: unknown key "intervall"; did you mean "interval"?']
        answer = await ask("/-/reload", "POST")
        assert answer.status == 500
        assert engine.problems[0] in await answer.text()
        assert engine.reloads == 2

    browse(check, engine, enable_lifecycle=True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://brimline.example"}, 200),
        ({"Origin": "http://{host}"}, 200),
    ],
)
def test_a_page_of_another_site_cannot_reload(headers: dict[str, str], status: int) -> None:
    async def check(ask: Ask) -> None:
        host = (await ask("/-/healthy")).url.authority
        sent = {name: value.format(host=host) for name, value in headers.items()}
        assert (await ask("/-/reload", "POST", headers=sent)).status == status

    browse(check, enable_lifecycle=True, external_url="https://brimline.example/")


def test_head_has_the_headers_and_no_body() -> None:
    async def check(ask: Ask) -> None:
        for path in ("/", "/metrics", "/-/healthy", "/-/ready"):
            answer = await ask(path, "HEAD")
            assert answer.status == 200
            assert int(answer.headers["Content-Length"]) > 0
            assert await answer.read() == b""

    browse(check)


def test_wrong_paths_and_methods_get_a_sentence() -> None:
    async def check(ask: Ask) -> None:
        lost = await ask("/metrcis")
        assert (lost.status, await lost.text()) == (404, "There is no such page; the front page links to all.\n")
        wrong = await ask("/metrics", "POST")
        assert (wrong.status, wrong.headers["Allow"]) == (405, "GET, HEAD")
        assert await wrong.text() == "POST is not possible here; use GET, HEAD.\n"
        assert (await ask("/-/reload")).status == 405

    browse(check)


def test_every_answer_has_the_security_headers() -> None:
    async def check(ask: Ask) -> None:
        for path in ("/", "/metrics", "/-/healthy", "/nowhere"):
            headers = (await ask(path)).headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Server"] == "brimline"
            policy = headers["Content-Security-Policy"]
            assert policy.startswith(("default-src 'none'", "default-src 'self'"))
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy

    browse(check)


@pytest.mark.parametrize(
    ("config", "prefix"),
    [
        ({"route_prefix": "/mem"}, "/mem"),
        ({"route_prefix": "/mem/"}, "/mem"),
        ({"external_url": "https://host.example/mem"}, "/mem"),
        ({"external_url": "https://host.example/mem", "route_prefix": "/"}, ""),
        ({}, ""),
    ],
)
def test_paths_stand_under_the_prefix(config: dict[str, str], prefix: str) -> None:
    async def check(ask: Ask) -> None:
        for path in ("/", "/metrics", "/-/healthy"):
            assert (await ask(prefix + path)).status == 200
        if prefix:
            assert (await ask("/metrics")).status == 404
            for path in ("/", prefix):
                assert (await ask(path)).headers["Location"] == "/mem/"

    browse(check, **config)


def test_a_telemetry_path_of_ones_own_is_linked() -> None:
    async def check(ask: Ask) -> None:
        assert (await ask("/prom")).status == 200
        assert (await ask("/metrics")).status == 404
        assert 'href="prom"' in await (await ask("/")).text()

    browse(check, telemetry_path="/prom")


def test_a_bug_is_a_sentence_a_count_and_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine()

    async def broken() -> list[str]:
        raise KeyError("a bug")

    engine.reload = broken  # type: ignore[method-assign] # a bug is put in

    async def check(ask: Ask) -> None:
        with caplog.at_level(logging.ERROR):
            answer = await ask("/-/reload", "POST")
        assert (answer.status, await answer.text()) == (500, "Brimline failed to answer this; its log says why.\n")
        assert "a bug" in caplog.text
        assert b"brimline_web_errors_total 1.0" in await (await ask("/metrics")).read()

    browse(check, engine, enable_lifecycle=True)


def test_every_address_is_served_and_one_that_is_taken_is_told() -> None:
    async def run() -> None:
        engine = Engine()
        connections = Connections(Patience())
        config = WebConfig()
        both = [("127.0.0.1", 0), ("::1", 0)] if socket.has_ipv6 else [("127.0.0.1", 0), ("127.0.0.1", 0)]
        running = await serve(make_app(engine, config, connections), both, connections)
        assert len(running.addresses) == 2
        async with ClientSession() as session:
            for address in running.addresses:
                assert (await session.get(f"{address}/-/healthy")).status == 200
        port = int(running.addresses[0].rpartition(":")[2])
        again = Connections(Patience())
        with pytest.raises(BrimlineError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*address already in use"):
            await serve(make_app(engine, config, again), [("127.0.0.1", 0), ("127.0.0.1", port)], again)
        await running.close()

    asyncio.run(run())


def test_a_large_page_arrives_whole() -> None:
    page = b"# HELP b_bytes B.\n# TYPE b_bytes gauge\n" + b"".join(b'b_bytes{x="%d"} 1\n' % i for i in range(200_000))

    async def check(ask: Ask) -> None:
        assert (await (await ask("/metrics")).read()).startswith(page)
        packed = await ask("/metrics", headers={"Accept-Encoding": "gzip"})
        assert gzip.decompress(await packed.read()).startswith(page)

    browse(check, Engine(page))
