from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from brimline.actions import recycle
from brimline.actions.base import Job, RefusedError, Standing
from brimline.actions.pool import Pools
from brimline.actions.recycle import Recycle
from brimline.actions.workers import Crew
from brimline.deeds import Decision, Verdict
from brimline.errors import ActionError
from brimline.model import Now
from brimline.procfs import Procfs, Stat, catches, parse_caught, parse_rollup, parse_switches, parse_syscall
from fakes import MIB, container, described

WEB = container("web-1", "c1@1")
TERM, CHLD, TTIN = (1 << (n - 1) for n in (signal.SIGTERM, signal.SIGCHLD, signal.SIGTTIN))
MASTER = TERM | CHLD | TTIN


@dataclass
class Machine:
    """A /proc of our own making; real processes of this test may stand in it by their real numbers."""

    stats: dict[int, Stat] = field(default_factory=dict)
    masks: dict[int, int] = field(default_factory=dict)
    argvs: dict[int, tuple[str, ...]] = field(default_factory=dict)
    weights: dict[int, int] = field(default_factory=dict)
    pipes: dict[int, str] = field(default_factory=dict)  # what each main thread reads from; "" is something else
    ptrace: bool = True
    ticks_per_second: int = 100

    def add(self, pid: int, ppid: int, mask: int, *, argv: str = "", mib: int = 0, start: int = 1) -> None:
        self.stats[pid] = Stat(b"x", "S", ppid, kernel=False, cpu_ticks=0, start=start, rss_pages=0, image=(b"", b""))
        self.masks[pid], self.argvs[pid], self.weights[pid] = mask, tuple(argv.split()), mib * MIB

    def stat(self, pid: int) -> Stat:
        try:
            return self.stats[pid]
        except KeyError:
            raise FileNotFoundError(2, "gone") from None

    def status(self, pid: int) -> bytes:
        self.stat(pid)
        return f"SigCgt:\t{self.masks[pid]:016x}\nvoluntary_ctxt_switches:\t7\n".encode()

    def cmdline(self, pid: int) -> tuple[str, ...]:
        return self.argvs[pid]

    def pss(self, pid: int) -> int:
        if not self.ptrace:
            raise PermissionError(13, "denied")
        return self.weights[pid]

    def rss(self, pid: int) -> int:
        return self.weights[pid] * 2

    def waits_in(self, pid: int) -> tuple[int, int] | None:
        if not self.ptrace:
            raise PermissionError(13, "denied")
        reads = {"x86_64": 0, "aarch64": 63}[os.uname().machine]
        return (reads, 6) if pid in self.pipes else (999, 6)

    def target(self, pid: int, _: int) -> str:
        return self.pipes[pid]

    def targets(self, _: int) -> set[str]:
        return {"pipe:[1]", "pipe:[2]"}


@dataclass
class Everybody:
    """Sees every process of the machine."""

    machine: Machine
    hidden: str = ""

    def crew(self, *_: object) -> Crew:
        return Crew((), self.hidden) if self.hidden else Crew(tuple(self.machine.stats))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def gunicorn(machine: Machine, *sizes: tuple[int, int]) -> None:
    """Put a gunicorn into the machine: pid and MiB of each worker."""
    machine.add(1, 0, MASTER, argv="python /usr/bin/gunicorn shop:app")
    for pid, mib in sizes:
        machine.add(pid, 1, TERM | TTIN, argv="python /usr/bin/gunicorn shop:app", mib=mib)


def job(used: float | None = 900, limit: float | None = 1000) -> Job:
    decision = Decision("d1", Now(0, 0), "recycle", WEB, Verdict.RUN, "it is full")
    sizes: dict[str, Any] = {"used": used and used * MIB, "limit": limit and limit * MIB}
    return Job(decision, Standing(WEB, **sizes), described(WEB), {"memory": "/m"})


def action(machine: Machine, hidden: str = "") -> Recycle:
    return Recycle(machine, workers=Everybody(machine, hidden))  # type: ignore[arg-type]


def refusal(machine: Machine, what: Job | None = None, hidden: str = "") -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        asyncio.run(action(machine, hidden).prepare(what or job()))
    return refused.value


def test_the_largest_worker_gets_sigterm_and_is_seen_replaced(sleeper: subprocess.Popen[bytes]) -> None:
    machine = Machine()
    gunicorn(machine, (90_001, 80), (sleeper.pid, 300), (90_003, 70))
    doing = action(machine)

    async def live() -> None:
        await doing.prepare(job())
        assert "300" in await doing.run(job())
        await asyncio.to_thread(sleeper.wait)
        del machine.stats[sleeper.pid]
        machine.add(90_004, 1, TERM | TTIN, mib=40, start=2)
        proof = await doing.verify(job())
        assert proof.ok, proof.detail
        assert "was replaced" in proof.detail

    asyncio.run(live())
    assert sleeper.returncode == -signal.SIGTERM


@pytest.mark.parametrize(("left", "words"), [(True, "was not replaced"), (False, "its master with it")])
def test_a_worker_that_nobody_replaced_is_a_failure(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, *, left: bool, words: str
) -> None:
    monkeypatch.setattr(recycle, "_GONE", 0.0)
    machine = Machine()
    gunicorn(machine, (sleeper.pid, 300))
    doing = action(machine)

    async def live() -> None:
        await doing.prepare(job())
        await doing.run(job())
        await asyncio.to_thread(sleeper.wait)
        for pid in (sleeper.pid,) if left else (sleeper.pid, 1):
            del machine.stats[pid]
        proof = await doing.verify(job())
        assert not proof.ok
        assert words in proof.detail

    asyncio.run(live())


def test_it_is_refused_with_the_numbers_where_a_fresh_worker_would_not_fit() -> None:
    machine = Machine()
    gunicorn(machine, (90_001, 200), (90_002, 260))
    refused = refusal(machine, job(used=1100, limit=1000))
    assert refused.verdict is Verdict.PROTECTED
    assert "needs 200 MiB" in refused.reason
    assert "260 MiB" in refused.reason
    assert "160 MiB" in refused.reason


@pytest.mark.parametrize("unknown", [job(used=None), job(limit=None)])
def test_without_its_use_or_its_limit_nothing_is_done(unknown: Job) -> None:
    machine = Machine()
    gunicorn(machine, (90_001, 200))
    assert refusal(machine, unknown).verdict is Verdict.STALE_DATA


def test_a_uvicorn_before_0_30_would_stay_without_the_worker() -> None:
    machine = Machine()
    machine.add(1, 0, TERM, argv="python -m uvicorn a:app --workers 2")
    machine.add(90_001, 1, TERM, mib=300)
    refused = refusal(machine)
    assert refused.verdict is Verdict.NOT_CONFIGURED
    assert "does not replace a worker" in refused.reason
    machine.masks[1] |= TTIN
    assert len(Pools(machine).find((1, 90_001))[0]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("argv", "words"), [("ollama serve", "no gunicorn, uvicorn or Celery"), ("uvicorn a:app", "no worker processes")]
)
def test_without_a_master_or_without_workers_there_is_nothing_to_recycle(argv: str, words: str) -> None:
    machine = Machine()
    machine.add(1, 0, MASTER, argv=argv)
    machine.add(90_001, 1, 0, argv="python -c from multiprocessing.resource_tracker import main;main(4)")
    assert words in refusal(machine).reason


def test_processes_that_cannot_be_seen_are_left_alone_with_the_reason() -> None:
    assert refusal(Machine(), hidden="run Brimline with pid: host").reason == "run Brimline with pid: host"


def test_a_master_that_a_reload_began_and_helpers_of_a_worker_are_no_workers() -> None:
    machine = Machine()
    gunicorn(machine, (10, 100), (11, 120))
    machine.add(20, 1, MASTER, argv="gunicorn shop:app", mib=900)  # USR2: a second master below the first
    machine.add(21, 20, TERM, mib=800)
    machine.add(30, 10, TERM, argv="ffmpeg", mib=700)
    pools, _ = Pools(machine).find(tuple(machine.stats))  # type: ignore[arg-type]
    assert [[worker.pid for worker in pool.workers] for pool in pools] == [[10, 11]]


def test_where_pss_may_not_be_read_it_goes_by_rss_and_says_so() -> None:
    machine = Machine(ptrace=False)
    gunicorn(machine, (10, 100))
    pool = Pools(machine).find((1, 10))[0][0]  # type: ignore[arg-type]
    assert (pool.measure, pool.workers[0].weight) == ("RSS", 200 * MIB)


class TestCelery:
    @pytest.fixture
    def machine(self, sleeper: subprocess.Popen[bytes]) -> Machine:
        machine = Machine()
        machine.add(1, 0, TERM, argv="celery -A shop worker")
        machine.add(sleeper.pid, 1, TERM, mib=300)
        return machine

    def test_a_child_that_waits_for_a_task_is_ended(self, machine: Machine, sleeper: subprocess.Popen[bytes]) -> None:
        machine.pipes[sleeper.pid] = "pipe:[2]"
        doing = action(machine)

        async def live() -> None:
            await doing.prepare(job())
            await doing.run(job())

        asyncio.run(live())
        assert sleeper.wait(5) == -signal.SIGTERM

    @pytest.mark.parametrize("pipe", [None, "pipe:[9]", "socket:[2]"], ids=["works", "another pipe", "a socket"])
    def test_a_child_that_is_not_seen_idle_is_left_alone_for_its_task_would_be_lost(
        self, machine: Machine, sleeper: subprocess.Popen[bytes], pipe: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recycle, "_IDLE", 0.1)
        if pipe is not None:
            machine.pipes[sleeper.pid] = pipe
        doing = action(machine)

        async def live() -> None:
            await doing.prepare(job())
            with pytest.raises(ActionError, match="would lose it"):
                await doing.run(job())
            assert not (await doing.verify(job())).ok

        asyncio.run(live())
        assert sleeper.poll() is None

    def test_where_it_cannot_be_seen_it_is_refused(self, machine: Machine) -> None:
        machine.ptrace = False
        refused = refusal(machine)
        assert "SYS_PTRACE" in refused.reason


def test_a_worker_whose_number_is_anothers_by_now_is_not_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    machine = Machine()
    gunicorn(machine, (sleeper.pid, 300))
    pools = Pools(machine).find(tuple(machine.stats))[0]  # type: ignore[arg-type]
    machine.add(sleeper.pid, 77, TERM, mib=300, start=9)
    with pytest.raises(RefusedError) as refused:
        action(machine)._hold(pools[0], pools[0].workers[0])
    assert refused.value.verdict is Verdict.STALE_DATA


def test_a_plan_that_was_never_begun_is_let_go_of(sleeper: subprocess.Popen[bytes]) -> None:
    machine = Machine()
    gunicorn(machine, (sleeper.pid, 300))
    doing = action(machine)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    for _ in range(5):
        asyncio.run(doing.prepare(job()))
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208 - the same


def test_the_files_of_proc_are_read_as_the_kernel_writes_them() -> None:
    own = Procfs()
    status = own.status(os.getpid())
    assert catches(parse_caught(status), signal.SIGINT)
    assert parse_switches(status) > 0
    assert own.pss(os.getpid()) > MIB
    assert own.is_our_own()
    assert parse_rollup(b"00400000-7fff [rollup]\nRss: 9 kB\nPss:    1234 kB\nPss_Anon:  5 kB\n") == 1234 * 1024
    assert parse_syscall(b"0 0x6 0x7ff 0x4 0x0 0x0 0x0 0x7ffc 0x7ff5\n") == (0, 6)
    assert parse_syscall(b"running\n") is None
    assert parse_syscall(b"-1 0x7ffc 0x7ff5\n") is None
    with pytest.raises(ValueError, match="Pss"):
        parse_rollup(b"")
