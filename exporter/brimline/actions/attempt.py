"""One action on one subject: looked at again, done, verified, measured; whatever goes wrong becomes an outcome.

It goes on with the options it was begun with.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Final

from brimline.actions.base import Action, Job, Proof, RefusedError, Sight, Sleep
from brimline.actions.containers import Containers
from brimline.actions.reconcile import Reconciler
from brimline.deeds import RESTART, Decision, Fate, Journal, Outcome, Verdict
from brimline.errors import ActionError, SourceError
from brimline.faults import Point
from brimline.model import Clock, Kind

log: Final = logging.getLogger(__name__)

OUTDATED: Final = 60.0  # seconds after which a decision that is not begun is begun no more


@dataclass(frozen=True, slots=True)
class World:
    """What the runner needs of the world."""

    containers: Containers
    journal: Journal
    sight: Sight
    clock: Clock
    sleep: Sleep
    point: Point


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one action is made, until Brimline is `ending`."""

    action: Action
    world: World
    reconciler: Reconciler
    settle: float
    ending: asyncio.Event

    async def ready(self, job: Job) -> tuple[Job, float]:
        """Look at the subject again under the lock; return the job with its container, and its deadline."""
        try:
            if job.decision.subject.kind is Kind.CONTAINER:
                job = await self._looked_at(job)
            await self.action.prepare(job)
            return job, self.action.seconds(job)
        except RefusedError:
            raise
        except (ActionError, SourceError) as error:
            raise RefusedError(Verdict.STALE_DATA, f"it could not be looked at again: {error}") from error
        except Exception as error:
            log.exception("%s of %s broke before it began", self.action.name, job.decision.subject.name)
            raise RefusedError(Verdict.STALE_DATA, f"it could not be prepared: {error!r}") from error

    async def make(self, job: Job, seconds: float) -> tuple[Outcome, Fate]:
        """Do it, unless it is too late for that; return what the world shows."""
        return self._outdated(job.decision) or await self._act(job, seconds)

    async def _looked_at(self, job: Job) -> Job:
        uid = job.decision.subject.uid
        container = await self.world.containers.inspect(uid.partition("@")[0])
        if container is None:
            raise RefusedError(Verdict.STALE_DATA, "the container is gone since it was measured")
        if container.subject.uid != uid:
            raise RefusedError(Verdict.STALE_DATA, "it was started anew since it was measured")
        if not container.running or container.status not in {"running", ""}:
            raise RefusedError(Verdict.STOPPED, f"it is {container.status or 'stopped'}")
        return replace(job, container=container)

    def _outdated(self, decision: Decision) -> tuple[Outcome, Fate] | None:
        """Do nothing by what was seen long ago: a disk that hangs holds an intent up, and so does a stopped process."""
        now = self.world.clock.now()
        late = now.mono - decision.at.mono
        if late <= OUTDATED:
            return None
        detail = f"nothing was done: {late:.0f} s passed between the decision and its intent on the disk"
        return Outcome(decision.id, ok=False, detail=detail, started=now.wall, ended=now.wall), Fate.ABANDONED

    async def _act(self, job: Job, seconds: float) -> tuple[Outcome, Fate]:
        decision, began = job.decision, self.world.clock.now().wall
        before = self._used(job) or job.standing.used
        try:
            async with asyncio.timeout(seconds):
                proof = await _prove(self.action, job)
        except TimeoutError:
            if decision.action == RESTART:  # most likely the engine is away: see it through, however long that takes
                seen, _ = await self.reconciler.conclude(decision)
                proof = Proof(ok=seen.ok, detail=seen.detail, downtime=seen.downtime, uid=seen.uid)
            else:
                proof = Proof(ok=False, detail=f"it came to no end within {seconds:.0f} s")
        self.world.point("verified")
        if proof.ok:
            await self._rest(self.settle)
        after = self._used(job) if proof.ok else None
        outcome = Outcome(
            decision.id,
            ok=proof.ok,
            detail=proof.detail,
            started=began,
            ended=self.world.clock.now().wall,
            before_bytes=None if before is None else int(before),
            after_bytes=None if after is None else int(after),
            downtime=proof.downtime,
            uid=proof.uid,
        )
        return outcome, Fate.DONE if proof.ok else Fate.FAILED

    def _used(self, job: Job) -> float | None:
        standing = self.world.sight(job.decision.subject)
        return None if standing is None else standing.used

    async def _rest(self, seconds: float) -> None:
        """Wait, but no longer than Brimline runs."""
        resting = asyncio.ensure_future(self.world.sleep(seconds))
        ending = asyncio.ensure_future(self.ending.wait())
        try:
            await asyncio.wait({resting, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            resting.cancel()
            ending.cancel()


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
    detail = how if proof.detail in how else "; ".join(part for part in (how, proof.detail) if part)
    return replace(proof, ok=proof.ok and not broken, detail=detail)
