"""`brimline explain NAME`: every number called "used" side by side, the limits, one sentence, and what may be done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from brimline.cli import table
from brimline.cli.acting import acting
from brimline.cli.explanation import explanation
from brimline.cli.flags import config_flags, loaded
from brimline.cli.reach import Reach
from brimline.cli.remembered import remember
from brimline.config import Config
from brimline.errors import BrimlineError
from brimline.glance import observe
from brimline.loading import Value
from brimline.mistakes import did_you_mean
from brimline.model import Subject
from brimline.standing import Measures, ended, matches, qualified, rows, stopped, told
from brimline.view import View


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


@click.command()
@click.argument("name")
@config_flags(hidden=True)
def explain(name: str, flags: Mapping[str, Value]) -> None:
    """Say what one subject's memory consists of and what limits it.

    Below that stands what Brimline may do about it, and what the journal says was decided and done.

    NAME is as in "brimline check": whisper, container/whisper, shop/api, ssh.service, host.
    All flags of "brimline run" work here too.
    """
    config = loaded(flags).config
    reach = Reach()
    try:
        view: View = asyncio.run(observe(config, reach.look))
    except BrimlineError as error:
        raise click.ClickException(str(error)) from None
    measures = Measures(view)
    measured = {row.subject: row for row in rows(measures)}
    idle = {subject: code for subject, code in stopped(measures) if subject not in measured}
    subject = find([*measured, *idle], name)
    if subject in idle:
        lines = [qualified(subject), f"  It holds no memory: {ended(idle[subject])}."]
        lines += [f"  {told(alert, measures.at)}" for alert in measures.alerts_of(subject)]
    else:
        lines = explanation(measured[subject], measures, table.width(), colour=table.coloured())
    for line in [*lines, *_acting(subject, view, config, reach)]:
        click.echo(line)


def _acting(subject: Subject, view: View, config: Config, reach: Reach) -> list[str]:
    facts = reach.facts(subject, view, config)
    section = acting(facts, remember(Path(config.storage.path), subject, facts.at), table.width())
    return ["", *section] if section else []
