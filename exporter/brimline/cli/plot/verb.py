"""`brimline plot NAME`: one subject's memory over time out of the journal, as an SVG, or as a PNG by an extra."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from brimline.cli import asking
from brimline.cli.flags import config_flags, loaded
from brimline.cli.named import find
from brimline.cli.plot.svg import Mark, Plot, draw
from brimline.cli.report.facts import report
from brimline.cli.report.past import entries, reading, samples, subjects, terms
from brimline.deeds import Entry, EntryKind
from brimline.loading import Value
from brimline.model import Subject
from brimline.standing import qualified

_DAY: Final = 86_400.0
_SHARP: Final = 2  # pixels of a PNG for one of the SVG
_DEEDS: Final = (EntryKind.OUTCOME, EntryKind.OBSERVED)


@click.command()
@click.argument("name")
@click.option(
    "--since", "back", metavar="DURATION", callback=asking.duration, help="How far back, 7d at most.  [default: 1d]"
)
@click.option(
    "-o", "--output", metavar="FILE", help='An .svg or a .png; "-" is standard output.  [default: NAME.svg, here]'
)
@config_flags(hidden=True)
def plot(name: str, back: float | None, output: str | None, flags: Mapping[str, Value]) -> None:
    """Draw the memory of NAME over time.

    The picture shows what was used, its limit and levels, when alerts fired and what was done. It reads the journal,
    with or without a running Brimline. A .png needs the extra: pip install "brimline[plot]".
    """
    found = loaded(flags)
    until = asking.now().wall
    since = until - (_DAY if back is None else back)
    with reading(Path(found.config.storage.path)) as reader:
        subject = find(subjects(reader), name)
        seen = samples(reader, subject, since, until)
        told = [entry for entry in entries(reader, since, until) if _is_of(entry, subject)]
    made = report([(subject, seen)], told, (since, until), terms(found))
    picture = Plot(
        title=f"{qualified(subject)}, used memory",
        samples=seen,
        began=since,
        ended=until,
        levels=made.standings[0].levels if made.standings else made.levels,
        marks=_marks(told),
        fired=[(e.began or since, e.ended or until) for e in made.episodes],
    )
    _write(draw(picture, _clock), output or f"{subject.name.replace('/', '-')}.svg")


def _is_of(entry: Entry, subject: Subject) -> bool:
    whose = entry.subject
    return whose is not None and (whose.kind, whose.name, whose.labels) == (subject.kind, subject.name, subject.labels)


def _marks(told: Sequence[Entry]) -> list[Mark]:
    return [
        Mark(
            entry.at.wall,
            entry.action if entry.kind is EntryKind.OUTCOME else f"{entry.action} by others",
            failed=entry.kind is EntryKind.OUTCOME and entry.facts.get("ok") is not True,
        )
        for entry in told
        if entry.kind in _DEEDS
    ]


def _clock(form: str, at: float) -> str:
    return time.strftime(form, time.localtime(at))


def _write(svg: str, output: str) -> None:
    if output == "-":
        click.echo(svg, nl=False)
        return
    suffix = Path(output).suffix.lower()
    if suffix not in {".svg", ".png"}:
        raise click.UsageError(f'-o: "{output}" is neither; write a file that ends in .svg or .png')
    body = svg.encode() if suffix == ".svg" else _png(svg)
    try:
        Path(output).write_bytes(body)
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror or error}; write another file with -o") from None
    click.echo(output, err=True)


def _png(svg: str) -> bytes:
    try:
        cairosvg: Any = import_module("cairosvg")
    except (ImportError, OSError) as error:  # OSError: cairo itself, a library of the system, is missing
        why = "cairosvg is not installed" if isinstance(error, ImportError) else "the system's cairo library is missing"
        raise click.ClickException(
            f'a .png cannot be drawn, {why}: pip install "brimline[plot]" (on Debian also apt-get install libcairo2), '
            "or write an .svg"
        ) from None
    return bytes(cairosvg.svg2png(bytestring=svg.encode(), scale=_SHARP))
