"""The process source against real processes of this kernel, with psutil and ps as the second opinion."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import uuid4

import psutil
import pytest

from brimline.fds import FdBudget
from brimline.model import Now, SourceReport
from brimline.procfs import Procfs
from brimline.sources.process import ProcessOptions, ProcessSource

MIB = 1 << 20
# Holds memory, forks workers that share it, and says so; SIGUSR1: fork one more.
MASTER = """
import os, signal, sys, time
held = bytearray(os.urandom(1 << 20)) * int(sys.argv[2])
def fork(*_):
    if os.fork() == 0:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        while True: time.sleep(60)
signal.signal(signal.SIGUSR1, fork)
signal.signal(signal.SIGCHLD, lambda *_: os.waitpid(-1, os.WNOHANG))
for _ in range(int(sys.argv[3])): fork()
print("ready", flush=True)
while True: time.sleep(60)
"""


class Real:
    """A source over one group, found by a word in the command line that no other process has."""

    def __init__(self) -> None:
        self.word = f"brimtest-{uuid4().hex}"
        self.group = {"group": "real", "cmdline": self.word}
        self.processes: list[subprocess.Popen[str]] = []
        self.report = SourceReport("none", ())
        self._source: ProcessSource | None = None
        self._mono = 0.0

    def spawn(self, *command: str, wait: bool = True) -> int:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.processes.append(process)
        assert process.stdout is not None
        if wait:
            assert process.stdout.readline() == "ready\n"
        return process.pid

    def master(self, megabytes: int = 20, workers: int = 2) -> int:
        return self.spawn(sys.executable, "-c", MASTER, self.word, str(megabytes), str(workers))

    def end(self, pid: int) -> None:
        process = next(p for p in self.processes if p.pid == pid)
        process.kill()
        process.wait()

    def watch(self, **options: object) -> None:
        groups = [{**self.group, **options}]
        self._source = ProcessSource(ProcessOptions.model_validate({"groups": groups}), Procfs(), FdBudget(1000))
        self._source.start()

    def tick(self, seconds: float = 5.0) -> dict[str, float]:
        assert self._source is not None
        self._mono += seconds
        self.report = self._source.read(Now(time.time(), self._mono))
        assert self._source._membership._census.mark().wait(10)
        assert self.report.error is None
        columns = {c.metric.name: c for c in self.report.columns}
        return {
            name.removeprefix("brimline_process_"): value
            for name, column in columns.items()
            for subject, value in zip(column.subjects, column.values, strict=True)
            if subject.name == "real"
        }

    def until(self, holds: Callable[[dict[str, float]], bool], seconds: float = 5.0) -> dict[str, float]:
        deadline = time.monotonic() + 15
        while not holds(values := self.tick(seconds)):
            assert time.monotonic() < deadline, values
            time.sleep(0.02)
        return values

    def uid(self) -> str:
        return self.report.columns[0].subjects[0].uid

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def real() -> Iterator[Real]:
    real = Real()
    yield real
    real.close()


def workers_of(master: int) -> list[int]:
    return [p.pid for p in psutil.Process(master).children()]


def test_a_master_and_its_forked_workers_as_psutil_sees_them(real: Real) -> None:
    master = real.master(megabytes=30, workers=3)
    real.watch(pss=True, limit="1GiB")
    values = real.until(lambda v: v["processes"] == 4 and "memory_pss_bytes" in v)
    family = [psutil.Process(master), *psutil.Process(master).children()]
    full = [p.memory_full_info() for p in family]
    assert values["memory_rss_bytes"] == pytest.approx(sum(m.rss for m in full), rel=0.02)
    assert values["memory_rss_bytes"] > 4 * 30 * MIB  # the preloaded 30 MiB count once a process here
    assert values["memory_pss_bytes"] == pytest.approx(sum(m.pss for m in full), rel=0.05)
    assert values["memory_pss_bytes"] < 2 * 30 * MIB + 20 * MIB  # and once in all there
    assert values["memory_uss_bytes"] == pytest.approx(sum(m.uss for m in full), rel=0.05, abs=MIB)
    assert values["memory_largest_process_bytes"] == pytest.approx(max(m.rss for m in full), rel=0.02)
    assert values["memory_used_ratio"] == values["memory_pss_bytes"] / (1 << 30)
    assert values["oldest_start_time_seconds"] == pytest.approx(psutil.Process(master).create_time(), abs=2)
    assert real.uid().startswith(f"{master}@")


def test_workers_come_and_go_without_a_restart_and_without_losing_cpu_time(real: Real) -> None:
    master = real.master()
    real.watch()
    before = real.until(lambda v: v["processes"] == 3)
    victim = workers_of(master)[0]
    os.kill(victim, signal.SIGKILL)
    after = real.until(lambda v: v["processes"] == 2)
    assert after["cpu_seconds_total"] >= before["cpu_seconds_total"]
    os.kill(master, signal.SIGUSR1)
    assert real.until(lambda v: v["processes"] == 3)["restarts_total"] == 0


def test_the_oldest_is_killed_its_workers_live_on_and_a_new_master_is_one_restart(real: Real) -> None:
    master = real.master()
    real.watch()
    before = real.until(lambda v: v["processes"] == 3)
    orphans = workers_of(master)
    first = real.uid()
    real.end(master)
    orphaned = real.until(lambda v: v["processes"] == 2)
    assert orphaned["restarts_total"] == 0
    assert real.uid() != first
    second = real.master()
    assert real.until(lambda v: v["processes"] == 5)["restarts_total"] == 1
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
    after = real.until(lambda v: v["processes"] == 3)
    assert after["restarts_total"] == 1
    assert after["cpu_seconds_total"] >= before["cpu_seconds_total"]
    assert real.uid().startswith(f"{second}@")


def test_exec_makes_a_member(real: Real) -> None:
    # Python runs Python: the name stays, and only the address of the stack tells that there was an exec.
    inner = "import sys; sys.stdin.readline()"
    argv = [sys.executable, "-c", "import os,sys; print('ready', flush=True); os.read(0, 1); os.execv(sys.executable, "]
    argv[2] += f"[sys.executable, '-c', {inner!r}, '{real.word[:9]}' + '{real.word[9:]}'])"
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        real.watch()
        assert real.tick()["processes"] == 0
        process.stdin.write(b"x")
        process.stdin.flush()
        assert real.until(lambda v: v["processes"] == 1, seconds=31)["restarts_total"] == 0


def test_two_hundred_processes_that_live_for_a_moment(real: Real) -> None:
    master = real.master()
    real.watch()
    real.until(lambda v: v["processes"] == 3)
    fds = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as short as it gets
    for _ in range(20):
        batch = [subprocess.Popen(["/bin/true", real.word]) for _ in range(10)]
        assert real.tick()["processes"] >= 3
        for process in batch:
            process.wait()
    values = real.until(lambda v: v["processes"] == 3)
    assert values["memory_rss_bytes"] > 0
    assert real.uid().startswith(f"{master}@")
    assert len(os.listdir("/proc/self/fd")) == fds  # noqa: PTH208 - Path.iterdir keeps one open itself


def test_a_zombie_is_no_living_process(real: Real) -> None:
    master = real.master(workers=0)
    real.spawn(sys.executable, "-c", "import time; time.sleep(60)", real.word, wait=False)
    zombie = real.processes[-1]
    real.watch()
    real.until(lambda v: v["processes"] == 2)
    zombie.kill()
    deadline = time.monotonic() + 10
    while psutil.Process(zombie.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    values = real.until(lambda v: v["processes"] == 1)
    assert values["memory_rss_bytes"] == pytest.approx(psutil.Process(master).memory_info().rss, rel=0.02)
    assert real.tick(20)["processes"] == 1
    zombie.wait()
    assert real.tick()["processes"] == 1


def test_a_process_named_by_the_devil(real: Real) -> None:
    code = "import ctypes,time; ctypes.CDLL(None).prctl(15, b'\\xff\\n\")(', 0, 0, 0); "
    code += "print('ready', flush=True); time.sleep(60)"
    pid = real.spawn(sys.executable, "-c", code)
    real.group = {"group": "real", "comm": '?[\n]")('}
    real.watch()
    assert real.until(lambda v: v["processes"] == 1)["memory_rss_bytes"] > 0
    assert real.uid().startswith(f"{pid}@")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_another_users_memory_is_read_but_its_pss_is_denied(real: Real) -> None:
    master = real.master(workers=0)
    real.watch(pss=True, limit="1GiB")
    os.seteuid(pwd.getpwnam("nobody").pw_uid)  # of all threads; the file system's and the ptrace checks follow
    try:
        values = real.until(lambda _: real.report.info.get("pss") == "denied")
    finally:
        os.seteuid(0)
    assert values["processes"] == 1
    assert values["memory_rss_bytes"] == pytest.approx(psutil.Process(master).memory_info().rss, rel=0.02)
    assert "memory_pss_bytes" not in values
    assert values["memory_used_ratio"] == values["memory_rss_bytes"] / (1 << 30)
