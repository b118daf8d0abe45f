"""An engine that is killed amid a restart, a Brimline that is, and a person who steps in between."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from brimline.actions.attempt import World
from brimline.actions.base import Job
from brimline.actions.containers import Containers
from brimline.actions.cycle import Cycle, Pace
from brimline.actions.dependents import Dependents
from brimline.actions.options import RestartOptions
from brimline.actions.reconcile import Reconciler
from brimline.actions.restart import Restart
from brimline.actions.runner import Runner
from brimline.deeds import Decision, Fate, Outcome
from brimline.httpclient import HttpClient
from brimline.model import Container
from brimline.sources.cgroupfs import Cgroupfs
from real.engine import Dockerd
from real.places import wait_until
from unit.acting import Ears, MemoryJournal, RealClock, connected, decided, standing, subject_of, until

# Where connecting fails the SDK leaves its socket to the garbage collector (docker/docker-py pull request 3356).
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
POLICIES = ("no", "on-failure", "unless-stopped", "always")
STUBBORN = ("sh", "-c", "trap '' TERM; while true; do sleep 0.1; done")
SLOW = ("sh", "-c", "trap 'sleep 1; exit 0' TERM; while true; do sleep 0.1; done")
LONG_STOP = "brimline.stop-timeout=15s"  # an engine is killed amid it; the engine's own stops take the container's time
CLOCK = RealClock()


def run(engine: Dockerd, name: str, *options: object, command: tuple[str, ...] = STUBBORN) -> None:
    engine.cli("run", "--detach", "--network", "none", "--name", name, *options, engine.busybox, *command)


def decision(engine: Dockerd, name: str) -> Decision:
    return decided(subject_of(dict(engine.inspect(name)), name), CLOCK.now())


def state(engine: Dockerd, name: str) -> Any:  # noqa: ANN401 - JSON
    return engine.inspect(name)["State"]


def restart_action(containers: Containers, http: HttpClient) -> Restart:
    return Restart(
        containers,
        http,
        RestartOptions(),
        start_period=lambda _: 5.0,
        clock=CLOCK,
        sleep=asyncio.sleep,
        point=lambda _: None,
    )


def cgroups(container: Container) -> Mapping[str, str]:
    return Cgroupfs().locate({container.id: container.pid}).get(container.id, {})


async def reconciled(engine: Dockerd, decisions: list[Decision]) -> dict[str, tuple[Outcome, Fate]]:
    """Return what the next Brimline makes of what an earlier one intended."""
    containers = connected(engine.url, CLOCK)
    cycle = Cycle(containers, CLOCK, asyncio.sleep, pace=Pace(lambda _: 5.0), point=lambda _: None)
    dependents = Dependents(containers, CLOCK, cycle, guarded=lambda _: None, directories=cgroups)
    reconciler = Reconciler(containers, CLOCK, asyncio.sleep, dependents=dependents)
    concluded = await asyncio.gather(*map(reconciler.conclude, decisions))
    containers.close()
    return {d.subject.name: told for d, told in zip(decisions, concluded, strict=True)}


def test_an_engine_killed_amid_restarts_leaves_none_down(own_dockerd: Dockerd) -> None:
    engine = own_dockerd
    names = [f"{kind}-{policy}" for policy in POLICIES for kind in ("stubborn", "slow")]
    for name in names:
        kind, _, policy = name.partition("-")
        options = ("--restart", policy, "--stop-timeout", "3")
        run(engine, name, *options, command=STUBBORN if kind == "stubborn" else SLOW)
    decisions = [decision(engine, name) for name in names]

    async def body() -> None:
        containers, http, ears = connected(engine.url, CLOCK), HttpClient(), Ears()
        world = World(containers, MemoryJournal(), lambda _: None, CLOCK, asyncio.sleep, lambda _: None)
        reconciler = Reconciler(containers, CLOCK, asyncio.sleep)
        runner = Runner(world, ears, {"restart": restart_action(containers, http)}, reconciler, settle=0.0)
        for one in decisions:
            runner.begin(one, standing(one.subject))
        await asyncio.sleep(0.7)  # some have ended then, some have not
        await asyncio.to_thread(engine.kill)
        await asyncio.sleep(1.5)
        await asyncio.to_thread(engine.restart)
        back = time.monotonic()
        await until(lambda: len(ears.concludes) == len(names), 60)
        assert time.monotonic() - back < 30
        for name, one in zip(names, decisions, strict=True):
            now = await asyncio.to_thread(state, engine, name)
            assert now["Running"], name
            assert not one.subject.uid.endswith(now["StartedAt"]), name
        assert [(d.subject.name, o.detail) for d, o, f in ears.concludes if f is not Fate.DONE] == []
        await asyncio.to_thread(engine.cli, "stop", "--time", "0", *names)  # a person, afterwards
        await asyncio.sleep(3)
        assert [n for n in names if (await asyncio.to_thread(state, engine, n))["Running"]] == []
        await runner.close(0)
        await http.close()
        containers.close()

    asyncio.run(body())


def test_the_next_brimline_finishes_what_an_engine_left_down_and_respects_a_person(own_dockerd: Dockerd) -> None:
    engine = own_dockerd
    run(engine, "half", "--restart", "unless-stopped", "--stop-timeout", "1", "--label", LONG_STOP)
    run(engine, "untouched", "--restart", "unless-stopped", "--stop-timeout", "1")
    for name in ("done", "persons", "gone", "crashed"):
        run(engine, name, "--stop-timeout", "1")
    asked = {name: decision(engine, name) for name in ("done", "persons", "gone", "crashed", "untouched")}
    engine.cli("restart", "--time", "0", "done")  # the intent's own, which nobody concluded
    engine.cli("stop", "--time", "0", "persons")
    engine.cli("rm", "--force", "gone")
    os.kill(engine.pid("crashed"), signal.SIGKILL)
    before = state(engine, "untouched")["StartedAt"]

    told = asyncio.run(reconciled(engine, list(asked.values())))

    assert {name: fate for name, (_, fate) in told.items()} == {
        "done": Fate.DONE,
        "persons": Fate.ABANDONED,
        "gone": Fate.FAILED,
        "crashed": Fate.DONE,
        "untouched": Fate.ABANDONED,
    }
    assert "somebody else stopped it" in told["persons"][0].detail
    assert [state(engine, n)["Running"] for n in ("done", "persons", "crashed")] == [True, False, True]
    assert state(engine, "untouched")["StartedAt"] == before

    half = decision(engine, "half")

    async def call_and_die() -> None:
        containers, http = connected(engine.url, CLOCK), HttpClient()
        container = await containers.inspect(half.subject.uid.partition("@")[0])
        job = Job(half, standing(half.subject), container)
        running = asyncio.ensure_future(restart_action(containers, http).run(job))
        await asyncio.to_thread(wait_until, lambda: engine.told("kill", "half"), "the engine stops it", 60)
        await asyncio.to_thread(engine.kill)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await http.close()
        containers.close()

    asyncio.run(call_and_die())
    engine.restart()
    assert state(engine, "half")["Running"] is False  # so would it stay
    back = time.monotonic()
    outcome, fate = asyncio.run(reconciled(engine, [half]))["half"]
    assert (fate, outcome.ok) == (Fate.DONE, True), outcome
    assert "was started" in outcome.detail
    assert outcome.downtime is not None
    assert outcome.downtime > 0
    assert state(engine, "half")["Running"] is True
    assert time.monotonic() - back < 30


def test_a_guest_whose_brimline_died_before_its_turn_is_not_left_in_a_network_that_is_gone(dockerd: Dockerd) -> None:
    run(dockerd, "vpn", "--stop-timeout", "0")
    for name in ("guest", "later"):
        join = ("--detach", "--network", "container:vpn", "--name", name, "--stop-timeout", "0")
        dockerd.cli("run", *join, dockerd.busybox, *STUBBORN)

    def network(name: str) -> str:
        return str(Path(f"/proc/{state(dockerd, name)['Pid']}/ns/net").readlink())

    try:
        intended = decision(dockerd, "vpn")
        dockerd.cli("restart", "--time", "0", "vpn")  # and here Brimline died
        dockerd.cli("restart", "--time", "0", "later")  # this one somebody else has seen to
        assert network("guest") != network("vpn") == network("later")
        before = state(dockerd, "later")["StartedAt"]
        outcome, fate = asyncio.run(reconciled(dockerd, [intended]))["vpn"]
        assert fate is Fate.DONE
        assert "guest depends on it: it was restarted" in outcome.detail
        assert "later depends on it and was not restarted: it was started after it" in outcome.detail
        assert network("guest") == network("vpn")
        assert state(dockerd, "later")["StartedAt"] == before
    finally:
        dockerd.remove_containers()
