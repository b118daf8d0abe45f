"""`brimline check`: one reading, every subject against its levels; its first line and exit status suit Nagios."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Mapping

import click

from brimline.app import App
from brimline.cli import table
from brimline.cli.check.closed import not_opted_in
from brimline.cli.check.text import EXIT, Result, as_data, body, status_line
from brimline.cli.flags import Refusal, config_flags, loaded
from brimline.endpoints import leans_on
from brimline.errors import BrimlineError
from brimline.glance import observe
from brimline.leave import Leave, terms_of
from brimline.loading import Value
from brimline.model import Subject
from brimline.standing import State
from brimline.view import View


class PluginCommand(click.Command):
    """A command whose usage errors end with 3 (unknown): click's own 2 would mean critical to Nagios."""

    def make_context(self, info_name: str | None, args: list[str], *rest: object, **more: object) -> click.Context:
        """Parse the arguments."""
        try:
            return super().make_context(info_name, args, *rest, **more)  # type: ignore[arg-type] # passed on as given
        except click.UsageError as error:
            error.show()
            raise click.exceptions.Exit(EXIT[State.UNKNOWN]) from None


class Unknown(Refusal):
    """A configuration that cannot be used: nothing is known."""

    exit_code = EXIT[State.UNKNOWN]


@click.command(cls=PluginCommand)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--watch", is_flag=True, help="Go on, one reading every 5 s or --interval.")
@click.option("--oom", is_flag=True, help="Show what was OOM-killed and who is protected; 1 if somebody is not.")
@config_flags(hidden=True)
@click.pass_context
def check(  # noqa: PLR0913 - its flags
    ctx: click.Context, names: tuple[str, ...], *, as_json: bool, watch: bool, oom: bool, flags: Mapping[str, Value]
) -> None:
    """Show every subject against its levels; also a Nagios plugin.

    NAME is a glob over names, kind/name or project/service: "whisper-*", "process/*", "shop/api". A subject without a
    limit is measured against the host's memory and marked "no limit". One with levels of its own (by a label, by
    thresholds in the configuration) is held against those, and a rule file may state others than 80 and 85 for all.

    The exit status is 0 (normal), 1 (warning), 2 (critical) or 3 (unknown). The first line holds the worst subjects
    and, except on a terminal, the performance data. All flags of "brimline run" work here too.
    """
    if watch and oom:
        raise Unknown("--watch and --oom: write one of them")
    if watch or oom:
        ctx.exit(_at_length(names, flags, as_json=as_json, oom=oom))
    config = loaded(flags, Unknown).config
    closed: set[Subject] = set()

    def ask(app: App) -> None:
        leave = Leave(terms_of(config.actions), leans_on(config, os.environ))
        found = app.view.snapshot.containers if app.view is not None else None
        closed.update(not_opted_in(app.rules.rules, leave, found or {}))

    try:
        view = asyncio.run(observe(config, ask))
    except BrimlineError as error:
        click.echo(f"BRIMLINE UNKNOWN - {error}")
        ctx.exit(EXIT[State.UNKNOWN])
    result = Result(view, names, closed)
    if as_json:
        click.echo(json.dumps(as_data(result), indent=2))
    else:
        click.echo(status_line(result, perfdata=not sys.stdout.isatty()))
        for line in body(result, table.width(), colour=table.coloured()):
            click.echo(line)
    ctx.exit(EXIT[result.state])


def _at_length(names: tuple[str, ...], flags: Mapping[str, Value], *, as_json: bool, oom: bool) -> int:
    from brimline.cli.check import oom as kills  # noqa: PLC0415 - a single reading needs neither HTTP nor SQLite
    from brimline.cli.check import watch  # noqa: PLC0415

    found = loaded(watch.in_seconds(flags), Unknown)
    cores = watch.Cores()

    def shown(view: View) -> tuple[list[str] | None, Iterable[str], int]:
        result = Result(view, names)
        used = cores.look(result.measures, view.snapshot.at.mono)
        if as_json:
            return None, [json.dumps(as_data(result, used))], EXIT[result.state]
        failures = [f"source {status.source} failed: {status.error}" for status in result.down]
        failures += [f'nothing matches "{pattern}"' for pattern in result.unmatched]
        room, colour = table.width(), table.coloured()
        screen = [status_line(result, perfdata=False), *body(result, room, colour=colour, cores=used)]
        return screen, watch.lines_of(result.rows, result.measures, failures, used), EXIT[result.state]

    try:
        if oom:
            return kills.report(found.config, names, os.environ, as_json=as_json)
        return watch.follow(found, shown)
    except BrimlineError as error:
        click.echo(f"BRIMLINE UNKNOWN - {error}")
        return EXIT[State.UNKNOWN]
