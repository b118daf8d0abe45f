"""The bundled rules: what each is, that every test of theirs holds here and in promtool, and that all are explained."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from brimline import bundled
from brimline.cli import commands
from brimline.metrics.catalog import by_name
from brimline.model import Kind
from brimline.rules import clauses, expression
from brimline.rules.export import document, twin
from brimline.rules.lint import lint
from brimline.rules.spec import load_all
from brimline.rules.terms import Comparison, Op, Rule, RuleSet
from brimline.rules.vocabulary import vocabulary
from brimline.units import spell_duration

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "alerts"
PROMETHEUS = ALERTS / "prometheus.rules.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
EXAMPLES = sorted((ALERTS / "examples").glob("*.yml"))
TESTS = sorted((ALERTS / "tests").glob("*.yml"))
ONLY_PROMTOOL = sorted((ALERTS / "tests" / "promtool").glob("*.yml"))
OWN = "\n  # From here on: alerts on Brimline itself"

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: apt-get install prometheus")


def rules_of(*files: Path) -> RuleSet:
    return load_all([(file.name, file.read_text(encoding="utf-8")) for file in files], vocabulary(by_name().values()))


def bundled_rules() -> RuleSet:
    return load_all([(bundled.RULES, bundled.text(bundled.RULES))], vocabulary(by_name().values()))


def yaml_of(file: Path) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def promtool(directory: Path, *arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def line(rule: Rule) -> str:
    """Write what decides a rule in one line."""
    parts = [rule.alert, str(rule.kind), clauses.spell(rule.when), f"for {spell_duration(rule.for_seconds)}"]
    parts += [] if rule.clear is None else [f"clear {expression.spell(rule.clear)}"]
    return " | ".join([*parts, rule.severity, ", ".join(rule.actions) or "nothing"])


EXPECTED = """\
InferenceMemoryHigh | container | memory_used_ratio > alert_at and limited == 1 | for 1m | warning | notify, cleanup
InferenceMemoryCritical | container | memory_used_ratio > restart_at and limited == 1 | for 30s \
| clear memory_used_ratio < 75% | critical | notify, restart
InferenceMemoryExhausted | container | \
(memory_used_ratio > 95% and memory_used_ratio > restart_at and limited == 1) or \
(memory_used_ratio > restart_at and memory_time_to_limit_seconds < 1m and limited == 1) \
| for 5s | critical | notify, restart
InferenceLeak | container | memory_time_to_limit_seconds < 30m | for 5m | warning | notify
InferenceOomKilled | container | increase(memory_oom_kills_total, 10m) > 0 | for 0s | critical | notify
InferenceThrashing | container | \
(memory_pressure_full_ratio > 10% and rate(memory_refaults_total, 1m) > 100/s) or \
(memory_pressure_full_ratio > 10% and rate(memory_limit_hits_total, 1m) > 1/s) | for 1m | warning | notify
InferenceThrottled | container | memory_high_ratio > 95% and memory_pressure_full_ratio > 10% \
| for 1m | warning | notify
ContainerWithoutLimit | container | limited == 0 | for 5m | info | nothing
ServiceRestartsOften | container | increase(restarts_total, 1h) > 5 | for 0s | warning | notify
ServiceRestartsTooOften | container | increase(restarts_total, 1h) > 20 | for 0s | critical | notify
ServiceRestartIneffective | container | restart_ineffective == 1 | for 0s | critical | notify
UnitMemoryHigh | cgroup | (memory_used_ratio > alert_at and limited == 1) or memory_high_ratio > 90% \
| for 1m | warning | notify
UnitMemoryCritical | cgroup | memory_used_ratio > restart_at and limited == 1 | for 30s \
| clear memory_used_ratio < 75% | critical | notify
GroupMemoryHigh | process | memory_used_ratio > 80% | for 1m | warning | notify
GroupMemoryCritical | process | memory_used_ratio > 85% | for 30s | clear memory_used_ratio < 75% | critical | notify
HostMemoryHigh | host | memory_used_ratio > 80% | for 5m | warning | notify
HostMemoryTight | host | memory_available_ratio < 5% | for 1m | warning | notify
HostMemoryLow | host | memory_available_bytes < 200MiB | for 30s | critical | notify
HostRestartStorm | host | restart_storm == 1 | for 0s | critical | notify
"""


def test_each_rule_is_what_it_is() -> None:
    assert "".join(f"{line(rule)}\n" for rule in bundled_rules().rules) == EXPECTED


def test_nothing_is_doubtful_in_them_or_in_the_examples() -> None:
    assert lint(bundled_rules()) == []
    assert len(EXAMPLES) == 2
    for example in EXAMPLES:
        together = rules_of(ALERTS / bundled.RULES, example)
        assert lint(together) == []
    assert (together.levels.alert_at, together.levels.restart_at) == (0.85, 0.95)


def test_no_rule_on_use_that_restarts_judges_what_has_no_limit() -> None:
    restarting = [rule for rule in bundled_rules().rules if "restart" in rule.actions]
    assert len(restarting) == 2
    for rule in restarting:
        for alternative in rule.when.alternatives:
            assert any(is_limited(comparison) for comparison in alternative), rule.alert
            assert any(comparison.threshold == "restart_at" for comparison in alternative), rule.alert


def is_limited(comparison: Comparison) -> bool:
    return (comparison.operand.measure.name, comparison.op, comparison.threshold) == ("limited", Op.EQ, 1.0)


def test_the_working_directory_plays_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / bundled.RULES).write_text("groups: []\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "InferenceMemoryCritical" in bundled.text(bundled.RULES)


def test_the_file_for_prometheus_is_the_export(request: pytest.FixtureRequest) -> None:
    twins, mark, own = PROMETHEUS.read_text(encoding="utf-8").partition(OWN)
    assert own
    exported = document(bundled_rules())
    if request.config.getoption("--regenerate-goldens"):
        PROMETHEUS.write_text(exported + mark + own, encoding="utf-8")
    else:
        assert twins == exported, "alerts/prometheus.rules.yml: make golden ARGS=tests/unit/test_bundled_rules.py"


@needs_promtool
def test_promtool_accepts_the_file_for_prometheus() -> None:
    promtool(ALERTS, "check", "rules", PROMETHEUS.name)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_brimline_agrees_with_the_tests(file: Path) -> None:
    done = CliRunner().invoke(commands(), ["rules", "test", str(file)])
    assert done.exit_code == 0, done.output


@needs_promtool
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_promtool_agrees_with_the_same_tests(file: Path, tmp_path: Path) -> None:
    """The twins go without annotations: promtool compares them always, and it writes numbers in its own way."""
    case = yaml_of(file)
    rules = rules_of(*((file.parent / name).resolve() for name in case["rule_files"]))
    twins = [{k: v for k, v in twin(rule, rules.levels).items() if k != "annotations"} for rule in rules.rules]
    (tmp_path / "twins.yml").write_text(yaml.safe_dump({"groups": [{"name": "twins", "rules": twins}]}))
    (tmp_path / "test.yml").write_text(yaml.safe_dump(case | {"rule_files": ["twins.yml"]}))
    promtool(tmp_path, "test", "rules", "test.yml")


@needs_promtool
def test_promtool_agrees_with_what_only_it_can_judge() -> None:
    promtool(ONLY_PROMTOOL[0].parent, "test", "rules", *(file.name for file in ONLY_PROMTOOL))


def alerts_of(files: list[Path]) -> Iterator[tuple[str, bool]]:
    """Yield for each check its alert and whether it must fire."""
    for file in files:
        for case in yaml_of(file)["tests"]:
            for check in case["alert_rule_test"]:
                yield check["alertname"], bool(check.get("exp_alerts"))


def own_alerts() -> set[str]:
    groups = yaml_of(PROMETHEUS)["groups"]
    assert groups[-1]["name"] == "brimline"
    return {rule["alert"] for rule in groups[-1]["rules"]}


def own_names(rules: RuleSet) -> set[str]:
    return {rule.alert for rule in rules.rules}


def test_every_alert_has_a_test_that_fires_it_and_one_that_does_not() -> None:
    rules = own_names(rules_of(ALERTS / bundled.RULES, *EXAMPLES))
    assert set(alerts_of(TESTS)) == {(alert, fires) for alert in rules for fires in (True, False)}
    theirs = {check for check in alerts_of(ONLY_PROMTOOL) if check[0] not in rules}
    assert theirs == {(alert, fires) for alert in own_alerts() for fires in (True, False)}


def test_every_alert_says_what_to_do_and_where_it_is_explained() -> None:
    rules = yaml_of(ALERTS / bundled.RULES)["groups"] + yaml_of(PROMETHEUS)["groups"]
    for file in EXAMPLES:
        rules += yaml_of(file).get("groups", [])
    for rule in (rule for group in rules for rule in group["rules"]):
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url"}, rule["alert"]
        assert notes["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    rules = own_names(rules_of(ALERTS / bundled.RULES, *EXAMPLES))
    assert sorted(sections()) == sorted(rules | own_alerts())
    for alert, text in sections().items():
        assert re.search(r"\*\*Means\*\*.*\*\*Do\*\*.*\*\*Ignore\*\*", text, re.DOTALL), alert


def test_every_name_in_the_runbook_exists() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    named = set(re.findall(r"brimline_\w+", text)) - {"brimline_"}
    assert named <= set(by_name())
    verbs = set(re.findall(r"`brimline ((?:rules |config )?[a-z]+)", text))
    for verb in verbs:
        assert CliRunner().invoke(commands(), [*verb.split(), "--help"]).exit_code == 0, verb
    anchors = {section.lower() for section in sections()}
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= anchors


def test_every_kind_has_its_rules() -> None:
    assert {rule.kind for rule in bundled_rules().rules} == set(Kind)
