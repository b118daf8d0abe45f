"""`brimline journal`: what was decided, done and asked for, read from the file with or without a running Brimline."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import click

from brimline.cli import asking, table
from brimline.cli.flags import config_flags
from brimline.deeds import Entry, EntryKind
from brimline.journal.file import NAME
from brimline.journal.pauses import CARRIED
from brimline.journal.rows import Line
from brimline.journal.verify import verify as walk
from brimline.labels import printable
from brimline.loading import Value
from brimline.standing import matches

_COLOURS: Final[Mapping[EntryKind, str]] = {
    EntryKind.REFUSED: "magenta",
    EntryKind.INTENT: "yellow",
    EntryKind.OUTCOME: "green",
    EntryKind.OBSERVED: "yellow",
    EntryKind.RELAPSED: "red",
    EntryKind.ALERT: "cyan",
    EntryKind.PAUSED: "blue",
    EntryKind.RESUMED: "blue",
    EntryKind.REQUESTED: "blue",
}
_KIND_WIDTH: Final = max(len(kind) for kind in EntryKind)
_DAY: Final = 86_400.0
_GLANCE_SECONDS: Final = 0.5


@click.group(invoke_without_command=True)
@click.option("--follow", is_flag=True, help="Go on printing what is written.")
@click.option(
    "--since", "back", metavar="DURATION", callback=asking.duration, help="How far back.  [default: 1d; --follow: 0s]"
)
@click.option("--subject", "pattern", metavar="NAME", help="Only of these subjects, a glob as in brimline check.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@config_flags(hidden=True)
@click.pass_context
def journal(  # noqa: PLR0913 - its flags
    ctx: click.Context,
    back: float | None,
    pattern: str | None,
    *,
    follow: bool,
    as_json: bool,
    flags: Mapping[str, Value],
) -> None:
    """Show what was decided, done and asked for, and why.

    Lines are oldest first, in local time. The file is read as it is, with or without a running Brimline.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = flags
        return
    where = asking.directory(flags)
    since = time.time() - (back if back is not None else 0.0 if follow else _DAY)

    def wanted(written: Line) -> bool:
        subject = written.entry.subject
        return pattern is None or (subject is not None and matches(subject, pattern))

    show = _as_json if as_json else _as_text(colour=table.coloured())
    tail = Tail(where)
    try:
        tail.tell(since, wanted, show)
        while follow:
            time.sleep(_GLANCE_SECONDS)
            tail.renew()
            tail.tell(0.0, lambda written: wanted(written) and CARRIED not in written.entry.facts, show)
    except KeyboardInterrupt:
        pass
    except sqlite3.Error as error:
        raise click.ClickException(f"{where / NAME}: {error}; try brimline journal verify") from None
    finally:
        tail.close()


@journal.command("verify")
@config_flags(hidden=True)
@click.pass_context
def verify(ctx: click.Context, flags: Mapping[str, Value]) -> None:
    """Say whether every line is as it was written.

    The exit status is 1 if one is not; the first of them is named.
    """
    where = asking.directory({**(ctx.obj or {}), **flags})
    with closing(asking.opened(where)) as connection:
        found = walk(connection)
    if found.broken is not None:
        click.echo(f"{where / NAME}: line {found.broken}: {found.found}; {found.lines} lines before it are whole")
        ctx.exit(1)
    before = f", {found.removed} older ones were removed" if found.removed else ""
    click.echo(f"{where / NAME}: {found.lines} lines, all as they were written{before}")


class Tail:
    """The journal's lines from some number on, also of the file that takes this one's place."""

    def __init__(self, where: Path) -> None:
        self._where, self._last = where, 0
        self._connection = asking.opened(where)
        self._inode = self._look()

    def tell(self, since: float, wanted: Callable[[Line], bool], show: Callable[[Entry], str]) -> None:
        """Print the lines since the last call that are not older than a moment."""
        last = self._connection.execute("SELECT coalesce(max(seq), 0) FROM lines").fetchone()[0]
        for written in asking.lines(self._connection, self._where, after=self._last, since=since):
            last = max(last, written.entry.seq)
            if wanted(written):
                click.echo(show(written.entry))
        self._last = last

    def renew(self) -> None:
        """Go on with another file, from its beginning, where this one was set aside."""
        found = self._look()
        if found not in {0, self._inode}:
            self._connection.close()
            self._connection, self._inode, self._last = asking.opened(self._where), found, 0

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _look(self) -> int:
        try:
            return (self._where / NAME).stat().st_ino
        except OSError:
            return 0


def _as_text(*, colour: bool) -> Callable[[Entry], str]:
    """Return what makes a line of an entry; the column of names is as wide as the widest so far."""
    width = 0

    def show(entry: Entry) -> str:
        nonlocal width
        name = "-" if entry.subject is None else entry.subject.name or str(entry.subject.kind)
        width = max(width, min(table.cells(name), 32))
        kind = f"{entry.kind:<{_KIND_WIDTH}}"
        failed = entry.kind is EntryKind.OUTCOME and entry.facts.get("ok") is not True
        painted = click.style(kind, fg="red" if failed else _COLOURS.get(entry.kind)) if colour else kind
        short = table.shorten(name, width)
        blank = " " * (width - table.cells(short))
        return (
            f"{asking.clock_time(entry.at.wall)}  {painted}  {short}{blank}  {printable(' '.join(entry.text.split()))}"
        )

    return show


def _as_json(entry: Entry) -> str:
    subject = entry.subject
    data = {
        "seq": entry.seq,
        "at": entry.at.wall,
        "kind": str(entry.kind),
        "subject": None
        if subject is None
        else {"kind": str(subject.kind), "name": subject.name, "labels": list(subject.labels), "uid": subject.uid},
        "action": entry.action,
        "decision_id": entry.decision_id,
        "text": entry.text,
        "facts": dict(entry.facts),
    }
    return json.dumps(data, ensure_ascii=True)
