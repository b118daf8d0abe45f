from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.model import Column, Kind
from brimline.procfs import parse_pressure
from brimline.sources import cgroup
from brimline.sources.cgroup import Facts, bounds, swap_room, used, working_set
from brimline.sources.cgroup_table import Columns, make_row
from brimline.sources.cgroup_v1 import CgroupV1
from brimline.sources.cgroup_v2 import CgroupV2, parse_cpu_max, parse_limit
from brimline.sources.keyed import KeyedFile
from fakes import MIB, container

HOST = 1000 * MIB


def test_mapped_weights_are_no_use() -> None:
    facts = Facts(usage=362 * MIB, anon=61 * MIB, active_file=200 * MIB, inactive_file=100 * MIB)
    assert used(facts) == 62 * MIB
    assert working_set(facts) == 262 * MIB


def test_reclaimable_slab_is_no_use() -> None:
    assert used(Facts(usage=13 * MIB, slab_reclaimable=11 * MIB)) == 2 * MIB


@given(st.integers(0, 2**50), st.integers(0, 2**50), st.integers(0, 2**50))
def test_use_is_never_negative_nor_above_usage(usage: int, active: int, inactive: int) -> None:
    facts = Facts(usage=usage, active_file=active, inactive_file=inactive)
    assert 0 <= used(facts) <= usage
    assert used(facts) <= working_set(facts) <= usage


@pytest.mark.parametrize(
    ("levels", "declared", "limit", "limited"),
    [
        ([Facts(limit=400)], None, 400, True),
        ([Facts(limit=400), Facts(limit=300)], None, 300, True),
        ([Facts(), Facts()], None, HOST, False),
        ([Facts(limit=2 * HOST)], None, HOST, False),
        ([Facts(hierarchical_limit=200, limit=400)], None, 200, True),
        ([Facts()], 600, 600, True),
        ([Facts(limit=400)], 600, 400, True),
        ([Facts(limit=2 * HOST)], 600, 600, True),
        ([Facts()], 2 * HOST, HOST, False),
    ],
)
def test_the_limit_in_effect(levels: list[Facts], declared: int | None, limit: int, *, limited: bool) -> None:
    result = bounds(levels, declared, HOST)
    assert (result.limit, result.limited) == (limit, limited)


def test_swap_room_is_bounded_by_the_levels_and_by_what_is_free() -> None:
    assert swap_room(None, 100, 50) == 0
    assert swap_room(10, None, 50) == 60
    assert swap_room(10, 30, 50) == 30
    assert swap_room(10, 100, 0) == 10
    assert bounds([Facts(swap_limit=9), Facts(swap_limit=4), Facts()], None, HOST).swap_limit == 4


def test_the_ratio_counts_swap_on_both_sides() -> None:
    facts = Facts(usage=80, swap=10, limit=100)
    row = make_row(facts, bounds([facts], None, HOST), host_swap_free=40)
    assert row[5] == (80 + 10) / (100 + 50)


@pytest.mark.parametrize(
    ("data", "limit"),
    [(b"max\n", None), (b"9223372036854771712\n", None), (b"1048576\n", MIB), (b"0\n", 0), (None, None), (b"", None)],
)
def test_limits(data: bytes | None, limit: int | None) -> None:
    assert parse_limit(data) == limit


def test_cpu_max() -> None:
    assert parse_cpu_max(b"150000 100000\n") == 1.5
    assert parse_cpu_max(b"max 100000\n") is None
    assert parse_cpu_max(None) is None


def test_a_keyed_file_relearns_when_the_kernel_prints_otherwise() -> None:
    keyed = KeyedFile(b"b", b"d")
    assert keyed.values(b"a 1\nb 2\nc 3\nd 4\n") == (2, 4)
    assert keyed.values(b"a 1\nb 5\nc 3\nd 6\n") == (5, 6)
    assert keyed.values(b"d 7\nb 8\n") == (8, 7)
    assert keyed.values(b"d 9\n") == (None, 9)
    assert keyed.values(b"") == (None, None)
    assert keyed.values(b"x 1\n") == (None, None)
    assert keyed.values(b"a 1\nb 2\nc 3\nd 4\n") == (2, 4)


@given(st.lists(st.dictionaries(st.sampled_from([b"a", b"b", b"c", b"d"]), st.integers(0, 2**63)), max_size=5))
def test_a_keyed_file_agrees_with_a_loop_over_lines(files: list[dict[bytes, int]]) -> None:
    keyed = KeyedFile(b"a", b"c", b"d")
    for content in files:
        data = b"".join(b"%s %d\n" % item for item in content.items())
        assert keyed.values(data) == tuple(content.get(k) for k in (b"a", b"c", b"d"))


def test_v2_without_a_kernel_key_leaves_it_absent() -> None:
    facts = Facts()
    CgroupV2().parse("memory.stat", b"anon 5\nfile 7\ninactive_file 3\nactive_file 2\n", facts)
    assert (facts.anon, facts.kernel, facts.inactive_file, facts.refaults) == (5, None, 3, None)


def test_v1_has_no_swap_without_accounting() -> None:
    facts = Facts()
    lists = b"total_inactive_file 0\ntotal_active_file 0\n"
    CgroupV1().parse("memory.stat", b"hierarchical_memory_limit 500\ntotal_rss 5\ntotal_cache 7\n" + lists, facts)
    assert (facts.anon, facts.swap, facts.hierarchical_limit) == (5, None, 500)


def test_v1_swap_limit_is_what_memsw_leaves() -> None:
    facts = Facts()
    files = {"d/memory.limit_in_bytes": b"100\n", "d/memory.memsw.limit_in_bytes": b"250\n"}
    CgroupV1().read_limits("d", files.get, facts)
    assert (facts.limit, facts.swap_limit) == (100, 150)


def test_columns_leave_out_what_is_absent_and_keep_their_tuples() -> None:
    subjects = [container("a", "1"), container("b", "2"), container("c", "3")]
    columns = Columns(Kind.CONTAINER, subjects)

    def build(*highs: int | None) -> dict[str, Column]:
        facts = [Facts(usage=10, high=h) for h in highs]
        rows = [make_row(f, bounds([f], None, HOST), 0) for f in facts]
        return {c.metric.name: c for c in columns.build(rows, [1.0, 2.0, 3.0])}

    name = cgroup.MEMORY_HIGH_BYTES[Kind.CONTAINER].name
    first, again, other = build(5, None, 7), build(6, None, 8), build(None, None, 7)
    assert first[name].subjects == (subjects[0], subjects[2])
    assert first[name].values == (5, 7)
    assert again[name].subjects is first[name].subjects
    assert other[name].subjects == (subjects[2],)
    assert name not in build(None, None, None)


def test_a_rows_order_is_that_of_its_families() -> None:
    """Every fact gets its own number, so that two exchanged columns cannot hide."""
    facts = Facts(
        usage=1000, anon=11, file=12, shmem=13, kernel=14, slab_reclaimable=15, mapped_file=16, active_file=17,
        inactive_file=18, swap=19, refaults=20, limit_hits=22, high_hits=23, limit=2000, swap_limit=0, high=24, peak=25,
        reservation=26, pressure_some=0.27, pressure_full=0.28, pressure_some_seconds=29.0, pressure_full_seconds=30.0,
        processes=31, largest_process=32, cpu_seconds=33.0, cpu_limit=34.0, cpu_throttled_seconds=35.0, started=36.0,
    )  # fmt: skip
    row = make_row(facts, bounds([facts], None, HOST), 0)
    columns = {c.metric.name: c.values[0] for c in Columns(Kind.CGROUP, [container()]).build([row], [5.0])}
    expected = {
        "memory_usage_bytes": 1000, "memory_used_bytes": 950, "memory_working_set_bytes": 982,
        "memory_limit_bytes": 2000, "limited": 1, "memory_used_ratio": 969 / 2000,
        "memory_working_set_ratio": 982 / 2000, "memory_available_bytes": 5.0,
        "memory_anon_bytes": 11, "memory_file_bytes": 12, "memory_shmem_bytes": 13, "memory_kernel_bytes": 14,
        "memory_slab_reclaimable_bytes": 15, "memory_mapped_file_bytes": 16, "memory_swap_bytes": 19,
        "memory_peak_bytes": 25, "memory_high_bytes": 24, "memory_high_ratio": 950 / 24,
        "memory_reservation_bytes": 26, "memory_pressure_some_ratio": 0.27, "memory_pressure_full_ratio": 0.28,
        "memory_pressure_some_seconds_total": 29.0, "memory_pressure_full_seconds_total": 30.0,
        "memory_limit_hits_total": 22, "memory_high_hits_total": 23, "memory_refaults_total": 20,
        "memory_largest_process_bytes": 32, "processes": 31, "cpu_seconds_total": 33.0, "cpu_limit_cores": 34.0,
        "cpu_throttled_seconds_total": 35.0, "start_time_seconds": 36.0,
    }  # fmt: skip
    assert columns == {f"brimline_cgroup_{k}": v for k, v in expected.items()}


def test_pressure_is_a_ratio_and_seconds() -> None:
    pressure = parse_pressure(
        b"some avg10=12.50 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=20\n"
    )
    assert (pressure.some_ratio, pressure.full_ratio, pressure.some_seconds) == (0.125, 0.01, 1.5)


def test_v1_was_full_where_memory_and_swap_together_reached_their_limit() -> None:
    def read(limit: int, peak: int) -> Callable[[str], bytes | None]:
        files = {"d/memory.memsw.limit_in_bytes": limit, "d/memory.memsw.max_usage_in_bytes": peak}
        return lambda path: b"%d\n" % files[path] if path in files else None

    v1 = CgroupV1()
    assert v1.was_full("d", read(50 << 20, 50 << 20))
    assert v1.was_full("d", read(50 << 20, (50 << 20) - 8192))
    assert not v1.was_full("d", read(50 << 20, 49 << 20))
    assert not v1.was_full("d", read(9223372036854771712, 50 << 20))
    assert not v1.was_full("d", lambda _: None)
