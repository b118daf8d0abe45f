"""`brimline status`: whether it runs, what it measures, what fires, what holds it back, and what it did last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click

from brimline.cli import asking, table
from brimline.cli.flags import config_flags, loaded
from brimline.cli.status.facts import Firing, Status, look
from brimline.config import Config
from brimline.deeds import Entry, EntryKind
from brimline.labels import printable
from brimline.loading import Value
from brimline.model import Kind
from brimline.units import format_bytes, format_duration

NOT_RUNNING: Final = 3  # as systemctl status says it
_STALE: Final = 180.0  # seconds; a sample is written every minute
_ROOM: Final = 10


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_flags(hidden=True)
@click.pass_context
def status(ctx: click.Context, *, as_json: bool, flags: Mapping[str, Value]) -> None:
    """Say whether Brimline runs, what it may do and what it did last.

    All of it is read from the journal and the lock beside it, and from the configuration as it is now: nothing is
    measured and nobody is asked. The exit status is 0 if it runs, 3 if not.
    """
    config = loaded(flags).config
    where, now = Path(config.storage.path), asking.now()
    found = look(where, now)
    if as_json:
        click.echo(json.dumps(as_data(found, config), indent=2))
    else:
        for line in as_text(found, config, now.wall, colour=table.coloured()):
            click.echo(line)
    ctx.exit(0 if found.runs else NOT_RUNNING)


def as_text(found: Status, config: Config, now: float, *, colour: bool) -> Iterator[str]:
    """Yield what people read."""

    def paint(text: str, tone: str) -> str:
        return click.style(text, fg=tone) if colour else text

    def said(word: str, text: str) -> str:
        return f"{word:<{_ROOM}}{text}"

    where = config.storage.path
    yield _headline(found, where, now, paint("runs", "green"), paint("does not run", "red"))
    if found.trouble:
        yield said("journal", paint(found.trouble, "red"))
        return
    written = "nothing is written yet" if found.written is None else f"last written {_ago(found.written, now)}"
    size = f"{format_bytes(found.size)} of {format_bytes(config.storage.max_size)}"
    lines = "1 line" if found.lines == 1 else f"{found.lines} lines"
    yield said("journal", f"{lines}, {size}, {written}")
    if found.runs and found.written is not None and now - found.written > _STALE:
        yield said("", paint("that is long ago: it may hang, or cannot write; see its log and its page", "red"))
    yield said("measures", _measures(found))
    yield said(
        "acts", paint("dry run: everything is decided, nothing done", "yellow") if _dry(config) else _leave(config)
    )
    for pause in found.pauses:
        until = "until resumed" if pause.until is None else f"until {asking.clock_time(pause.until)}"
        yield said("paused", paint(f"{pause.glob or 'everything'}, {until}, by {pause.caller}", "yellow"))
    yield from _list("firing", [paint(_fires(f, now), "red") for f in found.firing], "nothing")
    yield from _list("under way", [f"{_ago(e.at.wall, now)}  {_text(e)}" for e in found.under_way], "")
    yield from _list("last done", [_deed(entry, now) for entry in found.done], "nothing yet")


def _headline(found: Status, where: str, now: float, runs: str, not_: str) -> str:
    if not found.runs:
        ended = "" if found.written is None else f"; its journal ends {_ago(found.written, now)}"
        return f"Brimline {not_} with {where}{ended}"
    pid = "" if found.pid is None else f" (pid {found.pid})"
    since = "" if found.started is None else f", for {format_duration(max(0, round(now - found.started)))}"
    return f"Brimline {runs}{pid} with {where}{since}"


def _measures(found: Status) -> str:
    words = {Kind.CGROUP: "cgroup", Kind.PROCESS: "process group", Kind.CONTAINER: "container", Kind.HOST: "host"}
    parts = [f"{number} {words[kind]}{'' if number == 1 else 's'}" for kind, number in found.measured]
    return f"{', '.join(parts)}, and the host" if parts else "no samples yet"


def _dry(config: Config) -> bool:
    return config.actions.dry_run


def _leave(config: Config) -> str:
    allowed = ", ".join(config.actions.restart.allow)
    return "by the containers' labels" + (f" and actions.restart.allow: {allowed}" if allowed else "")


def _list(word: str, lines: list[str], otherwise: str) -> Iterator[str]:
    for number, text in enumerate(lines or [otherwise] * bool(otherwise)):
        yield f"{word if not number else '':<{_ROOM}}{text}"


def _fires(firing: Firing, now: float) -> str:
    name = "host" if firing.kind is Kind.HOST else f"{firing.kind}/{firing.name}"
    labels = f" ({firing.labels})" if firing.labels else ""
    return f"{firing.alertname}{labels} on {name}, for {format_duration(max(0, round(now - firing.since)))}"


def _deed(entry: Entry, now: float) -> str:
    freed = entry.facts.get("freed_bytes")
    more = f"; freed {format_bytes(freed)}" if isinstance(freed, int | float) and freed > 0 else ""
    failed = "" if entry.kind is EntryKind.OBSERVED or entry.facts.get("ok") is True else "FAILED "
    return f"{_ago(entry.at.wall, now)}  {failed}{_text(entry)}{more}"


def _text(entry: Entry) -> str:
    return printable(" ".join(entry.text.split()))


def _ago(wall: float, now: float) -> str:
    return f"{format_duration(max(0, round(now - wall)))} ago"


def as_data(found: Status, config: Config) -> dict[str, object]:
    """Return the status as JSON's types; times are seconds since the epoch."""
    return {
        "running": found.runs,
        "pid": found.pid,
        "started": found.started,
        "journal": {
            "path": config.storage.path,
            "readable": not found.trouble,
            "error": found.trouble or None,
            "lines": found.lines,
            "bytes": found.size,
            "max_bytes": config.storage.max_size,
            "written": found.written,
        },
        "measured": {str(kind): number for kind, number in found.measured},
        "dry_run": _dry(config),
        "pauses": [{"name": p.glob, "at": p.at, "until": p.until, "by": p.caller} for p in found.pauses],
        "firing": [
            {"alertname": f.alertname, "labels": f.labels, "kind": str(f.kind), "name": f.name, "since": f.since}
            for f in found.firing
        ],
        "under_way": [_entry(entry) for entry in found.under_way],
        "last_done": [_entry(entry) for entry in found.done],
    }


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "at": entry.at.wall,
        "action": entry.action,
        "name": entry.subject.name if entry.subject is not None else None,
        "ok": entry.facts.get("ok"),
        "freed_bytes": entry.facts.get("freed_bytes"),
        "text": entry.text,
    }
