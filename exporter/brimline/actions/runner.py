"""Carries decisions out off the tick, one per subject: locked, looked at again, intended, done, verified, concluded.

Nothing is done before its intent is on the disk, and nothing that was begun is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from brimline.actions.base import Action, Job, Proof, RefusedError, Sight, Standing
from brimline.actions.containers import Containers
from brimline.actions.lock import LockedError, held
from brimline.actions.reconcile import RESTART, Reconciler, Sleep
from brimline.deeds import Decision, Fate, Journal, Outcome, Verdict
from brimline.errors import ActionError, JournalError, SourceError
from brimline.faults import Point
from brimline.model import Clock, Kind

log = logging.getLogger(__name__)

FIRST_RETRY: Final = 1.0  # seconds until a journal that is down is tried again
LONGEST_RETRY: Final = 30.0
OUTDATED: Final = 60.0  # seconds after which a decision that is not begun is begun no more


class Heard(Protocol):
    """Who hears what became of a decision."""

    def concluded(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Take an outcome that is on the disk."""
        ...

    def refused(self, decision: Decision, verdict: Verdict, reason: str) -> None:
        """Take that it was not begun after all."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """What the runner needs of the world."""

    containers: Containers
    journal: Journal
    sight: Sight
    clock: Clock
    sleep: Sleep
    point: Point


class Runner:
    """One task per decision; `busy` tells what is under way."""

    def __init__(
        self, world: World, heard: Heard, actions: Mapping[str, Action], reconciler: Reconciler, *, settle: float
    ) -> None:
        self._world = world
        self._heard = heard
        self._actions = actions
        self._reconciler = reconciler
        self._settle = settle
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._busy: dict[str, str] = {}
        self._ending = asyncio.Event()
        self._unlocked = False  # said once

    def busy(self) -> Mapping[str, str]:
        """Return name -> action of all that is under way."""
        return dict(self._busy)

    def reconfigure(self, actions: Mapping[str, Action], reconciler: Reconciler, *, settle: float) -> None:
        """Take other options; what is under way goes on with its own."""
        self._actions, self._reconciler, self._settle = actions, reconciler, settle

    def begin(self, decision: Decision, standing: Standing, directories: Mapping[str, str] | None = None) -> None:
        """Start to carry a decision out; `directories` are the subject's cgroup, by controller."""
        self._world.point("decided")
        action, name = self._actions.get(decision.action), decision.subject.name
        if name in self._busy:
            self._heard.refused(decision, Verdict.IN_FLIGHT, f"a {self._busy[name]} of it is under way")
        elif self._ending.is_set():
            self._heard.refused(decision, Verdict.PAUSED, "Brimline is ending")
        elif action is None:
            self._heard.refused(decision, Verdict.NOT_CONFIGURED, f"there is no action {decision.action}")
        else:
            self._start(decision, self._carry_out(action, Job(decision, standing, directories=directories or {})))

    def reconcile(self, intents: Iterable[Decision]) -> None:
        """Conclude what an earlier Brimline intended; two of one subject follow one another."""
        by_name: dict[str, list[Decision]] = {}
        for decision in intents:
            by_name.setdefault(decision.subject.name, []).append(decision)
        for decisions in by_name.values():
            self._start(decisions[-1], self._reconcile(decisions))

    async def close(self, grace: float) -> None:
        """Let what is under way end within `grace` seconds; the rest stays intended, for the next start."""
        self._ending.set()
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, decision: Decision, work: Coroutine[None, None, None]) -> None:
        name = decision.subject.name
        self._busy[name] = decision.action
        task = asyncio.create_task(work, name=f"{decision.action} {name}")
        self._tasks[name] = task

        def over(done: asyncio.Task[None]) -> None:
            del self._busy[name], self._tasks[name]
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("%s of %s was lost: %r", decision.action, name, error, exc_info=error)

        task.add_done_callback(over)

    async def _carry_out(self, action: Action, job: Job) -> None:
        decision, world = job.decision, self._world
        try:
            with held(job.directories) as lost:
                world.point("locked")
                self._say(lost)
                job, seconds = await self._ready(action, job)
                world.point("intending")
                await world.journal.intend(decision)
                world.point("intended")
                outcome, fate = self._outdated(decision) or await self._act(action, job, seconds)
                await self._conclude(decision, outcome, fate)
        except LockedError as error:
            self._heard.refused(decision, Verdict.LOCKED, str(error))
        except RefusedError as refusal:
            self._heard.refused(decision, refusal.verdict, refusal.reason)
        except JournalError as error:
            self._heard.refused(decision, Verdict.NO_JOURNAL, str(error))

    def _say(self, lost: str) -> None:
        if lost and not self._unlocked:
            self._unlocked = True
            log.warning("actions are not locked against other Brimlines: %s", lost)

    async def _ready(self, action: Action, job: Job) -> tuple[Job, float]:
        """Look at the subject again under the lock; return the job with its container, and its deadline."""
        try:
            if job.decision.subject.kind is Kind.CONTAINER:
                job = await self._looked_at(job)
            await action.prepare(job)
            return job, action.seconds(job)
        except RefusedError:
            raise
        except (ActionError, SourceError) as error:
            raise RefusedError(Verdict.STALE_DATA, f"it could not be looked at again: {error}") from error
        except Exception as error:
            log.exception("%s of %s broke before it began", action.name, job.decision.subject.name)
            raise RefusedError(Verdict.STALE_DATA, f"it could not be prepared: {error!r}") from error

    async def _looked_at(self, job: Job) -> Job:
        uid = job.decision.subject.uid
        container = await self._world.containers.inspect(uid.partition("@")[0])
        if container is None:
            raise RefusedError(Verdict.STALE_DATA, "the container is gone since it was measured")
        if container.subject.uid != uid:
            raise RefusedError(Verdict.STALE_DATA, "it was started anew since it was measured")
        if not container.running or container.status not in {"running", ""}:
            raise RefusedError(Verdict.STOPPED, f"it is {container.status or 'stopped'}")
        return replace(job, container=container)

    def _outdated(self, decision: Decision) -> tuple[Outcome, Fate] | None:
        """Do nothing by what was seen long ago: a disk that hangs holds an intent up, and so does a stopped process."""
        now = self._world.clock.now()
        late = now.mono - decision.at.mono
        if late <= OUTDATED:
            return None
        detail = f"nothing was done: {late:.0f} s passed between the decision and its intent on the disk"
        return Outcome(decision.id, ok=False, detail=detail, started=now.wall, ended=now.wall), Fate.ABANDONED

    async def _act(self, action: Action, job: Job, seconds: float) -> tuple[Outcome, Fate]:
        decision, began = job.decision, self._world.clock.now().wall
        before = self._used(job) or job.standing.used
        try:
            async with asyncio.timeout(seconds):
                proof = await _prove(action, job)
        except TimeoutError:
            if decision.action == RESTART:  # most likely the engine is away: see it through, however long that takes
                seen, _ = await self._reconciler.conclude(decision)
                proof = Proof(ok=seen.ok, detail=seen.detail, downtime=seen.downtime, uid=seen.uid)
            else:
                proof = Proof(ok=False, detail=f"it came to no end within {seconds:.0f} s")
        self._world.point("verified")
        if proof.ok:
            await self._rest(self._settle)
        after = self._used(job) if proof.ok else None
        outcome = Outcome(
            decision.id,
            ok=proof.ok,
            detail=proof.detail,
            started=began,
            ended=self._world.clock.now().wall,
            before_bytes=None if before is None else int(before),
            after_bytes=None if after is None else int(after),
            downtime=proof.downtime,
            uid=proof.uid,
        )
        return outcome, Fate.DONE if proof.ok else Fate.FAILED

    def _used(self, job: Job) -> float | None:
        standing = self._world.sight(job.decision.subject)
        return None if standing is None else standing.used

    async def _rest(self, seconds: float) -> None:
        """Wait, but no longer than Brimline runs."""
        resting = asyncio.ensure_future(self._world.sleep(seconds))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({resting, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            resting.cancel()
            ending.cancel()

    async def _conclude(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Write the outcome down, however long the journal is away; then tell it."""
        self._world.point("concluding")
        wait = FIRST_RETRY
        while True:
            try:
                await self._world.journal.conclude(decision, outcome, fate)
                break
            except JournalError as error:
                log.warning("the outcome of %s cannot be written, trying again: %s", decision.id, error)
                await self._world.sleep(wait)
                wait = min(2 * wait, LONGEST_RETRY)
        self._world.point("concluded")
        self._heard.concluded(decision, outcome, fate)

    async def _reconcile(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            outcome, fate = await self._reconciler.conclude(decision)
            await self._conclude(decision, outcome, fate)


async def _prove(action: Action, job: Job) -> Proof:
    """Do it and look at the world; whatever is raised becomes a sentence."""
    broken, name = "", job.decision.subject.name
    try:
        how = await action.run(job)
    except ActionError as error:
        how = str(error)
    except Exception as error:
        log.exception("%s of %s broke", action.name, name)
        how = broken = f"it broke: {error!r}"
    try:
        proof = await action.verify(job)
    except Exception as error:
        log.exception("%s of %s could not be verified", action.name, name)
        proof = Proof(ok=False, detail=f"what became of it is not known: {error!r}")
    detail = "; ".join(part for part in (how, proof.detail) if part)
    return replace(proof, ok=proof.ok and not broken, detail=detail)
