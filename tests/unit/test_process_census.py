from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from brimline.procfs import Procfs
from brimline.sources.process_census import PATIENCE, Census, Identity, Missing, Pulse
from unit.fake_procfs import FakeProcfs


@pytest.fixture
def tree(tmp_path: Path) -> FakeProcfs:
    return FakeProcfs(tmp_path)


@pytest.fixture
def census(tree: FakeProcfs) -> Iterator[Census]:
    census = Census(Procfs(str(tree.root)))
    census.start()
    yield census
    census.close()


def seen(census: Census, *asks: int | Identity) -> list[object]:
    census.ask(asks)
    assert census.mark().wait(10)
    return list(census.collect(0.0))


def test_who_a_process_is(tree: FakeProcfs, census: Census) -> None:
    tree.spawn(10, ["python", "main.py"], ppid=3, start=50, comm=b'\xff\n")', cpu=4, cgroup="/a", depth=2)
    [found] = seen(census, 10)
    assert found == Identity(
        pid=10,
        start=50,
        ppid=3,
        comm='\udcff\n")',
        image=(b'\xff\n")', b"7"),
        kernel=False,
        dead=False,
        cpu_ticks=4,
        owner=os.getuid(),
        cgroups=("/a",),
        depth=2,
        argv=("python", "main.py"),
    )


def test_a_known_process_gives_its_pulse_when_it_has_moved(tree: FakeProcfs, census: Census) -> None:
    tree.spawn(10, ["x"], cpu=4)
    [known] = seen(census, 10)
    assert isinstance(known, Identity)
    assert seen(census, known) == [Pulse(10, 100, 4)]
    assert seen(census, known) == []
    tree.spawn(10, ["x"], cpu=9)
    assert seen(census, known) == [Pulse(10, 100, 9)]


@pytest.mark.parametrize("change", [{"comm": b"other"}, {"stack": 8}, {"start": 200}])
def test_exec_and_a_pid_used_again_make_another_identity(
    tree: FakeProcfs, census: Census, change: dict[str, int]
) -> None:
    tree.spawn(10, ["x"])
    [known] = seen(census, 10)
    assert isinstance(known, Identity)
    tree.spawn(10, ["y"], **change)
    [anew] = seen(census, known)
    assert isinstance(anew, Identity)
    assert anew.argv == ("y",)


def test_kernel_threads_zombies_and_the_gone(tree: FakeProcfs, census: Census) -> None:
    tree.spawn(2, None)
    tree.spawn(10, ["x"], state="Z")
    tree.file("11/stat", "")
    kernel, zombie, empty, gone = seen(census, 2, 10, 11, 12)
    assert isinstance(kernel, Identity)
    assert kernel.kernel
    assert isinstance(zombie, Identity)
    assert zombie.dead
    assert (empty, gone) == (Missing(11, hidden=False), Missing(12, hidden=False))


def test_a_hidden_process_is_said_to_be_hidden(tree: FakeProcfs, monkeypatch: pytest.MonkeyPatch) -> None:
    procfs = Procfs(str(tree.root))

    def refuse(pid: int) -> None:
        raise PermissionError(1, "Operation not permitted", f"/proc/{pid}/stat")

    monkeypatch.setattr(procfs, "stat", refuse)
    census = Census(procfs)
    census.start()
    assert seen(census, 10) == [Missing(10, hidden=True)]
    census.close()


def test_a_reader_that_hangs_holds_nobody_up(tree: FakeProcfs, census: Census) -> None:
    for pid in (10, 11, 12):
        tree.spawn(pid, [f"p{pid}"], cpu=pid)
    fifo = tree.root / "11" / "cmdline"
    fifo.unlink()
    os.mkfifo(fifo)  # opening it blocks, as reading does while the mmap lock is held
    census.ask([10, 11, 12])
    done = census.mark()
    early = census.collect(0.0)
    while census._reader.asked != 11 or census._reader.so_far is None:
        early += census.collect(0.0)
    early += census.collect(1.0)
    assert census.collect(1.0 + PATIENCE / 2) == []
    assert not done.is_set()
    late = census.collect(1.0 + PATIENCE)
    assert census.hung == (11,)
    assert done.wait(10)
    late += census.collect(2.0 + PATIENCE)
    argv = {f.pid: f.argv for f in early + late if isinstance(f, Identity)}
    assert argv == {10: ("p10",), 11: (), 12: ("p12",)}
    threads = [t for t in threading.enumerate() if t.name == "brimline-census"]
    fifo.open("wb").close()  # the lock is free again
    for thread in threads[:1]:
        thread.join(10)
    [found] = census.collect(3.0 + PATIENCE)
    assert isinstance(found, Identity)
    assert found.pid == 11
    assert census.hung == ()


def test_the_thread_keeps_still_while_a_tick_reads(
    tree: FakeProcfs, census: Census, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.spawn(10, ["x"])
    wait = census._free.wait
    monkeypatch.setattr(census._free, "wait", lambda _: wait(60))  # not a second only: this process may pause that long
    census.hold()
    census.ask([10])
    assert not census.mark().wait(0.05)
    census.resume()
    assert census.mark().wait(10)
