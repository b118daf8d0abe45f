"""That a service with several replicas never loses its last one to us. Pure.

Policy looks at the fullest first, so where all are too full it is the fullest that goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from brimline.deeds import RESTART, Verdict, whose
from brimline.model import Container
from brimline.policy.case import Case
from brimline.policy.terms import HALTED, SUCCESSOR, Refusal

_REPLICATED: Final = 2


def recreating(containers: Iterable[Container]) -> frozenset[str]:
    """Return the compose projects in which a container's successor has not got its name yet."""
    return frozenset(c.subject.labels[1] for c in containers if c.subject.labels[1] and SUCCESSOR.match(c.subject.name))


def last_replica(case: Case) -> Refusal | None:
    """Refuse to restart a replica unless another one does the work meanwhile.

    Another one must run, be healthy (past its start period, without a health check), have no action in flight, and not
    be above a rule that restarts it. Where all that could do the work are above one, waiting would let all of them
    die: then one may go while another works. One that is still starting or being acted upon is waited for.
    """
    service = case.service
    if case.wish.action != RESTART or not service or case.tick.replicas(service) < _REPLICATED:
        return None
    others = [other for other in case.tick.running(service) if other.subject != case.wish.subject]
    able = [other for other in others if _able(case, other)]
    if any(other.subject not in case.scene.pressed for other in able):
        return None
    awaited = sorted(other.subject.name for other in others if _on_its_way(case, other))
    if awaited:
        return Verdict.LAST_REPLICA, f"{service} has no replica to spare; {', '.join(awaited)} may soon be well"
    if able:
        return None
    return Verdict.LAST_REPLICA, f"of {len(others)} other running replicas of {service} none is healthy"


def _able(case: Case, other: Container) -> bool:
    if other.status in HALTED or whose(other.subject) in case.tick.busy:
        return False
    return other.health == "healthy" if other.health else other.subject.uid not in case.scene.starting


def _on_its_way(case: Case, other: Container) -> bool:
    if whose(other.subject) in case.tick.busy:
        return True
    begins = other.health == "starting" or (not other.health and other.subject.uid in case.scene.starting)
    return begins and other.status not in HALTED
