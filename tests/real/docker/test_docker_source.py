"""The Docker source against a real dockerd; and the fake engine of the unit tests held against the same one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from statistics import median
from typing import Any

import docker as sdk
import pytest

from brimline.dockerapi import DockerApi
from brimline.dockerthreads import Calls
from brimline.errors import UnreachableError
from brimline.model import Kind, Metric, Now, Target
from brimline.sources import docker
from brimline.sources.cgroup import MEMORY_LIMIT_BYTES, MEMORY_USED_BYTES, used
from brimline.sources.cgroupfs import Cgroupfs
from brimline.sources.docker import DockerOptions, DockerSource
from brimline.sources.docker_events import FILTERS
from brimline.sources.docker_follow import Pace
from brimline.sources.docker_roster import Hooks
from brimline.sources.docker_stats import parse_stats
from real.engine import Dockerd
from real.places import free_port
from unit.fake_docker import FakeDocker

# Where connecting fails the SDK leaves its socket to the garbage collector (docker/docker-py pull request 3356).
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
STORM = 200
PACE = Pace(first_retry=0.05, longest_retry=0.5, ping=0.3)
OOM_IN_CHILD = "echo 1000 > /proc/self/oom_score_adj; dd if=/dev/zero of=/dev/null bs=200M count=1"
OOM_OF_MAIN = "sleep 2; exec dd if=/dev/zero of=/dev/null bs=200M"  # of one that dies as it starts Docker may not hear


class Watched:
    """A source on a real engine and all it says; every word wakes `until`."""

    def __init__(self, engine: Dockerd, options: dict[str, Any], locate: docker.Locate) -> None:
        self.changed = asyncio.Event()
        self.engine = engine
        self.heard: list[tuple[object, ...]] = []
        self.source = DockerSource(
            DockerOptions(**{"host": engine.url, "timeout": 5.0, **options}),
            locate=locate,
            wake=lambda _: self.changed.set(),
            hooks=Hooks(
                on_oom=lambda s: self._note("oom", s.name),
                on_exit=lambda s, flag, oom, code: self._note("exit", s.name, flag, oom, code),
                on_limits_changed=lambda s: self._note("limits", s.name),
            ),
            environ={},
            interval=lambda: 0.1,
            pace=PACE,
        )

    def _note(self, *what: object) -> None:
        self.heard.append(what)
        self.changed.set()

    def exits(self) -> list[tuple[object, ...]]:
        return [what[1:] for what in self.heard if what[0] == "exit"]

    def values(self, metric: Metric) -> dict[str, float]:
        columns = self.source.read(Now(time.time(), time.monotonic())).columns
        return {s.name: v for c in columns if c.metric is metric for s, v in zip(c.subjects, c.values, strict=True)}

    def error(self) -> str | None:
        return self.source.read(Now(time.time(), time.monotonic())).error

    async def cli(self, *arguments: object) -> str:
        return await asyncio.to_thread(self.engine.cli, *arguments)

    async def run(self, name: str, *options: object, command: tuple[object, ...] = ("sleep", 1000)) -> str:
        return await self.cli(
            "run", "--detach", "--network", "none", "--name", name, *options, self.engine.busybox, *command
        )

    async def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                with suppress(TimeoutError):  # a sample of stats wakes nobody
                    async with asyncio.timeout(0.2):
                        await self.changed.wait()
                self.changed.clear()


def follow(
    engine: Dockerd,
    use: Callable[[Watched], Awaitable[None]],
    *,
    locate: docker.Locate | None = None,
    **options: object,
) -> None:
    async def body() -> None:
        watched = Watched(engine, options, locate or Cgroupfs().locate)
        running = asyncio.ensure_future(watched.source.run())
        try:
            assert await watched.source.first(60)
            await use(watched)
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(body())


def pids(directory: str) -> list[int]:
    return [int(pid) for pid in Path(directory, "cgroup.procs").read_text().split()]


def usage_of(directory: str) -> int:
    return int(Path(directory, "memory.usage_in_bytes").read_text())


@pytest.fixture
def engine(dockerd: Dockerd) -> Iterator[Dockerd]:
    yield dockerd
    dockerd.remove_containers()


def test_a_container_from_its_start_to_its_removal(engine: Dockerd) -> None:
    async def use(watched: Watched) -> None:
        container_id = await watched.run(
            "web", "--memory", "40m", "--label", "brimline.limit=1GiB", "--label", "com.docker.compose.project=shop"
        )
        await watched.until(watched.source.targets)
        (target,) = watched.source.targets()
        state = engine.inspect("web")["State"]
        assert target.subject.labels == ("web", "shop", "")
        assert target.subject.uid == f"{container_id}@{state['StartedAt']}"
        assert (target.main_pid, target.declared_limit) == (state["Pid"], 1 << 30)
        assert target.main_pid in pids(target.directories["memory"])
        assert watched.values(docker.RUNNING) == {"web": 1}
        assert watched.values(docker.RESTARTS) == {"web": 0}
        await watched.cli("update", "--memory", "60m", "--memory-swap", "60m", "web")
        await watched.until(lambda: ("limits", "web") in watched.heard)
        await watched.cli("pause", "web")
        assert watched.source.targets() == (target,)
        await watched.cli("unpause", "web")
        await watched.cli("restart", "--time", "0", "web")
        await watched.until(lambda: watched.source.targets() and watched.source.targets() != (target,))
        assert watched.values(docker.RESTARTS) == {"web": 1}
        await watched.cli("rename", "web", "web2")
        await watched.until(lambda: watched.values(docker.RUNNING) == {"web2": 1})
        await watched.cli("stop", "--time", "0", "web2")
        await watched.until(lambda: watched.values(docker.EXIT_CODE) == {"web2": 137})
        assert watched.source.targets() == ()
        await watched.cli("rm", "web2")
        await watched.until(lambda: watched.values(docker.RUNNING) == {})
        assert not [what for what in watched.heard if what[0] == "oom" or (what[0] == "exit" and what[3])]

    follow(engine, use)


def test_oom_evidence_case_by_case(engine: Dockerd) -> None:
    async def use(watched: Watched) -> None:
        await watched.run("worker", "--memory", "30m")
        with pytest.raises(RuntimeError):  # the child's 137
            await watched.cli("exec", "worker", "sh", "-c", OOM_IN_CHILD)
        await watched.until(lambda: ("oom", "worker") in watched.heard)
        assert watched.exits() == []  # PID 1 is alive
        await watched.cli("stop", "--time", "0", "worker")
        await watched.until(lambda: len(watched.exits()) == 1)
        assert watched.exits()[-1] == ("worker", True, False, 137)  # the flag lies
        await watched.cli("start", "worker")
        await watched.until(lambda: watched.values(docker.RUNNING) == {"worker": 1})
        await watched.cli("kill", "worker")
        await watched.until(lambda: len(watched.exits()) == 2)
        assert watched.exits()[-1][2:] == (False, 137)
        await watched.run("main", "--memory", "30m", command=("sh", "-c", OOM_OF_MAIN))
        await watched.until(lambda: len(watched.exits()) == 3)
        assert watched.exits()[-1] == ("main", True, True, 137)
        assert watched.heard.index(("oom", "main")) < watched.heard.index(("exit", *watched.exits()[-1]))

    follow(engine, use)


def test_a_crash_loop_counts_every_start(engine: Dockerd) -> None:
    async def use(watched: Watched) -> None:
        await watched.run("crash", "--restart", "on-failure:3", command=("false",))
        await watched.until(lambda: watched.values(docker.RESTARTS) == {"crash": 3})
        await watched.until(lambda: len(watched.exits()) == 4)
        assert engine.inspect("crash")["RestartCount"] == 3
        await watched.until(lambda: watched.values(docker.EXIT_CODE) == {"crash": 1})

    follow(engine, use)


def test_health_checks(engine: Dockerd) -> None:
    async def use(watched: Watched) -> None:
        await watched.run("ill", "--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1")
        await watched.run("well", "--health-cmd", "true", "--health-interval", "1s")
        await watched.until(lambda: watched.values(docker.HEALTHY) == {"ill": 0, "well": 1})

    follow(engine, use)


def test_what_is_excluded_is_not_there(engine: Dockerd) -> None:
    async def use(watched: Watched) -> None:
        await watched.run("web-1")
        await watched.run("web-off", "--label", "brimline.enable=false")
        await watched.run("db-1")
        await watched.run("web-2")
        await watched.until(lambda: watched.values(docker.RUNNING) == {"web-1": 1, "web-2": 1})

    follow(engine, use, include=("web-*",))


def test_a_killed_engine_is_unknown_its_targets_stay_and_the_truth_returns(own_dockerd: Dockerd) -> None:
    async def use(watched: Watched) -> None:
        await watched.run("web", "--stop-timeout", 1)
        await watched.run("job", "--stop-timeout", 1)
        await watched.until(lambda: len(watched.source.targets()) == 2)
        targets: tuple[Target, ...] = watched.source.targets()
        own_dockerd.kill()
        await watched.until(watched.error)
        assert own_dockerd.url in str(watched.error())
        assert watched.values(docker.RUNNING) == {}
        assert watched.source.targets() is targets
        await asyncio.to_thread(own_dockerd.restart)
        await watched.until(lambda: watched.error() is None)
        # Without live-restore a dockerd that comes back kills what outlived it.
        truth = {c: own_dockerd.inspect(c)["State"]["Running"] for c in ("job", "web")}
        assert watched.values(docker.RUNNING) == truth
        await watched.cli("start", "web")
        await watched.until(lambda: watched.values(docker.RUNNING).get("web") == 1)
        assert watched.source.targets() != targets

    follow(own_dockerd, use)


def certificates(directory: Path) -> None:
    """Make a CA and, signed by it, one pair for the daemon at 127.0.0.1 and one for its client."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    openssl(*new, "-x509", "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=ca")
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("", "extendedKeyUsage=clientAuth")):
        key, cert = (f"{name}-key.pem", f"{name}-cert.pem") if name else ("key.pem", "cert.pem")
        (directory / "extension").write_text(extension)
        openssl(*new, "-keyout", key, "-out", "request", "-subj", f"/CN={name or 'client'}")
        openssl(
            *("x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"),
            *("-days", "2", "-out", cert, "-extfile", "extension"),
        )


def test_tls(tmp_path: Path) -> None:
    certificates(tmp_path)
    host = f"tcp://127.0.0.1:{free_port()}"
    served = ["--tlscacert", "ca.pem", "--tlscert", "server-cert.pem", "--tlskey", "server-key.pem"]
    served = [str(tmp_path / part) if part.endswith(".pem") else part for part in served]
    daemon = Dockerd(options=["--host", host, "--tlsverify", *served])

    async def use(environ: dict[str, str]) -> None:
        api = await DockerApi.connect(host, environ, Calls(), 60)
        with closing(api):
            stream = await api.events(None, FILTERS, 30)
            assert await api.containers() == []
            await asyncio.to_thread(daemon.cli, "create", "--name", "web", daemon.busybox)
            assert [event["Action"] for event in await stream.arrivals(60)] == ["create"]
            stream.close()
            with pytest.raises(UnreachableError):  # the reader's thread has ended, which it does not by itself
                await stream.arrivals(10)

    try:
        daemon.start()
        asyncio.run(use({"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}))
        with pytest.raises(UnreachableError, match="connecting"):
            asyncio.run(use({}))
    finally:
        daemon.close()


def test_stats_of_an_engine_elsewhere(engine: Dockerd) -> None:
    async def use(watched: Watched) -> None:
        container_id = engine.load("anon", 20, options=["--name", "held", "--memory", "60m"])
        await watched.until(lambda: watched.values(docker.RUNNING) == {"held": 1})
        for _ in range(2):
            watched.source.targets()
        await watched.until(lambda: watched.values(MEMORY_USED_BYTES[Kind.CONTAINER]))
        usage = usage_of(Cgroupfs().locate({container_id: engine.pid("held")})[container_id]["memory"])
        assert watched.values(MEMORY_LIMIT_BYTES[Kind.CONTAINER]) == {"held": 60 << 20}
        assert abs(watched.values(MEMORY_USED_BYTES[Kind.CONTAINER])["held"] - usage) < 2 << 20

    follow(engine, use, locate=lambda _: {})


def test_two_hundred_containers_made_and_removed(engine: Dockerd) -> None:
    image = engine.busybox

    def one(number: int) -> None:
        with closing(sdk.APIClient(engine.url, version="1.41")) as client:
            made = client.create_container(image, ["sleep", "1000"], name=f"storm-{number}", network_disabled=True)
            if number % 2 == 0:
                client.start(made)
            client.remove_container(made, force=True)

    async def use(watched: Watched) -> None:
        await watched.run("steady")
        await watched.until(watched.source.targets)
        threads = threading.active_count()
        with ThreadPoolExecutor(3) as pool:
            storm = asyncio.gather(*(asyncio.get_running_loop().run_in_executor(pool, one, n) for n in range(STORM)))
            took, busy = [], []
            while not storm.done():
                began, began_to_work = time.perf_counter(), time.thread_time()
                assert watched.error() is None
                assert "steady" in {t.subject.name for t in watched.source.targets()}
                took.append(time.perf_counter() - began)
                busy.append(time.thread_time() - began_to_work)
                await asyncio.sleep(0.05)
            await storm
        assert max(busy) < 0.1
        assert median(took) < 0.1, "a read waits for the engine"
        await watched.until(lambda: watched.values(docker.RUNNING) == {"steady": 1})
        assert len(watched.source.targets()) == 1
        assert not watched.source._roster.unreadable
        assert set(watched.source._roster._everyone) == set(watched.source._roster.containers)
        assert set(watched.source._roster._lives) == set(watched.source._roster.containers)
        assert threading.active_count() <= threads + 1

    follow(engine, use)


def shape(value: object, real: object, where: str = "") -> None:
    """Fail where the fake's answer has a key or a type that the real one has not."""
    if isinstance(value, dict) and isinstance(real, dict):
        for key, inner in value.items():
            if where.endswith(("Labels", "Attributes")) and key not in real:
                continue
            assert key in real, f"{where}.{key}"
            shape(inner, real[key], f"{where}.{key}")
    elif isinstance(value, list) and isinstance(real, list):
        for inner in value[:1]:
            shape(inner, real[0], f"{where}[]")
    else:
        assert type(value) is type(real), f"{where}: {value!r} is no {real!r}"


def test_the_fake_engine_answers_like_this_one(engine: Dockerd, tmp_path: Path) -> None:
    fake = FakeDocker(tmp_path)
    pretended = fake.add("web", labels={"com.docker.compose.project": "shop"})

    async def answers(host: str, container_id: str, provoke: Callable[[], object]) -> dict[str, Any]:
        api = await DockerApi.connect(host, {}, Calls(), 60)
        with closing(api):
            stream = await api.events(None, FILTERS, 30)
            found = {
                "version": api.version,
                "list": await api.containers(),
                "inspect": await api.inspect(container_id),
                "stats": await api.stats(container_id),
                "missing": await api.inspect("f" * 64),
                "total": await api.memory_total(),
            }
            await asyncio.to_thread(provoke)
            found["event"] = (await stream.arrivals(60))[-1]
            stream.close()
        return found

    real_id = engine.cli(
        "run", "-d", "--network", "none", "--name", "web", "--memory", "40m", "--label",
        "com.docker.compose.project=shop", engine.busybox, "sleep", 1000
    )  # fmt: skip
    try:
        theirs = asyncio.run(answers(engine.url, real_id, lambda: engine.cli("kill", "--signal", "HUP", "web")))
        ours = asyncio.run(answers(fake.host, pretended, lambda: fake.say(pretended, "kill", signal="1")))
    finally:
        fake.stop()
    for name, answer in ours.items():
        shape(answer, theirs[name], name)
    facts = parse_stats(theirs["stats"])
    assert facts is not None
    assert 0 <= used(facts) <= facts.usage


def test_the_filter_lets_through_what_the_source_needs_and_no_exec(engine: Dockerd) -> None:
    began = time.time()
    engine.cli("run", "-d", "--network", "none", "--name", "web", engine.busybox, "sleep", 1000)
    engine.cli("exec", "web", "true")
    engine.cli("rename", "web", "web2")
    engine.cli("rm", "-f", "web2")
    with closing(sdk.APIClient(engine.url, version="1.41")) as client:
        query = urllib.parse.urlencode({"since": began, "until": time.time() + 1, "filters": json.dumps(dict(FILTERS))})
        lines = client.get(f"{client.base_url}/v1.41/events?{query}", timeout=60).text.splitlines()
    assert [json.loads(line)["Action"] for line in lines] == ["create", "start", "rename", "kill", "die", "destroy"]
