"""`brimline version`: it imports nothing that the version does not need."""

from __future__ import annotations

import platform

import click

from brimline import __version__


@click.command(short_help="Print the version.")
def version() -> None:
    """Print the version."""
    click.echo(f"brimline {__version__} (Python {platform.python_version()})")
