from __future__ import annotations

from pathlib import Path

import pytest

from brimline.fds import FdBudget
from brimline.procfs import Procfs
from brimline.sources.process_census import Identity, Pulse
from brimline.sources.process_tally import Tally
from unit.fake_procfs import FakeProcfs


class Bench:
    """A tally over a fake /proc."""

    def __init__(self, root: Path, limit: int) -> None:
        self.tree = FakeProcfs(root)
        self.procfs = Procfs(str(root))
        self.fds = FdBudget(limit)
        self.tally = Tally(self.procfs, self.fds)

    def join(self, pid: int, *, master: bool = False, start: int = 100, pages: int = 10, cpu: int = 0) -> None:
        self.tree.spawn(pid, ["x"], start=start, pages=pages, cpu=cpu)
        self.enlist(pid, start, cpu, master=master)

    def enlist(self, pid: int, start: int, cpu: int, *, master: bool) -> None:
        identity = Identity(pid, start, 1, "x", (b"", b""), kernel=False, dead=False, cpu_ticks=cpu)
        self.tally.join(identity, master=master)


@pytest.fixture(params=[0, 1, 10], ids="budget-{}".format)
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench(tmp_path, request.param)


def test_memory_is_read_anew_each_time(bench: Bench) -> None:
    bench.join(10, pages=5)
    bench.join(11, pages=7)
    assert not bench.tally.read()
    assert sorted(bench.tally.rss_pages) == [5, 7]
    bench.tree.spawn(11, ["x"], pages=9)
    assert not bench.tally.read()
    assert sorted(bench.tally.rss_pages) == [5, 9]
    assert bench.tally.kept == bench.fds.used == min(bench.fds.limit, 2)
    bench.tally.close()
    assert bench.fds.used == 0


def test_a_zombie_has_ended(bench: Bench) -> None:
    bench.join(10)
    bench.join(11)
    assert not bench.tally.read()
    bench.tree.spawn(11, ["x"], state="Z")
    assert list(bench.tally.read()) == [11]
    assert bench.tally.rss_pages == [10]
    bench.tally.close()


def test_a_pid_used_again_is_not_read_for_the_old_process(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 0)
    bench.join(10, start=100)
    bench.tree.spawn(10, ["y"], start=200, pages=999)
    assert list(bench.tally.read()) == [10]
    assert bench.tally.rss_pages == []


def test_a_pid_used_again_before_it_could_be_opened_is_not_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 10)
    bench.tree.spawn(10, ["y"], start=200)
    bench.enlist(10, 100, 0, master=True)
    assert bench.fds.used == 0
    assert list(bench.tally.read()) == [10]


def test_a_member_that_vanished_at_once(bench: Bench) -> None:
    bench.enlist(77, 100, 5, master=True)
    assert bench.fds.used == 0
    assert list(bench.tally.read()) == [77]


def test_cpu_time_never_falls(bench: Bench) -> None:
    bench.join(10, cpu=100)
    bench.join(11, cpu=50)
    assert bench.tally.beat(Pulse(11, 100, 70))
    assert bench.tally.cpu_ticks == 170
    bench.tally.leave(11)
    assert bench.tally.cpu_ticks == 170
    bench.join(12, cpu=1)
    assert bench.tally.cpu_ticks == 171
    bench.tally.beat(Pulse(10, 999, 5000))  # another process's
    bench.tally.beat(Pulse(99, 100, 5000))
    assert bench.tally.cpu_ticks == 171
    bench.tally.close()


def test_the_oldest_is_the_one_that_began_first(bench: Bench) -> None:
    for pid, start in ((30, 300), (10, 100), (9, 100), (20, 200)):
        bench.join(pid, start=start)
    ages = []
    while (oldest := bench.tally.oldest) is not None:
        ages.append(oldest.pid)
        bench.tally.leave(oldest.pid)
    assert ages == [9, 10, 20, 30]


# Each story: masters +, workers w, ended -; and how many restarts it is.
@pytest.mark.parametrize(
    ("story", "restarts"),
    [
        (["+1", "w2", "w3"], 0),
        (["+1", "w2", "-2", "w3"], 0),  # a worker recycled
        (["+1", "+2"], 0),  # scaled up
        (["+1", "-1"], 0),  # ended: not yet restarted
        (["+1", "-1", "+2"], 1),
        (["+1", "w2", "-1", "w3", "-2", "+4"], 1),  # orphans live on for a while
        (["+1", "w2", "-1", "-2", "+3", "-3", "+4"], 2),
        (["+1", "+2", "+3", "-1", "-2", "-3", "+4", "+5", "+6"], 1),  # gone whole, and back
        (["+1", "+2", "-1", "+3"], 1),  # one of two
        (["+1", "w2", "-1", "w3", "-2", "-3", "+4"], 1),  # gunicorn's USR2, later a real restart
    ],
)
def test_what_counts_as_a_restart(tmp_path: Path, story: list[str], restarts: int) -> None:
    bench = Bench(tmp_path, 10)
    for step in story:
        pid = int(step[1:]) + 100
        if step[0] == "-":
            bench.tally.leave(pid)
        else:
            bench.join(pid, master=step[0] == "+", start=pid)
    assert bench.tally.restarts == restarts
    bench.tally.close()


def test_members_of_one_cgroup() -> None:
    procfs = Procfs()
    tally = Tally(procfs, FdBudget(0))
    for pid, path in ((1, "/a"), (2, "/a"), (3, "/b")):
        known = Identity(pid, 1, 1, "x", (b"", b""), kernel=False, dead=False, cpu_ticks=0, cgroups=(path,))
        assert tally.shared_cgroup() == (pid != 1)
        tally.join(known, master=False)
    assert not tally.shared_cgroup()
