"""Ends the largest worker of a master that replaces it: the memory comes back, the service stays."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from brimline.actions.base import Job, Proof, RefusedError, Standing
from brimline.actions.held import Held
from brimline.actions.pool import Pool, Pools, Worker
from brimline.actions.workers import Crew, Workers
from brimline.deeds import Verdict
from brimline.dockerthreads import Calls
from brimline.errors import ActionError, UnreachableError
from brimline.model import Container
from brimline.procfs import Procfs
from brimline.units import format_bytes

T = TypeVar("T")
_LOOK: Final = 5.0  # seconds for reading command lines and page tables
_IDLE: Final = 10.0  # seconds to wait until a Celery child has no task
_TWICE: Final = 0.025  # between the two looks that must show it waiting, without having woken
_GONE: Final = 45.0  # gunicorn's graceful_timeout is 30 s, and the new worker needs to boot
_STEP: Final = 0.25


@dataclass(frozen=True, slots=True)
class _Plan:
    pool: Pool
    victim: Worker
    held: Held

    def __str__(self) -> str:
        return (
            f"the largest worker of {self.pool.name}, pid {self.victim.pid} with {format_bytes(self.victim.weight)} "
            f"({self.pool.measure})"
        )


class Recycle:
    """SIGTERM by the host's pid, held fast: the engine's own kill endpoint would disarm restart policies."""

    name = "recycle"

    def __init__(self, procfs: Procfs, *, workers: Workers) -> None:
        self._procfs = procfs
        self._pools = Pools(procfs)
        self._workers = workers
        self._calls = Calls(limit=4)
        self._plans: dict[tuple[str, tuple[str, ...]], _Plan] = {}
        self._signalled: set[str] = set()

    def lacks(self, _standing: Standing, _container: Container | None, _directories: Mapping[str, str]) -> str:
        """Return nothing: what it lacks shows when it is prepared."""
        return ""

    def seconds(self, _: Job) -> float:
        """Return how long a worker may take to end and its master to replace it."""
        return _IDLE + _GONE + 2 * _LOOK

    async def prepare(self, job: Job) -> None:
        """Choose the worker, and refuse where nobody would replace it or the new one would not fit."""
        crew = self._crew(job)
        if not crew.pids:
            raise RefusedError(Verdict.NOT_CONFIGURED, crew.hidden)
        pools, flaws = await self._read(lambda: self._pools.find(crew.pids))
        chosen = [(worker, pool) for pool in pools for worker in pool.workers]
        if not chosen:
            lack = "; ".join(flaws) or "no gunicorn, uvicorn or Celery prefork master is among its processes"
            raise RefusedError(Verdict.NOT_CONFIGURED, f"there is no worker to recycle: {lack}")
        victim, pool = max(chosen, key=lambda pair: pair[0].weight)
        self._check_room(job, pool, victim)
        if pool.kind == "celery":
            try:
                await self._read(lambda: self._pools.idle(pool, victim.pid))
            except PermissionError:
                reason = f"whether {pool.name} works on a task cannot be seen: give Brimline the capability SYS_PTRACE"
                raise RefusedError(Verdict.NOT_CONFIGURED, reason) from None
            except OSError:
                raise self._just_gone(victim) from None
        self._drop(job)  # one that was prepared and never begun
        self._plans[_key(job)] = _Plan(pool, victim, self._hold(pool, victim))

    async def run(self, job: Job) -> str:
        """Send SIGTERM to the one worker; a Celery child first has to be seen without a task, which it would lose."""
        plan = self._plans.get(_key(job))
        if plan is None:
            raise ActionError("no worker was chosen")
        if plan.pool.kind == "celery" and not await self._seen_idle(plan):
            raise ActionError(
                f"{plan} was not seen without a task within {_IDLE:g} s, and SIGTERM would lose it: nothing was done"
            )
        try:
            plan.held.send(signal.SIGTERM)
        except ProcessLookupError:
            raise ActionError(f"{plan} ended by itself") from None
        except PermissionError:
            raise ActionError(f"{plan} may not be signalled: give Brimline the capability KILL") from None
        self._signalled.add(job.decision.id)
        return f"SIGTERM to {plan}"

    async def verify(self, job: Job) -> Proof:
        """Wait until the worker has ended and its master has as many as before."""
        plan = self._plans.get(_key(job))
        if plan is None or job.decision.id not in self._signalled:
            self._drop(job)
            return Proof(ok=False, detail="no worker was signalled", uid=job.decision.subject.uid)
        self._signalled.discard(job.decision.id)
        try:
            ok, detail = await self._watch(job, plan)
        finally:
            self._drop(job)
        return Proof(ok, detail, uid=job.decision.subject.uid)

    async def _watch(self, job: Job, plan: _Plan) -> tuple[bool, str]:
        loop = asyncio.get_running_loop()
        end = loop.time() + _GONE
        while True:
            ended = plan.held.ended()
            replaced = self._pools.replaced(plan.pool, plan.victim, self._present(job)) if ended else False
            if replaced:
                return True, f"{plan} has ended and was replaced"
            if replaced is None:
                return False, f"{plan} has ended, and its master with it"
            if loop.time() > end:
                state = "was not replaced" if ended else "has not ended"
                return False, f"{plan} {state} within {_GONE:g} s"
            await asyncio.sleep(_STEP)

    def _check_room(self, job: Job, pool: Pool, victim: Worker) -> None:
        used, limit = job.standing.used, job.standing.limit
        if used is None or limit is None:
            raise RefusedError(Verdict.STALE_DATA, "how much it uses of its limit is not known")
        room, fresh = limit - used + victim.weight, min(worker.weight for worker in pool.workers)
        if room < fresh:
            raise RefusedError(
                Verdict.PROTECTED,
                f"a fresh worker of {pool.name} would not fit: it needs {format_bytes(fresh)}, and without pid "
                f"{victim.pid} ({format_bytes(victim.weight)} {pool.measure}) there are {format_bytes(max(0, room))}",
            )

    def _hold(self, pool: Pool, victim: Worker) -> Held:
        with suppress(OSError, ValueError):
            held = Held(self._procfs, victim.pid)
            if held.start == victim.start and self._procfs.stat(victim.pid).ppid == pool.pid:
                return held
            held.close()
        raise self._just_gone(victim)

    @staticmethod
    def _just_gone(victim: Worker) -> RefusedError:
        return RefusedError(Verdict.STALE_DATA, f"the worker with pid {victim.pid} has just ended by itself")

    def _drop(self, job: Job) -> None:
        if (plan := self._plans.pop(_key(job), None)) is not None:
            plan.held.close()

    async def _seen_idle(self, plan: _Plan) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + _IDLE
        while loop.time() < end:
            first = self._idle(plan)
            await asyncio.sleep(_TWICE)
            if first is not None and first == self._idle(plan):
                return True
        return False

    def _idle(self, plan: _Plan) -> tuple[str, int] | None:
        with suppress(OSError):  # it has gone, or its descriptor was closed just now
            return self._pools.idle(plan.pool, plan.victim.pid)
        return None

    def _crew(self, job: Job) -> Crew:
        if job.container is None and job.standing.pids:
            return self._workers.crew(None, job.standing.pids)
        return self._workers.crew(job.directories.get("memory"))

    def _present(self, job: Job) -> tuple[int, ...]:
        """Return who is there now; a group knows its newcomers only after the next tick, so it is everybody."""
        if job.container is None:
            return tuple(int(name) for name in self._procfs.listing() if name.isdecimal())
        return self._crew(job).pids

    async def _read(self, work: Callable[[], T]) -> T:
        try:
            return await self._calls.result(work, _LOOK)
        except (TimeoutError, UnreachableError):
            reason = "its processes do not answer: something holds their memory locks"
            raise RefusedError(Verdict.STALE_DATA, reason) from None


def _key(job: Job) -> tuple[str, tuple[str, ...]]:
    return job.decision.subject.name, job.decision.subject.labels
