import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brimline.errors import SourceError
from brimline.fds import FdBudget
from brimline.levels import LevelBook, Levels
from brimline.model import HostFacts, SourceReport, Subject, Target
from brimline.procfs import Procfs
from brimline.sources.cgroup_reader import CgroupSource
from brimline.sources.cgroupfs import Cgroupfs
from brimline.sources.oom import OomLedger
from brimline.sources.watch import Watch
from fakes import (
    MIB,
    FakeClock,
    FakePoller,
    V1Tree,
    V2Tree,
    container,
    target,
    v1_oom_control,
    v1_stat,
    v2_events,
    v2_stat,
    values,
)

HOST = HostFacts(total=1000 * MIB, available=500 * MIB, swap_free=0)
C = "brimline_container_"


class World:
    """A cgroup source over a tree of plain files."""

    def __init__(self, tree: V1Tree | V2Tree, *, globs: tuple[str, ...] = (), fds: int = 0) -> None:
        self.tree = tree
        self.clock = FakeClock()
        self.poller = FakePoller()
        self.fds = FdBudget(fds)
        self.targets: tuple[Target, ...] = ()
        self.host: HostFacts | None = HOST
        self.wakes: list[str] = []
        fs = Cgroupfs(str(tree.procfs), str(tree.cgroupfs))
        self.source = CgroupSource(
            fs=fs,
            globs=globs,
            procfs=Procfs(str(tree.procfs)),
            fds=self.fds,
            watch=Watch(self.poller, self.fds),
            clock=self.clock,
            wake=self.wakes.append,
            targets=lambda: self.targets,
            host=lambda: self.host,
            kills=OomLedger(),
            levels=Levels(LevelBook(0.8, 0.85)),
        )

    def kinds(self) -> dict[str, float]:
        """Return `name{cause,victim}` -> kills, where there were any."""
        return {k: v for k, v in self.tick()[f"{C}memory_oom_kills_by_cause_total"].items() if v}

    def run(self, path: str, subject: Subject | None = None, **more: object) -> Subject:
        subject = subject or container()
        top = self.tree.memory if isinstance(self.tree, V1Tree) else self.tree.cgroupfs
        where = {"memory": str(top / path)}
        kept = tuple(t for t in self.targets if t.subject.name != subject.name)
        self.targets = (*kept, target(subject, where, **more))
        return subject

    def tick(self, seconds: float = 5.0) -> dict[str, dict[str, float]]:
        return values(self.report(seconds))

    def report(self, seconds: float = 5.0) -> SourceReport:
        return self.source.read(self.clock.pass_(seconds))


@pytest.fixture
def v1(tmp_path: Path) -> Iterator[World]:
    world = World(V1Tree(tmp_path))
    yield world
    world.source.close()


@pytest.fixture
def v2(tmp_path: Path) -> Iterator[World]:
    world = World(V2Tree(tmp_path), globs=("system.slice/*.service",))
    yield world
    world.source.close()


def test_a_container_on_v1(v1: World) -> None:
    stat = v1_stat(rss=60 * MIB, cache=300 * MIB, active_file=250 * MIB, inactive_file=50 * MIB)
    v1.tree.add("docker/c1", usage_in_bytes=362 * MIB, limit_in_bytes=450 * MIB, stat=stat)
    v1.run("docker/c1")
    seen = v1.tick()
    assert seen[f"{C}memory_usage_bytes"] == {"web": 362 * MIB}
    assert seen[f"{C}memory_used_bytes"] == {"web": 62 * MIB}
    assert seen[f"{C}memory_limit_bytes"] == {"web": 450 * MIB}
    assert seen[f"{C}limited"] == {"web": 1}
    assert seen[f"{C}memory_used_ratio"] == {"web": 62 / 450}
    assert seen[f"{C}memory_available_bytes"] == {"web": 388 * MIB}
    assert f"{C}memory_high_bytes" not in seen
    assert f"{C}memory_pressure_some_ratio" not in seen


def test_hot_files_are_read_every_tick_and_the_rest_now_and_then(v1: World) -> None:
    v1.tree.add("docker/c1", usage_in_bytes=100 * MIB, limit_in_bytes=200 * MIB)
    v1.run("docker/c1")
    v1.tick()
    v1.tree.set("docker/c1", usage_in_bytes=150 * MIB, limit_in_bytes=300 * MIB)
    assert v1.tick(0.1)[f"{C}memory_used_ratio"] == {"web": 0.75}
    assert v1.tick(15)[f"{C}memory_used_ratio"] == {"web": 0.5}


def test_docker_update_is_seen_at_once(v1: World) -> None:
    v1.tree.add("docker/c1", usage_in_bytes=100 * MIB, limit_in_bytes=200 * MIB)
    subject = v1.run("docker/c1")
    v1.tick()
    v1.tick(15)
    v1.tree.set("docker/c1", limit_in_bytes=400 * MIB)
    v1.source.limits_changed(subject)
    assert v1.wakes == ["limits"]
    assert v1.tick(0.1)[f"{C}memory_used_ratio"] == {"web": 0.25}


def test_an_ancestors_limit_binds_and_its_fullness_shows_in_available(v2: World) -> None:
    v2.tree.add("pod", max=300 * MIB, current=280 * MIB, stat=v2_stat(anon=280 * MIB))
    v2.tree.add("pod/a", max=400 * MIB, current=100 * MIB, stat=v2_stat(anon=100 * MIB))
    subject = v2.run("pod/a")
    report = v2.report()
    seen = values(report)
    assert seen[f"{C}memory_limit_bytes"] == {"web": 300 * MIB}
    assert seen[f"{C}memory_used_ratio"] == {"web": 1 / 3}
    assert seen[f"{C}memory_available_bytes"] == {"web": 20 * MIB}
    assert [(level.path, level.limit, level.used) for level in report.chains[subject]] == [
        ("/pod/a", 400 * MIB, 100 * MIB),
        ("/pod", 300 * MIB, 280 * MIB),
    ]
    v2.tree.set("pod", current=250 * MIB)
    assert v2.tick()[f"{C}memory_available_bytes"] == {"web": 50 * MIB}


def test_an_unlimited_one_is_held_against_the_host(v2: World) -> None:
    v2.tree.add("c", current=100 * MIB)
    v2.run("c")
    seen = v2.tick()
    assert (seen[f"{C}limited"], seen[f"{C}memory_used_ratio"]) == ({"web": 0}, {"web": 0.1})
    assert seen[f"{C}memory_available_bytes"] == {"web": 500 * MIB}


def test_a_declared_limit_stands_in(v2: World) -> None:
    v2.tree.add("c", current=100 * MIB)
    v2.run("c", declared_limit=200 * MIB)
    seen = v2.tick()
    assert (seen[f"{C}limited"], seen[f"{C}memory_used_ratio"]) == ({"web": 1}, {"web": 0.5})


def test_units_by_glob_come_and_go(v2: World) -> None:
    v2.tree.add("system.slice/a.service", current=10 * MIB)
    v2.tree.add("system.slice/b.scope", current=10 * MIB)
    name = "brimline_cgroup_memory_usage_bytes"
    assert v2.tick()[name] == {"system.slice/a.service": 10 * MIB}
    v2.tree.add("system.slice/c.service", current=20 * MIB)
    assert set(v2.tick(15)[name]) == {"system.slice/a.service", "system.slice/c.service"}
    shutil.rmtree(v2.tree.cgroupfs / "system.slice/a.service")
    assert set(v2.tick(1)[name]) == {"system.slice/c.service"}


def test_a_removed_cgroup_is_gone_not_failed_and_not_opened_again(v2: World) -> None:
    v2.tree.add("c", current=10 * MIB)
    v2.run("c")
    v2.tick()
    shutil.rmtree(v2.tree.cgroupfs / "c")
    report = v2.report()
    assert f"{C}memory_usage_bytes" not in values(report)
    assert report.failed == {}
    assert values(report)[f"{C}memory_oom_kills_total"] == {"web": 0}
    v2.tree.add("c", current=10 * MIB)
    assert f"{C}memory_usage_bytes" not in v2.tick()  # the same uid never comes back to life


def test_what_cannot_be_read_is_failed_with_its_reason_and_tried_again(v2: World) -> None:
    directory = v2.tree.add("c", current=10 * MIB)
    subject = v2.run("c")
    v2.tick()
    (directory / "memory.current").unlink()
    (directory / "memory.current").mkdir()  # root may read any mode: a directory answers EISDIR to everybody
    report = v2.report()
    assert report.failed[subject].endswith("Is a directory")
    assert f"{C}memory_usage_bytes" not in values(report)
    (directory / "memory.current").rmdir()
    (directory / "memory.current").write_text("5\n")
    report = v2.report()
    assert (values(report)[f"{C}memory_usage_bytes"], report.failed) == ({"web": 5}, {})


def test_an_ancestor_that_cannot_be_read_leaves_the_ratio_unknown(v2: World) -> None:
    pod = v2.tree.add("pod", max=300 * MIB)
    v2.tree.add("pod/a", current=1)
    subject = v2.run("pod/a")
    (pod / "memory.max").unlink()
    (pod / "memory.max").mkdir()
    report = v2.report()
    assert subject in report.failed
    assert f"{C}memory_used_ratio" not in values(report)


def test_a_restart_is_another_incarnation_under_the_same_labels(v2: World) -> None:
    v2.tree.add("c1", current=10 * MIB)
    v2.tree.add("c2", current=20 * MIB)
    v2.run("c1", container(uid="c1"))
    v2.tick()
    v2.run("c2", container(uid="c2"))
    assert v2.tick()[f"{C}memory_usage_bytes"] == {"web": 20 * MIB}


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors_are_kept_within_the_budget_and_given_back(tmp_path: Path) -> None:
    world = World(V2Tree(tmp_path), fds=4)
    for name in ("a", "b"):
        world.tree.add(name, current=10 * MIB)
        world.run(name, container(name, name))
    before = _open_files()
    assert world.tick()[f"{C}memory_usage_bytes"] == {"a": 10 * MIB, "b": 10 * MIB}
    assert world.fds.used == 4
    assert _open_files() == before + 4
    world.tree.set("b", current=30 * MIB)
    assert world.tick()[f"{C}memory_usage_bytes"] == {"a": 10 * MIB, "b": 30 * MIB}
    world.source.close()
    assert world.fds.used == 0
    assert _open_files() == before - 1  # the epoll went too


@pytest.mark.parametrize("order", [("cgroup", "docker"), ("docker", "cgroup")])
def test_an_ancestor_is_let_go_with_the_last_below_it_whoever_is_first_to_tell(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    world = World(V2Tree(tmp_path), fds=2)  # for the ancestor's two files, not for the container's three
    world.tree.add("pod", max=300 * MIB)
    world.tree.add("pod/a", current=10 * MIB, events=v2_events())
    world.run("pod/a")
    world.tick()
    assert world.fds.used == 2
    for told in order:
        if told == "docker":
            world.targets = ()
        else:
            shutil.rmtree(world.tree.cgroupfs / "pod/a")
        world.tick()
    assert world.fds.used == 0
    world.source.close()


def test_kills_are_counted_with_their_cause(v2: World) -> None:
    v2.tree.add("c")
    v2.run("c", started=v2.clock.wall + 1)
    v2.tick()
    v2.tree.set("c", events=v2_events(max=30, oom=5, oom_kill=1))
    v2.tick()
    seen = v2.tick()
    assert seen[f"{C}memory_oom_kills_total"] == {"web": 1}
    assert seen[f"{C}memory_limit_hits_total"] == {"web": 30}
    assert seen[f"{C}memory_oom_kills_by_cause_total"]["web{own_limit,worker}"] == 1


def test_an_ancestors_oom_is_the_ancestors(v2: World) -> None:
    v2.tree.add("pod", max=300 * MIB)
    v2.tree.add("pod/a")
    v2.run("pod/a", started=v2.clock.wall + 1)
    v2.tick()
    v2.tree.set("pod", events_local=v2_events(oom=3))
    v2.tree.set("pod/a", events=v2_events(oom_kill=2))
    v2.tick()
    assert v2.tick()[f"{C}memory_oom_kills_by_cause_total"]["web{ancestor,worker}"] == 2


def test_an_ancestors_oom_is_remembered_when_its_slow_files_come_round_in_the_same_tick(v2: World) -> None:
    v2.tree.add("pod", max=300 * MIB, events_local=v2_events(oom=7))
    v2.tree.add("pod/a")
    v2.run("pod/a", started=v2.clock.wall + 1)
    v2.tick()
    v2.tree.set("pod", events_local=v2_events(oom=8))
    v2.tree.set("pod/a", events=v2_events(oom_kill=1))
    v2.tick(20)
    assert v2.tick()[f"{C}memory_oom_kills_by_cause_total"]["web{ancestor,worker}"] == 1


def test_an_ancestors_old_ooms_are_not_blamed_for_a_newborns_kill(v2: World) -> None:
    v2.tree.add("pod", max=300 * MIB, events_local=v2_events(oom=7))
    v2.tick()
    v2.tree.add("pod/a", events=v2_events(oom_kill=1))
    v2.run("pod/a", started=v2.clock.wall + 1)
    v2.tick()
    assert v2.tick()[f"{C}memory_oom_kills_by_cause_total"].get("web{ancestor,worker}") == 0


def test_a_kill_without_any_level_out_of_memory_is_the_hosts(v2: World) -> None:
    v2.tree.add("c")
    v2.run("c", started=v2.clock.wall + 1)
    v2.tick()
    v2.tree.set("c", events=v2_events(oom_kill=1))
    v2.tick()
    assert v2.tick()[f"{C}memory_oom_kills_by_cause_total"]["web{host,worker}"] == 1


def test_kills_before_brimline_are_not_news(v1: World) -> None:
    v1.tree.add("docker/c1", oom_control=v1_oom_control(9))
    v1.run("docker/c1", started=v1.clock.wall - 100)
    assert v1.tick()[f"{C}memory_oom_kills_total"] == {"web": 0}
    v1.tree.set("docker/c1", oom_control=v1_oom_control(10), failcnt=4)
    v1.tick()
    seen = v1.tick()
    assert seen[f"{C}memory_oom_kills_total"] == {"web": 1}
    assert seen[f"{C}memory_oom_kills_by_cause_total"]["web{own_limit,worker}"] == 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_workers_kill_before_the_first_look_has_its_cause(tmp_path: Path, version: int) -> None:
    world = World(V1Tree(tmp_path) if version == 1 else V2Tree(tmp_path))
    world.tick()
    if version == 1:
        world.tree.add("c", usage_in_bytes=10 * MIB, failcnt=122, oom_control=v1_oom_control(1))
    else:
        world.tree.add("c", current=10 * MIB, events=v2_events(oom=3, oom_kill=1), events_local=v2_events(oom=3))
    world.run("c", started=world.clock.wall + 1)
    world.tick()
    assert world.kinds() == {"web{own_limit,worker}": 1}
    world.source.close()


def test_a_kill_before_the_very_first_tick_has_its_cause_too(v2: World) -> None:
    v2.tree.add("pod", events_local=v2_events(oom=7))
    v2.tree.add("pod/a", events=v2_events(oom=3, oom_kill=1))
    v2.run("pod/a", started=v2.clock.wall + 1)
    v2.tick()
    assert v2.kinds() == {"web{own_limit,worker}": 1}


UNIT = "system.slice/a.service"
UNIT_KILLS = "brimline_cgroup_memory_oom_kills_total"


def _hide(world: World, path: str) -> None:
    """Make a cgroup unreadable, for root too: a directory in the place of a file."""
    (world.tree.cgroupfs / path / "memory.current").unlink()
    (world.tree.cgroupfs / path / "memory.current").mkdir()


def _show(world: World, path: str) -> None:
    (world.tree.cgroupfs / path / "memory.current").rmdir()
    world.tree.set(path, current=5)


def test_what_was_counted_before_brimline_is_no_news_after_it_could_not_be_read(v2: World) -> None:
    v2.tree.add(UNIT, events=v2_events(oom_kill=5))
    assert v2.tick()[UNIT_KILLS] == {UNIT: 0}
    _hide(v2, UNIT)
    for _ in range(5):
        assert v2.tick()[UNIT_KILLS] == {UNIT: 0}
    _show(v2, UNIT)
    assert v2.tick()[UNIT_KILLS] == {UNIT: 0}


def test_what_could_not_be_read_at_first_is_no_newborn_when_it_can(v2: World) -> None:
    v2.tree.add(UNIT, events=v2_events(oom_kill=5))
    _hide(v2, UNIT)
    for _ in range(5):
        v2.tick()
    _show(v2, UNIT)
    assert v2.tick()[UNIT_KILLS] == {UNIT: 0}


def test_what_a_scan_could_not_see_is_not_gone(v2: World, monkeypatch: pytest.MonkeyPatch) -> None:
    v2.tree.add(UNIT, current=5, events=v2_events(oom_kill=5))
    v2.tick()
    with monkeypatch.context() as blind:
        blind.setattr(Cgroupfs, "expand", lambda *_: {})
        for _ in range(5):
            assert v2.tick(15)["brimline_cgroup_memory_usage_bytes"] == {UNIT: 5}
    assert v2.tick(15)[UNIT_KILLS] == {UNIT: 0}


def test_units_that_other_globs_name_are_no_newborns(v2: World) -> None:
    v2.tree.add(UNIT, events=v2_events(oom_kill=5))
    v2.tree.add("other.slice/b", events=v2_events(oom_kill=5))
    v2.tick()
    v2.source.measure(("other.slice/*",))
    assert v2.tick()["brimline_cgroup_memory_usage_bytes"] == {"other.slice/b": 0}
    assert v2.tick()[UNIT_KILLS]["other.slice/b"] == 0


def test_a_kill_is_counted_once_over_a_time_of_not_reading_and_those_in_it_have_no_cause(v2: World) -> None:
    v2.tree.add("c")
    v2.run("c", started=v2.clock.wall + 1)
    v2.tick()
    v2.tree.set("c", events=v2_events(oom=1, oom_kill=1))
    v2.tick()
    assert v2.kinds() == {"web{own_limit,worker}": 1}
    _hide(v2, "c")
    for _ in range(5):
        v2.tick()
    v2.tree.set("c", events=v2_events(oom=2, oom_kill=2))
    _show(v2, "c")
    v2.tick()
    assert v2.kinds() == {"web{own_limit,worker}": 1, "web{unknown,worker}": 1}


def test_a_renamed_one_is_shown_once_with_its_kills(v2: World) -> None:
    v2.tree.add("c1", current=5, max=100)
    v2.tree.add("c2", current=7)
    v2.run("c1", container("aa", "c1"), started=v2.clock.wall + 1)
    v2.tick()
    v2.tree.set("c1", events=v2_events(oom=1, oom_kill=1))
    v2.tick()
    v2.targets = ()
    v2.run("c1", container("bb", "c1"), started=v2.clock.wall + 1)
    v2.run("c2", container("aa", "c2"), started=v2.clock.wall + 1)
    report = v2.report()
    seen = values(report)
    assert seen[f"{C}memory_usage_bytes"] == {"bb": 5, "aa": 7}
    assert seen[f"{C}memory_oom_kills_total"] == {"bb": 1, "aa": 0}
    assert {subject.name for subject in report.chains} == {"aa", "bb"}
    assert all(len(column.subjects) == len(set(column.subjects)) for column in report.columns if column.extra is None)


def test_v1_counts_the_kills_below_a_container_when_docker_calls(v1: World) -> None:
    v1.tree.add("docker/c1", limit_in_bytes=40 * MIB)
    v1.tree.add("docker/c1/sub")
    subject = v1.run("docker/c1", started=v1.clock.wall + 1)
    v1.tick()
    v1.tree.set("docker/c1", failcnt=3)
    v1.tree.set("docker/c1/sub", oom_control=v1_oom_control(1))
    v1.source.told_of_oom(subject)
    assert v1.wakes == ["oom"]
    v1.tick()
    assert v1.kinds() == {"web{own_limit,worker}": 1}


def test_v1_finds_the_kills_below_without_a_call_once_and_keeps_those_of_levels_that_went(v1: World) -> None:
    v1.tree.add("docker/c1", limit_in_bytes=40 * MIB)
    v1.tree.add("docker/c1/old", oom_control=v1_oom_control(4))
    v1.run("docker/c1", started=v1.clock.wall - 100)
    v1.tick()
    v1.tick(15)
    v1.tree.add("docker/c1/sub", failcnt=2, oom_control=v1_oom_control(1))  # by a limit of its own
    v1.tick(15)
    assert v1.kinds() == {"web{own_limit,worker}": 1}
    shutil.rmtree(v1.tree.cgroupfs / "memory/docker/c1/sub")
    v1.tick(15)
    v1.tree.set("docker/c1", oom_control=v1_oom_control(1), failcnt=1)
    v1.tick(1)
    assert v1.kinds() == {"web{own_limit,worker}": 2}


def test_v1_blames_an_ancestor_that_was_full_since_the_last_look_below(v1: World) -> None:
    v1.tree.add("pod", limit_in_bytes=40 * MIB)
    v1.tree.add("pod/c1")
    v1.tree.add("pod/c1/sub")
    v1.run("pod/c1", started=v1.clock.wall + 1)
    v1.tick()
    for _ in range(3):
        v1.tick()
    v1.tree.set("pod", failcnt=3)
    v1.tree.set("pod/c1/sub", oom_control=v1_oom_control(1))
    for _ in range(4):
        v1.tick()
    assert v1.kinds() == {"web{ancestor,worker}": 1}


@pytest.mark.parametrize("listed", [True, False])
def test_a_main_process_that_proc_hides_is_asked_of_its_cgroup(
    v2: World, monkeypatch: pytest.MonkeyPatch, *, listed: bool
) -> None:
    def hidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Procfs, "stat", hidden)
    directory = v2.tree.add("c")
    (directory / "cgroup.procs").write_text("4242\n4243\n" if listed else "4243\n")
    v2.run("c", main_pid=4242, started=v2.clock.wall + 1)
    v2.tick()
    v2.tree.set("c", events=v2_events(oom=1, oom_kill=1))
    v2.tick()
    assert v2.kinds() == {f"web{{own_limit,{'worker' if listed else 'main'}}}": 1}


def test_a_use_of_nothing_is_known_and_one_never_read_is_not(v2: World) -> None:
    v2.tree.add("pod")
    v2.tree.add("pod/a")
    subject = v2.run("pod/a")
    assert [(level.usage, level.used) for level in v2.report().chains[subject]] == [(0, 0), (None, None)]


@pytest.fixture
def two_descriptors() -> Iterator[Callable[[], None]]:
    """Leave this process two free descriptors when called."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def leave() -> None:
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 2, hard))

    yield leave
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_free_descriptors_files_are_opened_read_and_closed(
    tmp_path: Path, two_descriptors: Callable[[], None]
) -> None:
    world = World(V1Tree(tmp_path), fds=100)
    world.tree.add("docker/c1", usage_in_bytes=5 * MIB)
    world.run("docker/c1")
    two_descriptors()
    report = world.report()
    assert values(report)[f"{C}memory_usage_bytes"] == {"web": 5 * MIB}
    assert (report.failed, report.info["events"]) == ({}, "poll")
    assert world.fds.used == 0
    world.source.close()


def test_docker_calls_and_the_kernel_counts(v2: World) -> None:
    v2.tree.add("c")
    subject = v2.run("c", started=v2.clock.wall + 1)
    v2.tick()
    v2.tree.set("c", events=v2_events(oom=1, oom_kill=1))
    v2.source.told_of_oom(subject)
    assert v2.wakes == ["oom"]
    assert v2.tick(0.1)[f"{C}memory_oom_kills_total"] == {"web": 1}


def test_a_kill_seen_by_docker_alone_is_counted_when_the_cgroup_is_gone(v2: World) -> None:
    v2.tree.add("c")
    subject = v2.run("c", started=v2.clock.wall + 1)
    v2.tick()
    shutil.rmtree(v2.tree.cgroupfs / "c")
    v2.source.told_of_oom(subject)
    seen = v2.tick(0.1)
    assert seen[f"{C}memory_oom_kills_total"] == {"web": 1}
    assert seen[f"{C}memory_oom_kills_by_cause_total"]["web{unknown,main}"] == 1


def test_a_filling_cgroup_asks_to_be_looked_at_early(v2: World) -> None:
    v2.tree.add("c", max=100 * MIB, current=10 * MIB)
    v2.run("c")
    v2.tick()
    assert v2.source.next_look() is None
    v2.tree.set("c", current=60 * MIB)
    v2.tick(5)  # 10 % a second, 20 % below the alert level
    look = v2.source.next_look()
    assert look is not None
    assert abs(look - 1.0) < 1e-6


def test_cache_that_fills_a_cgroup_wakes_nobody(v2: World) -> None:
    v2.tree.add("c", max=100 * MIB, current=10 * MIB)
    v2.run("c")
    v2.tick()
    v2.tree.set("c", current=95 * MIB, stat=v2_stat(inactive_file=90 * MIB))
    v2.tick()
    assert v2.source.next_look() is None or (v2.source.next_look() or 0) > 5


def test_without_a_memory_controller_or_the_hosts_memory_it_fails_with_a_sentence(tmp_path: Path) -> None:
    tree = V2Tree(tmp_path)
    world = World(tree)
    world.host = None
    with pytest.raises(SourceError, match="host"):
        world.tick()
    world.source.close()
    (tree.cgroupfs / "cgroup.controllers").write_text("cpu\n")
    world = World(tree)
    with pytest.raises(SourceError, match=r"--path\.cgroupfs"):
        world.tick()
    world.source.close()


def test_processes_are_counted_in_sub_cgroups_and_the_oldest_gives_the_start(v2: World) -> None:
    directory = v2.tree.add("system.slice/a.service")
    (directory / "cgroup.procs").write_text("11\n")
    below = v2.tree.add("system.slice/a.service/sub")
    (below / "cgroup.procs").write_text("12\n0\n")
    for pid, ticks, pages in ((11, 5000, 10), (12, 9000, 30)):
        place = v2.tree.procfs / str(pid)
        place.mkdir()
        fields = ["S", "1", "1", "1", "0", "-1", "0", *["0"] * 4, "3", "4", *["0"] * 6, str(ticks), "0", str(pages)]
        (place / "stat").write_text(f"{pid} (a b) {' '.join(fields)} {' '.join(['0'] * 10)}\n")
    seen = v2.tick()
    unit = "system.slice/a.service"
    hertz, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    assert seen["brimline_cgroup_processes"] == {unit: 3}
    assert seen["brimline_cgroup_memory_largest_process_bytes"] == {unit: 30 * page}
    assert seen["brimline_cgroup_start_time_seconds"] == {unit: 1699990000 + 5000 / hertz}


def of_the_host(world: World, pid: int) -> None:
    """Let /proc be another pid name space's, and hold a stranger under a number of ours."""
    (world.tree.procfs / "self" / "status").write_text("Name:\tpython\nNSpid:\t4711\t7\n")
    place = world.tree.procfs / str(pid)
    place.mkdir()
    (place / "stat").write_text(f"{pid} (stranger) S {' '.join(['1'] * 50)}\n")


def test_from_another_pid_name_space_v1_lists_nobody_and_no_process_is_not_none(v1: World) -> None:
    of_the_host(v1, 7)
    v1.tree.add("docker/c1", usage_in_bytes=MIB)
    v1.run("docker/c1")
    own = v1.tree.add("docker/c2", usage_in_bytes=MIB)
    (own / "cgroup.procs").write_text("7\n")
    v1.run("docker/c2", container("brimline", "c2"))
    seen = v1.tick()
    assert seen[f"{C}memory_usage_bytes"] == {"web": MIB, "brimline": MIB}
    assert f"{C}processes" not in seen
    assert f"{C}memory_largest_process_bytes" not in seen, "7 is another one there"


def test_in_our_own_pid_name_space_none_is_none(v1: World) -> None:
    (v1.tree.procfs / "self" / "status").write_text("NSpid:\t7\n")
    v1.tree.add("docker/c1", usage_in_bytes=MIB)
    v1.run("docker/c1")
    assert v1.tick()[f"{C}processes"] == {"web": 0}


def test_from_another_pid_name_space_v2_still_tells_how_many_there_are(v2: World) -> None:
    of_the_host(v2, 7)
    directory = v2.tree.add("system.slice/a.service")
    (directory / "cgroup.procs").write_text("0\n0\n7\n")
    seen = v2.tick()
    assert seen["brimline_cgroup_processes"] == {"system.slice/a.service": 3}
    assert "brimline_cgroup_memory_largest_process_bytes" not in seen
    assert "brimline_cgroup_start_time_seconds" not in seen
