"""Carries decisions out off the tick, one per subject: locked, looked at again, intended, done, verified, concluded.

Nothing is done before its intent is on the disk, and nothing that was begun is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from brimline.actions.attempt import Attempt, World
from brimline.actions.base import Action, Job, RefusedError, Standing
from brimline.actions.containers import Containers
from brimline.actions.lock import LockedError, held
from brimline.actions.reconcile import Reconciler
from brimline.deeds import Decision, Fate, Outcome, Verdict, Whose, whose
from brimline.errors import JournalError

log: Final = logging.getLogger(__name__)

FIRST_RETRY: Final = 1.0  # seconds until a journal that is down is tried again
LONGEST_RETRY: Final = 30.0


class Heard(Protocol):
    """Who hears what became of a decision."""

    def concluded(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        """Take an outcome that is on the disk."""
        ...

    def refused(self, decision: Decision, verdict: Verdict, reason: str) -> None:
        """Take that it was not begun after all."""
        ...


@dataclass(slots=True)
class _Course:
    """How far one decision has come on the disk; None: not even its intent."""

    decision: Decision
    fate: Fate | None = None


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
        self._tasks: dict[Whose, asyncio.Task[None]] = {}
        self._busy: dict[Whose, str] = {}
        self._ending = asyncio.Event()
        self._unlocked = False  # said once

    def busy(self) -> Mapping[Whose, str]:
        """Return by subject the action of all that is under way."""
        return dict(self._busy)

    def reconfigure(
        self, containers: Containers, actions: Mapping[str, Action], reconciler: Reconciler, *, settle: float
    ) -> None:
        """Take other options, and maybe another engine; what is under way goes on with its own."""
        self._world = replace(self._world, containers=containers)
        self._actions, self._reconciler, self._settle = actions, reconciler, settle

    def begin(self, decision: Decision, standing: Standing, directories: Mapping[str, str] | None = None) -> None:
        """Start to carry a decision out; `directories` are the subject's cgroup, by controller."""
        self._world.point("decided")
        action, under_way = self._actions.get(decision.action), self._busy.get(whose(decision.subject))
        if under_way is not None:
            self._heard.refused(decision, Verdict.IN_FLIGHT, f"a {under_way} of it is under way")
        elif self._ending.is_set():
            self._heard.refused(decision, Verdict.PAUSED, "Brimline is ending")
        elif action is None:
            self._heard.refused(decision, Verdict.NOT_CONFIGURED, f"there is no action {decision.action}")
        else:
            course, job = _Course(decision), Job(decision, standing, directories=directories or {})
            attempt = Attempt(action, self._world, self._reconciler, self._settle, self._ending)
            self._start([course], self._carry_out(course, attempt, job))

    def reconcile(self, intents: Iterable[Decision]) -> None:
        """Conclude what an earlier Brimline intended; two of one subject follow one another."""
        by_subject: dict[Whose, list[_Course]] = {}
        for decision in intents:
            by_subject.setdefault(whose(decision.subject), []).append(_Course(decision, Fate.INTENDED))
        for courses in by_subject.values():
            self._start(courses, self._reconcile(courses, self._reconciler))

    async def close(self, grace: float) -> None:
        """Let what is under way end within `grace` seconds; the rest stays intended, for the next start."""
        self._ending.set()
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, courses: Sequence[_Course], work: Coroutine[None, None, None], *, lost: bool = False) -> None:
        decision = courses[-1].decision
        name, key = decision.subject.name, whose(decision.subject)
        self._busy[key] = decision.action
        task = asyncio.create_task(work, name=f"{decision.action} {name}")
        self._tasks[key] = task

        def over(done: asyncio.Task[None]) -> None:
            del self._busy[key], self._tasks[key]
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("%s of %s was lost: %r", decision.action, name, error, exc_info=error)
                if not lost:
                    self._lost(courses, f"Brimline lost it: {error!r}")

        task.add_done_callback(over)

    def _lost(self, courses: Sequence[_Course], why: str) -> None:
        """Leave nothing under way that no task follows any more: it would hold its subject up until our end."""
        for course in courses:
            if course.fate is None:
                self._heard.refused(course.decision, Verdict.STALE_DATA, why)
        begun = [course for course in courses if course.fate is Fate.INTENDED]
        if begun and not self._ending.is_set():  # else the next start concludes it
            self._start(begun, self._give_up(begun, why), lost=True)

    async def _carry_out(self, course: _Course, attempt: Attempt, job: Job) -> None:
        decision, world = course.decision, attempt.world
        try:
            with held(job.directories) as unlocked:
                world.point("locked")
                self._say(unlocked)
                job, seconds = await attempt.ready(job)
                world.point("intending")
                await world.journal.intend(decision)
                course.fate = Fate.INTENDED
                world.point("intended")
                outcome, fate = await attempt.make(job, seconds)
                await self._conclude(course, outcome, fate)
        except LockedError as error:
            self._heard.refused(decision, Verdict.LOCKED, str(error))
        except RefusedError as refusal:
            self._heard.refused(decision, refusal.verdict, refusal.reason)
        except JournalError as error:
            self._heard.refused(decision, Verdict.NO_JOURNAL, str(error))

    def _say(self, unlocked: str) -> None:
        if unlocked and not self._unlocked:
            self._unlocked = True
            log.warning("actions are not locked against other Brimlines: %s", unlocked)

    async def _conclude(self, course: _Course, outcome: Outcome, fate: Fate) -> None:
        """Write the outcome down, however long the journal is away; then tell it."""
        decision = course.decision
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
        course.fate = fate
        self._world.point("concluded")
        self._heard.concluded(decision, outcome, fate)

    async def _reconcile(self, courses: Iterable[_Course], reconciler: Reconciler) -> None:
        for course in courses:
            await self._conclude(course, *await reconciler.conclude(course.decision))

    async def _give_up(self, courses: Iterable[_Course], why: str) -> None:
        for course in courses:
            now, began = self._world.clock.now().wall, course.decision.at.wall
            lost = Outcome(course.decision.id, ok=False, detail=why, started=min(began, now), ended=now)
            await self._conclude(course, lost, Fate.FAILED)
