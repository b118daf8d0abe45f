"""Pressure: present for every cgroup, quiet where nothing waits, and loud where weights do not fit into the limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from real.cgroups import Group
from real.measured import Measured
from real.rows import MIB


def test_nothing_waits_where_all_fits(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    roomy = group(memory_max=100 * MIB, memory_swap_max=0)
    roomy.run("anon", 10)
    found = measuring("test-*").of(roomy.path.name)
    for window in ("some", "full"):
        assert found[f"memory_pressure_{window}_ratio"] == 0
        assert f"memory_pressure_{window}_seconds_total" in found
    assert found["memory_refaults_total"] == 0


def test_weights_that_do_not_fit_thrash_at_a_low_ratio(
    group: Callable[..., Group], measuring: Callable[..., Measured], disk: Path
) -> None:
    tight = group(memory_max=30 * MIB, memory_swap_max=0)
    tight.run("anon", 10, "+", "thrash", disk / "model", 40)
    measured, name = measuring("test-*"), tight.path.name
    before = measured.of(name)
    time.sleep(3)
    measured.pass_(16)
    after = measured.of(name)
    assert after["memory_used_ratio"] < 0.5
    assert after["memory_limit_hits_total"] > before["memory_limit_hits_total"]
    assert after["memory_refaults_total"] - before["memory_refaults_total"] > 1000
    assert after["memory_pressure_some_seconds_total"] > before["memory_pressure_some_seconds_total"] + 0.1
    assert after["memory_oom_kills_total"] == 0
