"""Whom the rules would restart and whose owner did not say so: the line below the table of `check`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Final

from brimline.deeds import RESTART, Verdict
from brimline.leave import LABEL, Leave
from brimline.model import Container, Subject
from brimline.rules.terms import Rule
from brimline.standing import Row, State

_NAMED: Final = 3
_ABOVE: Final = frozenset({State.WARNING, State.CRITICAL})


def not_opted_in(rules: Iterable[Rule], leave: Leave, containers: Mapping[Subject, Container]) -> frozenset[Subject]:
    """Return the containers that a rule would restart if they were opted in."""
    selectors = [rule.selector for rule in rules if RESTART in rule.actions]
    return frozenset(
        subject
        for subject, container in containers.items()
        if any(selector.matches(subject) for selector in selectors)
        and leave.of(subject, container).verdict is Verdict.NOT_OPTED_IN
    )


def footer(rows: Sequence[Row], closed: Collection[Subject], room: int) -> list[str]:
    """Return the line, where somebody is above a level and will not be restarted."""
    names = [row.subject.name for row in rows if row.state in _ABOVE and row.subject in closed]
    if not names:
        return []
    named = f"{', '.join(names[:_NAMED])}{' ...' if len(names) > _NAMED else ''}"
    counted = "1 container" if len(names) == 1 else f"{len(names)} containers"
    it = "it" if len(names) == 1 else "them"
    said = f"{counted} above a level may not be restarted ({named}): label {it} {LABEL}"
    return ["", *wrap(said, room, subsequent_indent="  ", break_on_hyphens=False)]
