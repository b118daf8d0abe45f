"""The past as `report` and `plot` read it from the journal's file, with or without a running Brimline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from brimline.app import overrides_of, rules_of
from brimline.cli.report_facts import Terms
from brimline.config import Loaded
from brimline.deeds import Entry
from brimline.errors import BrimlineError, JournalError
from brimline.journal.file import NAME
from brimline.journal.pauses import CARRIED
from brimline.journal.reading import Reader
from brimline.journal.rows import SELECT, line
from brimline.levels import LevelBook
from brimline.rules.terms import Rule

_KILLS: Final = "memory_oom_kills_total"
_TOLD: Final = (
    f"{SELECT} WHERE kind IN ('alert', 'outcome', 'observed', 'refused') AND wall >= ? AND wall < ? ORDER BY seq"
)


@contextmanager
def reading(where: Path) -> Iterator[Reader]:
    """Read the journal for the time of the block; what is wrong with it ends the command with a sentence."""
    reader = Reader(where, lambda: 1)
    try:
        yield reader
    except (JournalError, OSError) as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, KeyError):
        raise click.ClickException(f"{where / NAME}: a line is damaged; see brimline journal verify") from None
    finally:
        reader.close()


def entries(reader: Reader, since: float, until: float) -> Sequence[Entry]:
    """Return what was decided, done and told of, oldest first; what prune wrote anew says nothing new."""
    found = [line(row).entry for row in reader.rows(_TOLD, (since, until))]
    return [entry for entry in found if CARRIED not in entry.facts]


def terms(found: Loaded) -> Terms:
    """Return by what the past is judged: the rules and levels as they are configured now."""
    try:
        rules = rules_of(found)
    except BrimlineError as error:
        raise click.ClickException(str(error)) from None
    book = LevelBook(rules.levels.alert_at, rules.levels.restart_at, overrides_of(found.config))
    return Terms(book, {rule.alert for rule in rules.rules if _is_of_kills(rule)})


def _is_of_kills(rule: Rule) -> bool:
    alternatives = rule.when.alternatives
    return any(c.operand.measure.name == _KILLS for comparisons in alternatives for c in comparisons)
