"""Who may be restarted, for whoever shows it before anything fires: policy's own checks, asked of one container.

What is shown here and what is decided later cannot differ: there is no second logic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from brimline.actions.options import ActionsOptions
from brimline.deeds import RESTART, Ledger, Verdict
from brimline.labels import protection
from brimline.model import Container, Now, Subject
from brimline.policy import consent
from brimline.policy.case import Case, Tick
from brimline.policy.guarded import Guarded
from brimline.policy.pauses import window
from brimline.policy.terms import Scene, Terms, Wish

LABEL: Final = f"{consent.RESTART_LABEL}=true"
_ANY_TIME: Final = Now(0.0, 0.0)  # consent depends on none


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether something may be restarted."""

    verdict: Verdict  # run, or what stands against it
    why: str  # what gives leave, what stands against it, or the label to paste


class Leave:
    """What owners and the configuration allow."""

    def __init__(self, terms: Terms, guarded: Guarded) -> None:
        self.terms = terms
        self._guarded = guarded

    def of(self, subject: Subject, container: Container | None) -> Answer:
        """Return the answer for a container, or for what has none: its largest worker may be recycled by leave too."""
        ours = self._guarded.reason(container) if container is not None else None
        scene = Scene(
            _ANY_TIME,
            containers={} if container is None else {subject: container},
            protected={} if ours is None else {subject: ours},
        )
        case = Tick(scene, Ledger(), self.terms).case(Wish(subject, RESTART))
        refusal = next((found for check in consent.CHECKS if (found := check(case)) is not None), None)
        if refusal is None:
            return Answer(Verdict.RUN, consent.leave(subject, case.labels, self.terms))
        return Answer(refusal[0], self._against(case, *refusal, ours or ""))

    def summary(self, containers: Mapping[Subject, Container]) -> str:
        """Say of how many containers what: `3 of 5 containers may be restarted, 2 more with the label ...`."""
        counts = Counter(self.of(subject, container).verdict for subject, container in containers.items())
        said = f"{counts[Verdict.RUN]} of {len(containers)} containers may be restarted"
        closed = counts[Verdict.NOT_OPTED_IN]
        said += f", {closed} more with the label {LABEL}" if closed else ""
        return said + ("; dry run: nothing is done" if self.terms.dry_run else "")

    @staticmethod
    def _against(case: Case, verdict: Verdict, reason: str, ours: str) -> str:
        match verdict:
            case Verdict.PROTECTED:
                image = case.container.image if case.container is not None else ""
                return protection(case.labels, image) or ours
            case Verdict.NOT_OPTED_IN if case.container is not None:
                return LABEL
            case Verdict.NOT_OPTED_IN:
                return f'"{case.name}" in actions.restart.allow'
            case _:
                return reason


def terms_of(options: ActionsOptions) -> Terms:
    """Return what the configuration says about acting."""
    budget = options.restart.per_hour
    return Terms(
        dry_run=options.dry_run,
        allow=options.restart.allow,
        honor_autoheal=options.restart.honor_autoheal,
        per_subject=budget.subject,
        per_service=budget.service,
        per_host=budget.host,
        quiet=tuple([window(text) for text in options.quiet]),
    )
