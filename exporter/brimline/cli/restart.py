"""`brimline restart NAME`: asks the running Brimline, whose policy decides as it does for an alert, and waits."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import click

from brimline.cli import asking
from brimline.cli.flags import config_flags
from brimline.deeds import Entry, EntryKind, Request, Verdict
from brimline.journal import told
from brimline.journal.file import daemon_runs
from brimline.loading import Value

NO_ANSWER: Final = 3
_INTERRUPTED: Final = 130
_ANSWER_SECONDS: Final = 15.0  # three readings at the usual interval
_PORTION_SECONDS: Final = 5.0  # between two looks whether the daemon lives
_ANSWERS: Final = frozenset({EntryKind.INTENT, EntryKind.REFUSED, EntryKind.NOTE})


class Conversation:
    """The lines that follow a request, as far as they are about it."""

    def __init__(self, connection: sqlite3.Connection, where: Path, *, request_id: str, seq: int) -> None:
        self._connection, self._where, self._id, self._seq = connection, where, request_id, seq
        self.answer: Entry | None = None
        self.outcome: Entry | None = None

    def look(self) -> None:
        """Take in what was written since the last look."""
        for written in asking.lines(self._connection, self._where, after=self._seq):
            entry = written.entry
            self._seq = entry.seq
            if entry.kind in _ANSWERS and entry.facts.get("episode") == self._id:
                self.answer = entry
            elif self.answer and entry.kind is EntryKind.OUTCOME and entry.decision_id == self.answer.decision_id:
                self.outcome = entry

    def answered(self) -> bool:
        """Tell whether there is a decision."""
        self.look()
        return self.answer is not None

    def over(self) -> bool:
        """Tell whether there is an outcome."""
        self.look()
        return self.outcome is not None


@click.command()
@click.argument("name")
@config_flags(hidden=True)
@click.pass_context
def restart(ctx: click.Context, name: str, flags: Mapping[str, Value]) -> None:
    """Restart NAME through the running Brimline's policy.

    Budgets, protection and pauses hold for people too. With --dry-run it only says what would be decided. The exit
    status is 0 once it is restarted, 1 if that is refused or fails, 3 if no Brimline answers.
    """
    dry_run = flags.get("actions.dry_run") is True  # the flag that `run` has too: here it means this request only
    where, at = asking.directory(flags), asking.now()
    if not daemon_runs(where):
        click.echo(f"no Brimline runs with {where}; write where its journal is with --storage.path", err=True)
        ctx.exit(NO_ANSWER)
    request_id = f"{time.time_ns():016x}{secrets.token_hex(4)}"
    request = Request(request_id, at.wall, "restart", name, asking.caller(os.environ), dry_run=dry_run)
    seq = asking.write(where, told.requested(request, at))
    with closing(asking.opened(where)) as connection:
        try:
            ctx.exit(_follow(Conversation(connection, where, request_id=request_id, seq=seq), where, dry_run=dry_run))
        except KeyboardInterrupt:
            click.echo('not waited for any longer; "brimline journal --follow" tells what becomes of it', err=True)
            ctx.exit(_INTERRUPTED)


def _follow(talk: Conversation, where: Path, *, dry_run: bool) -> int:
    asking.poll(_ANSWER_SECONDS, talk.answered)
    if talk.answer is None:
        click.echo(f"the Brimline with {where} did not answer within {_ANSWER_SECONDS:g} s", err=True)
        return NO_ANSWER
    click.echo(talk.answer.text)
    if talk.answer.kind is not EntryKind.INTENT:
        return 0 if dry_run and talk.answer.facts.get("verdict") == Verdict.DRY_RUN else 1
    told_of_end = False
    while not asking.poll(_PORTION_SECONDS, talk.over):
        if not told_of_end and not daemon_runs(where):
            click.echo("Brimline ended meanwhile; what it began is concluded when it starts again", err=True)
            told_of_end = True
    outcome = talk.outcome
    click.echo("" if outcome is None else outcome.text)
    return 0 if outcome is not None and outcome.facts.get("ok") is True else 1
