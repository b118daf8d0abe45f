from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline import dockerapi, dockerthreads
from brimline.dockerapi import DockerApi
from brimline.dockerconnect import find_host, negotiate
from brimline.dockerorders import OrderError
from brimline.dockerthreads import Calls, StreamEndError, lines, reason
from brimline.errors import SourceError, UnreachableError
from unit import fake_docker
from unit.fake_docker import FakeDocker, Fault

if TYPE_CHECKING:
    from docker import APIClient

EXPORTER = Path(__file__).parents[2] / "exporter"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDocker]:
    engine = FakeDocker(tmp_path)
    yield engine
    engine.stop()


def with_api(fake: FakeDocker, use: Callable[[DockerApi], Awaitable[None]]) -> None:
    async def body() -> None:
        api = await DockerApi.connect(fake.host, {}, Calls(), 30)
        try:
            await use(api)
        finally:
            api.close()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("environ", "sockets", "host"),
    [
        ({}, set(), None),
        ({"DOCKER_HOST": "tcp://build:2376"}, {"/var/run/docker.sock"}, "tcp://build:2376"),
        ({"DOCKER_HOST": " "}, {"/var/run/docker.sock"}, "unix:///var/run/docker.sock"),
        ({"XDG_RUNTIME_DIR": "/run/user/1000/"}, {"/run/user/1000/docker.sock"}, "unix:///run/user/1000/docker.sock"),
        ({}, {"/run/user/1000/docker.sock"}, None),
        ({}, {"/run/podman/podman.sock"}, "unix:///run/podman/podman.sock"),
        (
            {"XDG_RUNTIME_DIR": "/run/user/1000"},
            {"/run/user/1000/podman/podman.sock"},
            "unix:///run/user/1000/podman/podman.sock",
        ),
        (
            {"XDG_RUNTIME_DIR": "/run/user/1000"},
            {"/run/user/1000/docker.sock", "/run/podman/podman.sock"},
            "unix:///run/user/1000/docker.sock",
        ),
        (
            {"XDG_RUNTIME_DIR": "/run/user/1000"},
            {"/run/user/1000/docker.sock", "/var/run/docker.sock"},
            "unix:///var/run/docker.sock",
        ),
    ],
)
def test_the_engine_is_found_where_docker_and_podman_put_it(
    environ: dict[str, str], sockets: set[str], host: str | None
) -> None:
    assert find_host(environ, sockets.__contains__) == host


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [
        ("1.41", "1.12", "1.41"),  # an older engine: its newest
        ("1.52", "1.44", "1.45"),  # a newer one: ours
        ("1.60", "1.50", "1.50"),  # one that has dropped ours: its oldest
        ("1.9", None, "1.9"),  # numbers, not text
    ],
)
def test_the_api_version_is_negotiated(newest: str, oldest: str | None, spoken: str) -> None:
    assert negotiate(newest, oldest) == spoken


def test_a_version_that_is_none_is_refused_in_a_sentence() -> None:
    with pytest.raises(SourceError, match='"latest" is no Docker API version'):
        negotiate("latest", None)


def test_it_answers(fake: FakeDocker) -> None:
    web = fake.add("web")

    async def use(api: DockerApi) -> None:
        assert (api.api_version, api.engine) == ("1.41", "docker")
        assert len(await api.containers()) == 1
        assert (await api.inspect(web) or {})["Id"] == web
        assert (await api.stats(web) or {})["id"] == web
        assert await api.inspect("f" * 64) is None
        assert await api.memory_total() == 1 << 40
        await api.ping()

    with_api(fake, use)


def test_podman_is_recognised(fake: FakeDocker) -> None:
    fake.version["Components"] = [{"Name": "Podman Engine", "Version": "5.4.0"}]

    async def use(api: DockerApi) -> None:
        assert api.engine == "podman"

    with_api(fake, use)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (fake_docker.hang, "no answer"),
        (fake_docker.drip, "no answer within 2 s"),
        (fake_docker.half, "IncompleteRead"),
        (fake_docker.garbage, "listing containers"),
        (fake_docker.nested, "listing containers"),
        (fake_docker.failure, "the engine answered: no space left on device"),
        (fake_docker.not_http, "listing containers"),
        (lambda request: request.json({"a": 1}), "no list but"),
    ],
)
def test_a_bad_answer_is_one_error_in_time_and_the_loop_runs_on(fake: FakeDocker, fault: Fault, words: str) -> None:
    async def use(api: DockerApi) -> None:
        fake.faults["list"] = fault
        usual = api._timeout
        if words.startswith("no answer"):
            api._timeout = 2
        began = time.monotonic()
        with pytest.raises(SourceError, match=words) as failed:
            await api.containers()
        assert fake.host in str(failed.value)
        assert time.monotonic() - began < 8
        api._timeout = usual
        del fake.faults["list"]
        assert await api.containers() == []

    with_api(fake, use)


@pytest.mark.parametrize("fault", [fake_docker.hang, fake_docker.garbage, fake_docker.failure, fake_docker.half])
def test_a_bad_socket_is_refused_when_connecting(fake: FakeDocker, fault: Fault) -> None:
    fake.faults["version"] = fault

    async def body() -> None:
        with pytest.raises(UnreachableError):
            await DockerApi.connect(fake.host, {}, Calls(), 0.3)

    asyncio.run(body())


@pytest.mark.parametrize(
    "host", ["tcp://user:secretpw@127.0.0.1:1", "tcp://user:secretpw@", "tcp://user:secretpw@127.0.0.1:x"]
)
def test_no_message_shows_the_hosts_password(host: str) -> None:
    async def body() -> None:
        with pytest.raises(UnreachableError) as failed:
            await DockerApi.connect(host, {}, Calls(), 5)
        assert "***@" in str(failed.value)
        assert "secretpw" not in str(failed.value)

    asyncio.run(body())


def test_a_version_without_a_version_is_refused(fake: FakeDocker) -> None:
    fake.version = {"hello": "world"}

    async def body() -> None:
        with pytest.raises(SourceError, match='no "ApiVersion"'):
            await DockerApi.connect(fake.host, {}, Calls(), 30)

    asyncio.run(body())


def test_no_socket_is_said_in_words(tmp_path: Path) -> None:
    async def body() -> None:
        with pytest.raises(UnreachableError, match=r"no such socket; is the engine running\?"):
            await DockerApi.connect(f"unix://{tmp_path}/none.sock", {}, Calls(), 30)

    asyncio.run(body())


def test_a_hung_call_never_blocks_the_loop(fake: FakeDocker) -> None:
    async def use(api: DockerApi) -> None:
        fake.faults["list"] = fake_docker.hang
        call = asyncio.ensure_future(api.containers())
        for _ in range(50):
            await asyncio.sleep(0.001)
            assert not call.done()
        fake.stop()
        with pytest.raises(UnreachableError):
            await call
        fake.start()

    with_api(fake, use)


def test_hung_calls_are_bounded_and_given_back() -> None:
    async def body() -> None:
        release = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wait() -> None:
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

        calls = Calls(limit=2)
        hung = [asyncio.ensure_future(calls.result(wait, 5)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(UnreachableError, match="2 earlier calls"):
            await calls.result(wait, 5)
        release.set()
        await asyncio.gather(*hung)

    asyncio.run(body())


def test_a_dripping_answer_gives_its_thread_back(fake: FakeDocker) -> None:
    async def body() -> None:
        calls = Calls(limit=1)
        api = await DockerApi.connect(fake.host, {}, calls, 30)
        fake.faults["list"] = fake_docker.drip
        api._timeout = 2  # time enough for the answer to begin: only one that has can be cut
        with pytest.raises(UnreachableError, match="no answer within"):
            await api.containers()
        api._timeout = 30
        del fake.faults["list"]
        async with asyncio.timeout(30):
            while True:  # the read that was cut ends within moments; then the one thread is free again
                try:
                    await api.containers()
                    break
                except UnreachableError:
                    await asyncio.sleep(0.01)
        api.close()

    asyncio.run(body())


def test_the_process_exits_while_calls_hang(fake: FakeDocker) -> None:
    fake.faults["version"] = fake_docker.hang
    program = f"""
import asyncio
from brimline.dockerapi import DockerApi
from brimline.dockerthreads import Calls
async def body():
    call = asyncio.ensure_future(DockerApi.connect({fake.host!r}, {{}}, Calls(), 60))
    await asyncio.sleep(0.5)
    call.cancel()
asyncio.run(body())
print("out")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        timeout=20,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(EXPORTER)},
        check=True,
    )
    assert (done.stdout, done.stderr) == ("out\n", "")


def test_docker_is_imported_by_the_first_call_only() -> None:
    program = "import sys, brimline.dockerapi, brimline.sources.docker; print('docker' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONPATH": str(EXPORTER)}, check=True
    )
    assert done.stdout == "False\n"


async def opened(api: DockerApi, since: float | None = None, idle: float = 30.0) -> dockerthreads.EventStream:
    return await api.events(since, {"type": ["container"]}, idle)


def test_events_come_as_they_happen_and_again_with_since(fake: FakeDocker) -> None:
    web = fake.add("web")

    async def use(api: DockerApi) -> None:
        stream = await opened(api)
        fake.say(web, "start")
        assert [e["Action"] for e in await stream.arrivals(5)] == ["start"]
        assert await stream.arrivals(0) == []
        stream.close()
        again = await opened(api, since=fake.now / 1e9 - 1)
        assert [e["Action"] for e in await again.arrivals(5)] == ["start"]
        again.close()

    with_api(fake, use)


@pytest.mark.parametrize("fault", [fake_docker.cut_mid_line, fake_docker.garbage_line, fake_docker.failure])
def test_a_stream_that_breaks_ends_in_an_error(fake: FakeDocker, fault: Fault) -> None:
    fake.faults["events"] = fault

    async def use(api: DockerApi) -> None:
        with pytest.raises(UnreachableError) as ended:
            await (await opened(api)).arrivals(5)
        assert not getattr(ended.value, "silent", False)

    with_api(fake, use)


def test_a_stream_that_never_opens_is_given_up(fake: FakeDocker) -> None:
    fake.faults["events"] = fake_docker.hang

    async def use(api: DockerApi) -> None:
        api._timeout = 0.5
        with pytest.raises(UnreachableError, match="events: no answer within"):
            await opened(api)

    with_api(fake, use)


def test_a_silent_stream_ends_by_itself_and_says_so(fake: FakeDocker) -> None:
    async def use(api: DockerApi) -> None:
        stream = await opened(api, idle=1.0)
        with pytest.raises(StreamEndError) as ended:
            await stream.arrivals(30)
        assert ended.value.silent

    with_api(fake, use)


def test_a_stream_nobody_reads_ends_instead_of_growing(fake: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dockerthreads, "MAX_WAITING", 3)
    web = fake.add("web")

    async def use(api: DockerApi) -> None:
        stream = await opened(api)
        for _ in range(4):
            fake.say(web, "start")
        while stream._end is None:  # noqa: ASYNC110 - nothing is awaited on purpose: the reader is what lags here
            await asyncio.sleep(0)
        assert len(await stream.arrivals(0)) == 3
        with pytest.raises(StreamEndError, match="the event stream ended"):
            await stream.arrivals(0)

    with_api(fake, use)


@given(st.lists(st.binary()), st.lists(st.integers(0, 40)))
def test_lines_do_not_depend_on_where_the_chunks_end(parts: list[bytes], cuts: list[int]) -> None:
    text = b"\n".join(parts)
    places = sorted({min(c, len(text)) for c in cuts} | {0, len(text)})
    chunks = [text[a:b] for a, b in pairwise(places)]
    whole = [line for line in text.split(b"\n")[:-1] if line.strip()]
    assert list(lines(iter(chunks))) == whole


def test_an_endless_line_is_refused() -> None:
    with pytest.raises(ValueError, match="a line of more than"):
        list(lines(iter([b"x" * 400_000] * 4)))


def test_the_reason_is_found_at_the_bottom_of_the_chain() -> None:
    error = OSError("Connection aborted.")
    error.__cause__ = PermissionError(13, "Permission denied")
    assert reason(error) == "permission denied; run Brimline as root or in the group that owns the socket"
    assert reason(ConnectionRefusedError()) == "connection refused; is the engine running?"
    assert reason(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("fault", "reached", "words"),
    [
        (fake_docker.failure, True, "the engine answered: no space left on device"),
        (fake_docker.proxied, True, "403 from a proxy before the engine; let POST on /containers/{id}/restart"),
        (fake_docker.garbage, None, ""),
        (fake_docker.cut_off, None, ""),
        (fake_docker.not_http, None, ""),
    ],
)
def test_an_order_tells_whether_the_engine_heard_of_it(
    fake: FakeDocker,
    fault: Fault,
    reached: bool | None,  # noqa: FBT001 - a table
    words: str,
) -> None:
    web = fake.add("web")
    fake.faults["restart"] = fault

    async def use(api: DockerApi) -> None:
        if fault is fake_docker.garbage:  # a 200 is a yes, whatever it says
            await api.restart(web, own=None, wanted=None)
            return
        with pytest.raises(OrderError, match=f"restart of {web[:12]}.*{words}") as lost:
            await api.restart(web, own=None, wanted=None)
        assert lost.value.reached is reached
        assert "\n" not in str(lost.value)

    with_api(fake, use)


def test_an_order_that_never_left_is_told_apart(fake: FakeDocker) -> None:
    web = fake.add("web")

    async def use(api: DockerApi) -> None:
        fake.stop()
        for order in (api.restart(web, own=None, wanted=None), api.stop(web, own=None, wanted=None), api.start(web)):
            with pytest.raises(OrderError) as lost:
                await order
            assert lost.value.reached is False
        fake.start()

    with_api(fake, use)
    gc.collect()  # nothing is left open either


def test_the_client_waits_longer_than_the_container_may_take(fake: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dockerapi, "START_MARGIN", 0.3)
    web = fake.add("web")
    fake.faults["restart"] = fake_docker.hang

    waited: list[float] = []
    order = dockerapi.order

    def noted(client: APIClient, what: str, path: str, wanted: float | None, seconds: float) -> None:
        waited.append(seconds)
        order(client, what, path, wanted, seconds)

    monkeypatch.setattr(dockerapi, "order", noted)

    async def use(api: DockerApi) -> None:
        for own, wanted, seconds in ((0.2, None, 0.5), (30.0, 0.4, 0.7)):
            began = time.monotonic()
            with pytest.raises(OrderError) as lost:
                await api.restart(web, own=own, wanted=wanted)
            assert lost.value.reached is None
            assert seconds <= time.monotonic() - began
            assert waited.pop() == pytest.approx(seconds)

    with_api(fake, use)


def test_the_past_is_read_by_the_engines_own_clock(fake: FakeDocker) -> None:
    web = fake.add("web")
    fake.say(web, "start")
    fake.tick(90)
    fake.say(web, "kill", signal="15")

    async def use(api: DockerApi) -> None:
        history = await api.history()
        assert [event["Action"] for event in history.events] == ["start", "kill"]
        assert 0 <= fake.now / 1e9 - history.now < 1

    with_api(fake, use)


@pytest.mark.parametrize("fault", [fake_docker.failure, fake_docker.garbage_line, fake_docker.drip])
def test_a_past_that_cannot_be_read_is_an_error(fake: FakeDocker, fault: Fault) -> None:
    fake.faults["events"] = fault

    async def use(api: DockerApi) -> None:
        api._timeout = 1
        with pytest.raises(SourceError):
            await api.history()

    with_api(fake, use)
