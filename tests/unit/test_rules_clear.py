"""`clear` beside a list: one comparison has a second threshold, the others must go on holding."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from brimline.cli import commands
from unit.rule_texts import file_of

RULE = "on: container\nwhen: [memory_used_ratio > 85%, limited == 1]\nclear: memory_used_ratio < 75%\n"
TEST = """
rule_files: [rules.yml]
evaluation_interval: 5s
tests:
  - interval: 5s
    input_series:
      - {{series: 'brimline_container_memory_used_ratio{{container="a"}}', values: "0.8x2 0.9x1 {ratio}x3"}}
      - {{series: 'brimline_container_limited{{container="a"}}', values: "1x4 {limited}"}}
    alert_rule_test:
      - {{eval_time: 10s, alertname: X}}
      - {{eval_time: 20s, alertname: X, exp_alerts: [{{exp_labels: {{container: a}}}}]}}
      - {{eval_time: 35s, alertname: X{expected}}}
"""
FIRES = ", exp_alerts: [{exp_labels: {container: a}}]"


@pytest.mark.parametrize(
    ("ratio", "limited", "expected"),
    [
        pytest.param(0.75, "1x3", FIRES, id="not yet below"),
        pytest.param(0.74, "1x3", "", id="below"),
        pytest.param(0.8, "0x3", "", id="the other comparison fails"),
        pytest.param(0.8, "unknownx4", FIRES, id="the other comparison is unknown"),
        pytest.param(0.74, "unknownx4", "", id="below, whatever the other is"),
    ],
)
def test_the_alert_stays_until(ratio: float, limited: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(file_of(RULE), encoding="utf-8")
    case = TEST.format(ratio=ratio, limited=limited, expected=expected)
    (tmp_path / "test.yml").write_text(case, encoding="utf-8")
    done = CliRunner().invoke(commands(), ["rules", "test", str(tmp_path / "test.yml")])
    assert done.exit_code == 0, done.output
