"""`brimline rules check FILE...`: every mistake in rule files, drawn where it stands, and what is doubtful."""

from __future__ import annotations

import click

from brimline.cli.rules.files import load_files, read_files
from brimline.rules.lint import lint


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def check(files: tuple[str, ...]) -> None:
    """Name every mistake in FILEs, and what is doubtful; exit 0 if there is no mistake, else 1.

    The files are judged together, as Brimline loads them: an alert may be defined once in all of them.
    """
    rules = load_files(read_files(files))
    for warning in lint(rules):
        click.echo(f"{warning.where}: warning: {warning.message}", err=True)
    for file in files:
        count = sum(rule.where.rpartition(":")[0] == file for rule in rules.rules)
        click.echo(f"{file}: ok, {count} {'rule' if count == 1 else 'rules'}")
