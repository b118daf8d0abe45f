"""Rule files as verbs meet them: read, loaded, and their mistakes drawn under the line they stand in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import click

from brimline.cli.flags import Refusal
from brimline.errors import ConfigError, Problem
from brimline.loading import read_text
from brimline.mistakes import one_line
from brimline.rulefiles import load_rules, read_rules
from brimline.rules.terms import RuleSet

_PLACE: Final = re.compile(r"(.*?):(\d+)(?::(\d+))?", re.ASCII | re.DOTALL)
_WORD: Final = re.compile(r"[\w.\-%]+|\S", re.ASCII)
_WIDEST: Final = 120  # characters of a line that are shown
_BEFORE: Final = 60  # of them before the word, where the line is longer


def read_files(names: Sequence[str]) -> dict[str, str]:
    """Read the files' texts (`bundled`: ours), or end the command with every one that cannot be read."""
    try:
        return read_rules(names, read_text)
    except ConfigError as error:
        raise refusal(error.problems, {}) from None


def load_files(texts: Mapping[str, str]) -> RuleSet:
    """Load the rules, or end the command with every mistake."""
    try:
        return load_rules(texts)
    except ConfigError as error:
        raise refusal(error.problems, texts) from None


def refusal(problems: Sequence[Problem], texts: Mapping[str, str]) -> click.ClickException:
    """Return the end of a command that cannot go on: each mistake, drawn."""
    return Refusal("\n".join(line for problem in problems for line in drawn(problem, texts)))


def drawn(problem: Problem, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield the sentence, the line it speaks of, and carets under the word."""
    yield str(problem)
    place = _PLACE.fullmatch(problem.where)
    lines = texts.get(place[1], "").splitlines() if place else []
    if place is None or place[3] is None or not 0 < int(place[2]) <= len(lines):
        return
    line, column = one_line(lines[int(place[2]) - 1]), int(place[3])
    word = _WORD.match(line, column - 1)
    span = problem.span or (len(word[0]) if word else 1)
    gutter, dots = f"{place[2]:>6} | ", ""
    if len(line) > _WIDEST:
        begin = max(0, column - 1 - _BEFORE)
        line, column = line[begin : begin + _WIDEST], column - begin
        dots = "..." if begin else ""
    yield f"{gutter}{dots}{line}"
    yield " " * (len(gutter) + len(dots) + column - 1) + "^" * max(1, min(span, len(line) - column + 1))
