"""`brimline run`: the sidecar itself."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from brimline import daemon
from brimline.cli.flags import config_flags, loaded
from brimline.loading import Value, load


@click.command()
@config_flags()
@click.pass_context
def run(ctx: click.Context, flags: Mapping[str, Value]) -> None:
    """Measure every interval and serve /metrics.

    Every flag is also a variable (--web.listen-address: BRIMLINE_WEB_LISTEN_ADDRESS) and a key of the file
    (web.listen_address). A flag wins over a variable, a variable over the file. Nothing at all is a good configuration.
    """
    ctx.exit(daemon.run(loaded(flags), lambda: load(flags, os.environ)))
