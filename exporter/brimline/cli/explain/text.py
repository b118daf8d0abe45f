"""One subject explained: what is the matter, which number each tool shows, the sum, the limits, the pressure. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from brimline.cli import table
from brimline.cli.explain.limits import limits
from brimline.cli.table import Cell, Heading
from brimline.definitions import DEFINITIONS
from brimline.model import Kind, Subject
from brimline.standing import Measures, Row, State, qualified, told
from brimline.units import format_bytes, format_duration, format_ratio
from brimline.verdict import verdict


def explanation(row: Row, measures: Measures, room: int, *, colour: bool) -> list[str]:
    """Return the whole text."""
    said = verdict(row, measures)
    sentence = wrap(said, room, initial_indent="  ", subsequent_indent="  ")
    lines = [_title(row), *sentence]
    findings = [line for found in _findings(row.subject, measures, said) for line in _hanging(found, room)]
    if row.state is State.UNKNOWN and row.reason:
        return [*lines, *(["", *findings] if findings else [])]
    sections = (
        findings,
        _numbers(row, measures, room, colour=colour),
        _sum(row.subject, measures),
        limits(row, measures, room, colour=colour),
        list(_pressure(row.subject, measures)),
    )
    for section in sections:
        if section:
            lines += ["", *section]
    return lines


def _findings(subject: Subject, measures: Measures, said: str) -> Iterator[str]:
    found = measures.diagnosis(subject)
    if found is not None and found.sentence != said:
        # A leak shows after minutes, a limit that is too low after hours; this verb looks for a moment.
        yield f"diagnosis    {found.name}, as far as one reading tells: {found.sentence}"
    for alert in measures.alerts_of(subject):
        yield f"alert        {told(alert, measures.at)}"


def _hanging(text: str, room: int) -> list[str]:
    return wrap(text, room, subsequent_indent=" " * 13)


def _title(row: Row) -> str:
    subject = row.subject
    if subject.kind is Kind.CONTAINER and subject.labels[2]:
        return f"{qualified(subject)}, service {subject.labels[2]} of compose project {subject.labels[1]}"
    return qualified(subject)


def _numbers(row: Row, measures: Measures, room: int, *, colour: bool) -> list[str]:
    heads = (Heading("MEMORY"), Heading("BYTES", right=True), Heading("OF LIMIT", right=True), Heading("SHOWN BY"))
    lines = []
    for measure, word, shown in DEFINITIONS[row.subject.kind]:
        value = measures.get(row.subject, measure)
        if value is not None:
            share = format_ratio(value / row.limit) if row.limit else "-"
            lines.append([Cell(word), Cell(format_bytes(value)), Cell(share), Cell(shown)])
    return table.render(heads, lines, room, colour=colour)


def _sum(subject: Subject, measures: Measures) -> list[str]:
    """Return the way from usage to used, as far as the parts are known."""
    usage, working, used = (measures.get(subject, f"memory_{m}_bytes") for m in ("usage", "working_set", "used"))
    if usage is None or working is None or used is None:
        return []
    parts = (
        ("usage", usage),
        ("- inactive file cache", usage - working),
        ("- active file cache, slab", working - used),
    )
    sums = [*parts, ("= used", used)]
    swap = measures.get(subject, "memory_swap_bytes")
    if swap:
        sums += [("+ swap", swap), ("= held", used + swap)]
    return [f"{word:<26}  {format_bytes(value):>9}" for word, value in sums]


def _pressure(subject: Subject, measures: Measures) -> Iterator[str]:
    some, full = (measures.get(subject, f"memory_pressure_{which}_ratio") for which in ("some", "full"))
    if some is not None and full is not None:
        yield f"pressure     some {format_ratio(some)}, full {format_ratio(full)} of the last 10 s waited for memory"
    high = measures.get(subject, "memory_high_bytes")
    if high is not None:
        yield f"memory.high  {format_bytes(high)}: above it the kernel throttles and kills nothing"
    hits = measures.get(subject, "memory_limit_hits_total")
    if hits is not None:
        yield f"limit hits   {hits:.0f} since its start"
    kills = measures.get(subject, "memory_oom_kills_total")
    if kills is not None:
        # One reading has nothing to compare with: the count begins with it.
        told = f"{kills:.0f}" if kills else f"see brimline_{subject.kind}_memory_oom_kills_total of a running Brimline"
        yield f"OOM kills    {told}"
    room = measures.get(subject, "memory_available_bytes")
    if room is not None and subject.kind is not Kind.HOST:
        yield f"left         {format_bytes(room)} can still be allocated"
    started = measures.get(subject, "start_time_seconds")
    if started is not None:
        yield f"started      {format_duration(max(measures.at - started, 0))} ago"
