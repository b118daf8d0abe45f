"""The Prometheus twin, word for word; promtool reads every file and holds what its alerts say."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings

from brimline.cli import commands
from brimline.rules.export import document, twin
from brimline.rules.terms import Levels, RuleSet
from unit.rule_texts import file_of, one, rule_sets, rules_of

LEVELS = Levels()


def expr(text: str) -> object:
    return twin(one(text), LEVELS)["expr"]


def summary(text: str, when: str = "when: memory_used_ratio > 85%", on: str = "container") -> str:
    found = twin(one(f"on: {on}\n{when}\nannotations:\n  summary: {json.dumps(text)}\n"), LEVELS)["annotations"]
    assert isinstance(found, dict)
    return found["summary"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on: container\nwhen: memory_used_ratio > 85%\n", "brimline_container_memory_used_ratio > 0.85"),
        ("on: host\nwhen: memory_available_bytes < 200MiB\n", "brimline_host_memory_available_bytes < 209715200"),
        ("on: cgroup\nwhen: memory_swap_bytes != 100TiB\n", "brimline_cgroup_memory_swap_bytes != 109951162777600"),
        (
            "on: container\nwhen: increase(memory_oom_kills_total, 1h30m) > 0\n",
            "increase(brimline_container_memory_oom_kills_total[1h30m]) > 0",
        ),
        (
            "on: container\nwhere: {container: 'w.*'}\nwhen: avg(memory_used_ratio, 10s) >= 0.1%\n",
            'avg_over_time(brimline_container_memory_used_ratio{container=~"w\\\\..*"}[10s]) >= 0.001',
        ),
        (
            (
                "on: container\nwhere: {compose_project: sh, compose_service: '!', container: '![ab]?'}\n"
                "when: memory_used_ratio > 85%\n"
            ),
            'brimline_container_memory_used_ratio{compose_project="sh",compose_service!="",container!~"[ab]."} > 0.85',
        ),
        (
            "on: container\nwhen: memory_used_ratio > restart_at\n",
            (
                "brimline_container_memory_used_ratio > ignoring (level) "
                'brimline_container_memory_threshold_ratio{level="restart"}'
            ),
        ),
        (
            "on: host\nany: [memory_used_ratio > 95%, [memory_used_ratio > 85%, memory_swap_free_bytes < 1MiB]]\n",
            (
                "(brimline_host_memory_used_ratio > 0.95) or "
                "(brimline_host_memory_used_ratio > 0.85 and brimline_host_memory_swap_free_bytes < 1048576)"
            ),
        ),
        (
            "on: container\nwhen: [memory_used_ratio > 85%, limited == 1]\nclear: memory_used_ratio < 75%\n",
            (
                "(brimline_container_memory_used_ratio > 0.85 and brimline_container_limited == 1) or "
                "(brimline_container_memory_used_ratio >= 0.75 and brimline_container_limited == 1 and "
                'ignoring (alertname, alertstate) ALERTS{alertname="X",alertstate="firing"})'
            ),
        ),
        (
            (
                "on: host\nwhen: memory_used_ratio > 85%\nclear: memory_used_ratio < 75%\n"
                "severity: critical\nlabels: {team: ml}\n"
            ),
            (
                "(brimline_host_memory_used_ratio > 0.85) or (brimline_host_memory_used_ratio >= 0.75 and "
                "ignoring (alertname, alertstate, severity, team) "
                'ALERTS{alertname="X",alertstate="firing",severity="critical",team="ml"})'
            ),
        ),
    ],
)
def test_conditions(text: str, expected: str) -> None:
    assert expr(text) == expected


def test_only_labels_the_rule_has_are_ignored_in_matching() -> None:
    found = expr("on: host\nwhen: memory_used_ratio > 85%\nclear: memory_used_ratio < 75%\n")
    assert 'ignoring (alertname, alertstate) ALERTS{alertname="X",alertstate="firing"}' in str(found)


def test_durations_and_labels() -> None:
    found = twin(
        one("on: host\nwhen: memory_used_ratio > 85%\nfor: 90s\nkeep_firing_for: 5m\nseverity: page\n"), LEVELS
    )
    assert {key: found[key] for key in ("alert", "for", "keep_firing_for", "labels")} == {
        "alert": "X",
        "for": "1m30s",
        "keep_firing_for": "5m",
        "labels": {"severity": "page"},
    }
    assert set(twin(one("on: host\nwhen: memory_used_ratio > 85%\n"), LEVELS)) == {"alert", "expr"}


def test_annotations() -> None:
    assert summary("{container}: {value}, {memory_used_ratio}, {threshold}") == (
        "{{ $labels.container }}: {{ $value | humanizePercentage }}, {{ $value | humanizePercentage }}, 85.0 %"
    )
    assert summary("{value}", "when: increase(memory_oom_kills_total, 5m) > 3") == "{{ $value | humanize }}"
    assert summary("{value}", "when: memory_available_bytes < 1MiB", "host") == "{{ $value | humanize1024 }}B"
    assert summary("{compose_service}") == '{{ or $labels.compose_service "n/a" }}'
    assert summary("{{}} {{{{") == '{{ "{" }}} {{ "{" }}{{ "{" }}'


def test_another_measure_is_queried_for_the_same_subject() -> None:
    assert summary("{memory_limit_bytes}") == (
        "{{ with printf `brimline_container_memory_limit_bytes"
        "{container=%q,compose_project=%q,compose_service=%q,instance=%q,job=%q}` $labels.container "
        "$labels.compose_project $labels.compose_service $labels.instance $labels.job | query }}"
        "{{ . | first | value | humanize1024 }}B{{ else }}n/a{{ end }}"
    )
    windowed = summary("{memory_used_ratio}", "when: max(memory_used_ratio, 1m) > 85%")
    assert "query" in windowed, "the value is the window's, the placeholder means now"


def test_the_header_names_where_the_twins_differ() -> None:
    text = document(rules_of(file_of("on: host\nwhen: memory_used_ratio > 85%\n")))
    for difference in ("unknown", "new incarnation", "start period", "alert_at (80%)"):
        assert difference in text.partition("groups:")[0]


def test_groups_of_one_name_become_one() -> None:
    text = "on: host\nwhen: memory_used_ratio > 85%\n"
    found = yaml.safe_load(document(rules_of(file_of(text, "A"), file_of(text, "B"))))
    assert [(group["name"], [rule["alert"] for rule in group["rules"]]) for group in found["groups"]] == [
        ("g", ["A", "B"])
    ]


@settings(max_examples=100)
@given(rule_sets())
def test_the_yaml_says_what_the_twins_say(rules: RuleSet) -> None:
    found = yaml.safe_load(document(rules))
    assert [rule for group in found["groups"] for rule in group["rules"]] == [
        twin(rule, rules.levels) for group in dict.fromkeys(r.group for r in rules.rules)
        for rule in rules.rules if rule.group == group
    ]  # fmt: skip


needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: apt-get install prometheus")


@needs_promtool
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rule_sets())
def test_promtool_reads_what_is_exported(tmp_path: Path, rules: RuleSet) -> None:
    (tmp_path / "rules.yml").write_text(document(rules), encoding="utf-8")
    found = subprocess.run(
        ["promtool", "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr + document(rules)
    assert f"{len(rules.rules)} rules found" in found.stdout


RULES = """
levels: {alert_at: 60%}
groups:
  - name: g
    rules:
      - alert: Stays
        on: container
        where: {container: "a.[b]*", compose_project: ""}
        when: memory_used_ratio > 85%
        clear: memory_used_ratio < 75%
        for: 1m
        severity: critical
        labels: {note: 'a "quoted"'}
        annotations:
          text: '{container} in {compose_project}: {value}, {memory_limit_bytes}, {memory_swap_bytes} {{}}, {threshold}'
      - alert: OfItsOwn
        on: container
        when: memory_used_ratio > alert_at
        annotations: {summary: "{value} > {threshold}"}
"""
TEST = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'brimline_container_memory_used_ratio{container="a.bx",instance="h:1",job="b"}', values: '0.9 0.9 0.8 0.8 0.7 0.8 0.8'}
      - {series: 'brimline_container_memory_limit_bytes{container="a.bx",instance="h:1",job="b"}', values: '2147483648x9'}
      - {series: 'brimline_container_memory_limit_bytes{container="a.bx",instance="h:2",job="b"}', values: '1x9'}
      - {series: 'brimline_container_memory_threshold_ratio{container="a.bx",instance="h:1",job="b",level="alert"}', values: '0.85x9'}
    alert_rule_test:
      - {eval_time: 0m, alertname: Stays}
      - {eval_time: 3m, alertname: Stays, exp_alerts: [{exp_labels: {severity: critical, note: 'a "quoted"', container: a.bx, instance: "h:1", job: b}, exp_annotations: {text: 'a.bx in n/a: 80%, 2GiB, n/a {}, 85.0 %'}}]}
      - {eval_time: 4m, alertname: Stays}
      - {eval_time: 6m, alertname: Stays}
      - {eval_time: 1m, alertname: OfItsOwn, exp_alerts: [{exp_labels: {container: a.bx, instance: "h:1", job: b}, exp_annotations: {summary: '90% > 85%'}}]}
      - {eval_time: 2m, alertname: OfItsOwn}
"""  # noqa: E501 - promtool's own shape


@needs_promtool
def test_promtool_fires_resolves_and_writes_what_the_twin_means(tmp_path: Path) -> None:
    (tmp_path / "brimline.yml").write_text(RULES, encoding="utf-8")
    exported = CliRunner().invoke(commands(), ["rules", "export", str(tmp_path / "brimline.yml")])
    assert exported.exit_code == 0, exported.output
    (tmp_path / "rules.yml").write_text(exported.output, encoding="utf-8")
    (tmp_path / "test.yml").write_text(TEST, encoding="utf-8")
    found = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
