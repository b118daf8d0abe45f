from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brimline.actions import held, workers
from brimline.actions.held import Held
from brimline.actions.workers import Crew, Reach, Workers, carries, pids_below
from brimline.hook import CRITICAL, RELIEVE
from brimline.procfs import Procfs
from real.places import wait_until

PROCFS = Procfs()
HOOKED = "from brimline import hook\nhook.install(lambda request: say(request.level))\n"
GO = "import signal\nfor n in range(35, 65): signal.signal(n, lambda *_: say('caught'))\n"
ONE_OF_TWO = f"import signal\nsignal.signal({RELIEVE}, lambda *_: say('caught'))\n"
Start = Callable[[str], int]


@pytest.fixture
def said(tmp_path: Path) -> Callable[[int], list[str]]:
    return lambda pid: (tmp_path / str(pid)).read_text().splitlines() if (tmp_path / str(pid)).exists() else []


@pytest.fixture
def start(tmp_path: Path, said: Callable[[int], list[str]]) -> Iterator[Start]:
    started = []

    def begin(script: str) -> int:
        say = (
            f"import os, time\nfile = open({str(tmp_path)!r} + f'/{{os.getpid()}}', 'a')\n"
            "def say(word):\n    print(word, file=file, flush=True)\n"
        )
        started.append(subprocess.Popen([sys.executable, "-c", f"{say}{script}\nsay('ready')\ntime.sleep(60)"]))
        pid = started[-1].pid
        wait_until(lambda: "ready" in said(pid), "ready")
        return pid

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def grown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_GROWN", 0.0)


def survives(pid: int) -> bool:
    time.sleep(0.2)
    return PROCFS.stat(pid).state != "Z"


@pytest.mark.parametrize(("critical", "level"), [(False, "warning"), (True, "critical")])
def test_a_process_with_the_hook_is_signalled(
    start: Start, said: Callable[[int], list[str]], *, critical: bool, level: str
) -> None:
    pid = start(HOOKED)
    assert Workers(PROCFS).signal(Crew((pid,)), critical=critical) == Reach(signalled=1)
    wait_until(lambda: level in said(pid), level)


@pytest.mark.parametrize("script", ["", GO, ONE_OF_TWO], ids=["plain", "catches everything", "half"])
def test_a_process_without_the_hook_is_left_alone(start: Start, said: Callable[[int], list[str]], script: str) -> None:
    pid = start(script)
    crew = Crew((pid,))
    assert Workers(PROCFS).signal(crew, critical=True) == Reach(without=1)
    assert Workers(PROCFS).carriers(crew) == 0
    assert survives(pid)
    assert said(pid) == ["ready"]


def test_a_process_without_the_hook_would_have_been_killed(start: Start) -> None:
    pid = start("")
    os.kill(pid, RELIEVE)
    wait_until(lambda: PROCFS.stat(pid).state == "Z", "killed by the default action")


def test_a_process_so_young_that_it_may_stand_before_an_exec_is_left_alone(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_GROWN", 3600.0)
    assert Workers(PROCFS).signal(Crew((start(HOOKED),)), critical=True) == Reach(young=1)


def test_who_has_gone_is_nobody() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert Workers(PROCFS).signal(Crew((gone.pid,)), critical=True) == Reach()


def test_who_may_not_be_signalled_is_counted(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, __: int) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(held.Held, "send", refuse)
    reach = Workers(PROCFS).signal(Crew((start(HOOKED),)), critical=True)
    assert reach == Reach(denied=1)
    assert "capability KILL" in reach.sentence


def test_without_pidfds_the_start_time_holds_a_process(
    start: Start, said: Callable[[int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    pid = start(HOOKED)
    assert Workers(PROCFS).signal(Crew((pid,)), critical=True) == Reach(signalled=1)
    wait_until(lambda: "critical" in said(pid), "critical")
    with Held(PROCFS, pid) as process:
        assert not process.ended()
        process.start += 1  # as if the number now belonged to another
        assert process.ended()
        with pytest.raises(ProcessLookupError):
            process.send(signal.SIGKILL)


def test_a_pidfd_that_outlives_its_process_signals_nobody() -> None:
    child = subprocess.Popen(["sleep", "60"])
    with Held(PROCFS, child.pid) as process:
        assert not process.ended()
        child.kill()
        child.wait()
        assert process.ended()
        with pytest.raises(ProcessLookupError):
            process.send(signal.SIGTERM)


def test_processes_are_found_in_the_cgroup_and_in_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "workers/one").mkdir(parents=True)
    (tmp_path / "cgroup.procs").write_text("1\n2\n")
    (tmp_path / "workers/cgroup.procs").write_text("")
    (tmp_path / "workers/one/cgroup.procs").write_text("3\n2\n")
    assert pids_below(str(tmp_path)) == (1, 2, 3)
    assert Workers(PROCFS).crew(str(tmp_path)) == Crew((1, 2, 3))


@pytest.mark.parametrize("procs", ["", "0\n0\n"], ids=["v1 lists none", "v2 lists zeros"])
def test_processes_of_another_name_space_are_said_to_be_hidden(tmp_path: Path, procs: str) -> None:
    (tmp_path / "cgroup.procs").write_text(procs)
    crew = Workers(PROCFS).crew(str(tmp_path))
    assert crew.pids == ()
    assert "pid: host" in crew.hidden
    assert Workers(PROCFS).signal(crew, critical=True) == Reach(hidden=crew.hidden)


def test_numbers_of_another_name_spaces_proc_are_never_signalled(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text("NSpid:\t4711\t1\n")
    crew = Workers(Procfs(str(tmp_path))).crew(None, (1, 2))
    assert crew.pids == ()
    assert "pid: host" in crew.hidden


def test_the_processes_of_a_group_are_taken_as_they_are() -> None:
    assert Workers(PROCFS).crew(None, (7, 8)) == Crew((7, 8))
    assert Workers(PROCFS).crew(None).hidden


def test_the_mask_of_a_status_file_is_read_bit_by_bit() -> None:
    mask = 1 << (RELIEVE - 1) | 1 << (CRITICAL - 1) | 1 << 14
    assert carries(f"Name:\tx\nSigCgt:\t{mask:016x}\n".encode())
    assert not carries(f"Name:\tx\nSigCgt:\t{mask | 1 << RELIEVE:016x}\n".encode())
    assert not carries(f"Name:\tSigCgt: {mask:016x}\nSigIgn:\t{mask:016x}\n".encode())


def test_the_sentence_counts_everybody() -> None:
    assert Reach(3, 1).sentence == "processes: 3 signalled, 1 without the hook"
    assert Reach(young=2).sentence.endswith("2 just started")


NETLINK = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"


def test_who_is_in_our_own_network_is_near() -> None:
    everybody = Workers(Procfs())
    assert everybody.near(Crew((os.getppid(),)))
    assert not everybody.near(Crew())
    assert not everybody.near(Crew((2**22 + 1,))), "there is no such process"


@pytest.mark.parametrize(
    ("of", "near"),
    [
        ({"self": "4", "7": "4"}, True),
        ({"self": "4", "7": "90"}, False),
        ({"self": "4", "7": ""}, False),
        ({"self": "", "7": ""}, False),
        ({"self": "4"}, False),
        ({"7": "4"}, False),
        ({}, False),
    ],
)
def test_networks_are_told_apart_by_the_kernels_own_socket(tmp_path: Path, of: dict[str, str], near: bool) -> None:  # noqa: FBT001 - a table
    for pid, inode in of.items():
        (tmp_path / pid / "net").mkdir(parents=True)
        kernel = f"000000009c5acdfb 0   0          00000000 0  0  0  2  0  {inode}\n" if inode else ""
        other = "00000000c754cb18 0   1181       00000001 0  0  0  2  0  4\n"  # a program's may have any
        (tmp_path / pid / "net/netlink").write_text(NETLINK + other + kernel)
    assert Workers(Procfs(str(tmp_path))).near(Crew((7,))) is near
