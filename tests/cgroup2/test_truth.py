"""memory_used_ratio against the truth: how much a child in the same cgroup can take before the kernel kills it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real.cgroups import Group
from real.loads import Load
from real.measured import Measured, probe
from real.rows import MIB, ROWS, WEIGHTS, Row, truth

POINTS = 0.02
SHM_FILE = Path("/dev/shm/memload")  # noqa: S108 (where memload writes it)


@pytest.fixture(autouse=True)
def _shared_memory_is_removed() -> Iterator[None]:
    yield
    SHM_FILE.unlink(missing_ok=True)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_ratio_is_what_the_kernel_would_kill_at(
    row: Row, group: Callable[..., Group], measuring: Callable[..., Measured], disk: Path
) -> None:
    limited = group(memory_max=row.limit * MIB, memory_swap_max=0)
    limited.run(*(disk / "weights" if step == WEIGHTS else step for step in row.steps))
    found = measuring("test-*").of(limited.path.name)
    real = truth(row.limit * MIB, probe(limited))
    assert abs(found["memory_used_ratio"] - real) <= POINTS, (found, real)
    assert abs(found["memory_working_set_ratio"] - real) >= row.lie, "docker stats tells the truth here after all"


def test_names_that_do_not_exist_are_kernel_memory_it_can_drop(
    group: Callable[..., Group], measuring: Callable[..., Measured], disk: Path
) -> None:
    limited = group(memory_max=200 * MIB, memory_swap_max=0)
    lookups = f"i=0; while [ $i -lt 50000 ]; do [ -e {disk}/none-$i ]; i=$((i+1)); done"
    load = Load("anon", 20, before=f"echo $$ > {limited.path}/cgroup.procs; {lookups}")
    try:
        load.ready()
        found = measuring("test-*").of(limited.path.name)
        # A dropped dentry is free after an RCU grace period, for which the OOM killer does not wait: ask twice.
        real = truth(200 * MIB, max(probe(limited) for _ in range(2)))
    finally:
        load.close()
    assert found["memory_slab_reclaimable_bytes"] > 8 * MIB
    assert abs(found["memory_used_ratio"] - real) <= POINTS, (found, real)
    assert found["memory_working_set_ratio"] > real + 0.03


def test_who_maps_anothers_shared_memory_does_not_hold_it(
    group: Callable[..., Group], measuring: Callable[..., Measured]
) -> None:
    writer, mapper = (group(memory_max=100 * MIB, memory_swap_max=0) for _ in range(2))
    writer.run("shm", 50)
    mapper.run("shm-map")
    measured = measuring("test-*")
    for one in (writer, mapper):
        ratio = measured.of(one.path.name)["memory_used_ratio"]
        assert abs(ratio - truth(100 * MIB, probe(one))) <= POINTS


def test_a_short_spike_is_in_the_peak_alone(group: Callable[..., Group], measuring: Callable[..., Measured]) -> None:
    spiked = group(memory_max=100 * MIB, memory_swap_max=0)
    spiked.run("spike", 60, 0.1)
    found = measuring("test-*").of(spiked.path.name)
    assert found["memory_peak_bytes"] > 60 * MIB
    assert found["memory_usage_bytes"] < 5 * MIB
