"""Rule files: what loads, what is refused and where; what is written again loads to the same rules."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brimline.errors import ConfigError
from brimline.model import Kind
from brimline.rules import spec
from brimline.rules.expression import spell
from brimline.rules.terms import Levels, RuleSet
from brimline.rules.written import as_text
from unit.rule_texts import file_of, mistakes_of, one, rule_sets, rules_of, sentence, words

FULL = """
levels: {alert_at: 70%, restart_at: 0.9}
groups:
  - name: inference-memory
    rules:
      - alert: InferenceMemoryCritical
        on: container
        where: {compose_project: shop, container: "whisper-*"}
        when: memory_used_ratio > 85%
        for: 30s
        clear: memory_used_ratio < 75%
        keep_firing_for: 1m
        severity: critical
        labels: {team: ml}
        annotations:
          summary: "{container} holds {memory_used_ratio} of its {memory_limit_bytes}"
        do: [notify, restart]
"""
MINIMAL = "on: container\nwhen: memory_used_ratio > 85%\n"


@settings(max_examples=100)
@given(rule_sets())
def test_what_is_written_loads_to_the_same_rules(rules: RuleSet) -> None:
    again = spec.load(as_text(rules), "again.json", words())
    assert [replace(rule, where="") for rule in again.rules] == list(rules.rules)
    assert again.levels == rules.levels


@settings(max_examples=300)
@given(st.data())
def test_whatever_a_file_becomes_it_loads_or_says_why(data: st.DataObject) -> None:
    text = FULL
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        text = (
            text[:start]
            + data.draw(st.sampled_from(["", "[", "{", '"', "x", " ", "\n", ": ", "- ", "85", "é"]))
            + text[end:]
        )
    try:
        rules_of(text)
    except ConfigError as error:
        lines = len(text.splitlines()) + 1
        for problem in error.problems:
            assert re.fullmatch(r"r1\.yml:\d+:\d+", problem.where)
            assert 0 < int(problem.where.split(":")[1]) <= lines


def test_every_key_of_a_rule() -> None:
    rules = rules_of(FULL)
    [rule] = rules.rules
    assert rules.levels == Levels(0.7, 0.9)
    assert (rule.group, rule.alert, rule.kind, rule.severity) == (
        "inference-memory",
        "InferenceMemoryCritical",
        Kind.CONTAINER,
        "critical",
    )
    assert [(p.label, p.regex, p.negated) for p in rule.selector.patterns] == [
        ("compose_project", "shop", False),
        ("container", "whisper-.*", False),
    ]
    assert [[spell(c) for c in alternative] for alternative in rule.when.alternatives] == [["memory_used_ratio > 85%"]]
    assert rule.clear is not None
    assert spell(rule.clear) == "memory_used_ratio < 75%"
    assert (rule.for_seconds, rule.keep_firing_seconds) == (30.0, 60.0)
    assert rule.labels == (("team", "ml"),)
    assert rule.all_labels == (("severity", "critical"), ("team", "ml"))
    assert rule.actions == ("notify", "restart")
    assert rule.where == "r1.yml:6"
    assert rule.name == "inference-memory/InferenceMemoryCritical{severity=critical,team=ml}"


def test_what_is_left_out() -> None:
    rule = one(MINIMAL)
    assert (rule.for_seconds, rule.keep_firing_seconds, rule.clear, rule.severity) == (0.0, 0.0, None, "")
    assert (rule.labels, rule.annotations, rule.actions, rule.selector.patterns) == ((), (), (), ())
    assert rules_of(file_of(MINIMAL)).levels == Levels(0.80, 0.85)


def test_a_list_is_all_and_any_holds_alternatives() -> None:
    both = one("on: container\nwhen: [memory_used_ratio > 85%, processes > 3]\n").when
    assert [len(alternative) for alternative in both.alternatives] == [2]
    either = one(
        "on: container\nany:\n  - memory_used_ratio > 95%\n  - [memory_used_ratio > 85%, processes > 3]\n"
    ).when
    assert [len(alternative) for alternative in either.alternatives] == [1, 2]


def test_files_become_one_set_in_their_order() -> None:
    rules = rules_of(file_of(MINIMAL, "B"), "levels: {alert_at: 60%}\n", file_of(MINIMAL, "A"))
    assert [rule.alert for rule in rules.rules] == ["B", "A"]
    assert [rule.where for rule in rules.rules] == ["r1.yml:4", "r3.yml:4"]
    assert rules.levels == Levels(0.6, 0.85)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMAL + "fro: 30s\n", 'unknown key "fro"; did you mean "for"?'),
        (MINIMAL + "expr: x > 1\n", 'unknown key "expr"; write "when: memory_used_ratio > 85%"'),
        (MINIMAL + "wombat: 1\n", "known here: alert, on, where, when, any, for"),
        ("when: memory_used_ratio > 85%\n", 'missing key "on"; write "on: container"'),
        ("on: container\n", 'missing key "when"'),
        ("on: contaner\nwhen: processes > 1\n", 'on: found "contaner"; did you mean "container"?'),
        ("on: pod\nwhen: x > 1\n", 'on: found "pod"; write one of container, cgroup, process, host'),
        (MINIMAL + "for: 30\n", 'for: "30" is no duration; write "30s"'),
        (MINIMAL + "for: 1:30\n", 'for: "1:30" is no duration; write "1m30s"'),
        (MINIMAL + "for:\n", "for: found nothing; write a text"),
        (MINIMAL + "keep_firing_for: 1.5h\n", 'keep_firing_for: "1.5h" is no duration; write "1h30m"'),
        (MINIMAL + "any: [processes > 3]\n", '"when" and "any" are both written'),
        ("on: container\nwhen: {any: [processes > 3]}\n", 'found a mapping; write "any:" in place of "when:"'),
        ("on: container\nwhen: {memory_used_ratio: 85%}\n", "found a mapping; write a comparison"),
        ("on: container\nwhen: []\n", "when: found an empty list"),
        ("on: container\nany: processes > 3\n", 'any: found "processes > 3"; write a list'),
        ("on: container\nany: [[[processes > 3]]]\n", "found a list; write a comparison"),
        ("on: container\nwhen: [processes > 3, processes > 3.0]\n", '"processes > 3" is written twice'),
        ("on: container\nany: [processes > 3, processes > 3]\n", "the same alternative is written twice"),
        (
            MINIMAL + "clear: memory_used_ratio < 90%\n",
            'can hold at once; write "memory_used_ratio < ..." with 85% or less',
        ),
        (MINIMAL + "clear: memory_used_ratio > 90%\n", 'can hold at once; write "memory_used_ratio < ..."'),
        (
            MINIMAL + "clear: memory_working_set_ratio < 75%\n",
            'must compare what the condition compares; write "memory_used_',
        ),
        (MINIMAL + "clear: max(memory_used_ratio, 5m) < 75%\n", "must compare what the condition compares"),
        (MINIMAL + "clear: [memory_used_ratio < 75%]\n", "clear: found a list; write one comparison"),
        (
            "on: container\nwhen: memory_used_ratio > restart_at\nclear: memory_used_ratio < 90%\n",
            "with restart_at or less",
        ),
        ("on: host\nwhen: memory_available_bytes < 1GiB\nclear: memory_available_bytes > 1MiB\n", "with 1GiB or more"),
        (
            "on: container\nany: [processes > 3, running == 0]\nclear: processes < 2\n",
            "alternatives have no one threshold to clear",
        ),
        (
            "on: container\nwhen: [memory_used_ratio > 85%, limited == 1]\nclear: running == 0\n",
            'must compare what the condition compares; write "memory_used_ratio ..."',
        ),
        (
            MINIMAL.replace("memory_used_ratio > 85%", "[memory_used_ratio > 95%, memory_used_ratio > restart_at]")
            + "clear: memory_used_ratio < 75%\n",
            'the condition compares "memory_used_ratio" twice; remove one of the two',
        ),
        (
            "on: container\nwhen: [limited == 1, memory_used_ratio > 85%]\nclear: memory_used_ratio < 90%\n",
            'can hold at once; write "memory_used_ratio < ..." with 85% or less',
        ),
        ("on: container\nwhen: healthy == 0\nclear: healthy == 0\n", 'write "healthy != 0"'),
        (MINIMAL + "where: {contaner: x}\n", 'where: a container has no label "contaner"; did you mean "container"?'),
        (MINIMAL + "where: {group: x}\n", 'a container has no label "group"; known: compose_project'),
        (MINIMAL + "where: {container: [a, b]}\n", "container: found a list; write a text"),
        (MINIMAL + 'where: {container: "a["}\n', 'container: this "[" is not closed'),
        (
            "on: host\nwhen: memory_used_ratio > 85%\nwhere: {host: x}\n",
            'has no label "host"; remove it: there is one host',
        ),
        (MINIMAL + "severity: [a]\n", "severity: found a list"),
        (MINIMAL + 'severity: "{container}"\n', "severity: a label holds no placeholder"),
        (MINIMAL + "labels: {severity: critical}\n", 'write "severity: ..." beside "labels:"'),
        (MINIMAL + "labels: {container: x}\n", 'every container has a label "container" of its own; rename it'),
        (MINIMAL + "labels: {job: x}\n", '"job" is Prometheus\'s own; rename it'),
        (MINIMAL + "labels: {team-a: x}\n", '"team-a" is no label name'),
        (MINIMAL + 'labels: {team: "{container}"}\n', "a label holds no placeholder"),
        (MINIMAL + 'labels: {team: ""}\n', 'team: found ""; write a name'),
        (MINIMAL + "labels: x\n", 'labels: found "x"; write "key: value" lines'),
        (MINIMAL + "annotations: {summary: '{contaner}'}\n", 'summary: a container has no "contaner"; did you mean'),
        (MINIMAL + "annotations: {a-b: x}\n", 'annotations: "a-b" is no name'),
        (MINIMAL + "do: notify\n", 'do: found "notify"; write a list, such as [notify]'),
        (MINIMAL + "do: [notfy]\n", 'do: unknown action "notfy"; did you mean "notify"?'),
        (MINIMAL + "do: [notify, notify]\n", 'do: "notify" is written twice'),
        (
            "on: host\nwhen: memory_used_ratio > 85%\ndo: [cleanup]\n",
            'do: "cleanup" is impossible for a host; it is for "on: container" and "on: process"',
        ),
        ("on: process\nwhen: memory_used_ratio > 85%\ndo: [restart]\n", '"restart" is impossible for a process'),
        ("on: cgroup\nwhen: memory_used_ratio > 85%\ndo: [recycle]\n", '"recycle" is impossible for a cgroup'),
    ],
)
def test_a_mistake_says_what_to_write(text: str, expected: str) -> None:
    assert expected in sentence(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'r1.yml:1:1: an empty file; write "groups:"'),
        ("- a\n", 'r1.yml:1:1: found a list; write "key: value" lines'),
        ("groups: []\n", "r1.yml:1:9: groups: found an empty list"),
        ("group: []\n", 'r1.yml:1:1: unknown key "group"; did you mean "groups"?'),
        ("groups:\n  - rules: []\n", 'r1.yml:2:5: missing key "name"'),
        ("groups:\n  - name: g\n", 'r1.yml:2:5: group "g": missing key "rules"'),
        (
            "groups:\n  - name: g\n    interval: 5s\n    rules: []\n",
            'r1.yml:3:5: unknown key "interval"; every rule is judged',
        ),
        (
            "groups:\n  - name: g\n    rules: [x]\n",
            'r1.yml:3:13: rule 1 of "g": rules: found "x"; write "key: value" lines',
        ),
        ("groups:\n  - name: g\n    rules:\n      - on: host\n", 'r1.yml:4:9: rule 1 of "g": missing key "alert"'),
        ("levels: {alert_at: 90%}\n", "r1.yml:1:20: alert_at (90%) above restart_at (85%)"),
        ("levels: {alert_at: 0%}\n", "alert_at: found 0%; write a level above 0%"),
        ("levels: {restart_at: 120%}\n", "restart_at: found 120%; write a level above 0% and at most 100%"),
        ("levels: {restart: 90%}\n", 'r1.yml:1:10: unknown key "restart"; did you mean "restart_at"?'),
        ("levels: {alert_at: 80}\n", 'r1.yml:1:20: alert_at: "80" is above 1; write "80%"'),
        ("groups: [\n", "r1.yml:2:1: "),
    ],
)
def test_a_file_that_is_none(text: str, expected: str) -> None:
    assert any(expected in message for message in mistakes_of(text)), mistakes_of(text)


def test_an_alert_is_defined_once() -> None:
    [mistake] = mistakes_of(file_of(MINIMAL), file_of(MINIMAL))
    assert mistake.startswith('r2.yml:4:16: rule "X": the same name and labels as in r1.yml:4; rename it')
    assert len(rules_of(file_of(MINIMAL), file_of(MINIMAL + "severity: critical\n")).rules) == 2


def test_a_group_is_written_once_in_a_file() -> None:
    group = "  - {name: g, rules: [{alert: %s, on: host, when: memory_used_ratio > 85%%}]}\n"
    assert "first in line 2; join them" in mistakes_of("groups:\n" + group % "A" + group % "B")[0]


def test_levels_are_stated_once() -> None:
    levels = "levels: {alert_at: 70%}\n"
    assert mistakes_of(levels, levels) == ['r2.yml:1:1: "levels" is stated in r1.yml:1 already; remove one']


def test_all_mistakes_of_all_files_in_their_order() -> None:
    wrong = file_of("on: container\nwhen: memory_used_ratio > 85\nfro: 1s\ndo: [restrat]\n")
    assert [message.partition(": ")[0] for message in mistakes_of(wrong, "a: [", wrong)] == [
        "r1.yml:6:35",
        "r1.yml:7:9",
        "r1.yml:8:14",
        "r2.yml:2:1",
        "r3.yml:4:16",
        "r3.yml:6:35",
        "r3.yml:7:9",
        "r3.yml:8:14",
    ]


@pytest.mark.parametrize(
    ("written", "column", "span"),
    [
        ("memory_used_ratio > 85", 21, 2),
        ("'memory_used_ratio > 85'", 22, 2),
        ('"memory_used_ratio > 85"', 22, 2),
        ('"memory_used_ratio \\u003e 85"', 1, 0),
    ],
)
def test_a_mistake_stands_under_its_word(written: str, column: int, span: int) -> None:
    with pytest.raises(ConfigError) as error:
        rules_of(file_of(f"on: container\nwhen: {written}\n"))
    [problem] = error.value.problems
    assert (problem.where, problem.span) == (f"r1.yml:6:{14 + column}", span)


def test_the_fingerprint_is_of_what_decides() -> None:
    base = one(MINIMAL).fingerprint
    same = ["annotations: {summary: x}\n", "do: [notify]\n", "for: 0s\n"]
    other = ["for: 1s\n", "keep_firing_for: 1s\n", "clear: memory_used_ratio < 75%\n", "severity: x\n",
             "labels: {a: b}\n", "where: {container: a}\n"]  # fmt: skip
    assert {one(MINIMAL + line).fingerprint for line in same} == {base}
    assert len({one(MINIMAL + line).fingerprint for line in other} | {base}) == len(other) + 1
    assert one(MINIMAL.replace("85%", "86%")).fingerprint != base
    assert one(MINIMAL.replace("85%", "0.85")).fingerprint == base


def test_actions_are_those_handed_in() -> None:
    with pytest.raises(ConfigError, match='unknown action "restart"'):
        spec.load(file_of(MINIMAL + "do: [restart]\n"), "r.yml", words(), {"notify": frozenset(Kind)})
