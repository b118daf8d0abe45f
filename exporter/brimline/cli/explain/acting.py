"""What Brimline may do to one subject and what it did, in the words of policy and journal. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from brimline.cli.explain.remembered import Remembered
from brimline.deeds import RECYCLE, RESTART, Deed, Entry, EntryKind, Pause, Verdict
from brimline.labels import printable
from brimline.leave import Leave
from brimline.model import Container, Now, Subject
from brimline.policy import backoff, budget, effect
from brimline.policy.case import Tick
from brimline.policy.pauses import closes_in, pause_of
from brimline.policy.terms import Scene, Wish, service_of
from brimline.rules.spec import ACTIONS
from brimline.units import format_bytes, format_duration

_INDENT: Final = " " * 15
_WAITS: Final = (effect.ineffective, backoff.cooldown)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the section is made of."""

    subject: Subject
    at: Now
    leave: Leave
    containers: Mapping[Subject, Container]
    replicas: Mapping[str, set[str]]
    cleanup: str  # what it would call, or what it lacks
    clock_time: Callable[[float], str]  # as people read it
    quiet_at: tuple[int, int]  # weekday and minute, local


def acting(facts: Facts, past: Remembered, room: int) -> list[str]:
    """Return the section; nothing for what no rule can act upon."""
    if facts.subject.kind not in ACTIONS[RECYCLE]:
        return []
    lines = [*_leave(facts), *_held(facts, past), ("cleanup", facts.cleanup)]
    lines += [("journal", past.trouble)] if past.trouble else [*_decided(facts, past), *_done(facts, past)]
    return ["actions:", *(text for word, said in lines for text in _hanging(word, said, room))]


def _hanging(word: str, said: str, room: int) -> list[str]:
    return wrap(
        f"  {word:<11}  {printable(' '.join(said.split()))}", room, subsequent_indent=_INDENT, break_on_hyphens=False
    )


def _leave(facts: Facts) -> Iterator[tuple[str, str]]:
    word = RESTART if facts.subject.kind in ACTIONS[RESTART] else RECYCLE
    container = facts.containers.get(facts.subject)
    if word == RESTART and container is None:
        yield word, "not known: the engine does not tell of it at present"
        return
    answer = facts.leave.of(facts.subject, container)
    yield word, f"{_WORDS.get(answer.verdict, answer.verdict)}: {answer.why}"
    if facts.leave.terms.dry_run:
        yield "dry run", "everything is decided and written down, nothing is done"


_WORDS: Final = {Verdict.RUN: "allowed", Verdict.NOT_OPTED_IN: "not opted in"}


def _held(facts: Facts, past: Remembered) -> Iterator[tuple[str, str]]:
    """Say what budgets, pauses and earlier restarts leave; without a journal only what the configuration says."""
    subject, terms = facts.subject, facts.leave.terms
    for quiet in terms.quiet:
        minutes = closes_in(quiet, *facts.quiet_at)
        if minutes is not None:
            yield "quiet", f"a maintenance window is open for another {format_duration(minutes * 60)}"
    if past.trouble:
        return
    if (pause := pause_of(past.pauses, subject, facts.at.mono)) is not None:
        yield "paused", _pause(pause, facts)
    container = facts.containers.get(subject)
    if container is None:
        return
    scene = Scene(facts.at, containers=facts.containers, replicas=facts.replicas)
    tick = Tick(scene, past.ledger, terms)
    left = budget.remaining(tick, subject, service_of(subject, container.labels))
    yield "budget", f"{left} {'restart' if left == 1 else 'restarts'} left in this hour"
    case = tick.case(Wish(subject, RESTART))
    for check in _WAITS:
        if (refusal := check(case)) is not None:
            yield "waits", f"{refusal[0]}: {refusal[1]}"


def _pause(pause: Pause, facts: Facts) -> str:
    until = 'until "brimline resume"' if pause.until is None else f"until {facts.clock_time(pause.until)}"
    return f"{pause.glob or 'everything'}, {until}, by {pause.caller}"


def _decided(facts: Facts, past: Remembered) -> Iterator[tuple[str, str]]:
    for entry in past.decided:
        verdict = str(entry.facts.get("verdict") or Verdict.RUN)
        yield "decided", f"{_ago(entry, facts)}: {entry.action}: {verdict}: {entry.facts.get('reason') or ''}"


def _done(facts: Facts, past: Remembered) -> Iterator[tuple[str, str]]:
    under_way = [deed for deed in past.ledger.deeds if deed.ended is None and _is_of(deed, facts.subject)]
    for deed in under_way:
        began = format_duration(max(0, round(facts.at.mono - deed.began)))
        yield "under way", f"{deed.action}, begun {began} ago"
    for entry in past.done:
        freed = entry.facts.get("freed_bytes")
        more = f"; freed {format_bytes(freed)}" if isinstance(freed, int) and freed > 0 else ""
        yield _DID.get(entry.kind, "done"), f"{_ago(entry, facts)}: {entry.text}{more}"


_DID: Final = {EntryKind.OBSERVED: "observed", EntryKind.RELAPSED: "relapsed"}


def _is_of(deed: Deed, subject: Subject) -> bool:
    return (deed.name, deed.labels) == (subject.name, subject.labels)


def _ago(entry: Entry, facts: Facts) -> str:
    return f"{format_duration(max(0, round(facts.at.mono - entry.at.mono)))} ago"
