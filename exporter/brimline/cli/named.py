"""The one subject that a NAME on the command line means; without one, a sentence says what is there instead."""

from __future__ import annotations

from collections.abc import Sequence

import click

from brimline.mistakes import did_you_mean
from brimline.model import Subject
from brimline.standing import matches, qualified


def find(every: Sequence[Subject], name: str) -> Subject:
    """Return the one subject of that name; a click error says what is there instead."""
    exact = [subject for subject in every if name in {subject.name, qualified(subject)}]
    found = exact or [subject for subject in every if matches(subject, name)]
    if not found:
        hint = did_you_mean(name, sorted({subject.name for subject in every})[:20])
        raise click.ClickException(f'no subject "{name}"{hint}')
    if len(found) > 1:
        names = ", ".join(map(qualified, found))
        raise click.ClickException(f'"{name}" names {len(found)} subjects: {names}; write one of them')
    return found[0]
