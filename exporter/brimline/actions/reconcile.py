"""Concludes what was begun and nobody concluded: by the next Brimline at its start, or once an engine is back.

A restart is seen through, with all who are to follow it; anything else is not repeated.
"""

from __future__ import annotations

from typing import Final

from brimline.actions.aftermath import MARGIN, Aftermath, Begun, Ending, Seen, downtime, gone
from brimline.actions.base import Sleep
from brimline.actions.containers import Containers, stop_time
from brimline.actions.dependents import Dependents, Followed
from brimline.actions.swarm import is_swarm
from brimline.deeds import RESTART, Decision, Fate, Outcome
from brimline.model import Clock, Container

_FATES: Final = {
    Ending.RESTARTED: Fate.DONE,
    Ending.STARTED: Fate.DONE,
    Ending.REPLACED: Fate.DONE,
    Ending.UNCHANGED: Fate.ABANDONED,
    Ending.STOPPED: Fate.ABANDONED,
    Ending.ENDED: Fate.FAILED,
    Ending.DOWN: Fate.FAILED,
    Ending.GONE: Fate.FAILED,
}


class Reconciler:
    """Concludes what an earlier Brimline intended and nobody concluded."""

    def __init__(
        self,
        containers: Containers,
        clock: Clock,
        sleep: Sleep,
        *,
        stop_timeout: float | None = None,
        dependents: Dependents | None = None,
    ) -> None:
        self._aftermath = Aftermath(containers, clock, sleep)
        self._clock = clock
        self._stop_timeout = stop_timeout
        self._dependents = dependents

    async def conclude(self, decision: Decision) -> tuple[Outcome, Fate]:
        """Return what became of it; a restart is finished, anything else is not repeated."""
        if decision.action != RESTART:
            return self._outcome(
                decision, Fate.ABANDONED, f"Brimline ended during this {decision.action}"
            ), Fate.ABANDONED
        container_id = decision.subject.uid.partition("@")[0]
        found = await self._aftermath.found(container_id)
        if found is None:
            return self._outcome(decision, Fate.FAILED, gone().detail), Fate.FAILED
        wait = stop_time(found, self._stop_timeout).seconds + MARGIN
        now = self._clock.now()
        left = min(max(0.0, decision.at.wall + wait - now.wall), wait)  # the wall clock may have jumped
        begun = Begun(container_id, decision.subject.uid, decision.at.wall, now.mono + left, swarm=is_swarm(found))
        seen = await self._aftermath.see_through(begun)
        fate = _FATES[seen.ending]
        story = (await self._followed(decision, seen)).story
        text = "; ".join([f"Brimline ended during this restart; {seen.detail}", *story])
        return self._outcome(decision, fate, text, seen.container), fate

    async def _followed(self, decision: Decision, seen: Seen) -> Followed:
        """Restart who depends on it: those of them who began after it are left alone."""
        if self._dependents is None or seen.container is None or seen.ending not in {Ending.RESTARTED, Ending.STARTED}:
            return Followed()
        return await self._dependents.follow(seen.container, decision.at.wall)

    def _outcome(self, decision: Decision, fate: Fate, text: str, container: Container | None = None) -> Outcome:
        return Outcome(
            decision.id,
            ok=fate is Fate.DONE,
            detail=text,
            started=decision.at.wall,
            ended=self._clock.now().wall,
            downtime=downtime(container, decision.at.wall),
            uid=container.subject.uid if container is not None else "",
        )
