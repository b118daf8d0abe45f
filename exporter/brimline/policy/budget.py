"""How many restarts an hour may hold: of a subject, of a service, of the host; everybody's count. Pure.

The hour slides and is closed on both ends: no span of 3,600 s, wherever it begins, holds one too many of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brimline.deeds import Deed, Verdict
from brimline.model import Subject
from brimline.policy.case import HOUR, Case, Tick
from brimline.policy.terms import RESTART, Refusal
from brimline.units import format_duration


@dataclass(frozen=True, slots=True)
class _Budget:
    verdict: Verdict
    limit: int
    spent: Sequence[Deed]  # within the last hour, oldest first
    of: str


def subject_budget(case: Case) -> Refusal | None:
    """Refuse a restart beyond the subject's own budget."""
    return _refuse(case, 0)


def service_budget(case: Case) -> Refusal | None:
    """Refuse a restart beyond the budget of all replicas together: one more for each beyond the first."""
    return _refuse(case, 1)


def host_budget(case: Case) -> Refusal | None:
    """Refuse a restart beyond the budget of all containers."""
    return _refuse(case, 2)


def remaining(tick: Tick, subject: Subject, service: str) -> int:
    """Return how many more restarts of a subject its three budgets allow now."""
    return min(max(0, budget.limit - len(budget.spent)) for budget in _budgets(tick, subject, service))


def _budgets(tick: Tick, subject: Subject, service: str) -> tuple[_Budget, _Budget, _Budget]:
    terms = tick.terms
    own = [deed for deed in tick.of(subject, RESTART) if tick.mono - deed.began <= HOUR]
    alone = _Budget(Verdict.BUDGET_SUBJECT, terms.per_subject, own, subject.name)
    together = alone
    if service:
        limit = terms.per_service + max(0, tick.replicas(service) - 1)
        together = _Budget(Verdict.BUDGET_SERVICE, limit, tick.by_service.get(service, ()), f"service {service}")
    return alone, together, _Budget(Verdict.BUDGET_HOST, terms.per_host, tick.restarts, "this host")


def _refuse(case: Case, nth: int) -> Refusal | None:
    if case.wish.action != RESTART:
        return None
    budget = _budgets(case.tick, case.wish.subject, case.service)[nth]
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
