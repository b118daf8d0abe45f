"""What one reading says, as `check` tells it: the line for Nagios, the table for people, JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from textwrap import wrap
from typing import Final

from brimline.cli import table
from brimline.cli.check.closed import footer
from brimline.cli.table import Cell, Heading
from brimline.labels import printable
from brimline.model import Alert, Kind, Phase, SourceStatus, Subject
from brimline.rules.diagnosis import NO_LIMIT
from brimline.standing import Measures, Row, State, ended, matches, qualified, rows, stopped, told, worst
from brimline.units import format_bytes, format_ratio
from brimline.view import View

# https://nagios-plugins.org/doc/guidelines.html#AEN78
EXIT: Final[Mapping[State, int]] = {State.NORMAL: 0, State.WARNING: 1, State.CRITICAL: 2, State.UNKNOWN: 3}
COLOUR: Final[Mapping[State, str]] = {
    State.NORMAL: "green",
    State.WARNING: "yellow",
    State.CRITICAL: "red",
    State.UNKNOWN: "magenta",
}
# Of --watch; the last two nobody measures.
CPU: Final = "CPU"
NEVER: Final = ("latency", "worker restarts")
NOT_YET: Final = "not measured yet"
Cores = Mapping[Subject, float]  # that were used since the look before
_KIND: Final = Heading("KIND")
_HEADINGS: Final = (
    Heading("STATE"),
    Heading("RATIO", right=True),
    Heading("USED", right=True),
    Heading("LIMIT", right=True),
    _KIND,
    Heading("NAME"),
)
_NAMED: Final = 3  # subjects of a state, and alerts, the status line names


class Result:
    """What one reading says: what was asked for, the sources that failed, and the state of the whole.

    A stopped container is listed and changes no state, unless a pattern names nothing else.
    """

    def __init__(self, view: View, patterns: Sequence[str], closed: Collection[Subject] = ()) -> None:
        measures = Measures(view)
        every = rows(measures)
        self.view = view
        self.closed = closed  # whom a rule would restart and whose owner did not say so
        self.measures = measures

        def asked(subject: Subject) -> bool:
            return not patterns or any(matches(subject, pattern) for pattern in patterns)

        self.rows = [row for row in every if asked(row.subject)]
        self.alerts = [alert for alert in measures.alerts if asked(alert.subject)]
        self.idle = [(subject, code) for subject, code in stopped(measures) if asked(subject)]
        self.unmatched = [p for p in patterns if not any(matches(row.subject, p) for row in every)]
        failed = [status for status in view.sources if not status.up]
        self.down: list[SourceStatus] = failed if self.unmatched or not patterns else []
        state = worst(self.rows, self.down)
        self.state = State.UNKNOWN if self.unmatched and state is State.NORMAL else state


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
    firing = [alert for alert in result.alerts if alert.phase is Phase.FIRING]
    if not said:
        top = max((row for row in result.rows if row.ratio is not None), key=lambda row: row.ratio or 0, default=None)
        counted = "1 subject" if len(result.rows) == 1 else f"{len(result.rows)} subjects"
        said.append(f"{counted}, highest {_brief(top)}" if top else "nothing to measure")
    if firing:
        more = f" and {len(firing) - _NAMED} more" if len(firing) > _NAMED else ""
        named = (f"{alert.alertname} of {qualified(alert.subject)}" for alert in firing[:_NAMED])
        said.append(f"{len(firing)} firing: {', '.join(named)}{more}")
    word = "OK" if result.state is State.NORMAL else result.state.upper()
    line = _plain(f"BRIMLINE {word} - {'; '.join(said)}")
    return f"{line} | {_perfdata(result.rows)}" if perfdata and result.rows else line


def _brief(row: Row) -> str:
    if row.ratio is None or row.limit is None:
        return f"{row.name} ({row.reason})" if row.reason else row.name
    of = format_bytes(row.limit) if row.limited else "the host, no limit"
    return f"{row.name} {format_ratio(row.ratio)} of {of}"


def _plain(text: str) -> str:
    return printable(" ".join(text.replace("|", "_").split()))


def _perfdata(found: Sequence[Row]) -> str:
    def label(row: Row) -> str:
        return _plain(row.name).replace("'", "''").replace("=", "_")

    def levels(row: Row) -> str:
        return ";".join(f"{level * 100:g}" for level in row.levels)

    known = [(row, row.ratio) for row in found if row.ratio is not None]
    return " ".join(f"'{label(row)}'={ratio * 100:.1f}%;{levels(row)};0;100" for row, ratio in known)


def body(result: Result, room: int, *, colour: bool, cores: Cores | None = None) -> list[str]:
    """Return the table, then alerts, what is the matter, what failed, what does not run, and who lacks a label."""
    lines = []
    if result.rows:
        lines += ["", *_table(result.rows, room, colour=colour, cores=cores)]
    if result.alerts:
        at = result.measures.at
        lines += ["", "alerts:", *(f"  {qualified(alert.subject)}: {told(alert, at)}" for alert in result.alerts)]
    found = [line for row in result.rows for line in _trouble(row, result.measures, room)]
    if found:
        lines += ["", "diagnosis:", *found]
    failed = [(f"{row.name}: {row.reason}") for row in result.rows if row.reason]
    failed += [f"source {status.source}: {status.error}" for status in result.down]
    if failed:
        lines += ["", "could not be read:", *(f"  {line}" for line in failed)]
    if result.idle:
        lines += ["", "not running:", *(f"  {qualified(subject)}: {ended(code)}" for subject, code in result.idle)]
    return lines + footer(result.rows, result.closed, room)


def _trouble(row: Row, measures: Measures, room: int) -> list[str]:
    trouble = measures.trouble(row.subject)
    if trouble is None or trouble.name == NO_LIMIT:  # which the table says
        return []
    said = f"{row.name} {trouble.name}: {trouble.sentence}"
    return wrap(said, room, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _table(found: Sequence[Row], room: int, *, colour: bool, cores: Cores | None) -> list[str]:
    cells = [_cells(row) for row in found]
    if cores is None:
        return table.render(_HEADINGS, cells, room, colour=colour)
    place = _HEADINGS.index(_KIND)
    for row, line in zip(found, cells, strict=True):
        line.insert(place, Cell(f"{cores[row.subject]:.2f}" if row.subject in cores else "-"))
    headings = (*_HEADINGS[:place], Heading("CORES", right=True), *_HEADINGS[place:])
    missing = NEVER if cores else (CPU, *NEVER)
    return [*table.render(headings, cells, room, colour=colour), f"{', '.join(missing)}: {NOT_YET}"]


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


def as_data(result: Result, cores: Cores | None = None) -> dict[str, object]:
    """Return the result as JSON's types; what is absent is null."""
    return {
        "state": str(result.state),
        "at": result.view.snapshot.at.wall,
        "levels": _levels(result.view.levels),
        "subjects": [{**_subject(row, result.measures), **_watched(row, cores)} for row in result.rows],
        "alerts": [_alert(alert) for alert in result.alerts],
        "stopped": [
            {"kind": str(subject.kind), "name": subject.name, "exit_code": code} for subject, code in result.idle
        ],
        "sources": [{"source": s.source, "up": s.up, "error": s.error} for s in result.view.sources],
        "unmatched": result.unmatched,
    }


def _levels(levels: tuple[float, float]) -> dict[str, float]:
    return dict(zip(("warning", "critical"), levels, strict=True))


def _subject(row: Row, measures: Measures) -> dict[str, object]:
    subject, found = row.subject, measures.diagnosis(row.subject)
    return {
        "kind": str(subject.kind),
        "name": subject.name,
        "compose_project": subject.labels[1] if subject.kind is Kind.CONTAINER else None,
        "compose_service": subject.labels[2] if subject.kind is Kind.CONTAINER else None,
        "state": str(row.state),
        "levels": _levels(row.levels),
        "used_ratio": row.ratio,
        "used_bytes": row.used,
        "limit_bytes": row.limit,
        "limited": row.limited if row.ratio is not None else None,
        "diagnosis": None if found is None else {"name": found.name, "sentence": found.sentence},
        "error": row.reason or None,
    }


def _watched(row: Row, cores: Cores | None) -> dict[str, object]:
    """Return what takes more than one reading."""
    return (
        {} if cores is None else {"cpu_cores": cores.get(row.subject), "latency_seconds": None, "worker_restarts": None}
    )


def _alert(alert: Alert) -> dict[str, object]:
    return {
        "alertname": alert.alertname,
        "severity": alert.severity or None,
        "labels": dict(alert.labels),
        "state": str(alert.phase),
        "since": alert.since,
        "value": alert.value,
        "threshold": alert.threshold,
        "known": alert.known,
        "kind": str(alert.subject.kind),
        "name": alert.subject.name,
    }
