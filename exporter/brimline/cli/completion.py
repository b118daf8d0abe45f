"""`brimline completion SHELL`: prints the script a shell evaluates; the words come from the commands themselves."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

# \b keeps click from joining the lines.
_HELP: Final = """Print the completion script of a shell.

\b
bash:  brimline completion bash > /etc/bash_completion.d/brimline
zsh:   brimline completion zsh > "${fpath[1]}/_brimline"
fish:  brimline completion fish > ~/.config/fish/completions/brimline.fish
"""


@click.command(help=_HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    script = get_completion_class(shell)
    if script is not None:
        click.echo(script(ctx.find_root().command, {}, "brimline", "_BRIMLINE_COMPLETE").source())
