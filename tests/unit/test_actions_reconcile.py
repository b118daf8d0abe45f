from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from brimline.actions.aftermath import MARGIN, TRIES
from brimline.actions.cycle import Cycle, Pace
from brimline.actions.dependents import Dependents, Guard
from brimline.actions.reconcile import Reconciler
from brimline.deeds import Decision, Fate, Outcome
from unit import fake_docker
from unit.acting import Bench
from unit.fake_docker import FakeDocker


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    engine = FakeDocker(tmp_path)
    yield Bench(engine)
    engine.stop()


def began(bench: Bench, **more: object) -> tuple[str, Decision]:
    """Return a container that runs, with the engine's memory of its start, and an intent of now."""
    web = bench.fake.add("web", **more)  # type: ignore[arg-type]
    bench.fake.say(web, "start")
    bench.fake.tick(60)
    return web, bench.decision(web)


def conclude(bench: Bench, decision: Decision, guarded: Guard = lambda _: None) -> tuple[Outcome, Fate]:
    world = bench.containers, bench.clock, bench.sleep
    cycle = Cycle(*world, pace=Pace(lambda _: 20.0), point=lambda _: None)
    dependents = Dependents(bench.containers, bench.clock, cycle, guarded=guarded, directories=lambda _: {})

    async def body() -> tuple[Outcome, Fate]:
        async with asyncio.timeout(20):
            return await Reconciler(*world, dependents=dependents).conclude(decision)

    return asyncio.run(body())


def test_a_new_start_says_that_it_happened(bench: Bench) -> None:
    web, decision = began(bench)
    bench.fake.stopped(web)
    bench.fake.begin(web, seconds=2.5)
    outcome, fate = conclude(bench, decision)
    assert (fate, outcome.ok) == (Fate.DONE, True)
    assert outcome.uid == bench.subject(web).uid
    assert outcome.decision_id == decision.id
    assert bench.fake.orders == []


def test_the_same_incarnation_says_that_it_did_not_once_the_engine_had_its_time(bench: Bench) -> None:
    _, decision = began(bench)
    outcome, fate = conclude(bench, decision)
    assert (fate, outcome.ok) == (Fate.ABANDONED, False)
    assert 10 + MARGIN <= bench.passed < 10 + MARGIN + 2
    assert bench.fake.orders == []


def test_a_stop_timeout_of_its_own_is_waited_for(bench: Bench) -> None:
    web, decision = began(bench)
    bench.fake.containers[web]["Config"]["StopTimeout"] = 40
    conclude(bench, decision)
    assert 50 <= bench.passed < 52


@pytest.mark.parametrize("jump", [-36_000.0, 36_000.0, 3.2e8])
def test_a_jump_of_the_wall_clock_costs_at_most_the_usual_wait(bench: Bench, jump: float) -> None:
    _, decision = began(bench)
    bench.clock.wall += jump
    _, fate = conclude(bench, decision)
    assert fate is Fate.ABANDONED
    assert bench.passed < 10 + MARGIN + 2


def test_what_an_engine_that_died_left_down_is_started(bench: Bench) -> None:
    web, decision = began(bench)
    bench.fake.stopped(web)
    bench.forget()
    outcome, fate = conclude(bench, decision)
    assert (fate, outcome.ok) == (Fate.DONE, True)
    assert "left stopped" in outcome.detail
    assert bench.fake.orders == [("start", web, None)]
    assert bench.state(web)["Running"] is True
    assert bench.passed < 5


def test_what_the_engine_itself_stopped_as_it_came_back_is_started(bench: Bench) -> None:
    web, decision = began(bench)
    bench.forget()
    bench.fake.tick(8)
    bench.clock.pass_(8)
    bench.fake.stopped(web)  # dockerd 20.10 tells of it as of a person's stop
    assert conclude(bench, decision)[1] is Fate.DONE


def test_a_persons_own_stop_is_respected(bench: Bench) -> None:
    web, decision = began(bench)
    bench.fake.stopped(web)
    outcome, fate = conclude(bench, decision)
    assert fate is Fate.ABANDONED
    assert "somebody else stopped it" in outcome.detail
    assert bench.fake.orders == []
    assert bench.state(web)["Running"] is False


def test_one_that_died_by_itself_is_started(bench: Bench) -> None:
    web, decision = began(bench)
    bench.fake.end(web, 137)
    assert conclude(bench, decision)[1] is Fate.DONE
    assert bench.state(web)["Running"] is True


def test_a_restart_that_is_still_under_way_is_left_to_the_engine(bench: Bench) -> None:
    web, decision = began(bench)
    bench.fake.stopped(web)
    bench.plan(4.0, lambda: bench.fake.begin(web, seconds=0.1))
    outcome, fate = conclude(bench, decision)
    assert (fate, bench.fake.orders) == (Fate.DONE, [])
    assert "it was restarted" in outcome.detail


def test_an_engine_that_is_away_is_waited_for(bench: Bench) -> None:
    web, decision = began(bench)
    bench.fake.stopped(web)
    bench.forget()
    bench.fake.stop()
    bench.plan(600.0, bench.fake.start)
    outcome, fate = conclude(bench, decision)
    assert (fate, outcome.ok) == (Fate.DONE, True)
    assert 600 <= bench.passed < 605


def test_a_removed_container_has_failed(bench: Bench) -> None:
    web, decision = began(bench)
    bench.fake.remove(web)
    outcome, fate = conclude(bench, decision)
    assert (fate, outcome.ok) == (Fate.FAILED, False)
    assert "somebody removed it" in outcome.detail


def test_one_that_ended_again_has_failed(bench: Bench) -> None:
    web, decision = began(bench)
    bench.fake.stopped(web)
    bench.fake.begin(web)
    bench.fake.end(web, 3)
    outcome, fate = conclude(bench, decision)
    assert fate is Fate.FAILED
    assert "exit code 3" in outcome.detail
    assert bench.fake.orders == []


def test_a_start_that_the_engine_refuses_is_tried_a_few_times(bench: Bench) -> None:
    web, decision = began(bench)
    bench.fake.stopped(web)
    bench.forget()
    bench.fake.faults["start"] = fake_docker.failure
    outcome, fate = conclude(bench, decision)
    assert fate is Fate.FAILED
    assert "no space left on device" in outcome.detail
    assert bench.fake.requests.count(f"containers/{web}/start") == TRIES


def test_a_swarm_task_that_ended_is_swarms(bench: Bench) -> None:
    web, decision = began(bench, labels={"com.docker.swarm.task.id": "t1"})
    bench.fake.stopped(web)
    bench.forget()
    assert conclude(bench, decision)[1] is Fate.DONE
    assert bench.fake.orders == []


@pytest.mark.parametrize("action", ["cleanup", "recycle"])
def test_other_actions_are_not_repeated(bench: Bench, action: str) -> None:
    web, _ = began(bench)
    outcome, fate = conclude(bench, bench.decision(web, action))
    assert (fate, outcome.ok) == (Fate.ABANDONED, False)
    assert action in outcome.detail
    assert bench.fake.requests == []


def test_podmans_memory_tells_nothing_of_a_person(bench: Bench) -> None:
    bench.fake.version["Components"] = [{"Name": "Podman Engine", "Version": "5.4.0"}]
    web, decision = began(bench)
    bench.fake.stopped(web)
    assert conclude(bench, decision)[1] is Fate.DONE
    assert bench.state(web)["Running"] is True


def guests(bench: Bench, host: str, *names: str) -> list[str]:
    """Add containers in the network of another."""
    made = [bench.fake.add(name) for name in names]
    for one in made:
        bench.fake.containers[one]["HostConfig"]["NetworkMode"] = f"container:{host}"
    return made


def test_whoever_depends_on_it_follows_where_its_brimline_died_before_they_did(bench: Bench) -> None:
    web, _ = began(bench)
    gone, done = guests(bench, web, "gone", "done")
    decision = bench.decision(web)
    bench.fake.stopped(web)
    bench.fake.begin(web)
    bench.fake.end(done, 0)
    bench.fake.begin(done)  # this one had been restarted before Brimline died
    outcome, fate = conclude(bench, decision)
    assert fate is Fate.DONE
    assert bench.fake.orders == [("restart", gone, None)]
    assert "gone depends on it: it was restarted" in outcome.detail
    assert "done depends on it and was not restarted: it was started after it" in outcome.detail
    assert outcome.uid == bench.subject(web).uid


def test_they_follow_one_that_an_engine_had_left_down_too(bench: Bench) -> None:
    web, _ = began(bench)
    [guest] = guests(bench, web, "guest")
    decision = bench.decision(web)
    bench.fake.stopped(web)
    bench.forget()
    assert conclude(bench, decision)[1] is Fate.DONE
    assert bench.fake.orders == [("start", web, None), ("restart", guest, None)]


def test_nobody_follows_a_restart_that_did_not_happen(bench: Bench) -> None:
    web, _ = began(bench)
    guests(bench, web, "guest")
    assert conclude(bench, bench.decision(web))[1] is Fate.ABANDONED
    assert bench.fake.orders == []


def test_the_restart_of_a_guest_that_an_earlier_brimline_asked_for_is_waited_for_and_not_repeated(bench: Bench) -> None:
    web, _ = began(bench)
    [guest] = guests(bench, web, "guest")
    decision = bench.decision(web)
    bench.fake.stopped(web)
    bench.fake.begin(web)
    bench.fake.say(guest, "kill", signal="15")  # the engine waits for it to end

    def go_on() -> None:
        bench.fake.end(guest, 143)
        bench.fake.begin(guest, seconds=0.1)

    bench.plan(9.0, go_on)
    outcome, _ = conclude(bench, decision)
    assert bench.fake.orders == []
    assert "guest depends on it: it was restarted" in outcome.detail


def test_a_guest_that_was_signalled_and_runs_on_is_restarted_after_all(bench: Bench) -> None:
    web, _ = began(bench)
    [guest] = guests(bench, web, "guest")
    decision = bench.decision(web)
    bench.fake.stopped(web)
    bench.fake.begin(web)
    bench.fake.say(guest, "kill", signal="1")  # it reads its configuration again
    conclude(bench, decision)
    assert bench.fake.orders == [("restart", guest, None)]


def test_a_guest_that_is_left_alone_is_left_alone_after_a_death_too(bench: Bench) -> None:
    web, _ = began(bench)
    guests(bench, web, "guest")
    decision = bench.decision(web)
    bench.fake.stopped(web)
    bench.fake.begin(web)
    outcome, _ = conclude(bench, decision, guarded=lambda container: f"{container.subject.name} is paused")
    assert bench.fake.orders == []
    assert "guest depends on it and was not restarted: guest is paused" in outcome.detail
