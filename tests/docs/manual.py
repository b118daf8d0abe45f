"""The manual page as the command line itself tells it: every verb, its text, its flags; in groff's man macros."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

HEAD = """\
.\\" Made from the command line by tests/golden/test_manual.py; make golden writes it anew.
.TH BRIMLINE 1 "" "Brimline" "User Commands"
.SH NAME
brimline \\- keep self\\-hosted inference services from being OOM\\-killed
.SH SYNOPSIS
.B brimline
.I COMMAND
.RI [ OPTIONS ]
"""
FOOT = """\
.SH FILES
.TP
.I /etc/brimline/brimline.yml
The configuration, where no other is named with \\-\\-config.file or BRIMLINE_CONFIG_FILE.
.TP
.I /var/lib/brimline
The journal, unless storage.path says otherwise.
.SH SEE ALSO
.BR docker (1),
.BR systemctl (1),
.BR promtool (1)
"""


def manual(group: click.Group) -> str:
    """Return the whole page."""
    context = click.Context(group, info_name="brimline")
    lines = [HEAD.rstrip("\n"), ".SH DESCRIPTION", *_text(group.help or ""), ".SH COMMANDS"]
    lines += _commands(group, context)
    return "\n".join([*lines, FOOT])


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        pieces = " ".join(command.collect_usage_pieces(inner))
        yield f".SS {_escape(f'{inner.command_path} {pieces}')}"
        yield from _text(command.help or "")
        yield from _options(command, inner)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            yield ".TP"
            yield f".B {_escape(record[0])}"
            yield _escape(" ".join(record[1].split()))


def _text(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            yield ".nf"
            yield from (_escape(line.strip()) for line in paragraph.splitlines()[1:])
            yield ".fi"
        else:
            yield _escape(" ".join(paragraph.split()))


def _escape(text: str) -> str:
    r"""Return what groff prints as it stands: a dot or quote at the beginning would be a macro."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped
