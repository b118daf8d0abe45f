"""`brimline rules test FILE...`: unit tests of rules, in promtool's shape and notation."""

from __future__ import annotations

from pathlib import Path

import click

from brimline.cli.rules.files import load_files, read_files, refusal
from brimline.errors import ConfigError, Problem
from brimline.metrics.catalog import by_name
from brimline.rules import casefile
from brimline.rules.trial import Failure, failures


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.pass_context
def test(ctx: click.Context, files: tuple[str, ...]) -> None:
    """Run the unit tests in FILEs; exit 0 if all hold, else 1.

    A file names its rule_files, and for each test the input_series and, by eval_time, which alerts must fire. The
    values are promtool's ("0.5+0.1x4 _ stale"), and "unknown": the source failed.
    """
    texts = read_files(files)
    failed = 0
    for file, text in texts.items():
        found = _run(file, text)
        failed += bool(found)
        for failure in found:
            click.echo(f"{failure.where}: {failure.lines[0]}")
            for line in failure.lines[1:]:
                click.echo(line)
        click.echo(f"{file}: {f'{len(found)} failed' if found else 'ok'}")
    ctx.exit(1 if failed else 0)


def _run(file: str, text: str) -> list[Failure]:
    try:
        cases = casefile.load(text, file, by_name())
    except ConfigError as error:
        raise refusal(error.problems, {file: text}) from None
    rules = load_files(read_files([str(Path(file).parent / name) for name in cases.rule_files]))
    unknown = casefile.refuse_unknown_alerts(cases, {rule.alert for rule in rules.rules})
    if unknown:
        raise refusal([Problem(where, sentence) for where, sentence in unknown], {file: text})
    return [failure for case in cases.cases for failure in failures(rules, case, cases.every)]
