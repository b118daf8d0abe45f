"""Firing alerts, facts and the ledger to decisions: one for each wish, by the first check that speaks. Pure.

The same tick, made of scene, ledger and terms, makes the same decisions, down to their ids.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2s
from typing import Final

from brimline.deeds import Decision, Verdict
from brimline.policy import backoff, budget, consent, effect, pauses, readiness, replicas, storm
from brimline.policy.case import Case, Tick
from brimline.policy.terms import GRAVITY, Refusal, Scene, Wish

Check = Callable[[Case], Refusal | None]


def _journalled(case: Case) -> Refusal | None:
    """Refuse where the intent could not be written first."""
    return None if case.scene.journal_up else (Verdict.NO_JOURNAL, f"the journal cannot be written; {case.would()}")


def _for_real(case: Case) -> Refusal | None:
    """Say what would be done where nothing shall be."""
    dry = case.tick.terms.dry_run or case.wish.dry_run
    return (Verdict.DRY_RUN, f"dry run: {case.would()}") if dry else None


# First what tells a person most: what will never be, then what is amiss, then what has to wait, last what is ours.
CHECKS: Final[tuple[Check, ...]] = (
    readiness.seen,
    consent.configured,
    *consent.CHECKS,
    pauses.paused,
    readiness.idle,  # before what an action under way makes of its subject: stopped, not measured, just started
    readiness.running,
    readiness.fresh,
    readiness.settled,
    readiness.started,
    effect.ineffective,
    storm.one_at_a_time,
    backoff.cooldown,
    budget.subject_budget,
    budget.service_budget,
    budget.host_budget,
    replicas.last_replica,
    _journalled,
    _for_real,
)
_SEVERITIES: Final = ("critical", "warning")


def decide(tick: Tick) -> tuple[Decision, ...]:
    """Return one decision for each wish of a tick, in their order.

    The gravest action is looked at first, then what persons ask for, then the fullest subject. What runs is under way
    for all that follow in this tick. A person's restart passes the start period, the first samples, stale values and
    `ineffective`; consent, protection, pauses, cooldown, budgets, replicas, what is in flight and the journal bind all.
    """
    scene = tick.scene
    tick.storm = storm.is_storm(tick)
    decided: dict[int, Decision] = {}
    for nth in sorted(range(len(scene.wishes)), key=lambda nth: _urgency(scene, scene.wishes[nth])):
        wish = scene.wishes[nth]
        decision = _decide(tick.case(wish), _name(scene, wish, nth))
        if decision.verdict in {Verdict.RUN, Verdict.DRY_RUN} and not wish.dry_run:
            tick.begin(decision)
        decided[nth] = decision
    return tuple(decided[nth] for nth in range(len(scene.wishes)))


def _decide(case: Case, name: str) -> Decision:
    wish, container = case.wish, case.container
    verdict, reason = next((r for check in CHECKS if (r := check(case)) is not None), (Verdict.RUN, case.cause()))
    return Decision(
        id=name,
        at=case.scene.now,
        action=wish.action,
        subject=wish.subject,
        verdict=verdict,
        reason=reason,
        key=wish.key,
        alertname=wish.alertname,
        severity=wish.severity,
        episode=wish.episode,
        caller=wish.caller,
        service=case.service,
        image_id=container.image_id if container is not None else "",
        limit=container.limit if container is not None else 0,
    )


def _urgency(scene: Scene, wish: Wish) -> tuple[int, bool, float, int, str, tuple[str, ...], str]:
    gravity = GRAVITY.index(wish.action) if wish.action in GRAVITY else len(GRAVITY)
    severity = _SEVERITIES.index(wish.severity) if wish.severity in _SEVERITIES else len(_SEVERITIES)
    fullness = scene.pressed.get(wish.subject, 0.0)
    return gravity, not wish.by_person, -fullness, severity, wish.subject.name, wish.subject.labels, wish.rule


def _name(scene: Scene, wish: Wish, nth: int) -> str:
    """Return an id that sorts by wall time; the rest keeps apart what one millisecond holds, and two hosts."""
    told = (repr(scene.now.mono), nth, wish.subject.name, *wish.subject.labels, wish.subject.uid, wish.action)
    digest = blake2s("\0".join(map(str, (*told, wish.rule, wish.caller))).encode(errors="surrogatepass"), digest_size=6)
    return f"{round(scene.now.wall * 1000):011x}-{digest.hexdigest()}"
