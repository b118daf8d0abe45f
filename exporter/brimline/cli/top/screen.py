"""`brimline top` on a terminal: drawn by rich, driven by single keys. Imported only where rich is installed."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from brimline.cli.top.rows import Line, Order, Screen, Trends, chosen, firing, lines, moved, name_of, summary
from brimline.cli.watching import watch
from brimline.config import Loaded
from brimline.standing import Measures, State, qualified, told
from brimline.units import format_bytes, format_duration, format_ratio
from brimline.view import View

_COLOUR: Final = {State.NORMAL: "green", State.WARNING: "yellow", State.CRITICAL: "red", State.UNKNOWN: "magenta"}
_BAR: Final = 16  # columns
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_ALERTS: Final = 4  # lines
_NARROW: Final = 100  # columns below which the trend and what is the matter have no room
_KEYS: Final = "s r u t l n sort   / filter   esc all   a alerts   q quit"


class Top:
    """The table, what was chosen, and the last reading."""

    def __init__(self, console: Console, screen: Screen) -> None:
        self._console = console
        self._trends = Trends()
        self._view: View | None = None
        self._measures: Measures | None = None
        self._lines: list[Line] = []
        self.screen = screen

    def take(self, view: View) -> None:
        """Take a reading in."""
        self._view, self._measures = view, Measures(view)
        found = lines(self._measures, {})
        trends = self._trends.look(view.snapshot.at.mono, [line.row for line in found])
        self._lines = lines(self._measures, trends)

    def draw(self) -> Group:
        """Return the whole screen."""
        if self._view is None or self._measures is None:
            return Group(Text("the first reading is under way", style="dim"))
        size = self._console.size
        parts: list[Text | Table] = [*self._head(), *self._alerts()]
        shown = chosen(self._lines, self.screen)
        room = max(1, size.height - len(parts) - 3)
        parts.append(self._table(shown[:room], wide=size.width >= _NARROW))
        hidden = len(shown) - room
        foot = f"/{self.screen.pattern}█   enter keeps it, esc drops it" if self.screen.typing else _KEYS
        parts.append(Text(f"{f'{hidden} more below   ' if hidden > 0 else ''}{foot}", style="dim", no_wrap=True))
        return Group(*parts)

    def _head(self) -> Iterator[Text]:
        head = Text("brimline top", style="bold", no_wrap=True, overflow="ellipsis")
        head.append(f"   {summary(self._lines)}", style="default")
        if self.screen.pattern and not self.screen.typing:
            head.append(f"   only {self.screen.pattern}", style="cyan")
        yield head
        if self._view is not None:
            for source in self._view.sources:
                if not source.up:
                    said = f"source {source.source} failed: {source.error}"
                    yield Text(said, style="bold red", no_wrap=True, overflow="ellipsis")

    def _alerts(self) -> Iterator[Text]:
        found = firing(self._lines) if self.screen.alerts else []
        at = 0.0 if self._measures is None else self._measures.at
        for alert in found[:_ALERTS]:
            style = "red" if alert.severity == "critical" else "yellow"
            said = f"{qualified(alert.subject)}: {told(alert, at)}"
            yield Text(said, style=style, no_wrap=True, overflow="ellipsis")
        if len(found) > _ALERTS:
            yield Text(f"and {len(found) - _ALERTS} more alerts", style="yellow")

    def _table(self, shown: Sequence[Line], *, wide: bool) -> Table:
        table = Table(box=None, pad_edge=False, expand=True, header_style="bold")
        mark = "▲" if self.screen.backwards else "▼"

        def column(title: str, order: Order | None = None, **more: object) -> None:
            text = f"{title} {mark}" if order is self.screen.order and order is not None else title
            table.add_column(text, no_wrap=True, **more)  # type: ignore[arg-type] # rich's own keywords

        column("STATE", Order.STATE)
        column("NAME", Order.NAME, ratio=2, overflow="ellipsis", min_width=12)
        column("RATIO", Order.RATIO, justify="right")
        column("")
        column("USED", Order.USED, justify="right")
        column("LIMIT", justify="right")
        if wide:
            column("TREND/s", Order.TREND, justify="right")
            column("FULL IN", Order.LEFT, justify="right")
            column("WHAT", ratio=1, overflow="ellipsis")
        for line in shown:
            table.add_row(*_cells(line)[: None if wide else 6])
        return table


def _cells(line: Line) -> list[Text]:
    row = line.row
    colour = _COLOUR[row.state]
    limit = "-" if row.limit is None else format_bytes(row.limit) if row.limited else "no limit"
    return [
        Text(row.state, style=colour),
        Text(name_of(line)),
        Text("-" if row.ratio is None else format_ratio(row.ratio), style=colour),
        Text(bar(row.ratio or 0.0), style=f"{colour} on grey23"),
        Text("-" if row.used is None else format_bytes(row.used)),
        Text(limit, style="" if row.limited else "dim"),
        Text(moved(line), style="bold" if (line.trend or 0.0) > 0 else ""),
        Text("" if line.left is None else format_duration(line.left), style="red"),
        Text(row.reason or line.trouble, style="dim" if not row.reason else "magenta"),
    ]


def bar(ratio: float) -> str:
    """Return the ratio in eighths of a column."""
    eighths = round(min(max(ratio, 0.0), 1.0) * _BAR * 8)
    full, rest = divmod(eighths, 8)
    return (_EIGHTHS[8] * full + (_EIGHTHS[rest] if rest else "")).ljust(_BAR)


@contextmanager
def keys(fd: int) -> Iterator[None]:
    """Let the terminal hand on single keys for the time of the block, and put it back as it was."""
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


async def run(loaded: Loaded, screen: Screen) -> None:
    """Show it until somebody presses q."""
    console = Console()
    top = Top(console, screen)
    over = asyncio.Event()
    fd = sys.stdin.fileno()
    with keys(fd), Live(top.draw(), console=console, screen=True, auto_refresh=False) as live:

        def redraw() -> None:
            live.update(top.draw(), refresh=True)

        def seen(view: View) -> None:
            top.take(view)
            redraw()

        def pressed() -> None:
            typed = os.read(fd, 1024).decode(errors="ignore")
            for key in [typed] if typed.startswith("\x1b[") else typed or "q":  # an arrow is one key, and none of ours
                top.screen = top.screen.press(key)
            if top.screen.over:
                over.set()
            redraw()

        loop = asyncio.get_running_loop()
        loop.add_reader(fd, pressed)
        watching = asyncio.create_task(watch(loaded, seen))
        waiting = asyncio.create_task(over.wait())
        try:
            await asyncio.wait({watching, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_reader(fd)
            waiting.cancel()
            watching.cancel()
            ended = await asyncio.gather(watching, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
