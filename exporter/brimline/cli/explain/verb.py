"""`brimline explain NAME`: every number called "used" side by side, the limits, one sentence, and what may be done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import click

from brimline.cli import table
from brimline.cli.explain.acting import acting
from brimline.cli.explain.reach import Reach
from brimline.cli.explain.remembered import remember
from brimline.cli.explain.text import explanation
from brimline.cli.flags import config_flags, loaded
from brimline.cli.named import find
from brimline.config import Config
from brimline.errors import BrimlineError
from brimline.glance import observe
from brimline.loading import Value
from brimline.model import Subject
from brimline.standing import Measures, ended, qualified, rows, stopped, told
from brimline.view import View


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
