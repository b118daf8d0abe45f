"""`brimline pause [NAME] [--for 2h]`: no action until it is over, or until `brimline resume`."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from brimline.cli import asking
from brimline.cli.flags import config_flags
from brimline.deeds import Pause
from brimline.journal import told
from brimline.loading import Value


@click.command()
@click.argument("name", default="")
@click.option("--for", "seconds", metavar="DURATION", callback=asking.duration, help="How long, such as 2h.")
@config_flags(hidden=True)
def pause(name: str, seconds: float | None, flags: Mapping[str, Value]) -> None:
    """Let Brimline do nothing to NAME, or to anything.

    It goes on measuring and alerting. NAME is a glob over containers, project/service or project/container:
    "whisper-*", "shop/api". A second pause of the same NAME takes the place of the first. The running Brimline heeds
    it from its next reading on.
    """
    where, at = asking.directory(flags), asking.now()
    if seconds is not None and not seconds:
        raise click.UsageError('--for: "0" is no time; write how long, such as "2h", or leave it off')
    until = None if seconds is None else at.wall + seconds
    asked = Pause(name, at.wall, until, asking.caller(os.environ), at.mono, seconds)
    asking.write(where, told.paused(asked, at))
    asking.tell_pauses(where)
