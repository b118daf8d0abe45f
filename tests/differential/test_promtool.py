from __future__ import annotations

import shutil

import pytest

from differential import comparing
from differential.comparing import compare

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: apt-get install prometheus")


def test_random_rules_are_in_the_same_state_at_every_evaluation_in_brimline_and_in_promtool() -> None:
    found = compare(seed=20_240_501, pairs=2_000)
    assert found.differences == []
    assert found.pairs - found.versions_differ >= 2_000
    assert found.active > found.evaluations // 10, "the pairs hardly ever do anything"


def test_the_comparison_sees_a_single_evaluation_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    real = comparing.promtool_test

    def wrong(made: comparing.Batch, expected: comparing.States, rule_file: str) -> dict[str, object]:
        states = expected[made.pairs[0].alert]
        states[3] = "inactive" if states[3] == "firing" else "firing"
        return real(made, expected, rule_file)

    monkeypatch.setattr(comparing, "promtool_test", wrong)
    assert len(compare(seed=1, pairs=10, size=20).differences) == 1
