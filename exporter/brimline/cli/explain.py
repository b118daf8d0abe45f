"""`brimline explain NAME`: every number that is called "used" side by side, the limits, and one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import click

from brimline.app import observe
from brimline.cli import table
from brimline.cli.explanation import explanation
from brimline.cli.flags import config_flags, loaded
from brimline.errors import BrimlineError
from brimline.loading import Value
from brimline.mistakes import did_you_mean
from brimline.model import View
from brimline.standing import Measures, Row, matches, qualified, rows


def find(every: Sequence[Row], name: str) -> Row:
    """Return the one subject of that name; a click error says what is there instead."""
    exact = [row for row in every if name in {row.subject.name, qualified(row.subject)}]
    found = exact or [row for row in every if matches(row.subject, name)]
    if not found:
        hint = did_you_mean(name, sorted({row.subject.name for row in every})[:20])
        raise click.ClickException(f'no subject "{name}"{hint}')
    if len(found) > 1:
        names = ", ".join(row.name for row in found)
        raise click.ClickException(f'"{name}" names {len(found)} subjects: {names}; write one of them')
    return found[0]


@click.command()
@click.argument("name")
@config_flags(hidden=True)
def explain(name: str, flags: Mapping[str, Value]) -> None:
    """Say what one subject's memory consists of and what limits it.

    NAME is as in "brimline check": whisper, container/whisper, shop/api, ssh.service, host.
    All flags of "brimline run" work here too.
    """
    config = loaded(flags).config
    try:
        view: View = asyncio.run(observe(config))
    except BrimlineError as error:
        raise click.ClickException(str(error)) from None
    measures = Measures(view)
    row = find(rows(measures), name)
    for line in explanation(row, measures, table.width(), colour=table.coloured()):
        click.echo(line)
