from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from brimline.model import Kind, Metric, Now, SourceReport, Subject
from brimline.sources import docker
from brimline.sources.cgroup import (
    LIMITED,
    MEMORY_LIMIT_BYTES,
    MEMORY_USED_BYTES,
    MEMORY_USED_RATIO,
    START_TIME_SECONDS,
)
from brimline.sources.docker import DockerOptions, DockerSource
from brimline.sources.docker_follow import Engine, Pace
from brimline.sources.docker_roster import Hooks
from unit import fake_docker
from unit.fake_docker import FakeDocker, Fault

QUICK = Pace(first_retry=0.01, longest_retry=0.05, ping=0.05, renew=30.0, inspect_again=0.05)


# Where connecting fails the SDK leaves its socket to the garbage collector (docker/docker-py pull request 3356).
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDocker]:
    engine = FakeDocker(tmp_path)
    yield engine
    if not engine.closed:
        engine.stop()
    gc.collect()


class Watched:
    """A source and everything it says; every word wakes `until`."""

    def __init__(self, fake: FakeDocker, options: dict[str, Any], pace: Pace, *, readable: bool) -> None:
        self.changed = asyncio.Event()
        self.ooms: list[str] = []
        self.exits: list[tuple[str, bool, bool, int | None]] = []
        self.limits: list[str] = []
        self.mono = 0.0
        self._loop = asyncio.get_running_loop()
        fake.listener = self._heard
        hooks = Hooks(
            on_oom=lambda s: self._note(self.ooms, s.name),
            on_exit=lambda s, flag, oom, code: self._note(self.exits, (s.name, flag, oom, code)),
            on_limits_changed=lambda s: self._note(self.limits, s.name),
        )
        self.source = DockerSource(
            DockerOptions(**{"host": fake.host, "timeout": 5.0, **options}),
            locate=lambda pids: {container_id: {"memory": f"/cg/{container_id}"} for container_id in pids if readable},
            wake=lambda _reason: self.changed.set(),
            hooks=hooks,
            environ={},
            interval=lambda: 0.02,
            pace=pace,
        )

    def _heard(self) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.changed.set)

    def _note(self, where: list[Any], what: object) -> None:
        where.append(what)
        self.changed.set()

    def read(self) -> SourceReport:
        return self.source.read(Now(1_800_000_000.0 + self.mono, self.mono))

    def values(self, metric: Metric) -> dict[str, float]:
        return {
            s.name: v
            for column in self.read().columns
            if column.metric is metric
            for s, v in zip(column.subjects, column.values, strict=True)
        }

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                with suppress(TimeoutError):  # what changes nothing is told to nobody
                    await asyncio.wait_for(self.changed.wait(), 0.05)
                self.changed.clear()


def follow(
    fake: FakeDocker,
    use: Callable[[Watched], Awaitable[None]],
    *,
    pace: Pace = QUICK,
    readable: bool = True,
    **options: object,
) -> None:
    async def body() -> None:
        watched = Watched(fake, options, pace, readable=readable)
        running = asyncio.ensure_future(watched.source.run())
        try:
            await use(watched)
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            watched.source.close()

    asyncio.run(body())


def test_the_first_list_is_complete(fake: FakeDocker) -> None:
    fake.add("web", labels={"com.docker.compose.project": "shop", "com.docker.compose.service": "web"})
    done = fake.add("job", running=False)
    fake.begin(done)
    fake.end(done, 3)
    fake.add("fresh", running=False)

    async def use(watched: Watched) -> None:
        assert await watched.source.first(10)
        report = watched.read()
        assert report.error is None
        assert dict(report.info) == {"api": "1.41", "engine": "docker", "mode": "cgroupfs"}
        assert watched.values(docker.RUNNING) == {"fresh": 0, "job": 0, "web": 1}
        assert watched.values(docker.EXIT_CODE) == {"job": 3}
        assert watched.values(docker.RESTARTS) == {"job": 0, "web": 0}
        assert watched.values(docker.HEALTHY) == {}
        assert watched.values(START_TIME_SECONDS[Kind.CONTAINER]) == {"web": 1_800_000_010.0}
        (info,) = (c for c in report.columns if c.metric is docker.INFO)
        web = info.subjects[-1]
        assert web.labels == ("web", "shop", "web")
        assert info.extra is not None
        assert info.extra[-1] == (web.uid.partition("@")[0], "busybox:local", "sha256:6ba161589b7d", "runc")
        assert report.containers is not None
        assert report.containers[web].labels["com.docker.compose.project"] == "shop"
        assert [t.subject.name for t in watched.source.targets()] == ["web"]

    follow(fake, use)
    assert fake.requests.count("containers/json") == 1
    assert len([r for r in fake.requests if r.endswith("/json")]) == 1 + 3  # one list, one inspection each


def test_the_tuples_are_the_same_until_the_topology_changes(fake: FakeDocker) -> None:
    web = fake.add("web")

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        first = watched.read().columns
        assert watched.read().columns is first
        fake.say(web, "health_status: healthy")
        await watched.until(lambda: watched.values(docker.HEALTHY) == {"web": 1})
        second = watched.read().columns
        for before, after in zip(first, second, strict=True):
            assert before.metric is after.metric
            if before.metric is not docker.HEALTHY:
                assert before.subjects is after.subjects
            assert before.extra is after.extra

    follow(fake, use)


def test_a_life_in_events(fake: FakeDocker) -> None:
    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        web = fake.add("web", running=False)
        fake.say(web, "create")
        await watched.until(lambda: watched.values(docker.RUNNING) == {"web": 0})
        fake.begin(web)
        await watched.until(lambda: watched.values(docker.RUNNING) == {"web": 1})
        assert watched.values(docker.RESTARTS) == {"web": 0}
        fake.tick()
        fake.say(web, "update")
        await watched.until(lambda: watched.limits == ["web"])
        fake.tick()
        fake.say(web, "oom")
        fake.end(web, 137, oom_killed=True)
        await watched.until(lambda: watched.exits)
        assert (watched.ooms, watched.exits) == (["web"], [("web", True, True, 137)])
        assert watched.values(docker.EXIT_CODE) == {"web": 137}
        assert watched.source.targets() == ()
        fake.begin(web)
        await watched.until(lambda: watched.values(docker.RUNNING) == {"web": 1})
        assert watched.values(docker.RESTARTS) == {"web": 1}
        assert watched.values(docker.EXIT_CODE) == {}
        fake.end(web, 0)
        fake.remove(web)
        await watched.until(lambda: watched.values(docker.RUNNING) == {})
        assert watched.values(docker.RESTARTS) == {"web": 1}

    follow(fake, use)


def test_restarts_outlive_a_container_for_an_hour(fake: FakeDocker) -> None:
    web, once = fake.add("web"), fake.add("once")

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        assert watched.values(docker.RESTARTS) == {"once": 0, "web": 0}
        fake.end(web, 0)
        fake.begin(web)
        await watched.until(lambda: watched.values(docker.RESTARTS) == {"once": 0, "web": 1})
        fake.remove(web)
        fake.remove(once)
        await watched.until(lambda: watched.values(docker.RUNNING) == {})
        watched.mono = 3599.0
        assert watched.values(docker.RESTARTS) == {"web": 1}  # a 0 outlives nobody
        watched.mono = 3601.0
        assert watched.values(docker.RESTARTS) == {}
        assert watched.read().columns is watched.read().columns

    follow(fake, use)


def test_health(fake: FakeDocker) -> None:
    for name in ("healthy", "unhealthy", "starting", "none"):
        fake.add(name, Health={"Status": name})
    fake.add("unasked")
    stopped = fake.add("stopped", Health={"Status": "unhealthy"})
    fake.end(stopped, 1)

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        assert watched.values(docker.HEALTHY) == {"healthy": 1, "unhealthy": 0}

    follow(fake, use)


def test_include_exclude_and_the_label(fake: FakeDocker) -> None:
    for name in ("web-1", "web-2", "db"):
        fake.add(name)
    fake.add("web-off", labels={"brimline.enable": "false"})

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        assert watched.values(docker.RUNNING) == {"web-1": 1}

    follow(fake, use, include=["web-*"], exclude=["*-2"])


@pytest.mark.parametrize(
    "fault", [fake_docker.hang, fake_docker.drip, fake_docker.half, fake_docker.garbage, fake_docker.failure]
)
@pytest.mark.parametrize("where", ["version", "list"])
def test_a_faulty_engine_is_an_error_and_then_the_truth(fake: FakeDocker, fault: Fault, where: str) -> None:
    fake.add("web")
    fake.faults[where] = fault

    async def use(watched: Watched) -> None:
        assert not await watched.source.first(10)
        report = watched.read()
        assert report.columns == ()
        assert report.error
        assert fake.host in report.error
        fake.faults.clear()
        await watched.until(lambda: watched.read().error is None and watched.values(docker.RUNNING) == {"web": 1})

    follow(fake, use, timeout=0.2)


def test_a_vanished_socket_is_unknown_and_its_targets_stay(fake: FakeDocker) -> None:
    web = fake.add("web")

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        targets = watched.source.targets()
        fake.stop()
        await watched.until(lambda: watched.read().error)
        assert "no such socket" in str(watched.read().error)  # what the stream's end was is no news
        assert watched.read().columns == ()
        assert watched.source.targets() is targets
        fake.end(web, 137)
        fake.begin(web)
        other = fake.add("other")
        fake.start()
        await watched.until(lambda: watched.read().error is None)
        assert watched.values(docker.RUNNING) == {"web": 1, "other": 1}
        assert watched.values(docker.RESTARTS) == {"web": 1, "other": 0}
        assert watched.exits == [("web", False, False, 137)]  # replayed by `since`
        fake.end(other, 0)
        await watched.until(lambda: len(watched.exits) == 2)

    follow(fake, use)


def test_a_cut_stream_is_no_error_and_loses_nothing(fake: FakeDocker) -> None:
    web = fake.add("web")

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        fake.tick()
        fake.say(web, "update")
        await watched.until(lambda: watched.limits == ["web"])
        fake.cut_streams()
        fake.tick()
        fake.say(web, "oom")
        await watched.until(lambda: watched.ooms == ["web"])
        assert watched.read().error is None
        fake.end(web, 137, oom_killed=True)
        await watched.until(lambda: watched.exits == [("web", True, True, 137)])
        assert watched.limits == ["web"]  # the replay brought it again

    follow(fake, use)


@pytest.mark.parametrize("fault", [fake_docker.hang, fake_docker.failure])
def test_events_that_are_never_told_are_an_error(fake: FakeDocker, fault: Fault) -> None:
    fake.faults["events"] = fault

    async def use(watched: Watched) -> None:
        assert not await watched.source.first(10)
        await watched.until(lambda: "events" in str(watched.read().error))
        fake.faults.clear()
        await watched.until(lambda: watched.read().error is None)

    follow(fake, use, timeout=2)


@pytest.mark.parametrize(
    "fault", [fake_docker.cut_mid_line, fake_docker.garbage_line, fake_docker.garbage, fake_docker.half]
)
def test_a_stream_that_breaks_in_a_line_is_opened_again(fake: FakeDocker, fault: Fault) -> None:
    web = fake.add("web")
    fake.faults["events"] = fault

    async def use(watched: Watched) -> None:
        await watched.until(lambda: fake.requests.count("events") >= 2)
        fake.faults.clear()
        await watched.until(lambda: fake.streams)
        fake.end(web, 1)
        await watched.until(lambda: watched.exits)

    follow(fake, use)


def test_a_silent_stream_is_renewed_without_inspecting_anybody(fake: FakeDocker) -> None:
    fake.add("web")

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        await watched.until(lambda: fake.requests.count("containers/json") >= 3)
        assert watched.read().error is None

    follow(fake, use, pace=Pace(first_retry=0.01, longest_retry=0.02, ping=0.02, renew=1.0))
    assert len([r for r in fake.requests if r.endswith("/json") and r != "containers/json"]) == 1
    assert "_ping" in fake.requests


@pytest.mark.parametrize("fault", [None, fake_docker.blank_lines])
def test_what_a_silent_stream_has_missed_is_found_by_the_list(fake: FakeDocker, fault: Fault | None) -> None:
    fake.add("web")
    if fault is not None:
        fake.faults["events"] = fault

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        fake.add("other")  # no event
        await watched.until(lambda: watched.values(docker.RUNNING) == {"web": 1, "other": 1})

    follow(fake, use, pace=Pace(first_retry=0.01, longest_retry=0.02, ping=0.02, renew=0.1))


def test_an_engine_that_stops_answering_is_noticed_by_its_silence(fake: FakeDocker) -> None:
    fake.add("web")

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        fake.faults.update(ping=fake_docker.hang, version=fake_docker.hang)
        await watched.until(lambda: watched.read().error)
        assert "ping: no answer within 2 s" in str(watched.read().error)

    follow(fake, use, timeout=2)


def test_one_container_that_hangs_its_inspection_costs_only_itself(fake: FakeDocker) -> None:
    fake.add("web")
    stuck = fake.add("stuck")
    fake.faults[f"inspect:{stuck}"] = fake_docker.hang

    async def use(watched: Watched) -> None:
        assert await watched.source.first(10)
        assert watched.values(docker.RUNNING) == {"web": 1}
        ((subject, why),) = watched.read().failed.items()
        assert subject.labels == ("stuck", "", "")
        assert "no answer within 2 s" in why
        fake.faults.clear()
        await watched.until(lambda: watched.values(docker.RUNNING) == {"web": 1, "stuck": 1})
        assert watched.read().failed == {}

    follow(fake, use, timeout=2)


def test_an_inspection_older_than_the_removal_is_not_believed(fake: FakeDocker) -> None:
    def late(request: fake_docker.Request) -> None:
        (record,) = fake.containers.values()
        fake.remove(record["Id"])
        with fake.changed:
            while len(fake.events) < 3:
                fake.changed.wait(5)
        request.json(record)

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        web = fake.add("web")
        fake.faults["inspect"] = late
        fake.say(web, "create")
        await watched.until(lambda: len(fake.events) == 2)
        await watched.until(lambda: watched.source._roster.last_event == fake.now / 1e9)  # the removal is known
        del fake.faults["inspect"]
        fake.say(web, "rename", name="late")
        await watched.until(lambda: fake.requests.count(f"containers/{web}/json") == 2)
        fake.add("other")
        fake.say(next(iter(fake.containers)), "create")
        await watched.until(lambda: "other" in watched.values(docker.RUNNING))
        assert watched.values(docker.RUNNING) == {"other": 1}

    follow(fake, use)


def test_an_answer_nobody_foresaw_is_an_error_not_the_end(fake: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.add("web")
    monkeypatch.setattr("brimline.sources.docker_follow.parse_listing", lambda _: 1 / 0)

    async def use(watched: Watched) -> None:
        assert not await watched.source.first(10)
        assert watched.read().error == "ZeroDivisionError: division by zero"
        monkeypatch.undo()
        await watched.until(lambda: watched.read().error is None)

    follow(fake, use)


def test_without_an_engine_there_is_nothing_and_no_error(tmp_path: Path) -> None:
    async def body() -> None:
        source = DockerSource(
            DockerOptions(), locate=lambda _: {}, wake=lambda _r: None, environ={"XDG_RUNTIME_DIR": str(tmp_path)}
        )
        source._follower._engine = Engine(lambda: None, {}, 1.0)
        running = asyncio.ensure_future(source.run())
        assert not await source.first(10)
        report = source.read(Now(0.0, 0.0))
        assert (report.error, dict(report.info)) == (None, {"mode": "none"})
        assert {len(column.subjects) for column in report.columns} == {0}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(body())


def test_before_the_first_list_it_is_unknown_not_empty(fake: FakeDocker) -> None:
    source = DockerSource(DockerOptions(host=fake.host), locate=lambda _: {}, wake=lambda _r: None, environ={})
    assert source.read(Now(0.0, 0.0)).error == "the engine has not listed its containers yet"
    assert source.targets() == ()


def test_stats_stand_in_where_no_cgroup_can_be_read(fake: FakeDocker) -> None:
    fake.add("web", labels={"brimline.limit": "1TiB"})
    fake.add("db")

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        assert not [r for r in fake.requests if r.endswith("/stats")]
        for _ in range(2):
            assert [(t.main_pid, t.directories) for t in watched.source.targets()] == [(0, {}), (0, {})]
        await watched.until(lambda: len(watched.values(MEMORY_USED_BYTES[Kind.CONTAINER])) == 2)
        assert watched.read().info["mode"] == "stats"
        assert watched.values(MEMORY_USED_BYTES[Kind.CONTAINER]) == {"db": 7000, "web": 7000}
        assert watched.values(MEMORY_LIMIT_BYTES[Kind.CONTAINER]) == {"db": 20000, "web": 20000}
        assert watched.values(LIMITED[Kind.CONTAINER]) == {"db": 1, "web": 1}
        assert watched.values(MEMORY_USED_RATIO[Kind.CONTAINER]) == {"db": 0.35, "web": 0.35}
        fake.faults["stats"] = fake_docker.failure
        await watched.until(lambda: not watched.values(MEMORY_USED_BYTES[Kind.CONTAINER]))
        assert {s.name for s in watched.read().failed} == {"db", "web"}

    follow(fake, use, readable=False)


def test_no_stats_while_cgroups_are_readable(fake: FakeDocker) -> None:
    fake.add("web")

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        for _ in range(20):
            watched.source.targets()
            await asyncio.sleep(0.005)

    follow(fake, use)
    assert not [r for r in fake.requests if r.endswith("/stats")]


def test_the_loop_and_read_go_on_while_the_engine_hangs(fake: FakeDocker) -> None:
    fake.faults["version"] = fake_docker.hang

    async def use(watched: Watched) -> None:
        await watched.until(lambda: "version" in fake.requests)
        async with asyncio.timeout(30):
            for _ in range(200):
                watched.read()
                watched.source.targets()
                await asyncio.sleep(0)
        assert not watched.source._follower.settled.is_set()

    follow(fake, use, timeout=60)


@pytest.mark.parametrize("host", ["/var/run/docker.sock", "localhost:2375", "npipe:////./pipe/docker"])
def test_a_host_without_a_scheme_is_refused_with_what_to_write(host: str) -> None:
    with pytest.raises(ValueError, match=r"has no scheme; write .unix:///var/run/docker\.sock"):
        DockerOptions(host=host)


def test_a_pattern_that_cannot_match_is_refused() -> None:
    with pytest.raises(ValueError, match='"name:web": write a container'):
        DockerOptions(exclude=("name:web",))


def test_every_subject_is_a_container(fake: FakeDocker) -> None:
    fake.add("web")

    async def use(watched: Watched) -> None:
        await watched.source.first(10)
        subjects: set[Subject] = {s for column in watched.read().columns for s in column.subjects}
        assert {s.kind for s in subjects} == {Kind.CONTAINER}
        assert {len(s.labels) for s in subjects} == {3}

    follow(fake, use)
