"""When nothing is done: somebody asked for quiet, a maintenance window is open, compose recreates the project. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from brimline.deeds import Pause, Verdict
from brimline.labels import names
from brimline.model import Kind, Subject
from brimline.policy.case import Case
from brimline.policy.terms import Refusal, Window
from brimline.units import format_duration

_DAY: Final = 24 * 60
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW: Final = re.compile(r"(?:(\w{3})(?:-(\w{3}))? )?(\d\d):(\d\d)-(\d\d):(\d\d)")


def window(text: str) -> Window:
    """Return what `sat-sun 02:00-04:30` says; the configuration has checked how it is written."""
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is no window; write "02:00-04:30" or "sat-sun 02:00-04:30"')
    first, last, *clock = found.groups()
    hours = [int(part) for part in clock]
    begins, ends = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if first is None:
        return Window(begins, ends)
    start = _DAYS.index(first)
    span = (_DAYS.index(last or first) - start) % 7
    return Window(begins, ends, frozenset((start + day) % 7 for day in range(span + 1)))


def closes_in(quiet: Window, weekday: int, minute: int) -> int | None:
    """Return in how many minutes the window closes; None: it is not open."""
    length = (quiet.ends - quiet.begins) % _DAY or _DAY
    for day, since in ((weekday, minute - quiet.begins), ((weekday - 1) % 7, minute + _DAY - quiet.begins)):
        if day in quiet.days and 0 <= since < length:
            return length - since
    return None


def paused(case: Case) -> Refusal | None:
    """Refuse everything while it is quiet, a person's request too: `brimline resume` says that it is over."""
    scene, subject = case.scene, case.wish.subject
    if (pause := pause_of(scene.pauses, subject, case.tick.mono)) is not None:
        return Verdict.PAUSED, f"{sentence(pause, case.tick.mono)}; {case.would()}"
    for quiet in case.tick.terms.quiet:
        minutes = closes_in(quiet, scene.weekday, scene.minute)
        if minutes is not None:
            return Verdict.PAUSED, f"a maintenance window is open for another {format_duration(minutes * 60)}"
    project = subject.labels[1] if subject.kind is Kind.CONTAINER else ""
    if project and project in scene.recreating:
        return Verdict.PAUSED, f"compose is recreating containers of {project}"
    return None


def sentence(pause: Pause, mono: float) -> str:
    """Say who paused what, and for how long."""
    what = f'"{pause.glob}"' if pause.glob else "everything"
    lasts = 'until "brimline resume"'
    if pause.seconds is not None:
        lasts = f"for another {format_duration(max(1, round(pause.since + pause.seconds - mono)))}"
    return f"{pause.caller} paused {what}, {lasts}"


def pause_of(pauses: Sequence[Pause], subject: Subject, mono: float) -> Pause | None:
    """Return the pause in force for a subject; how long it lasts is counted by the clock that never jumps."""
    called = names(subject)
    for pause in pauses:
        over = pause.seconds is not None and mono >= pause.since + pause.seconds
        if not over and (not pause.glob or any(fnmatchcase(name, pause.glob) for name in called)):
            return pause
    return None
