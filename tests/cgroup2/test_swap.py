"""Swap counts on both sides of the ratio: what lies there, and what room there is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from real.cgroups import Group
from real.measured import Measured, probe
from real.rows import MIB, truth

pytestmark = pytest.mark.usefixtures("swap")


def test_the_swap_limit_is_the_room(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    swapping = group(memory_max=60 * MIB, memory_swap_max=40 * MIB)
    swapping.run("swap", 25, "+", "anon", 20)
    found = measuring("test-*").of(swapping.path.name)
    assert 24 * MIB < found["memory_swap_bytes"] < 26 * MIB
    assert 20 * MIB < found["memory_used_bytes"] < 23 * MIB
    real = truth(100 * MIB, probe(swapping))
    assert abs(found["memory_used_ratio"] - real) < 0.02, (found, real)


def test_without_a_limit_of_its_own_the_hosts_free_swap_is_the_room(
    group: Callable[..., Group], measuring: Callable[..., Measured]
) -> None:
    swapping = group(memory_max=60 * MIB)
    swapping.run("swap", 20)
    found = measuring("test-*").of(swapping.path.name)
    room = 256 * MIB
    wanted = (found["memory_used_bytes"] + found["memory_swap_bytes"]) / (60 * MIB + room)
    assert abs(found["memory_used_ratio"] - wanted) < 0.005


def test_an_ancestors_swap_limit_binds(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    parent = group(memory_max=100 * MIB, memory_swap_max=20 * MIB)
    child = group(parent, memory_max=60 * MIB)
    child.run("swap", 10)
    found = measuring("test-*/*").of(f"{parent.path.name}/{child.path.name}")
    wanted = (found["memory_used_bytes"] + found["memory_swap_bytes"]) / (80 * MIB)
    assert found["memory_used_ratio"] == pytest.approx(wanted)
