"""Whose processes hold a subject's memory: the largest by PSS, at a small and bounded cost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from brimline.members import Scale, below
from brimline.procfs import Procfs
from fakes import FakeClock
from unit.cli_views import container
from unit.fake_procfs import FakeProcfs

PAGE = Procfs().page_size
WEB, DB = container("web"), container("db")


class Cpu:
    """Each look at it finds this much more spent."""

    def __init__(self, cost: float) -> None:
        self.cost, self.spent = cost, 0.0

    def __call__(self) -> float:
        self.spent += self.cost
        return self.spent


@pytest.fixture
def proc(tmp_path: Path) -> FakeProcfs:
    return FakeProcfs(tmp_path / "proc")


def scale(proc: FakeProcfs, clock: FakeClock, cost: float = 0.0) -> Scale:
    return Scale(Procfs(str(proc.root)), clock, cpu=Cpu(cost))


def weigh(proc: FakeProcfs, pid: int, kib: int) -> None:
    proc.file(f"{pid}/smaps_rollup", f"00-ff ---p 0 00:00 0 [rollup]\nRss: 9 kB\nPss:      {kib} kB\n")


def test_the_largest_by_pss_stand_first(proc: FakeProcfs) -> None:
    for pid, pages, kib in ((10, 100, 50), (11, 90, 80), (12, 80, 10)):
        proc.spawn(pid, ["x"], pages=pages, comm=b"worker %d" % pid)
        weigh(proc, pid, kib)
    found = scale(proc, FakeClock()).of(WEB, (10, 11, 12, 99)).found
    assert [(m.pid, m.name, m.rss, m.pss) for m in found] == [
        (11, "worker 11", 90 * PAGE, 80 << 10),
        (10, "worker 10", 100 * PAGE, 50 << 10),
        (12, "worker 12", 80 * PAGE, 10 << 10),
    ]


def test_only_the_largest_are_weighed_and_the_rest_is_counted(proc: FakeProcfs) -> None:
    for pid in range(100, 125):
        proc.spawn(pid, ["x"], pages=pid)
        weigh(proc, pid, 1)
    members = scale(proc, FakeClock()).of(WEB, range(100, 125))
    assert (len(members.found), members.left_out) == (20, 5)
    assert min(m.pid for m in members.found) == 105


def test_what_may_not_be_read_or_is_stuck_has_its_resident_memory_alone(proc: FakeProcfs) -> None:
    proc.spawn(10, ["x"], pages=5)
    proc.spawn(11, ["x"], pages=9, state="D")
    weigh(proc, 11, 4)
    assert [(m.pid, m.pss) for m in scale(proc, FakeClock()).of(WEB, (10, 11)).found] == [(11, None), (10, None)]


def test_a_name_of_any_bytes_can_be_shown(proc: FakeProcfs) -> None:
    proc.spawn(10, ["x"], comm=b"a\xff\n)b")
    assert scale(proc, FakeClock()).of(WEB, (10,)).found[0].name == "a\\xff\\x0a)b"


def test_who_looks_again_soon_sees_the_same(proc: FakeProcfs) -> None:
    clock = FakeClock()
    one = scale(proc, clock)
    proc.spawn(10, ["x"], pages=5)
    first = one.of(WEB, (10,))
    proc.pages(10, 50)
    clock.pass_(14)
    assert one.of(WEB, (10,)) is first
    clock.pass_(2)
    assert one.of(WEB, (10,)) is not first


def test_weighing_keeps_to_a_hundredth_of_a_core(proc: FakeProcfs) -> None:
    clock = FakeClock()
    one = scale(proc, clock, cost=1.0)
    for pid in (10, 11):
        proc.spawn(pid, ["x"])
        weigh(proc, pid, 7)
    first = one.of(WEB, (10,))
    assert first.found[0].pss == 7 << 10
    clock.pass_(60)
    assert one.of(WEB, (10,)) is first
    assert one.of(DB, (11,)).found[0].pss is None  # a moment later, of another: what costs nothing
    clock.pass_(40)
    assert one.of(WEB, (10,)) is not first


def test_what_is_remembered_is_bounded(proc: FakeProcfs) -> None:
    one = scale(proc, FakeClock())
    for number in range(100):
        one.of(container(f"c{number}"), ())
    assert len(one._last) == 64


def test_who_is_asked_while_another_look_hangs_answers_with_the_last_one(proc: FakeProcfs) -> None:
    clock = FakeClock()
    one = scale(proc, clock)
    proc.spawn(10, ["x"])
    first = one.of(WEB, (10,))

    async def ask() -> None:
        release = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hangs() -> tuple[int, ...]:
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
            return ()

        hanging = asyncio.create_task(one.look(DB, hangs))
        await asyncio.sleep(0)
        assert await one.look(WEB, tuple) is first
        assert await one.look(container("other"), tuple) is None
        release.set()
        assert await hanging is not None

    asyncio.run(ask())


def test_processes_of_cgroups_below_count_too(tmp_path: Path) -> None:
    (tmp_path / "child/grandchild").mkdir(parents=True)
    (tmp_path / "cgroup.procs").write_text("1\n2\n")
    (tmp_path / "child/grandchild/cgroup.procs").write_text("3\n")
    assert below(str(tmp_path)) == [1, 2, 3]
