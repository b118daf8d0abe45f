"""The command line: a file or a room a verb, imported only when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

import click

# verb -> (module:command, one line)
VERBS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "run": ("brimline.cli.run:run", "Measure every interval and serve /metrics."),
        "check": ("brimline.cli.check.verb:check", "Show every subject against its levels; also a Nagios plugin."),
        "top": ("brimline.cli.top.verb:top", "Show every subject live, the worst first."),
        "explain": (
            "brimline.cli.explain.verb:explain",
            "Say what one subject's memory consists of and what limits it.",
        ),
        "status": (
            "brimline.cli.status.verb:status",
            "Say whether Brimline runs, what it may do and what it did last.",
        ),
        "report": ("brimline.cli.report.verb:report", "Write a report of the last hours or days."),
        "plot": ("brimline.cli.plot.verb:plot", "Draw the memory of NAME over time."),
        "journal": ("brimline.cli.journal:journal", "Show what was decided, done and asked for, and why."),
        "pause": ("brimline.cli.pause:pause", "Let Brimline do nothing to NAME, or to anything."),
        "resume": ("brimline.cli.resume:resume", "End the pause of NAME, or all pauses."),
        "restart": ("brimline.cli.restart:restart", "Restart NAME through the running Brimline's policy."),
        "rules": ("brimline.cli.rules.verb:rules", "Check, test, export or replay the threshold rules."),
        "config": ("brimline.cli.config.verb:config", "Check, print or describe the configuration."),
        "healthcheck": ("brimline.cli.healthcheck:healthcheck", "Ask a running Brimline whether it is healthy."),
        "version": ("brimline.cli.version:version", "Print the version."),
        "completion": ("brimline.cli.completion:completion", "Print the completion script of a shell."),
    }
)


class Verbs(click.Group):
    """A group that imports a verb when it is named; its help is written from the table alone."""

    def __init__(self, name: str, verbs: Mapping[str, tuple[str, str]], text: str) -> None:
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
        super().__init__(name, help=text, context_settings=settings)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order they are introduced."""
        del ctx
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and return its command."""
        del ctx
        if cmd_name not in self.verbs:
            return None
        module, _, name = self.verbs[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of verbs."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in self.verbs.items()])


def commands() -> click.Group:
    """Return the whole command line."""
    return Verbs("brimline", VERBS, "Keep self-hosted inference services from being OOM-killed: measure, judge, act.")


def main() -> None:
    """Run the command line and exit."""
    commands().main(prog_name="brimline")
