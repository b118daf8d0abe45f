"""docs/rules.md: its files load and warn of nothing, and its tables are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from brimline.errors import ConfigError
from brimline.model import SUBJECT_LABELS, Kind
from brimline.rules.lint import lint
from brimline.rules.rule import KEYS
from brimline.rules.spec import ACTIONS
from brimline.rules.terms import Func, RuleSet
from unit.rule_texts import file_of, one, rules_of, words

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def first_cells(heading: str) -> list[str]:
    """Return the code words in the first column of the table below a header line."""
    table = PAGE.partition(f"| {heading} |")[2].split("\n\n")[0]
    return [word for line in table.splitlines()[2:] for word in re.findall(r"`(\w+)`", line.split("|")[1])]


@pytest.mark.parametrize("text", blocks())
def test_every_file_loads_and_nothing_in_it_is_doubtful(text: str) -> None:
    rules = rules_of(text)
    apart = [RuleSet((rule,), rules.levels) for rule in rules.rules]  # the examples overlap on purpose
    assert rules.rules
    assert [warning for one_rule in apart for warning in lint(one_rule)] == []


def test_the_tables_are_those_of_the_code() -> None:
    assert first_cells("key") == list(KEYS)
    assert sorted(first_cells("function")) == sorted(Func)
    assert first_cells("action") == list(ACTIONS)
    assert first_cells("kind") == list(Kind)
    for kind in Kind:
        row = re.search(rf"^\| `{kind}` \| (.*) \|$", PAGE, re.MULTILINE)
        assert row
        assert tuple(re.findall(r"`(\w+)`", row[1])) == SUBJECT_LABELS[kind]


def test_every_measure_the_page_names_exists() -> None:
    named = set(re.findall(r"\bmemory_\w+", PAGE)) - {"memory_threshold_ratio"}
    assert named <= set(words()[Kind.CONTAINER])
    assert "memory_used_ratio" in named


def test_quantities_the_page_shows_are_read_or_refused() -> None:
    table = PAGE.partition("| the measure ends in | write | not |")[2].split("\n\n")[0]
    measures = iter(
        ["memory_used_ratio", "memory_used_bytes", "memory_pressure_full_seconds_total", "processes",
         "rate(memory_refaults_total, 1m)", "rate(cpu_seconds_total, 1m)"]
    )  # fmt: skip
    for line in table.splitlines()[2:]:
        measure = next(measures)
        good, bad = (re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[2:4])
        for text in good if "MiB/s" not in good[0] else good[1:]:  # no counter of bytes is served
            one(f"on: container\nwhen: {measure} > {text}\n")
        for text in bad if "MiB/s" not in good[0] else bad[1:]:
            with pytest.raises(ConfigError, match="write"):
                rules_of(file_of(f"on: container\nwhen: {measure} > {text}\n"))
