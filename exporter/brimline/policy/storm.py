"""When more than half of all fire at once it is likely not them but the host or a rule: one at a time then. Pure."""

from __future__ import annotations

from itertools import islice
from typing import Final

from brimline.deeds import RESTART, Verdict
from brimline.model import Subject
from brimline.policy.book import end_of
from brimline.policy.case import Case, Tick
from brimline.policy.terms import Refusal

_LEAST: Final = 4  # targets: half of three is no crowd
_LASTS: Final = 300.0  # seconds for which one restarted by a rule still counts, so that the second half waits too


def is_storm(tick: Tick) -> bool:
    """Tell whether more than half of the running containers that are judged are to be restarted at once."""
    scene = tick.scene
    crowd = {
        w.subject.name for w in scene.wishes if w.action == RESTART and not w.by_person and _judged(tick, w.subject)
    }
    if not crowd:
        return False
    crowd.update(d.name for d in tick.restarts if d.rule and tick.mono - end_of(d) <= _LASTS)
    enough = max(_LEAST, 2 * len(crowd))  # so many judged ones settle it
    judged = sum(1 for _ in islice((s for s in scene.containers if _judged(tick, s)), enough))
    return judged >= _LEAST and 2 * len(crowd) > judged


def _judged(tick: Tick, subject: Subject) -> bool:
    container = tick.scene.containers.get(subject)
    return container is not None and container.running and subject in tick.scene.fresh


def one_at_a_time(case: Case) -> Refusal | None:
    """Refuse a restart in a storm while another container is being restarted."""
    if case.wish.action != RESTART or not case.tick.storm:
        return None
    others = sorted(name for (name, _), action in case.tick.busy.items() if action == RESTART)
    if not others:
        return None
    return Verdict.IN_FLIGHT, (
        f"more than half of the containers fire at once, so they are restarted one at a time: {others[0]} is under way"
    )
