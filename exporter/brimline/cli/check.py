"""`brimline check`: one reading, every subject against the two levels; its first line and exit status suit Nagios."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import click

from brimline.app import observe
from brimline.cli import table
from brimline.cli.flags import Refusal, config_flags, loaded
from brimline.cli.table import Cell, Heading
from brimline.errors import BrimlineError
from brimline.loading import Value
from brimline.model import Kind, SourceStatus, View
from brimline.sources.cgroup import ALERT_AT, RESTART_AT
from brimline.standing import Measures, Row, State, ended, matches, qualified, rows, stopped, worst
from brimline.units import format_bytes, format_ratio

# https://nagios-plugins.org/doc/guidelines.html#AEN78
EXIT: Final[Mapping[State, int]] = {State.NORMAL: 0, State.WARNING: 1, State.CRITICAL: 2, State.UNKNOWN: 3}
WORD: Final[Mapping[State, str]] = {
    State.NORMAL: "OK",
    State.WARNING: "WARNING",
    State.CRITICAL: "CRITICAL",
    State.UNKNOWN: "UNKNOWN",
}
COLOUR: Final[Mapping[State, str]] = {
    State.NORMAL: "green",
    State.WARNING: "yellow",
    State.CRITICAL: "red",
    State.UNKNOWN: "magenta",
}
_HEADINGS: Final = (
    Heading("STATE"),
    Heading("RATIO", right=True),
    Heading("USED", right=True),
    Heading("LIMIT", right=True),
    Heading("KIND"),
    Heading("NAME"),
)
_NAMED: Final = 3  # subjects the status line names


class Result:
    """What one reading says: what was asked for, the sources that failed, and the state of the whole.

    A stopped container is listed and changes no state, unless a pattern names nothing else.
    """

    def __init__(self, view: View, patterns: Sequence[str]) -> None:
        measures = Measures(view)
        every = rows(measures)
        self.view = view
        self.rows = [row for row in every if not patterns or any(matches(row.subject, p) for p in patterns)]
        self.idle = [(s, code) for s, code in stopped(measures) if not patterns or any(matches(s, p) for p in patterns)]
        self.unmatched = [p for p in patterns if not any(matches(row.subject, p) for row in every)]
        failed = [status for status in view.sources if not status.up]
        self.down: list[SourceStatus] = failed if self.unmatched or not patterns else []
        state = worst(self.rows, self.down)
        self.state = State.UNKNOWN if self.unmatched and state is State.NORMAL else state


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
@config_flags(hidden=True)
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], *, as_json: bool, flags: Mapping[str, Value]) -> None:
    """Show every subject against 80 and 85 %; also a Nagios plugin.

    NAME is a glob over names, kind/name or project/service: "whisper-*", "process/*", "shop/api". A subject without a
    limit is measured against the host's memory and marked "no limit".

    The exit status is 0 (normal), 1 (warning), 2 (critical) or 3 (unknown). The first line holds the worst subjects
    and, except on a terminal, the performance data. All flags of "brimline run" work here too.
    """
    config = loaded(flags, Unknown).config
    try:
        view = asyncio.run(observe(config))
    except BrimlineError as error:
        click.echo(f"BRIMLINE UNKNOWN - {error}")
        ctx.exit(EXIT[State.UNKNOWN])
    result = Result(view, names)
    if as_json:
        click.echo(json.dumps(as_data(result), indent=2))
    else:
        click.echo(status_line(result, perfdata=not sys.stdout.isatty()))
        for line in body(result, table.width(), colour=table.coloured()):
            click.echo(line)
    ctx.exit(EXIT[result.state])


def status_line(result: Result, *, perfdata: bool) -> str:
    """Return `BRIMLINE WARNING - ...|perfdata`."""
    said = []
    for state in (State.CRITICAL, State.WARNING, State.UNKNOWN):
        found = [row for row in result.rows if row.state is state]
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            said.append(f"{len(found)} {state}: {', '.join(map(_brief, found[:_NAMED]))}{more}")
    said += [f"source {status.source} failed: {status.error}" for status in result.down]
    for pattern in result.unmatched:
        idle = [f"{qualified(subject)} is {ended(code)}" for subject, code in result.idle if matches(subject, pattern)]
        said += idle or [f'nothing matches "{pattern}"']
    if not said:
        top = max((row for row in result.rows if row.ratio is not None), key=lambda row: row.ratio or 0, default=None)
        counted = "1 subject" if len(result.rows) == 1 else f"{len(result.rows)} subjects"
        said.append(f"{counted}, highest {_brief(top)}" if top else "nothing to measure")
    line = _plain(f"BRIMLINE {WORD[result.state]} - {'; '.join(said)}")
    return f"{line} | {_perfdata(result.rows)}" if perfdata and result.rows else line


def _brief(row: Row) -> str:
    if row.ratio is None or row.limit is None:
        return f"{row.name} ({row.reason})" if row.reason else row.name
    of = format_bytes(row.limit) if row.limited else "the host, no limit"
    return f"{row.name} {format_ratio(row.ratio)} of {of}"


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "_").split())


def _perfdata(found: Sequence[Row]) -> str:
    def label(row: Row) -> str:
        return _plain(row.name).replace("'", "''").replace("=", "_")

    levels = f"{ALERT_AT * 100:g};{RESTART_AT * 100:g};0;100"
    return " ".join(f"'{label(row)}'={row.ratio * 100:.1f}%;{levels}" for row in found if row.ratio is not None)


def body(result: Result, room: int, *, colour: bool) -> list[str]:
    """Return the table, then what failed and what does not run."""
    lines = []
    if result.rows:
        lines += ["", *table.render(_HEADINGS, [_cells(row) for row in result.rows], room, colour=colour)]
    failed = [(f"{row.name}: {row.reason}") for row in result.rows if row.reason]
    failed += [f"source {status.source}: {status.error}" for status in result.down]
    if failed:
        lines += ["", "could not be read:", *(f"  {line}" for line in failed)]
    if result.idle:
        lines += ["", "not running:", *(f"  {qualified(subject)}: {ended(code)}" for subject, code in result.idle)]
    return lines


def _cells(row: Row) -> list[Cell]:
    def size(value: float | None) -> str:
        return "-" if value is None else format_bytes(value)

    name = "" if row.subject.kind is Kind.HOST else row.subject.name
    return [
        Cell(row.state, COLOUR[row.state]),
        Cell("-" if row.ratio is None else format_ratio(row.ratio)),
        Cell(size(row.used)),
        Cell(size(row.limit) if row.limited else "no limit"),
        Cell(row.subject.kind),
        Cell(name),
    ]


def as_data(result: Result) -> dict[str, object]:
    """Return the result as JSON's types; what is absent is null."""
    return {
        "state": str(result.state),
        "at": result.view.snapshot.at.wall,
        "levels": {"warning": ALERT_AT, "critical": RESTART_AT},
        "subjects": [
            {
                "kind": str(row.subject.kind),
                "name": row.subject.name,
                "compose_project": row.subject.labels[1] if row.subject.kind is Kind.CONTAINER else None,
                "compose_service": row.subject.labels[2] if row.subject.kind is Kind.CONTAINER else None,
                "state": str(row.state),
                "used_ratio": row.ratio,
                "used_bytes": row.used,
                "limit_bytes": row.limit,
                "limited": row.limited if row.ratio is not None else None,
                "error": row.reason or None,
            }
            for row in result.rows
        ],
        "stopped": [
            {"kind": str(subject.kind), "name": subject.name, "exit_code": code} for subject, code in result.idle
        ],
        "sources": [{"source": s.source, "up": s.up, "error": s.error} for s in result.view.sources],
        "unmatched": result.unmatched,
    }
