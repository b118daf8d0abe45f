"""`brimline check --watch`: the readings one after the other, drawn over each other on a terminal, else as lines."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import click

from brimline.cli import asking
from brimline.cli.check.text import CPU, NEVER, NOT_YET
from brimline.cli.watching import in_seconds, watch
from brimline.config import Loaded
from brimline.model import Kind, Subject
from brimline.standing import Measures, Row, State
from brimline.units import format_bytes, format_ratio
from brimline.view import View

__all__ = ["Cores", "follow", "in_seconds", "lines_of"]


class Cores:
    """How much CPU each subject uses: what its counter rose between two looks."""

    def __init__(self) -> None:
        self._before: Mapping[Subject, float] = {}
        self._mono = 0.0

    def look(self, measures: Measures, mono: float) -> Mapping[Subject, float]:
        """Return the cores each used since the last look; who was not there then, or began anew, is left out."""
        seconds = {s: v for kind in Kind for s, v in measures.all(kind, "cpu_seconds_total").items()}
        before, passed = self._before, mono - self._mono
        self._before, self._mono = seconds, mono
        if passed <= 0:
            return {}
        return {s: (v - before[s]) / passed for s, v in seconds.items() if s in before and v >= before[s]}


def redraw(lines: Sequence[str], rows: int) -> str:
    """Return what puts the lines over those drawn before, without a flicker; what has no room is counted."""
    if len(lines) > rows - 1:
        lines = [*lines[: rows - 2], f"... and {len(lines) - rows + 2} more lines"]
    return "\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J"


def lines_of(
    rows: Sequence[Row], measures: Measures, failures: Sequence[str], cores: Mapping[Subject, float]
) -> Iterator[str]:
    """Yield one line a subject and a failure, each with its moment: for whoever reads them from a file."""
    when = asking.clock_time(measures.at)
    yield from (f"{when}  {State.UNKNOWN:<8}  {failure}" for failure in failures)
    for row in rows:
        yield "  ".join((when, f"{row.state:<8}", f"{_ratio(row):>7}", row.name, *_told(row, measures, cores)))


def _ratio(row: Row) -> str:
    return "-" if row.ratio is None else format_ratio(row.ratio)


def _told(row: Row, measures: Measures, cores: Mapping[Subject, float]) -> Iterator[str]:
    if row.used is not None:
        bound = "" if row.limit is None else f" of {format_bytes(row.limit)}"
        yield format_bytes(row.used) + (bound if row.limited else ", no limit")
    used = cores.get(row.subject)
    if used is not None:
        yield f"{CPU} {used:.2f} cores"
    yield f"{', '.join(NEVER if used is not None else (CPU, *NEVER))} {NOT_YET}"
    if row.reason:
        yield row.reason
    yield from (f"{alert.alertname} {alert.phase}" for alert in measures.alerts_of(row.subject))
    trouble = measures.trouble(row.subject)
    if trouble is not None:
        yield trouble.name


# Of a view: as a screen (None: lines on a terminal too), as lines, and the exit status.
Shown = Callable[[View], tuple[Sequence[str] | None, Iterable[str], int]]


def follow(loaded: Loaded, shown: Shown, *, count: int | None = None) -> int:
    """Show readings until somebody ends it; return the exit status of the last."""
    status = 3

    drawn = sys.stdout.isatty()

    def seen(view: View) -> None:
        nonlocal status
        screen, lines, status = shown(view)
        if drawn and screen is not None:
            click.echo(redraw(screen, shutil.get_terminal_size().lines), nl=False)
            return
        for line in lines:
            click.echo(line)
        sys.stdout.flush()

    try:
        if drawn:
            click.echo("\x1b[2J", nl=False)
        asyncio.run(watch(loaded, seen, count=count))
    except KeyboardInterrupt:
        pass
    return status
