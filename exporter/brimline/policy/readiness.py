"""Whether what is known of a subject is enough to act upon, and whether it can be acted upon now. Pure."""

from __future__ import annotations

from typing import Final

from brimline.deeds import RESTART, Verdict, whose
from brimline.model import Kind
from brimline.policy.case import Case
from brimline.policy.terms import HALTED, Refusal

ENOUGH: Final = 3  # samples: one may be the last of the old world, two make no trend


def seen(case: Case) -> Refusal | None:
    """Refuse to act upon a container the engine does not tell of, whoever asks: its labels are not known."""
    if case.wish.subject.kind is not Kind.CONTAINER or case.container is not None:
        return None
    return idle(case) or (Verdict.STALE_DATA, f"the engine does not tell of {case.name} at present")


def idle(case: Case) -> Refusal | None:
    """Refuse a second action while one is in flight on the same subject."""
    under_way = case.tick.busy.get(whose(case.wish.subject))
    return None if under_way is None else (Verdict.IN_FLIGHT, f"{under_way} of {case.name} is under way")


def running(case: Case) -> Refusal | None:
    """Refuse what does not run, and what would not come back."""
    container = case.container
    if container is None:
        return None
    if container.status in HALTED:
        return Verdict.STOPPED, f"{case.name} is {container.status}"
    if not container.running:
        code = "" if container.exit_code is None else f", exit code {container.exit_code}"
        return Verdict.STOPPED, f"{case.name} does not run ({container.status or 'stopped'}{code})"
    if case.wish.action == RESTART and container.auto_remove:
        return Verdict.STOPPED, f"{case.name} was started with --rm: stopping it removes it"
    return None


def fresh(case: Case) -> Refusal | None:
    """Refuse by values that were not read in this very tick; a person needs none."""
    if case.wish.by_person:
        return None
    if not case.wish.known:
        return Verdict.STALE_DATA, f"{case.wish.alertname or 'its alert'} is the last one known: its source fails"
    if case.wish.subject not in case.scene.fresh:
        return Verdict.STALE_DATA, f"{case.name} was not measured in this tick"
    return None


def settled(case: Case) -> Refusal | None:
    """Refuse by the first samples after our start, a reload or its own start; a person needs none."""
    samples = case.scene.samples.get(case.wish.subject.uid, 0)
    if case.wish.by_person or samples >= ENOUGH:
        return None
    return Verdict.FIRST_SAMPLES, f"{samples} of {ENOUGH} samples since it or Brimline started, or was reloaded"


def started(case: Case) -> Refusal | None:
    """Refuse within the start period: loading a model looks like a leak. A person may."""
    if case.wish.by_person or case.wish.subject.uid not in case.scene.starting:
        return None
    return Verdict.START_PERIOD, f"{case.name} is in its start period (label brimline.start-period)"
