"""What the rules say is the matter, from what a real v2 kernel tells of two cgroups that are in trouble."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from brimline.model import Diagnosis, Snapshot, SourceReport
from brimline.rules.derived import Derived
from brimline.rules.terms import Levels
from real.cgroups import Group
from real.measured import Measured
from real.places import wait_until
from real.rows import MIB


def diagnosis(measured: Measured, name: str) -> Diagnosis:
    """Watch for as long as the kernel's averages and the rates of counters take, and return what is the matter."""
    derived = Derived(Levels(), start_period=0.0)

    def look() -> SourceReport:
        measured.tick()
        return derived.report(Snapshot(measured.now(), (measured.report,)), measured.now())

    look()
    time.sleep(12)
    measured.pass_(4)  # pressure is read every 15 s
    diagnoses = look().diagnoses
    return next(found for subject, found in diagnoses.items() if subject.name == name)


def test_weights_a_little_too_large_for_the_limit_thrash(
    group: Callable[..., Group], measuring: Callable[..., Measured], disk: Path
) -> None:
    tight = group(memory_max=30 * MIB, memory_swap_max=0)
    tight.run("anon", 10, "+", "thrash", disk / "model", 40)
    found = diagnosis(measuring("test-*"), tight.path.name)
    assert found.name == "thrashing", (found, tight.read("memory.pressure"), tight.fields("memory.events"))
    assert "pages a second are read back" in found.sentence


def test_what_wants_more_than_memory_high_is_throttled(
    group: Callable[..., Group], measuring: Callable[..., Measured]
) -> None:
    held = group(memory_high=100 * MIB, memory_max=400 * MIB, memory_swap_max=0)
    held.start("anon", 140)
    wait_until(lambda: held.fields("memory.events")["high"] > 0, "the first hit", 30)
    found = diagnosis(measuring("test-*"), held.path.name)
    assert found.name == "throttled", (found, held.read("memory.pressure"))
    assert "memory.high of 100 MiB" in found.sentence
