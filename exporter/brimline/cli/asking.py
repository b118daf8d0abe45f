"""What the verbs share that speak with a daemon through its journal: where it is, who asks, writing, reading."""

from __future__ import annotations

import getpass
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import click

from brimline.cli.flags import loaded
from brimline.deeds import Entry, Pause
from brimline.errors import JournalError, UnitError
from brimline.journal.appending import append
from brimline.journal.file import NAME, daemon_runs, make_directory, open_to_append, sentence
from brimline.journal.pauses import Pauses
from brimline.journal.reading import open_reading
from brimline.journal.rows import SELECT, Line, line
from brimline.labels import sanitise
from brimline.loading import Value
from brimline.model import Now
from brimline.procfs import Procfs
from brimline.units import parse_duration

DAMAGED: Final = (ValueError, TypeError, KeyError, zlib.error)  # what a line or a sample raises that was not written so
_PORTION: Final = 1000  # lines read at once, so that no slow terminal keeps the file from being tidied
_PAUSES: Final = f"{SELECT} WHERE kind IN ('paused', 'resumed') ORDER BY seq"
_LINES: Final = f"{SELECT} WHERE seq > ? AND wall >= ? ORDER BY seq LIMIT {_PORTION}"


def directory(flags: Mapping[str, Value]) -> Path:
    """Return where the journal is."""
    return Path(loaded(flags).config.storage.path)


def now() -> Now:
    """Return this moment."""
    return Now(time.time(), time.monotonic())


def caller(environ: Mapping[str, str]) -> str:
    """Return who asks: `cli NAME`, whoever stands behind sudo."""
    try:
        name = environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        name = f"uid {os.getuid()}"
    return f"cli {sanitise(name)}"


def write(where: Path, entry: Entry) -> int:
    """Write one line into the journal, which is made where it is missing; return its number."""
    try:
        if (where / NAME).exists():
            open_reading(where).close()  # which refuses another version's file
        else:
            make_directory(where)
        with closing(open_to_append(where)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            seq = append(connection, entry, Procfs().boot_id())
            connection.execute("COMMIT")
            return seq
    except JournalError as error:
        raise click.ClickException(str(error)) from None
    except sqlite3.Error as error:
        raise click.ClickException(sentence(where / NAME, error)) from None


def damaged(where: Path) -> str:
    """Return the sentence about a file of which something cannot be understood."""
    return f"{where / NAME}: a line or a sample is damaged; see brimline journal verify"


def opened(where: Path) -> sqlite3.Connection:
    """Return a connection to read from."""
    try:
        return open_reading(where)
    except JournalError as error:
        raise click.ClickException(str(error)) from None


def lines(connection: sqlite3.Connection, where: Path, *, after: int, since: float = 0.0) -> Iterator[Line]:
    """Yield the lines behind that number, a portion at a time."""
    while rows := connection.execute(_LINES, (after, since)).fetchall():
        for row in rows:
            try:
                written = line(row)
            except DAMAGED:
                raise click.ClickException(damaged(where)) from None
            yield written
        after = int(rows[-1][0])


def paused(where: Path) -> tuple[Pause, ...]:
    """Return the pauses in force."""
    pauses = Pauses()
    with closing(opened(where)) as connection:
        rows = connection.execute(_PAUSES).fetchall()
    try:
        for row in rows:
            pauses.take(line(row))
    except DAMAGED:
        raise click.ClickException(damaged(where)) from None
    return pauses.in_force(now(), Procfs().boot_id())


def tell_pauses(where: Path) -> None:
    """Print what is paused now, and whether anybody is there to heed it."""
    found = paused(where)
    for pause in sorted(found, key=lambda pause: pause.glob):
        until = "until resumed" if pause.until is None else f"until {clock_time(pause.until)}"
        click.echo(f"paused: {pause.glob or 'everything'}, {until}, by {pause.caller}")
    if not found:
        click.echo("nothing is paused")
    if not daemon_runs(where):
        click.echo(f"no Brimline runs with {where}: the one that starts next heeds it", err=True)


def clock_time(wall: float) -> str:
    """Return a moment as people read it, in local time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
    except (ValueError, OverflowError, OSError):  # a damaged line
        return str(wall)


def duration(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """Read a flag that is a duration."""
    try:
        return None if text is None else parse_duration(text)
    except UnitError as error:
        raise click.BadParameter(str(error)) from None


def poll(seconds: float, look: Callable[[], bool], pause: float = 0.1) -> bool:
    """Look again and again until it succeeds or the time is over."""
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
    return True
