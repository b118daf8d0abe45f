from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from brimline.cli.rules.test import test as verb
from brimline.metrics.catalog import by_name
from brimline.model import Kind
from brimline.rules.series import LOOK_BACK, Film, Mark, Series, parse_series, parse_values
from brimline.rules.slips import SlipError

METRICS = by_name()
MISSING, STALE, UNKNOWN = Mark.MISSING, Mark.STALE, Mark.UNKNOWN
NAME = "brimline_container_memory_used_ratio"


@pytest.mark.parametrize(
    ("text", "samples"),
    [
        ("", ()),
        ("1 2.5 -3 +4 1e3 .5", (1.0, 2.5, -3.0, 4.0, 1000.0, 0.5)),
        ("1+2x3", (1.0, 3.0, 5.0, 7.0)),
        ("5-2x2", (5.0, 3.0, 1.0)),
        ("-2+4x3", (-2.0, 2.0, 6.0, 10.0)),
        ("7x2", (7.0, 7.0, 7.0)),
        ("1x0", (1.0,)),
        ("0+0.1x3", (0.0, 0.1, 0.2, 0.30000000000000004)),  # added up, as promtool does
        ("_ _x2 1", (MISSING, MISSING, MISSING, 1.0)),
        ("1 stale _ 2", (1.0, STALE, MISSING, 2.0)),
        ("unknown unknownx2", (UNKNOWN, UNKNOWN, UNKNOWN)),
        ("1\n  2", (1.0, 2.0)),
        ("Inf -Inf", (float("inf"), float("-inf"))),
    ],
)
def test_values(text: str, samples: tuple[object, ...]) -> None:
    assert parse_values(text) == samples


@pytest.mark.parametrize(
    "text", ["NaN", "1x", "1+x2", "x", "{{schema:1}}", "1,2", "stalex", "1x9999999", "--1", "0x1f"]
)
def test_what_is_no_sample_is_refused_where_it_stands(text: str) -> None:
    with pytest.raises(SlipError) as caught:
        parse_values(f"1 {text} 2")
    (slip,) = caught.value.slips
    assert (slip.start, slip.length) == (2, len(text))


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading(text: str) -> None:
    for read in (parse_values, lambda t: parse_series(t, METRICS), lambda t: parse_series(f"{NAME}{{{t}}}", METRICS)):
        try:
            read(text)
        except SlipError as error:
            slips = error.slips
        else:
            continue
        assert slips
        assert all(slip.message for slip in slips)


def test_a_series_names_its_subject() -> None:
    metric, subject, extra = parse_series(f'{NAME}{{container="a\\"b", compose_project=\'shop\',}}', METRICS)
    assert (metric, subject.kind, subject.name) == (METRICS[NAME], Kind.CONTAINER, 'a"b')
    assert (subject.labels, extra) == (('a"b', "shop", ""), ())
    _, host, _ = parse_series("brimline_host_memory_used_ratio", METRICS)
    assert (host.kind, host.labels) == (Kind.HOST, ())
    _, _, level = parse_series('brimline_cgroup_memory_threshold_ratio{cgroup="x", level="alert"}', METRICS)
    assert level == ("alert",)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("brimline_container_memory_used_rato", 0, f'did you mean "{NAME}"?'),
        ("node_memory_MemFree_bytes", 0, "no rule reads"),
        ("brimline_ticks_total", 0, "no rule reads"),
        (f'{NAME}{{contaner="a"}}', 37, 'did you mean "container"?'),
        (f'{NAME}{{container="a", container="b"}}', 52, "written twice"),
        (f"{NAME}{{container=a}}", 37, 'write name="value"'),
        (f'{NAME}{{container="a" compose_project="b"}}', 37, 'write name="value"'),
        ('brimline_host_memory_used_ratio{host="a"}', 32, "it has none"),
        ("{}", 0, "no series"),
    ],
)
def test_what_is_no_series_is_refused_where_it_stands(text: str, place: int, said: str) -> None:
    with pytest.raises(SlipError) as caught:
        parse_series(text, METRICS)
    assert caught.value.slips[0].start == place
    assert said in caught.value.slips[0].message


def film(text: str) -> Film:
    metric, subject, extra = parse_series(f'{NAME}{{container="a"}}', METRICS)
    return Film([Series(metric, subject, extra, parse_values(text))], 60_000)


def standing(made: Film, at: int) -> float | str | None:
    (report,) = made.standing(at).reports
    if report.failed:
        return "unknown"
    return report.columns[0].values[0] if report.columns else None


def test_the_last_value_holds_for_less_than_the_look_back() -> None:
    made = film("1 _x9 2")
    assert [standing(made, at) for at in (0, 59_000, LOOK_BACK - 1, LOOK_BACK, 600_000)] == [1.0, 1.0, 1.0, None, 2.0]
    assert standing(made, 600_000 + LOOK_BACK - 1) == 2.0
    assert standing(made, 600_000 + LOOK_BACK) is None


def test_stale_ends_at_once_and_unknown_until_the_next_word() -> None:
    made = film("1 stale _ 2 unknown _ 3")
    assert [standing(made, index * 60_000) for index in range(7)] == [1.0, None, None, 2.0, "unknown", "unknown", 3.0]


def test_only_what_is_sampled_is_a_sample() -> None:
    made = film("1 _ stale 4")
    sampled = [made.sampled(at) for at in (0, 30_000, 60_000, 120_000, 180_000, 240_000)]
    values = [None if s is None else [c.values for r in s.reports for c in r.columns] for s in sampled]
    assert values == [[(1.0,)], None, [], [], [(4.0,)], None]


def test_the_same_series_make_the_same_tuple() -> None:
    made = film("1 2")
    first, second = (made.standing(at).reports[0].columns[0] for at in (0, 60_000))
    assert first.subjects is second.subjects


RULES = """
groups:
  - name: g
    rules:
      - alert: High
        on: container
        when: memory_used_ratio > 80%
        for: 1m
        severity: critical
        labels: {team: ml}
        annotations: {summary: "{container} holds {memory_used_ratio} of {memory_limit_bytes}: {value} > {threshold}"}
"""
CASE = """
rule_files: [rules.yml]
evaluation_interval: 30s
tests:
  - name: a leak
    interval: 30s
    input_series:
      - series: brimline_container_memory_used_ratio{container="a"}
        values: 0.5 0.9x1 unknownx4 0.9 0.9 stale
      - series: brimline_container_memory_limit_bytes{container="a"}
        values: 1073741824x20
    alert_rule_test:
"""


def run(directory: Path, checks: str, case: str = CASE, rules: str = RULES) -> Result:
    (directory / "rules.yml").write_text(rules)
    file = directory / "case.yml"
    file.write_text(case + checks)
    done = CliRunner().invoke(verb, [str(file)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


FIRING = "exp_alerts: [{exp_labels: {container: a, severity: critical, team: ml}}]"


def test_what_is_expected_and_is_so_is_fine(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        f"""
      - {{eval_time: 0s, alertname: High}}
      - {{eval_time: 1m29s, alertname: High}}
      - {{eval_time: 90s, alertname: High}}
      - {{eval_time: 210s, alertname: High, exp_alerts: []}}
      - {{eval_time: 4m10s, alertname: High, {FIRING}}}
      - {{eval_time: 4m30s, alertname: High}}
""",
    )
    assert (done.exit_code, done.output) == (0, f"{tmp_path}/case.yml: ok\n")


def test_what_differs_is_told_line_by_line(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        f"""
      - {{eval_time: 1m, alertname: High, {FIRING}}}
      - {{eval_time: 4m, alertname: High}}
      - eval_time: 4m
        alertname: High
        exp_alerts:
          - exp_labels: {{container: b}}
          - exp_labels: {{container: a, severity: critical, team: ml}}
            exp_annotations: {{summary: no, other: x}}
      - {{eval_time: 10m, alertname: High, {FIRING}}}
""",
    )
    assert done.exit_code == 1
    assert done.output.replace(f"{tmp_path}/", "") == (
        "case.yml:14:9: a leak, at 1m: High\n"
        '  - {container="a", severity="critical", team="ml"}: expected, but it does not fire; it is pending, '
        "since 30s (30s)\n"
        "case.yml:15:9: a leak, at 4m: High\n"
        '  + {container="a", severity="critical", team="ml"}: fires, but is not expected; value 0.9, since 4m (0s)\n'
        "case.yml:16:9: a leak, at 4m: High\n"
        '  - {container="b"}: expected, but it does not fire\n'
        '  {container="a", severity="critical", team="ml"}: annotation other\n'
        "    - x\n"
        "    + (none)\n"
        '  {container="a", severity="critical", team="ml"}: annotation summary\n'
        "    - no\n"
        "    + a holds 90.0 % of 1 GiB: 90.0 % > 80.0 %\n"
        "case.yml:22:9: a leak, at 10m: High\n"
        '  - {container="a", severity="critical", team="ml"}: expected, but it does not fire; neither does any other\n'
        "case.yml: 4 failed\n"
    )


def test_annotations_that_are_right(tmp_path: Path) -> None:
    text = "a holds 90.0 % of 1 GiB: 90.0 % > 80.0 %"
    expected = f'{{exp_labels: {{container: a, severity: critical, team: ml}}, exp_annotations: {{summary: "{text}"}}}}'
    done = run(tmp_path, f"      - {{eval_time: 4m, alertname: High, exp_alerts: [{expected}]}}\n")
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: []\n", '1:1: missing key "rule_files"'),
        ("rule_files: [rules.yml]\ntests: []\n", "2:8: tests: found an empty list"),
        (
            "rule_files: [rules.yml]\nevaluation_interval: 1\ntests: [{interval: 1m}]\n",
            '2:22: evaluation_interval: "1"',
        ),
        ("rule_files: [rules.yml]\nevaluation_interval: 0s\ntests: [{interval: 1m}]\n", "write one above 0s"),
        ("rule_files: [rules.yml]\ntests: [{interval: 1m}]\n", 'missing key "alert_rule_test"'),
        ("rule_files: [rules.yml]\ntests: [{promql_expr_test: []}]\n", "there is no PromQL here"),
        ("rule_files: [rules.yml]\ntests: [{input_serie: []}]\n", 'did you mean "input_series"?'),
        ("rule_files: [rules.yml]\ntests: [{input_series: [{series: x}]}]\n", 'missing key "values"'),
        (
            "rule_files: [other.yml]\ntests: [{alert_rule_test: [{eval_time: 1m, alertname: High}]}]\n",
            "other.yml: cannot",
        ),
        ("rule_files: [rules.yml]\ntests: [{alert_rule_test: [{eval_time: 1m, alertname: Hihg}]}]\n", 'mean "High"?'),
        ("rule_files: [rules.yml]\ntests: [{alert_rule_test: [{eval_time: 1m}]}]\n", 'missing key "alertname"'),
        (CASE.replace("0.9x1", "0.9y2") + "      - {eval_time: 1m, alertname: High}\n", '9:21: "0.9y2" is no sample'),
        (CASE.replace("limit_bytes", "used_ratio") + "      - {eval_time: 1m, alertname: High}\n", "written twice"),
    ],
)
def test_mistakes_are_named_where_they_stand(tmp_path: Path, text: str, said: str) -> None:
    done = run(tmp_path, "", case=text)
    assert done.exit_code == 1
    assert said in done.output


def test_a_mistake_in_the_rules_is_told_as_check_tells_it(tmp_path: Path) -> None:
    done = run(tmp_path, "      - {eval_time: 1m, alertname: High}\n", rules=RULES.replace("80%", "80MiB"))
    assert done.exit_code == 1
    assert f"{tmp_path}/rules.yml:7:" in done.output
    assert "^" in done.output
