"""`brimline resume [NAME]`: the end of a pause, and another chance for what restarts did not help."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from brimline.cli import asking
from brimline.cli.flags import config_flags
from brimline.journal import told
from brimline.loading import Value


@click.command()
@click.argument("name", default="")
@config_flags(hidden=True)
def resume(name: str, flags: Mapping[str, Value]) -> None:
    """End the pause of NAME, or all pauses.

    NAME is as it was given to "brimline pause", or a container whose restarts did not help: it gets another chance.
    """
    where = asking.directory(flags)
    asking.write(where, told.resumed(name, asking.caller(os.environ), asking.now()))
    asking.tell_pauses(where)
