"""How many restarts an hour may hold: of a subject, of a service, of the host; everybody's count. Pure.

The hour slides and is closed on both ends: no span of 3,600 s, wherever it begins, holds one too many of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brimline.deeds import RESTART, Deed, Verdict
from brimline.model import Subject
from brimline.policy.case import HOUR, Case, Tick
from brimline.policy.terms import Refusal
from brimline.units import format_duration


@dataclass(frozen=True, slots=True)
class _Budget:
    verdict: Verdict
    limit: int
    spent: Sequence[Deed]  # within the last hour, oldest first
    of: str


def subject_budget(case: Case) -> Refusal | None:
    """Refuse a restart beyond the subject's own budget."""
    return _refuse(case, _alone(case.tick, case.wish.subject)) if case.wish.action == RESTART else None


def service_budget(case: Case) -> Refusal | None:
    """Refuse a restart beyond the budget of all replicas together: one more for each beyond the first."""
    if case.wish.action != RESTART or not case.service:
        return None
    return _refuse(case, _together(case.tick, case.service))


def host_budget(case: Case) -> Refusal | None:
    """Refuse a restart beyond the budget of all containers."""
    return _refuse(case, _all(case.tick)) if case.wish.action == RESTART else None


def remaining(tick: Tick, subject: Subject, service: str) -> int:
    """Return how many more restarts of a subject its three budgets allow now."""
    budgets = [_alone(tick, subject), _all(tick), *([_together(tick, service)] if service else [])]
    return min(max(0, budget.limit - len(budget.spent)) for budget in budgets)


def _alone(tick: Tick, subject: Subject) -> _Budget:
    own = [deed for deed in tick.of(subject, RESTART) if tick.mono - deed.began <= HOUR]
    return _Budget(Verdict.BUDGET_SUBJECT, tick.terms.per_subject, own, subject.name)


def _together(tick: Tick, service: str) -> _Budget:
    limit = tick.terms.per_service + max(0, tick.replicas(service) - 1)
    return _Budget(Verdict.BUDGET_SERVICE, limit, tick.by_service.get(service, ()), f"service {service}")


def _all(tick: Tick) -> _Budget:
    return _Budget(Verdict.BUDGET_HOST, tick.terms.per_host, tick.restarts, "this host")


def _refuse(case: Case, budget: _Budget) -> Refusal | None:
    over = len(budget.spent) - budget.limit
    if over < 0:
        return None
    if not budget.limit:
        return budget.verdict, f"0 restarts an hour are allowed for {budget.of}"
    left = max(1, round(budget.spent[over].began + HOUR - case.tick.mono))
    return budget.verdict, (
        f"{len(budget.spent)} of {budget.limit} restarts of {budget.of} in the last hour; "
        f"the next is possible in {format_duration(left)}"
    )
