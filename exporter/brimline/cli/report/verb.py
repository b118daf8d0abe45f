"""`brimline report`: the last hours or days out of the journal, as one HTML file, as Markdown or as JSON."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from brimline.cli import asking
from brimline.cli.flags import config_flags, loaded
from brimline.cli.report.facts import Report
from brimline.cli.report.facts import report as put_together
from brimline.cli.report.page import page
from brimline.cli.report.past import entries, pasts, reading, terms
from brimline.cli.report.text import as_json, markdown
from brimline.loading import Value

_DAY: Final = 86_400.0
_FORMATS: Final[Mapping[str, Callable[[Report, str], str]]] = {
    "html": page,
    "md": markdown,
    "json": as_json,
}
_SUFFIXES: Final = {".html": "html", ".htm": "html", ".md": "md", ".json": "json"}


@click.command()
@click.option(
    "--since", "back", metavar="DURATION", callback=asking.duration, help="How far back, 7d at most.  [default: 1d]"
)
@click.option("-o", "--output", metavar="FILE", help="Where to write it.  [default: standard output]")
@click.option(
    "--format", "form", type=click.Choice(list(_FORMATS)), help="What to write.  [default: by FILE's name, else md]"
)
@config_flags(hidden=True)
def report(back: float | None, output: str | None, form: str | None, flags: Mapping[str, Value]) -> None:
    """Write a report of the last hours or days.

    Per service its peaks, the time above each level, leaks with their slope, OOM kills and restarts; what was done and
    what it freed. It reads the journal, with or without a running Brimline; the levels are those configured now. The
    HTML is one file that needs nothing else: no network, no script.
    """
    found = loaded(flags)
    until = asking.now().wall
    since = until - (_DAY if back is None else back)
    with reading(Path(found.config.storage.path)) as reader:
        by = terms(found)
        told = entries(reader, since, until)
        made = put_together(pasts(reader, since, until), told, (since, until), by)
    kind = form or _SUFFIXES.get(Path(output or "").suffix.lower(), "md")
    text = _FORMATS[kind](made, platform.node())
    if output in {None, "-"}:
        click.echo(text, nl=False)
        return
    try:
        Path(str(output)).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror or error}; write another file with -o") from None
    subjects, actions = len(made.standings), len(made.actions)
    held = f"{subjects} subject{'s' if subjects != 1 else ''}, {actions} action{'s' if actions != 1 else ''}"
    click.echo(f"{output}: {held}", err=True)
