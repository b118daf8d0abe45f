"""`brimline rules export FILE...`: the same rules for Prometheus, on standard output."""

from __future__ import annotations

import click

from brimline.cli.rules.files import load_files, read_files
from brimline.rules.export import document


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def export(files: tuple[str, ...]) -> None:
    """Print the rules of FILEs as a rule file for Prometheus.

    Each alert fires and resolves at the same evaluations as in Brimline; the file's header names the exceptions.
    """
    click.echo(document(load_files(read_files(files))), nl=False)
