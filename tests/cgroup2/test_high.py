"""memory.high: a process that wants more than it hangs for ever, far from its limit, and nothing is ever killed."""

from __future__ import annotations

import time
from collections.abc import Callable

from real.cgroups import Group
from real.measured import Measured
from real.places import wait_until
from real.rows import MIB


def test_a_process_that_hangs_at_high(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    throttled = group(memory_high=100 * MIB, memory_max=400 * MIB, memory_swap_max=0)
    throttled.start("anon", 140)
    wait_until(lambda: throttled.fields("memory.events")["high"] > 0, "the first hit", 30)
    measured, name = measuring("test-*"), throttled.path.name
    before = measured.of(name)
    time.sleep(4)  # the kernel averages its pressure every 2 s
    measured.pass_(16)
    after = measured.of(name)
    assert after["memory_high_bytes"] == 100 * MIB
    assert 0.95 < after["memory_high_ratio"] < 1.2
    assert after["memory_used_ratio"] < 0.32
    assert after["memory_high_hits_total"] > before["memory_high_hits_total"]
    stalled = after["memory_pressure_full_seconds_total"] - before["memory_pressure_full_seconds_total"]
    assert stalled > 2
    assert after["memory_pressure_full_ratio"] > 0.1
    assert after["memory_oom_kills_total"] == 0
    assert after["memory_limit_hits_total"] == 0
