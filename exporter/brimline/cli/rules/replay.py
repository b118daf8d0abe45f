"""`brimline rules replay`: what rules would have done on history, as a table or JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from brimline import bundled
from brimline.cli import table
from brimline.cli.flags import config_flags, loaded
from brimline.cli.rules.files import load_files, read_files, refusal
from brimline.cli.rules.replay_csv import moments_of_csv
from brimline.cli.rules.replay_journal import Span, memory_of, moments_of_journal
from brimline.cli.rules.replay_prometheus import Range, moments_of_prometheus
from brimline.cli.table import Cell, Heading
from brimline.errors import BrimlineError, ConfigError, UnitError
from brimline.loading import Value
from brimline.rules.replay import Episode, Moment, Stand, Story, replay
from brimline.rules.terms import RuleSet
from brimline.units import format_duration, format_ratio, parse_bytes, parse_duration

_WHERE: Final = "write where the history is: one of --csv FILE, --prometheus URL and --journal"


@dataclass(frozen=True, slots=True)
class Asked:
    """Where history is, as it was written on the command line."""

    csv_file: str | None
    limit: str | None
    url: str | None
    back: str | None
    step: str | None
    journal: bool
    flags: Mapping[str, Value]

    def check(self) -> None:
        """Refuse none, two, and what means nothing with the one."""
        given = {"--csv": self.csv_file is not None, "--prometheus": self.url is not None, "--journal": self.journal}
        if sum(given.values()) != 1:
            raise click.UsageError(_WHERE)
        (where,) = (name for name, is_given in given.items() if is_given)
        means = {
            "--range": (self.back, {"--prometheus", "--journal"}),
            "--step": (self.step, {"--prometheus"}),
            "--limit": (self.limit, {"--csv"}),
        }
        for name, (value, places) in means.items():
            if value is not None and where not in places:
                raise click.UsageError(f"{name} means nothing with {where}")

    def moments(self, rules: RuleSet) -> Iterable[Moment]:
        """Return the history, read as it is gone through."""
        if self.csv_file is not None:
            return moments_of_csv(self.csv_file, None if self.limit is None else parse_bytes(self.limit))
        if self.journal:
            config = loaded(self.flags).config
            span = Span(time.time(), parse_duration(self.back or "7d"), memory_of(config.path.procfs))
            return moments_of_journal(Path(config.storage.path), span)
        spacing = parse_duration(self.step or "30s")
        if not spacing:
            raise UnitError(f'--step: "{self.step}" is no step; write one above 0s, such as "30s"')
        return moments_of_prometheus(
            str(self.url), Range(time.time(), parse_duration(self.back or "14d"), spacing), rules
        )


@click.command("replay")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--csv", "csv_file", metavar="FILE", help="Read history from a CSV: time,name,ratio or time,name,bytes.")
@click.option("--limit", metavar="SIZE", help="The limit of a CSV of bytes without a limit column, such as 4GiB.")
@click.option("--prometheus", "url", metavar="URL", help="Read history from a Prometheus that scraped Brimline.")
@click.option("--range", "back", metavar="DURATION", help="How far back.  [default: 14d; --journal: 7d]")
@click.option("--step", metavar="DURATION", help="Seconds between two samples of Prometheus.  [default: 30s]")
@click.option("--journal", is_flag=True, help="Read history from the journal, which --storage.path names.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_flags(hidden=True)
def replay_(*, files: tuple[str, ...], as_json: bool, **asked: Any) -> None:  # noqa: ANN401 - the fields of Asked
    """Say what the rules in FILEs (the bundled ones by default) would have done on history.

    A restart counts once for each time its alert fires, before any budget. It is for nothing where the history shows,
    while the alert fires and for 30 minutes at least, no OOM kill, no restart, no use above 98 %, no loss of more than
    half, and no end. The levels are those of the rule files; labels of single containers are not known. Of each minute
    the journal keeps, the greatest use counts.
    """
    history = Asked(**asked)
    history.check()
    rules = load_files(read_files(files) if files else {bundled.RULES: bundled.text(bundled.RULES)})
    try:
        story = replay(rules, history.moments(rules))
    except ConfigError as error:
        raise refusal(error.problems, {}) from None
    except BrimlineError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(as_data(rules, story), indent=2))
    else:
        for line in as_text(rules, story, table.width(), colour=table.coloured()):
            click.echo(line)


def as_text(rules: RuleSet, story: Story, room: int, *, colour: bool) -> Iterator[str]:
    """Yield the tables: one line a rule, one line a subject."""
    if not story.moments:
        yield "no history: nothing was sampled in that time"
        return
    restarts = sum(len(stand.restarts) for stand in story.stands.values())
    nothing = sum(stand.nothing_followed(story.ended) for stand in story.stands.values())
    yield (
        f"{format_duration(story.ended - story.began)} of history, {_counted(story.moments, 'moment')}, "
        f"{_counted(len(story.stands), 'subject')}: {_counted(len(story.episodes), 'alert')}, "
        f"{_counted(restarts, 'restart')}, {nothing} of them for nothing"
    )
    yield ""
    headings = [Heading("FIRED", right=True), Heading("SUBJECTS", right=True), Heading("LONGEST", right=True)]
    rows = [_rule_row(name, episodes, story) for name, episodes in by_rule(rules, story)]
    yield from table.render([*headings, Heading("ALERT")], rows, room, colour=colour)
    if not story.stands:
        return
    yield ""
    levels = [f"ABOVE {format_ratio(level)}" for level in (rules.levels.alert_at, rules.levels.restart_at)]
    titles = ("HIGHEST", *levels, "RESTARTS", "FOR NOTHING")
    stands = sorted(story.stands.values(), key=lambda s: (-len(s.restarts), -s.highest, s.subject.name))
    cells = [_stand_row(stand, story) for stand in stands]
    yield from table.render([*(Heading(t, right=True) for t in titles), Heading("NAME")], cells, room, colour=colour)


def by_rule(rules: RuleSet, story: Story) -> list[tuple[str, list[Episode]]]:
    """Return the episodes of each rule, in the order of the rules."""
    found: dict[str, list[Episode]] = {rule.name: [] for rule in rules.rules}
    for episode in story.episodes:
        found[episode.alert.key.rule].append(episode)
    return list(found.items())


def _seconds(episode: Episode, story: Story) -> float:
    return (story.ended if episode.ended is None else episode.ended) - episode.began


def _rule_row(name: str, episodes: Sequence[Episode], story: Story) -> list[Cell]:
    longest = max((_seconds(episode, story) for episode in episodes), default=None)
    return [
        Cell(str(len(episodes)), "red" if episodes else None),
        Cell(str(len({episode.alert.key.labels for episode in episodes}))),
        Cell("-" if longest is None else format_duration(longest)),
        Cell(name.partition("/")[2]),
    ]


def _stand_row(stand: Stand, story: Story) -> list[Cell]:
    return [
        Cell(format_ratio(stand.highest) if stand.samples else "-"),
        Cell(format_duration(stand.above_alert)),
        Cell(format_duration(stand.above_restart)),
        Cell(str(len(stand.restarts))),
        Cell(str(stand.nothing_followed(story.ended))),
        Cell(f"{stand.subject.kind}/{stand.subject.name}"),
    ]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def as_data(rules: RuleSet, story: Story) -> dict[str, object]:
    """Return the story as JSON's types; times are seconds since the epoch."""
    return {
        "began": story.began,
        "ended": story.ended,
        "moments": story.moments,
        "levels": {"alert_at": rules.levels.alert_at, "restart_at": rules.levels.restart_at},
        "rules": [
            {"rule": name, "fired": len(episodes), "episodes": [_episode(episode) for episode in episodes]}
            for name, episodes in by_rule(rules, story)
        ],
        "subjects": [
            {
                "kind": str(stand.subject.kind),
                "name": stand.subject.name,
                "samples": stand.samples,
                "highest_ratio": stand.highest if stand.samples else None,
                "seconds_above_alert_at": stand.above_alert,
                "seconds_above_restart_at": stand.above_restart,
                "restarts": [episode.began for episode in stand.restarts],
                "restarts_for_nothing": stand.nothing_followed(story.ended),
            }
            for stand in story.stands.values()
        ],
    }


def _episode(episode: Episode) -> dict[str, object]:
    alert = episode.alert
    return {"kind": str(alert.key.kind), "name": alert.key.name, "began": episode.began, "ended": episode.ended}
