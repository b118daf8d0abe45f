"""`brimline config check|print|schema`: what is wrong with the configuration, what it is, what it may be."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from brimline.cli.config.printing import effective
from brimline.cli.flags import config_flags, loaded
from brimline.config import Config
from brimline.loading import FILE_FLAG, Value


@click.group()
def config() -> None:
    """Check, print or describe the configuration."""


@config.command("check")
@click.argument("file", required=False)
@config_flags(hidden=True)
def check(file: str | None, flags: Mapping[str, Value]) -> None:
    """Report every mistake of FILE, the flags and the variables; exit 0 if there is none, else 1."""
    found = loaded({**flags, FILE_FLAG: file} if file else flags)
    click.echo(f"{found.file}: ok" if found.file else "no configuration file; the defaults are complete")


@config.command("print")
@click.option("--effective", "everything", is_flag=True, help="Every value, and where it was written.")
@config_flags(hidden=True)
def print_(*, everything: bool, flags: Mapping[str, Value]) -> None:
    """Print what was set, as YAML; passwords in addresses are hidden."""
    for line in effective(loaded(flags), everything=everything):
        click.echo(line)


@config.command("schema")
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    # As it is written: a default of 5 seconds is "5s".
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(mode="serialization"),
    }
    click.echo(json.dumps(described, indent=2))
