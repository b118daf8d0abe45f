"""Restarts in a real dockerd: what they take, whom they leave alone, who follows."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brimline.actions.attempt import World
from brimline.actions.containers import Containers, stop_time
from brimline.actions.lock import LockedError, held
from brimline.actions.options import RestartOptions
from brimline.actions.reconcile import Reconciler
from brimline.actions.restart import Restart
from brimline.actions.runner import Runner
from brimline.deeds import Fate, Outcome, Verdict
from brimline.dockerorders import OrderError
from brimline.httpclient import HttpClient
from brimline.sources.cgroupfs import Cgroupfs
from real.engine import Dockerd
from real.places import wait_until
from unit.acting import Ears, MemoryJournal, RealClock, connected, decided, standing, subject_of, until
from unit.fake_docker import FakeDocker

STUBBORN = ("sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.1; done")
POLITE = ("sh", "-c", "trap 'exit 0' TERM; echo ready; while true; do sleep 0.1; done")


class Acting:
    """A runner on a real engine, and the means to ask it for something."""

    def __init__(self, engine: Dockerd) -> None:
        self.engine = engine
        self.clock = RealClock()
        self.journal = MemoryJournal()
        self.ears = Ears()
        self.containers: Containers = connected(engine.url, self.clock)
        self.http = HttpClient()
        world = World(self.containers, self.journal, lambda _: None, self.clock, asyncio.sleep, lambda _: None)
        restart = Restart(
            self.containers,
            self.http,
            RestartOptions(),
            start_period=lambda _: 20.0,
            clock=self.clock,
            sleep=asyncio.sleep,
            point=lambda _: None,
        )
        reconciler = Reconciler(self.containers, self.clock, asyncio.sleep)
        self.runner = Runner(world, self.ears, {"restart": restart}, reconciler, settle=0.0)

    async def record(self, name: str) -> Any:  # noqa: ANN401 - JSON
        return await asyncio.to_thread(self.engine.inspect, name)

    async def begin(self, name: str, **more: object) -> None:
        record = await self.record(name)
        subject = subject_of(record, name)
        located = Cgroupfs().locate({record["Id"]: record["State"]["Pid"]}) if record["State"]["Pid"] else {}
        self.runner.begin(decided(subject, self.clock.now(), **more), standing(subject), located.get(record["Id"], {}))

    async def idle(self) -> None:
        await until(lambda: not self.runner.busy(), 60)

    def outcome(self, name: str) -> tuple[Outcome, Fate]:
        return next((o, f) for d, o, f in self.ears.concludes if d.subject.name == name)


def act(engine: Dockerd, use: Callable[[Acting], Awaitable[None]]) -> None:
    async def body() -> None:
        acting = Acting(engine)
        try:
            await use(acting)
        finally:
            await acting.runner.close(0)
            await acting.http.close()
            acting.containers.close()

    asyncio.run(body())


@pytest.fixture
def engine(dockerd: Dockerd) -> Iterator[Dockerd]:
    yield dockerd
    dockerd.remove_containers()


def started(engine: Dockerd, name: str, *options: object, command: tuple[str, ...] = POLITE) -> str:
    container = engine.cli("run", "--detach", "--network", "none", "--name", name, *options, engine.busybox, *command)
    engine.wait_for_line(container, "ready")
    return container


def test_restarts_take_the_containers_own_time_and_are_seen_through_to_their_health(engine: Dockerd) -> None:
    started(engine, "healthy", "--health-cmd", "true", "--health-interval", "1s")
    started(engine, "plain")
    started(engine, "stubborn", "--stop-timeout", "3", command=STUBBORN)
    started(engine, "labelled", "--label", "brimline.stop-timeout=1s", command=STUBBORN)
    started(engine, "sick", "--health-cmd", "false", "--health-interval", "1s", "--health-retries", "1")

    async def use(acting: Acting) -> None:
        for name in ("healthy", "plain", "stubborn", "labelled", "sick"):
            await acting.begin(name)
        assert len(acting.runner.busy()) == 5
        await acting.idle()
        for name in ("healthy", "plain", "stubborn", "labelled"):
            outcome, fate = acting.outcome(name)
            record = await acting.record(name)
            assert (outcome.ok, fate) == (True, Fate.DONE), outcome
            assert outcome.uid == f"{record['Id']}@{record['State']['StartedAt']}"
            assert record["State"]["Running"] is True
        assert "healthy after" in acting.outcome("healthy")[0].detail
        assert "no health check" in acting.outcome("plain")[0].detail
        for name, seconds in (("stubborn", 3), ("labelled", 1)):
            outcome, _ = acting.outcome(name)
            before = next(d for d, o, _ in acting.ears.concludes if o is outcome).at.wall
            finished = await finished_at(acting, name)
            assert seconds - 0.2 <= finished - before <= seconds + 6, "not Docker's own 10 s"
        outcome, fate = acting.outcome("sick")
        assert (outcome.ok, fate) == (False, Fate.FAILED)
        assert "its health check fails" in outcome.detail

    act(engine, use)


async def finished_at(acting: Acting, name: str) -> float:
    found = await acting.containers.inspect((await acting.record(name))["Id"])
    assert found is not None
    return found.finished


def test_who_is_stopped_paused_or_started_with_rm_is_left_alone(engine: Dockerd) -> None:
    started(engine, "paused")
    engine.cli("pause", "paused")
    started(engine, "passing", "--rm")
    started(engine, "stopped")
    engine.cli("stop", "--time", "0", "stopped")
    started(engine, "pod", "--label", "io.kubernetes.pod.name=pod")

    async def use(acting: Acting) -> None:
        before = {name: (await acting.record(name))["State"]["StartedAt"] for name in ("paused", "passing", "pod")}
        for name in ("paused", "passing", "stopped", "pod"):
            await acting.begin(name)
            await acting.idle()
        after = {name: (await acting.record(name))["State"]["StartedAt"] for name in before}
        assert after == before
        verdicts = [verdict for verdict, _ in acting.ears.refusals]
        assert verdicts == [Verdict.STOPPED, Verdict.STOPPED, Verdict.STOPPED, Verdict.ORCHESTRATED]
        assert acting.journal.intents == []

    act(engine, use)


def test_dependents_follow_in_order(engine: Dockerd) -> None:
    def labels(service: str, depends: str = "") -> list[str]:
        pairs = {"project": "shop", "service": service, "depends_on": depends}
        return [part for k, v in pairs.items() for part in ("--label", f"com.docker.compose.{k}={v}")]

    db = started(engine, "db", *labels("db"))
    started(engine, "web", *labels("web", "db:service_started:true"))
    started(engine, "bystander", *labels("bystander", "db:service_started:false"))
    protected = ("--label", "brimline.protect=true")
    started(engine, "vault", *labels("vault", "db:service_healthy:true"), *protected)
    engine.cli("run", "--detach", "--name", "guest", "--network", "container:db", engine.busybox, *POLITE)

    async def use(acting: Acting) -> None:
        before = {n: (await acting.record(n))["State"]["StartedAt"] for n in ("web", "bystander", "vault", "guest")}
        await acting.begin("db")
        await acting.idle()
        after = {n: (await acting.record(n))["State"]["StartedAt"] for n in before}
        assert [n for n in before if after[n] != before[n]] == ["web", "guest"]
        outcome, _ = acting.outcome("db")
        assert "guest depends on it: it was restarted" in outcome.detail
        assert "vault depends on it and was not restarted: its label says brimline.protect=true" in outcome.detail
        guest = await acting.record("guest")
        assert guest["HostConfig"]["NetworkMode"] == f"container:{db}"
        pids = [(await acting.record(n))["State"]["Pid"] for n in ("db", "guest")]
        shared = {await asyncio.to_thread(os.readlink, f"/proc/{pid}/ns/net") for pid in pids}
        assert len(shared) == 1

    act(engine, use)


def test_two_brimlines_do_one_action(engine: Dockerd) -> None:
    started(engine, "shared", "--stop-timeout", "1", command=STUBBORN)

    async def use(acting: Acting) -> None:
        other = Acting(engine)
        try:
            await asyncio.gather(acting.begin("shared"), other.begin("shared"))
            await asyncio.gather(acting.idle(), other.idle())
        finally:
            await other.http.close()
            other.containers.close()
        assert len(acting.journal.intents) + len(other.journal.intents) == 1
        refusals = acting.ears.refusals + other.ears.refusals
        assert [verdict for verdict, _ in refusals] == [Verdict.LOCKED]

    act(engine, use)


async def transcript(containers: Containers, container_id: str) -> list[object]:
    """Give every order there is, some twice, and return what became of each."""
    told: list[object] = []

    async def look(what: str) -> None:
        found = await containers.inspect(container_id)
        assert found is not None
        told.append((what, found.running, found.status, found.subject.uid == first.subject.uid))

    first = await containers.inspect(container_id)
    assert first is not None
    stop = stop_time(first, 0.0)
    for what in ("restart", "stop", "stop", "start", "start", "restart"):
        await {"restart": containers.restart, "stop": containers.stop}.get(what, lambda one, _: containers.start(one))(
            container_id, stop
        )
        await look(what)
    for what, order in (("restart", containers.restart), ("stop", containers.stop)):
        with pytest.raises(OrderError, match="No such container") as refused:
            await order("f" * 64, stop)
        told.append((what, refused.value.reached))
    told.append(await containers.memory(first, RealClock().now().wall - 3600))
    listed = [one for one in await containers.list() if one.id == container_id]
    told.append([(one.name, one.network_mode, one.running, dict(one.labels)) for one in listed])
    return told


def test_the_fake_engine_obeys_as_this_one_does(engine: Dockerd, tmp_path: Path) -> None:
    started(engine, "web", "--label", "a=b")
    fake = FakeDocker(tmp_path)
    fake.now = time.time_ns()
    web = fake.add("web", labels={"a": "b"})
    fake.say(web, "start")

    async def use(acting: Acting) -> None:
        real = await transcript(acting.containers, (await acting.record("web"))["Id"])
        pretended = connected(fake.host, acting.clock)
        assert await transcript(pretended, web) == real
        pretended.close()

    act(engine, use)
    fake.stop()


def test_a_read_only_mount_of_the_cgroups_locks_as_well(engine: Dockerd, tmp_path: Path) -> None:
    record = engine.inspect(started(engine, "web"))
    directories = Cgroupfs().locate({record["Id"]: record["State"]["Pid"]})[record["Id"]]
    subprocess.run(["mount", "--bind", directories["memory"], tmp_path], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", tmp_path], check=True)
        with held(directories) as lost:
            assert lost == ""
            with pytest.raises(LockedError), held({"memory": str(tmp_path)}):
                raise AssertionError("both hold it")
        with held({"memory": str(tmp_path)}) as lost:
            assert lost == ""
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_an_engine_that_is_not_there_costs_nothing_but_the_attempt(engine: Dockerd) -> None:
    started(engine, "web")

    async def use(acting: Acting) -> None:
        record = await acting.record("web")
        subject = subject_of(record, "web")
        acting.containers = connected("unix:///nonexistent/docker.sock", acting.clock)
        world = World(acting.containers, acting.journal, lambda _: None, acting.clock, asyncio.sleep, lambda _: None)
        reconciler = Reconciler(acting.containers, acting.clock, asyncio.sleep)
        restart = Restart(
            acting.containers,
            acting.http,
            RestartOptions(),
            start_period=lambda _: 1.0,
            clock=acting.clock,
            sleep=asyncio.sleep,
            point=lambda _: None,
        )
        acting.runner = Runner(world, acting.ears, {"restart": restart}, reconciler, settle=0.0)
        acting.runner.begin(decided(subject, acting.clock.now()), standing(subject))
        await acting.idle()
        assert [verdict for verdict, _ in acting.ears.refusals] == [Verdict.STALE_DATA]
        assert (await acting.record("web"))["State"]["StartedAt"] == record["State"]["StartedAt"]

    act(engine, use)


def test_a_swarm_task_is_replaced_and_never_doubled(own_dockerd: Dockerd) -> None:
    engine = own_dockerd
    image = engine.busybox
    engine.cli("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:0")
    service = ("service", "create", "--detach", "--no-resolve-image", "--name", "web", "--stop-grace-period", "1s")
    engine.cli(*service, image, *POLITE)
    once = [*service, "--restart-condition", "none"]
    once[once.index("web")] = "once"
    engine.cli(*once, image, *POLITE)
    wait_until(lambda: len(engine.cli("ps", "--quiet").split()) == 2, "Swarm starts its tasks", 60)
    [kept, first] = sorted(engine.cli("ps", "--format", "{{.Names}}").split())

    async def use(acting: Acting) -> None:
        await acting.begin(first)
        await acting.idle()
        outcome, fate = acting.outcome(first)
        assert (outcome.ok, fate) == (True, Fate.DONE), outcome
        assert "Swarm replaced it by web.1." in outcome.detail
        await asyncio.sleep(3)
        await acting.begin(kept)
        await acting.idle()
        [(verdict, why)] = acting.ears.refusals
        assert verdict is Verdict.ORCHESTRATED
        assert "restart condition none" in why
        names = (await asyncio.to_thread(engine.cli, "ps", "--format", "{{.Names}}")).split()
        assert len(names) == 2
        assert kept in names
        assert first not in names

    try:
        act(engine, use)
    finally:
        engine.cli("swarm", "leave", "--force")
