"""Whether it helped: what did not help twice, or freed next to nothing, is not done again by itself. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from brimline.deeds import CLEANUP, RESTART, Deed, Fate, Verdict
from brimline.labels import names
from brimline.model import Container, Subject
from brimline.policy.book import asker, end_of, lasts
from brimline.policy.case import Case, Tick
from brimline.policy.terms import Refusal
from brimline.units import format_bytes, format_duration, format_ratio

STOPPED_FOR: Final = 6 * 3600.0
LEAST_FREED: Final = 0.05  # of what was used before


def ineffective(case: Case) -> Refusal | None:
    """Refuse the third restart after two that did not help, and a cleanup that frees nothing; a person may try."""
    if case.wish.by_person:
        return None
    match case.wish.action:
        case "restart":
            return _third_restart(case)
        case "cleanup":
            return _same_cleanup(case)
        case _:
            return None


def in_vain(tick: Tick, subject: Subject, container: Container | None) -> Deed | None:
    """Return the second of two restarts in a row, after each of which whoever asked for it soon asked again.

    It lasts 6 h from there, until `resume`, or until the image or the limit is another. All who ask for the subject
    count together, or two of them would take turns; a person's restarts in between do not count.
    """
    if container is None:
        return None
    resumed = _resumed(tick, subject)
    rows = [
        deed
        for deed in tick.of(subject, RESTART)
        if asker(deed)
        and deed.fate is Fate.DONE
        and (deed.image_id, deed.limit) == (container.image_id, container.limit)
        and deed.began > resumed
    ][-2:]
    if len(rows) < 2 or not all(deed.relapsed for deed in rows):  # noqa: PLR2004 - two in a row
        return None
    return rows[1] if tick.mono - end_of(rows[1]) < STOPPED_FOR else None


def _third_restart(case: Case) -> Refusal | None:
    second = in_vain(case.tick, case.wish.subject, case.container)
    if second is None:
        return None
    left = max(1, round(end_of(second) + STOPPED_FOR - case.tick.mono))
    back = "the same alert was back" if second.rule else f"{second.caller} asked again"
    return Verdict.INEFFECTIVE, (
        f"after 2 restarts in a row {back} within {format_duration(lasts(second))}: restarting {case.name} "
        f"does not help; it is possible again in {format_duration(left)}, with another image or limit, or after "
        f'"brimline resume {case.name}"'
    )


def _same_cleanup(case: Case) -> Refusal | None:
    """Refuse where the same firing of the same rule had a cleanup that freed too little; a higher rule may ask."""
    resumed = _resumed(case.tick, case.wish.subject)
    for deed in reversed(case.done(CLEANUP)):
        if (deed.rule, deed.episode) != (case.wish.rule, case.wish.episode) or deed.began <= resumed:
            continue
        if deed.fate is not Fate.DONE or deed.before_bytes is None or deed.after_bytes is None:
            return None
        freed = deed.before_bytes - deed.after_bytes
        if freed >= LEAST_FREED * deed.before_bytes:
            return None
        ago = format_duration(max(0, round(case.tick.mono - end_of(deed))))
        share = format_ratio(max(0, freed) / deed.before_bytes) if deed.before_bytes > 0 else format_ratio(0.0)
        return Verdict.INEFFECTIVE, (
            f"the cleanup {ago} ago freed {share} of {format_bytes(deed.before_bytes)}, less than "
            f"{format_ratio(LEAST_FREED)}: not again before {case.wish.alertname or 'its alert'} resolves"
        )
    return None


def _resumed(tick: Tick, subject: Subject) -> float:
    """Return when somebody last said that it may go on."""
    called = names(subject)
    at = [mono for glob, mono in tick.resumed.items() if not glob or any(fnmatchcase(n, glob) for n in called)]
    return max(at, default=float("-inf"))
