"""Whether a subject is protected from the OOM killer: a limit, a rule that acts, leave or a hook to act by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from brimline.deeds import CLEANUP, RECYCLE, RESTART, Verdict
from brimline.leave import Answer, Leave
from brimline.model import Container, Kind, Subject
from brimline.rules.spec import ACTIONS
from brimline.rules.terms import Rule
from brimline.standing import Measures, Row

GUARDED: Final = frozenset().union(*(ACTIONS[action] for action in (RESTART, RECYCLE, CLEANUP)))
_BY_LEAVE: Final = (RESTART, RECYCLE)


@dataclass(frozen=True, slots=True)
class Cover:
    """What stands between one subject and the OOM killer."""

    subject: Subject
    limit: float | None  # None: it has none
    actions: tuple[str, ...]  # that rules about it ask for, the gravest first
    leave: Answer | None  # None: the engine does not tell of it now
    hook: str  # what a cleanup would call; empty where it has none
    lack: str  # what it has no cleanup for
    swap: float  # bytes that it may take beyond its limit
    dry_run: bool = False

    @property
    def gaps(self) -> tuple[str, ...]:
        """Return what is missing, each with what to write; nothing where it is protected."""
        if self.subject.kind not in GUARDED:
            return ("only containers and process groups can be acted upon; this one only alerts",)
        found = []
        if self.limit is None:
            found.append("no limit: no rule can tell when it is full; set one, or declare it with brimline.limit")
        if not self.actions:
            found.append('no rule does anything for it: write one with "do: [restart]" or "do: [cleanup]"')
        elif not self.acts:
            found.append(self._refusal())
        if self.dry_run and not found:
            found.append("dry run: nothing is done; end it with actions.dry_run: false")
        return tuple(found)

    @property
    def acts(self) -> bool:
        """Tell whether one of the actions may be done."""
        if self.hook and CLEANUP in self.actions:
            return True
        return self.allowed and any(action in self.actions for action in _BY_LEAVE)

    @property
    def allowed(self) -> bool:
        """Tell whether its owner lets it be restarted."""
        return self.leave is not None and self.leave.verdict is Verdict.RUN

    def _refusal(self) -> str:
        parts = []
        if any(action in self.actions for action in _BY_LEAVE):
            word = RESTART if RESTART in self.actions else RECYCLE
            if self.leave is None:
                parts.append(f"{word}: the engine does not tell of it now")
            elif not self.allowed:
                wanted = "needs leave, " if self.leave.verdict is Verdict.NOT_OPTED_IN else ""
                parts.append(f"{word}: {wanted}{self.leave.why}")
        if CLEANUP in self.actions:
            parts.append(f"{CLEANUP}: {self.lack}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Ground:
    """What covers are found from, beside a view."""

    rules: tuple[Rule, ...]
    leave: Leave
    containers: Mapping[Subject, Container]
    hooks: Mapping[Subject, tuple[str, str]]  # what a cleanup would call, or what it lacks


def covers(rows: Iterable[Row], measures: Measures, ground: Ground) -> list[Cover]:
    """Return one cover a row, the unprotected first."""
    found = [_cover(row, measures, ground) for row in rows]
    return sorted(found, key=lambda cover: (not cover.gaps, cover.subject.kind, cover.subject.name))


def _cover(row: Row, measures: Measures, ground: Ground) -> Cover:
    subject = row.subject
    container = ground.containers.get(subject)
    known = subject.kind is not Kind.CONTAINER or container is not None
    hook, lack = ground.hooks.get(subject, ("", "its processes are not known"))
    return Cover(
        subject=subject,
        limit=row.limit if row.limited else None,
        actions=asked(subject, ground.rules),
        leave=ground.leave.of(subject, container) if known else None,
        hook=hook,
        lack=lack,
        swap=room(row, measures.get(subject, "memory_swap_bytes")),
        dry_run=ground.leave.terms.dry_run,
    )


def asked(subject: Subject, rules: Iterable[Rule]) -> tuple[str, ...]:
    """Return the actions that rules about the subject ask for."""
    wanted = {action for rule in rules if rule.selector.matches(subject) for action in rule.actions}
    return tuple(action for action in (RESTART, RECYCLE, CLEANUP) if action in wanted)


def room(row: Row, swap: float | None) -> float:
    """Return the bytes it may swap: its ratio is (used + swap) / (limit + room)."""
    if swap is None or not row.ratio or row.used is None or row.limit is None:
        return 0.0
    found = (row.used + swap) / row.ratio - row.limit
    return found if found >= row.limit / 1000 else 0.0  # less is rounding
