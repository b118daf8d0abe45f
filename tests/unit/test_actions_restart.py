from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from brimline.actions.base import Job, Proof, RefusedError
from brimline.actions.lock import LockedError, held
from brimline.actions.options import RestartOptions
from brimline.actions.restart import Restart
from brimline.deeds import Verdict
from brimline.errors import ActionError
from brimline.httpclient import HttpAnswer, HttpClient
from unit import fake_docker
from unit.acting import Bench
from unit.fake_docker import FakeDocker

SWARM = {"com.docker.swarm.task.id": "t1", "com.docker.swarm.service.name": "web"}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    engine = FakeDocker(tmp_path)
    yield Bench(engine)
    engine.stop()


class Quiet(HttpClient):
    """A service whose gauge says 0, or something else."""

    def __init__(self, bench: Bench, answer: HttpAnswer | None = None) -> None:
        super().__init__()
        self.bench = bench
        self.answer = answer or HttpAnswer(200, body=b"in_flight 0\n")

    async def send(self, method: str, url: str, **_: object) -> HttpAnswer:  # type: ignore[override]
        self.bench.fake.requests.append(f"{method} {url}")
        return self.answer


def action(
    bench: Bench, points: list[str] | None = None, directories: Mapping[str, Path] | None = None, **options: object
) -> Restart:
    cgroups = directories or {}
    return Restart(
        bench.containers,
        Quiet(bench),
        RestartOptions.model_validate(options),
        start_period=lambda _: 20.0,
        clock=bench.clock,
        sleep=bench.sleep,
        point=(points if points is not None else []).append,
        directories=lambda container: {"memory": str(cgroups[container.id])} if container.id in cgroups else {},
    )


def running(bench: Bench, name: str = "web", *, health: str = "", **more: object) -> str:
    web = bench.fake.add(name, **more)  # type: ignore[arg-type]
    if health:
        bench.fake.containers[web]["State"]["Health"] = {"Status": health}
    bench.fake.say(web, "start")
    bench.fake.tick(60)
    return web


def carried_out(bench: Bench, job: Job, restart: Restart | None = None) -> tuple[str, Proof]:
    """Return what `run` says, an ActionError as well, and what `verify` finds."""
    one = restart or action(bench)

    async def body() -> tuple[str, Proof]:
        async with asyncio.timeout(20):
            await one.prepare(job)
            try:
                how = await one.run(job)
            except ActionError as error:
                how = f"failed: {error}"
            return how, await one.verify(job)

    return asyncio.run(body())


def test_it_is_restarted_and_seen_running(bench: Bench) -> None:
    web = running(bench)
    points: list[str] = []
    how, proof = carried_out(bench, bench.job(web), action(bench, points))
    assert how == "it was restarted"
    assert proof.ok
    assert "it has no health check" in proof.detail
    assert proof.uid == bench.subject(web).uid
    assert proof.downtime == pytest.approx(0.5, abs=0.01)
    assert bench.fake.orders == [("restart", web, None)]
    assert points == ["calling", "called", "answered"]


@pytest.mark.parametrize(
    ("own", "label", "configured", "sent"),
    [
        (None, None, None, None),
        (40, None, None, None),
        (40, None, 5, "5"),
        (40, "1500ms", 5, "2"),
        (40, "0s", None, "0"),
        (None, "soon", 5, "5"),
        (None, "soon", None, None),
    ],
)
def test_the_stop_timeout_is_the_containers_unless_somebody_says_otherwise(
    bench: Bench, own: int | None, label: str | None, configured: int | None, sent: str | None
) -> None:
    web = running(bench, labels={} if label is None else {"brimline.stop-timeout": label})
    bench.fake.containers[web]["Config"]["StopTimeout"] = own
    carried_out(bench, bench.job(web), action(bench, stop_timeout=configured))
    assert bench.fake.orders == [("restart", web, sent)]


def test_an_engine_that_takes_a_missing_timeout_for_zero_is_told_one(bench: Bench) -> None:
    bench.fake.version["ApiVersion"] = "1.24"
    web = running(bench)
    bench.fake.containers[web]["Config"]["StopTimeout"] = 40
    carried_out(bench, bench.job(web))
    assert bench.fake.orders == [("restart", web, "40")]


def test_health_is_waited_for_and_counts_as_downtime(bench: Bench) -> None:
    web = running(bench, health="starting")
    job = bench.job(web)
    bench.plan(6.0, lambda: bench.state(web).update(Health={"Status": "healthy"}))
    _, proof = carried_out(bench, job)
    assert proof.ok
    assert proof.detail == "healthy after 6 s"
    assert proof.downtime == pytest.approx(6.5, abs=0.6)


@pytest.mark.parametrize(
    ("status", "words", "seconds"),
    [("unhealthy", "its health check fails", 0), ("starting", "not healthy within 50 s", 50)],
)
def test_one_that_does_not_come_up_has_failed(bench: Bench, status: str, words: str, seconds: int) -> None:
    web = running(bench, health=status)
    _, proof = carried_out(bench, bench.job(web))
    assert (proof.ok, proof.detail) == (False, words)
    assert seconds <= bench.passed <= seconds + 1


def test_one_that_ends_right_away_has_failed(bench: Bench) -> None:
    web = running(bench)
    job = bench.job(web)
    bench.plan(1.0, lambda: bench.fake.end(web, 3))
    _, proof = carried_out(bench, job)
    assert (proof.ok, proof.detail) == (False, "it ended again with exit code 3")


def test_a_loop_of_restarts_is_no_success(bench: Bench) -> None:
    web = running(bench)
    job = bench.job(web)

    def again() -> None:
        bench.fake.end(web, 3)
        bench.fake.begin(web, seconds=0.1)

    bench.plan(1.0, again)
    assert carried_out(bench, job)[1].ok is False


def test_a_lost_answer_is_no_failure(bench: Bench) -> None:
    bench.fake.faults["restart"] = fake_docker.vanish
    web = running(bench)
    how, proof = carried_out(bench, bench.job(web))
    assert "it was restarted" in how
    assert proof.ok
    assert len(bench.fake.orders) == 0  # the fault obeyed without a word
    assert bench.fake.requests.count(f"containers/{web}/restart") == 1


def test_an_order_that_got_lost_is_not_repeated(bench: Bench) -> None:
    bench.fake.faults["restart"] = fake_docker.cut_off
    web = running(bench)
    how, proof = carried_out(bench, bench.job(web))
    assert how.startswith("failed: ")
    assert (proof.ok, proof.detail) == (False, "it still runs as before")
    assert bench.fake.requests.count(f"containers/{web}/restart") == 1
    assert 20 <= bench.passed < 22


def test_an_engine_that_refuses_is_believed_at_once(bench: Bench) -> None:
    bench.fake.faults["restart"] = fake_docker.failure
    web = running(bench)
    how, proof = carried_out(bench, bench.job(web))
    assert "no space left on device" in how
    assert not proof.ok
    assert bench.passed < 3


def test_one_that_the_engine_stopped_and_could_not_start_is_started(bench: Bench) -> None:
    web = running(bench)
    job = bench.job(web)

    def stopped_only(request: fake_docker.Request) -> None:
        bench.fake.stopped(web)
        fake_docker.failure(request)

    bench.fake.faults["restart"] = stopped_only
    how, proof = carried_out(bench, job)
    assert "it had been left stopped, and was started" in how
    assert proof.ok
    assert bench.fake.orders == [("start", web, None)]


def test_an_engine_that_dies_half_way_is_waited_for_and_what_it_left_is_started(bench: Bench) -> None:
    web = running(bench)
    job = bench.job(web)

    def died(request: fake_docker.Request) -> None:
        bench.fake.end(web, 137)
        bench.forget()
        bench.fake.faults["inspect"] = fake_docker.cut_off
        fake_docker.cut_off(request)

    bench.fake.faults["restart"] = died
    bench.plan(15.0, bench.fake.faults.clear)
    how, proof = carried_out(bench, job)
    assert "was started" in how
    assert proof.ok
    assert bench.passed < 30


def test_a_person_who_stops_it_first_has_their_way(bench: Bench) -> None:
    web = running(bench)
    job = bench.job(web)

    def beaten(request: fake_docker.Request) -> None:
        bench.fake.stopped(web)
        fake_docker.cut_off(request)

    bench.fake.faults["restart"] = beaten
    how, proof = carried_out(bench, job)
    assert "somebody else stopped it" in how
    assert (proof.ok, proof.detail) == (False, "it is exited")
    assert bench.state(web)["Running"] is False


def test_a_container_made_anew_under_its_name_is_another_one(bench: Bench) -> None:
    web = running(bench)
    job = bench.job(web)
    bench.fake.remove(web)
    other = running(bench)
    before = bench.subject(other).uid
    how, proof = carried_out(bench, job)
    assert "somebody removed it" in how
    assert (proof.ok, proof.detail) == (False, "the container is gone")
    assert bench.subject(other).uid == before


@pytest.mark.parametrize(
    ("labels", "removed", "verdict", "words"),
    [
        ({"io.kubernetes.pod.name": "web-0"}, False, Verdict.ORCHESTRATED, "kubectl rollout restart"),
        ({}, True, Verdict.STOPPED, "--rm"),
    ],
)
def test_what_a_restart_would_harm_is_refused(
    bench: Bench,
    labels: dict[str, str],
    removed: bool,  # noqa: FBT001 - a table
    verdict: Verdict,
    words: str,
) -> None:
    web = running(bench, labels=labels)
    bench.fake.containers[web]["HostConfig"]["AutoRemove"] = removed
    with pytest.raises(RefusedError, match=words) as refused:
        carried_out(bench, bench.job(web))
    assert refused.value.verdict is verdict
    assert bench.fake.orders == []


def test_it_is_drained_before_it_is_stopped(bench: Bench) -> None:
    web = running(bench)
    drain = {"web": {"post": "http://web/drain", "gauge": "http://web/metrics"}}
    how, proof = carried_out(bench, bench.job(web), action(bench, drain=drain))
    assert how == "drained in 0 s; it was restarted"
    assert proof.ok
    asked = [r for r in bench.fake.requests if "web/" in r or "restart" in r]
    assert asked == ["POST http://web/drain", "GET http://web/metrics", f"containers/{web}/restart"]


def test_one_that_a_person_stops_while_it_is_drained_stays_stopped(bench: Bench) -> None:
    web = running(bench)
    one = action(bench, drain={"web": {"gauge": "http://web/metrics"}})
    gauge = HttpAnswer(200, body=b"in_flight 3\n")
    one._drain._http = Quiet(bench, gauge)
    bench.plan(5.0, lambda: bench.fake.end(web, 143))
    how, proof = carried_out(bench, bench.job(web), one)
    assert "it is exited by now, and is left so" in how
    assert (proof.ok, proof.detail) == (False, "it is exited")
    assert bench.fake.orders == []


def test_one_that_was_started_anew_while_its_intent_was_written_is_left_alone(bench: Bench) -> None:
    web = running(bench)
    job = bench.job(web)
    bench.fake.end(web, 1)
    bench.fake.begin(web)
    how, proof = carried_out(bench, job)
    assert how == "failed: it was started anew meanwhile, and is left alone"
    assert proof.ok
    assert bench.fake.orders == []


def test_one_that_cannot_be_looked_at_again_is_not_restarted(bench: Bench) -> None:
    web = running(bench)
    job = bench.job(web)
    bench.fake.faults["inspect"] = fake_docker.cut_off
    bench.plan(1.0, bench.fake.faults.clear)
    how, _ = carried_out(bench, job)
    assert "it could not be looked at again" in how
    assert bench.fake.orders == []


def test_a_swarm_task_is_stopped_and_its_successor_named(bench: Bench) -> None:
    web = running(bench, "web.1.abc", labels=SWARM)
    job = bench.job(web)
    bench.plan(3.0, lambda: running(bench, "web.1.def", labels=SWARM))
    how, proof = carried_out(bench, job)
    assert how == "its task ended"
    assert proof.ok
    assert proof.detail == "Swarm replaced it by web.1.def"
    assert bench.fake.orders == [("stop", web, None)]


def test_one_that_only_bears_a_service_label_of_swarm_is_restarted_since_nobody_would_replace_it(bench: Bench) -> None:
    web = running(bench, labels={"com.docker.swarm.service.name": "web"})
    carried_out(bench, bench.job(web))
    assert bench.fake.orders == [("restart", web, None)]


def task(task_id: str, state: str = "running", condition: str | None = "any", slot: int = 1) -> dict[str, Any]:
    policy = {} if condition is None else {"RestartPolicy": {"Condition": condition}}
    return {"ID": task_id, "Slot": slot, "Spec": policy, "Status": {"State": state}}


@pytest.mark.parametrize(
    ("tasks", "ok", "words"),
    [
        ([task("t1", "complete"), task("t2")], True, "replaced it on another host"),
        ([task("t1", "complete", None), task("t2")], True, "replaced it on another host"),
        ([task("t1", "complete"), task("t2", "pending")], False, "started no other task within 30 s"),
        ([task("t1", "complete"), task("t2", slot=2)], False, "started no other task within 30 s"),
        ([task("t1"), task("t2", slot=2)], False, "started no other task within 30 s"),
        ([task("t2")], False, "only a manager"),
        (None, False, "only a manager"),
    ],
)
def test_a_swarm_task_that_goes_on_elsewhere_is_believed_where_a_manager_tells_of_it(
    bench: Bench,
    tasks: list[dict[str, Any]] | None,
    ok: bool,  # noqa: FBT001 - a table
    words: str,
) -> None:
    bench.fake.tasks = tasks
    web = running(bench, "web.1.abc", labels=SWARM)
    _, proof = carried_out(bench, bench.job(web))
    assert proof.ok is ok
    assert words in proof.detail
    assert bench.state(web)["Running"] is False


@pytest.mark.parametrize("condition", ["none", "on-failure"])
def test_a_swarm_task_that_nothing_might_replace_is_refused(bench: Bench, condition: str) -> None:
    bench.fake.tasks = [task("t1", condition=condition)]
    web = running(bench, "web.1.abc", labels=SWARM)
    with pytest.raises(RefusedError, match=f"restart condition {condition}.*docker service update --force web") as no:
        carried_out(bench, bench.job(web))
    assert no.value.verdict is Verdict.ORCHESTRATED
    assert bench.fake.orders == []


def test_a_swarm_task_that_cannot_be_stopped_has_failed(bench: Bench) -> None:
    bench.fake.faults["stop"] = fake_docker.failure
    web = running(bench, "web.1.abc", labels=SWARM)
    _, proof = carried_out(bench, bench.job(web))
    assert (proof.ok, proof.detail) == (False, "its task still runs")


def test_guests_of_its_network_follow_and_the_rest_is_told(bench: Bench) -> None:
    vpn = running(bench, "vpn", health="healthy")
    names = ("guest", "paused", "passing", "protected", "broken")
    ids = {name: running(bench, name, labels={"brimline.protect": str(name == "protected")}) for name in names}
    for one in ids.values():
        bench.fake.containers[one]["HostConfig"]["NetworkMode"] = f"container:{vpn}"
    bench.fake.containers[ids["passing"]]["HostConfig"]["AutoRemove"] = True
    bench.fake.faults[f"inspect:{ids['broken']}"] = fake_docker.failure

    def pause(request: fake_docker.Request) -> None:
        bench.state(ids["paused"])["Status"] = "paused"
        request.json(bench.fake.containers[ids["paused"]])

    bench.fake.faults[f"inspect:{ids['paused']}"] = pause
    how, proof = carried_out(bench, bench.job(vpn))
    assert proof.ok
    assert bench.fake.orders == [("restart", vpn, None), ("restart", ids["guest"], None)]
    assert "guest depends on it: it was restarted" in how
    assert "paused depends on it and was not restarted: it does not run" in how
    assert "passing depends on it and was not restarted: it was started with --rm" in how
    assert "protected depends on it and was not restarted: its label says brimline.protect=True" in how
    assert "broken depends on it and was not restarted: unix://" in how


def test_a_guest_that_began_after_its_host_did_is_not_restarted_again(bench: Bench) -> None:
    vpn = running(bench, "vpn")
    guest = running(bench, "guest")
    bench.fake.containers[guest]["HostConfig"]["NetworkMode"] = f"container:{vpn}"

    def begun_anew(request: fake_docker.Request) -> None:
        bench.fake.end(guest, 0)
        bench.fake.begin(guest)
        del bench.fake.faults["list"]
        request.json([bench.fake.listed(record) for record in bench.fake.containers.values()])

    bench.fake.faults["list"] = begun_anew
    how, _ = carried_out(bench, bench.job(vpn))
    assert bench.fake.orders == [("restart", vpn, None)]
    assert "guest depends on it and was not restarted: it was started after it" in how


def test_a_guest_is_restarted_under_its_own_lock_and_left_to_whoever_holds_that(bench: Bench, tmp_path: Path) -> None:
    vpn = running(bench, "vpn")
    ids = {name: running(bench, name) for name in ("free", "taken")}
    cgroups = {one: tmp_path / name for name, one in ids.items()}
    for one, cgroup in cgroups.items():
        cgroup.mkdir()
        bench.fake.containers[one]["HostConfig"]["NetworkMode"] = f"container:{vpn}"
    locked: list[bool] = []

    def look(request: fake_docker.Request) -> None:
        container = request.path.split("/")[-2]
        if container == ids["free"]:
            with suppress(LockedError), held({"memory": str(cgroups[container])}):
                locked.append(False)
            locked.append(True)
        bench.fake.orders.append(("restart", container, None))
        request._obey("restart", container)

    bench.fake.faults["restart"] = look
    with held({"memory": str(cgroups[ids["taken"]])}):
        how, _ = carried_out(bench, bench.job(vpn), action(bench, directories=cgroups))
    assert locked == [True]
    assert "taken depends on it and was not restarted: another Brimline holds the lock" in how
    assert [one for _, one, _ in bench.fake.orders] == [vpn, ids["free"]]
    with held({"memory": str(cgroups[ids["free"]])}) as lost:
        assert lost == "", "the lock was given back"


def test_a_guest_that_swarm_runs_is_left_to_it(bench: Bench) -> None:
    vpn = running(bench, "vpn")
    guest = running(bench, "guest", labels=SWARM)
    bench.fake.containers[guest]["HostConfig"]["NetworkMode"] = f"container:{vpn}"
    how, _ = carried_out(bench, bench.job(vpn))
    assert "guest depends on it and was not restarted: Swarm runs it" in how
    assert bench.state(guest)["Running"] is True


def test_a_list_that_fails_costs_the_dependents_not_the_restart(bench: Bench) -> None:
    bench.fake.faults["list"] = fake_docker.failure
    web = running(bench)
    how, proof = carried_out(bench, bench.job(web))
    assert "its dependents are not known" in how
    assert proof.ok


def test_its_deadline_covers_all_it_may_wait_for(bench: Bench) -> None:
    web = running(bench, health="healthy")
    bench.fake.containers[web]["Config"]["StopTimeout"] = 300
    drain = {"web": {"gauge": "http://web/metrics", "timeout": "45s"}}
    plain, drained = action(bench).seconds(bench.job(web)), action(bench, drain=drain).seconds(bench.job(web))
    assert plain > 300 + 60 + 20
    assert drained >= plain + 45
    hurried = action(bench, drain=drain).seconds(bench.job(web, seconds_left=10.0))
    assert plain < hurried < drained
