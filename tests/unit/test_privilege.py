"""Whether the way to an engine is wider than it needs: what is asked of whom, and what is made of the answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from brimline.actions.containers import StopTime
from brimline.config import Config
from brimline.errors import SourceError
from brimline.faults import points
from brimline.metrics.self import SelfMetrics
from brimline.privilege import is_asked
from brimline.ties import Ties
from brimline.tools import Tools
from fakes import FakeClock
from unit import fake_docker
from unit.acting import until
from unit.fake_docker import FakeDocker, Fault, Request

SERIES = b"\nbrimline_docker_overprivileged "


def answering(status: int, body: bytes) -> Fault:
    return lambda request: request.raw(status, body)


def config(host: str | None = None, *, action_host: str | None = None, dry_run: bool = False) -> Config:
    docker = {"host": host, "action_host": action_host, "timeout": "60s"}
    return Config.model_validate({"sources": {"docker": docker}, "actions": {"dry_run": dry_run}})


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDocker]:
    engine = FakeDocker(tmp_path)
    engine.faults["create"] = answering(403, b"<html><body><h1>403 Forbidden</h1></body></html>")
    yield engine
    engine.stop()


class Acting:
    """The tools of one life, and its page."""

    def __init__(self, config: Config) -> None:
        self.metrics = SelfMetrics()
        ties = Ties(
            clock=FakeClock(),
            environ={},
            wake=lambda _: None,
            acted=self.metrics.acted,
            targets=tuple,
            pids=lambda _: (),
            alert_at=lambda _: 0.8,
        )
        self.tools = Tools(config, ties, points({}), lambda _: None)

    @property
    def answer(self) -> bool | None:
        """Return what the page says."""
        page = self.metrics.render(openmetrics=False)
        return bool(float(page.split(SERIES)[1].split(b"\n")[0])) if SERIES in page else None

    async def asked(self, fake: FakeDocker, times: int = 1) -> None:
        await until(lambda: fake.requests.count("containers/create") == times and not self.tools._privilege._tasks)


def lived(made: Config, use: Callable[[Acting], object]) -> None:
    """Let tools look around, and use them."""

    async def body() -> None:
        acting = Acting(made)
        looking = asyncio.create_task(acting.tools.look_early())
        try:
            await use(acting)  # type: ignore[misc] # a coroutine
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
            await acting.tools.close()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("made", "host", "asked"),
    [
        (config(), "unix:///var/run/docker.sock", False),
        (config(), "tcp://proxy:2375", True),
        (config(), "https://far:2376", True),
        (config(), "ssh://root@far", False),
        (config(action_host="unix:///run/proxy.sock"), "unix:///run/proxy.sock", True),
        (config(dry_run=True), "tcp://proxy:2375", False),
    ],
)
def test_who_chose_a_way_for_actions_or_acts_over_a_network_is_asked(made: Config, host: str, *, asked: bool) -> None:
    assert is_asked(made, host) is asked


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (answering(403, b"<html>403 Forbidden</html>"), False),
        (answering(403, b'{"message":"authorization denied by plugin"}'), False),
        (answering(405, b"Method Not Allowed"), False),
        (answering(404, b""), False),
        (answering(500, b'{"message":"EOF"}\n'), True),
        (answering(400, b'{"message":"invalid JSON: got EOF while reading request body"}\n'), True),
        (answering(400, b'{"cause":"EOF","message":"Decode(): EOF","response":400}'), True),
        (answering(201, b'{"Id":"0123456789ab","Warnings":[]}'), True),
        (answering(502, b"<html>Bad Gateway</html>"), None),
        (answering(503, b""), None),
        (answering(200, b"[" * 100_000), None),
        (fake_docker.cut_off, None),
    ],
)
def test_what_comes_through_is_told_from_what_a_proxy_refuses(
    fake: FakeDocker, fault: Fault, *, answer: bool | None
) -> None:
    fake.faults["create"] = fault

    async def use(acting: Acting) -> None:
        assert acting.answer is None
        await acting.asked(fake)
        assert acting.answer is answer

    lived(config(action_host=fake.host), use)
    assert fake.containers == {}


def test_what_is_asked_has_no_body_and_no_name(fake: FakeDocker) -> None:
    seen: list[tuple[str, str | None]] = []

    def note(request: Request) -> None:
        seen.append((f"{request.command} {request.path}", request.headers.get("Content-Length")))
        request.raw(403, b"")

    fake.faults["create"] = note
    lived(config(action_host=fake.host), lambda acting: acting.asked(fake))
    assert seen == [("POST /v1.41/containers/create", "0")]


def test_a_way_that_is_too_wide_is_logged_once_with_what_to_do(
    fake: FakeDocker, caplog: pytest.LogCaptureFixture
) -> None:
    fake.faults["create"] = answering(500, b'{"message":"EOF"}')

    async def use(acting: Acting) -> None:
        for times in (1, 2):
            await acting.tools.containers.connect()
            await acting.asked(fake, times)
            acting.tools.containers.close()

    with caplog.at_level(logging.WARNING):
        lived(config(action_host=fake.host), use)
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{fake.host} also lets create containers: whoever reaches it is root there")
    assert "only POST on /containers/{id}/restart, /stop and /start" in line


def test_a_connection_that_is_kept_is_asked_once(fake: FakeDocker) -> None:
    async def use(acting: Acting) -> None:
        await acting.asked(fake)
        for _ in range(3):
            await acting.tools.containers.list()
        await acting.asked(fake, 1)

    lived(config(action_host=fake.host), use)


def test_no_action_waits_for_the_answer(fake: FakeDocker) -> None:
    fake.faults["create"] = fake_docker.hang
    web = fake.add("web")

    async def use(acting: Acting) -> None:
        await until(lambda: "containers/create" in fake.requests)
        async with asyncio.timeout(30):
            await acting.tools.containers.restart(web, StopTime(0.0))
        assert acting.tools._privilege._tasks
        assert acting.answer is None

    lived(config(action_host=fake.host), use)
    assert fake.orders == [("restart", web, None)]


def test_a_local_socket_and_a_dry_run_are_not_asked(fake: FakeDocker) -> None:
    async def use(acting: Acting) -> None:
        await acting.tools.containers.list()
        assert acting.tools._privilege._tasks == set()
        assert acting.answer is None

    lived(config(host=fake.host), use)
    lived(config(action_host=fake.host, dry_run=True), use)
    assert "containers/create" not in fake.requests


def test_another_way_is_asked_anew_and_until_then_nothing_is_said(fake: FakeDocker) -> None:
    async def use(acting: Acting) -> None:
        await acting.asked(fake)
        assert acting.answer is False
        acting.tools.use(config(action_host=fake.host, dry_run=True))
        assert acting.answer is None
        acting.tools.use(config(action_host=fake.host))
        await acting.tools.containers.connect()
        await acting.asked(fake, 2)
        assert acting.answer is False

    lived(config(action_host=fake.host), use)


def test_an_engine_that_is_not_there_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def use(acting: Acting) -> None:
        with pytest.raises(SourceError):
            await acting.tools.containers.connect()
        assert acting.answer is None

    lived(config(action_host=f"unix://{tmp_path}/none.sock"), use)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
