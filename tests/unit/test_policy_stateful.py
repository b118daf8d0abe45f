from __future__ import annotations

from differential.hands import act


def test_policy_keeps_its_promises_through_whatever_happens() -> None:
    act(500)
