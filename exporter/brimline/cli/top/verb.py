"""`brimline top`: every subject live on a terminal, by rich; as plain tables with NO_COLOR and off a terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Final

import click

from brimline.cli import asking, table
from brimline.cli.check.text import COLOUR
from brimline.cli.flags import config_flags, loaded
from brimline.cli.table import Cell, Heading
from brimline.cli.top.rows import Line, Order, Screen, Trends, chosen, firing, lines, moved, summary
from brimline.cli.watching import in_seconds, watch
from brimline.config import Loaded
from brimline.errors import BrimlineError
from brimline.loading import Value
from brimline.standing import Measures, qualified, told
from brimline.units import format_bytes, format_duration, format_ratio
from brimline.view import View

_HEADINGS: Final = (
    Heading("STATE"),
    Heading("RATIO", right=True),
    Heading("USED", right=True),
    Heading("LIMIT", right=True),
    Heading("TREND/s", right=True),
    Heading("FULL IN", right=True),
    Heading("NAME"),
)


@click.command()
@click.option(
    "--sort",
    "order",
    type=click.Choice([str(order) for order in Order]),
    default="state",
    show_default=True,
    help="By what to sort.",
)
@click.option("--filter", "pattern", default="", metavar="NAME", help="Only these: a part of the name, or a glob.")
@click.option("--count", type=click.IntRange(min=1), help="Print so many plain tables, then end.")
@config_flags(hidden=True)
def top(order: str, pattern: str, count: int | None, flags: Mapping[str, Value]) -> None:
    """Show every subject live, the worst first.

    It takes readings of its own, every 2 s (--interval), and does nothing: no running Brimline is needed. With
    NO_COLOR, with --count or off a terminal it prints one plain table after the other.

    Keys: s state, r ratio, u used, t trend, l time left, n name (again: the other way round); / filter, esc all;
    a alerts; q quit.
    """
    found = loaded(in_seconds(flags, "2s"))
    screen = Screen(order=Order(order), pattern=pattern)
    try:
        if count is None and table.coloured() and sys.stdin.isatty():
            asyncio.run(_live(found, screen))
        else:
            plain = Plain(screen)
            asyncio.run(watch(found, plain.show, count=count))
    except BrimlineError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        pass


async def _live(found: Loaded, screen: Screen) -> None:
    try:
        from brimline.cli.top.screen import run  # noqa: PLC0415 - rich is an extra
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("rich"):
            raise
        raise click.ClickException(
            'the live table needs rich: pip install "brimline[tui]"; NO_COLOR=1 brimline top does without it'
        ) from None
    await run(found, screen)


class Plain:
    """Prints one table a reading."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._trends = screen, Trends()

    def show(self, view: View) -> None:
        """Print a reading."""
        measures = Measures(view)
        trends = self._trends.look(view.snapshot.at.mono, [line.row for line in lines(measures, {})])
        every = lines(measures, trends)
        click.echo(f"{asking.clock_time(measures.at)}  {summary(every)}")
        for source in view.sources:
            if not source.up:
                click.echo(f"source {source.source} failed: {source.error}")
        for alert in firing(every):
            click.echo(f"{qualified(alert.subject)}: {told(alert, measures.at)}")
        cells = [_cells(line) for line in chosen(every, self._screen)]
        for text in table.render(_HEADINGS, cells, table.width(), colour=table.coloured()):
            click.echo(text)
        click.echo()
        sys.stdout.flush()


def _cells(line: Line) -> list[Cell]:
    row = line.row
    limit = "-" if row.limit is None else format_bytes(row.limit) if row.limited else "no limit"
    return [
        Cell(row.state, COLOUR[row.state]),
        Cell("-" if row.ratio is None else format_ratio(row.ratio)),
        Cell("-" if row.used is None else format_bytes(row.used)),
        Cell(limit),
        Cell(moved(line)),
        Cell("" if line.left is None else format_duration(line.left)),
        Cell(row.name),
    ]
