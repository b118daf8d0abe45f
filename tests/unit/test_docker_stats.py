from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.sources.cgroup import used, working_set
from brimline.sources.docker_stats import parse_stats

V1: dict[str, Any] = {
    "memory_stats": {
        "usage": 884736,
        "max_usage": 3821568,
        "failcnt": 3,
        "limit": 52428800,
        "stats": {
            "active_file": 1,
            "inactive_file": 1,
            "hierarchical_memory_limit": 52428800,
            "hierarchical_memsw_limit": 104857600,
            "total_active_file": 100000,
            "total_inactive_file": 200000,
            "total_cache": 310000,
            "total_mapped_file": 4096,
            "total_rss": 49152,
            "total_shmem": 10000,
            "total_swap": 8192,
        },
    },
    "cpu_stats": {"cpu_usage": {"total_usage": 20184576}, "throttling_data": {"throttled_time": 5_000_000}},
}
V2: dict[str, Any] = {
    "memory_stats": {
        "usage": 884736,
        "limit": 52428800,
        "stats": {
            "anon": 49152,
            "file": 310000,
            "shmem": 10000,
            "file_mapped": 4096,
            "active_file": 100000,
            "inactive_file": 200000,
            "slab_reclaimable": 50000,
        },
    },
    "cpu_stats": {"cpu_usage": {"total_usage": 20184576}},
}


def test_cgroup_v1() -> None:
    facts = parse_stats(V1)
    assert facts is not None
    assert (used(facts), working_set(facts)) == (884736 - 300000, 884736 - 200000)
    assert (facts.anon, facts.file, facts.shmem, facts.mapped_file) == (49152, 310000, 10000, 4096)
    assert (facts.swap, facts.swap_limit, facts.limit) == (8192, 52428800, 52428800)
    assert (facts.peak, facts.limit_hits) == (3821568, 3)
    assert (facts.cpu_seconds, facts.cpu_throttled_seconds) == (0.020184576, 0.005)
    assert facts.slab_reclaimable is None


def test_cgroup_v2() -> None:
    facts = parse_stats(V2)
    assert facts is not None
    assert (used(facts), working_set(facts)) == (884736 - 350000, 884736 - 200000)
    assert (facts.anon, facts.file, facts.mapped_file, facts.slab_reclaimable) == (49152, 310000, 4096, 50000)
    assert (facts.swap, facts.peak, facts.limit_hits, facts.cpu_throttled_seconds) == (None, None, None, None)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"memory_stats": {}},  # stopped
        {"memory_stats": {"usage": 1, "limit": 2, "stats": None}},  # Podman
        {"memory_stats": {"usage": -1, "stats": V2["memory_stats"]["stats"]}},
    ],
)
def test_stats_that_do_not_say_what_can_be_dropped_say_nothing(answer: dict[str, Any]) -> None:
    assert parse_stats(answer) is None


@given(
    st.dictionaries(
        st.sampled_from(["memory_stats", "cpu_stats", "usage", "stats", "total_inactive_file", "active_file"]),
        st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers()),
    )
)
def test_any_object_is_read_or_not(answer: dict[str, Any]) -> None:
    facts = parse_stats({"memory_stats": {**V2["memory_stats"], **answer}, "cpu_stats": answer})
    assert facts is None or used(facts) >= 0
