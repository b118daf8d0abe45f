from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from brimline.fds import FdBudget
from brimline.model import HostFacts, Now
from brimline.procfs import Procfs
from brimline.sources.host import METRICS, HostSource
from unit.fake_procfs import FakeProcfs

NOW = Now(1_700_000_100.0, 50.0)


def read(source: HostSource) -> dict[str, float]:
    report = source.read(NOW)
    assert report.error is None
    return {c.metric.name.removeprefix("brimline_host_"): c.values[0] for c in report.columns}


@pytest.mark.parametrize("limit", [0, 2, 10])
def test_every_measure_of_a_host_whatever_the_budget(tmp_path: Path, limit: int) -> None:
    FakeProcfs(tmp_path)
    fds = FdBudget(limit)
    source = HostSource(Procfs(str(tmp_path)), fds)
    for _ in range(2):
        assert read(source) == {
            "memory_total_bytes": 1_024_000,
            "memory_available_bytes": 409_600,
            "memory_used_bytes": 614_400,
            "memory_used_ratio": 0.6,
            "memory_available_ratio": 0.4,
            "memory_swap_total_bytes": 20_480,
            "memory_swap_free_bytes": 10_240,
            "memory_pressure_some_ratio": 0.015,
            "memory_pressure_full_ratio": 0.0025,
            "memory_pressure_some_seconds_total": 2.5,
            "memory_pressure_full_seconds_total": 1.0,
            "memory_oom_kills_total": 3,
        }
        assert fds.used == min(limit, 3)
    assert source.facts == HostFacts(1_024_000, 409_600, 10_240)
    source.close()
    assert fds.used == 0


def test_what_an_old_kernel_lacks_is_absent_and_not_zero(tmp_path: Path) -> None:
    tree = FakeProcfs(tmp_path)
    tree.file("meminfo", "MemTotal: 1000 kB\n")
    tree.file("vmstat", "nr_free_pages 5\n")
    (tmp_path / "pressure/memory").unlink()
    source = HostSource(Procfs(str(tmp_path)), FdBudget(10))
    assert read(source) == {"memory_total_bytes": 1_024_000}
    assert source.facts == HostFacts(1_024_000, None, None)
    source.close()


def test_a_host_that_cannot_be_read_says_where_and_has_no_facts(tmp_path: Path) -> None:
    tree = FakeProcfs(tmp_path)
    source = HostSource(Procfs(str(tmp_path)), FdBudget(0))
    read(source)
    (tmp_path / "meminfo").unlink()
    report = source.read(NOW)
    assert report.columns == ()
    assert report.error is not None
    assert f"{tmp_path}/meminfo" in report.error
    assert "--path.procfs" in report.error
    assert source.facts is None
    tree.file("meminfo", "MemTotal: 5 kB\n")
    assert read(source)["memory_total_bytes"] == 5120


def test_a_key_behind_the_first_page_of_vmstat_is_found(tmp_path: Path) -> None:
    tree = FakeProcfs(tmp_path)
    tree.file("vmstat", "".join(f"key{i} 1\n" for i in range(1000)) + "oom_kill 7\n")
    source = HostSource(Procfs(str(tmp_path)), FdBudget(10))
    assert read(source)["memory_oom_kills_total"] == 7
    source.close()


def test_a_total_that_shrank_gives_no_negative_use(tmp_path: Path) -> None:
    FakeProcfs(tmp_path).file("meminfo", "MemTotal: 10 kB\nMemAvailable: 12 kB\n")
    source = HostSource(Procfs(str(tmp_path)), FdBudget(10))
    assert read(source)["memory_used_bytes"] == 0
    source.close()


def test_this_host_as_psutil_sees_it() -> None:
    source = HostSource(Procfs(), FdBudget(10))
    values = read(source)
    source.close()
    memory = psutil.virtual_memory()
    assert values["memory_total_bytes"] == pytest.approx(memory.total, rel=0.01)
    assert values["memory_available_bytes"] == pytest.approx(memory.available, rel=0.05)
    assert {f"brimline_host_{name}" for name in values} <= {metric.name for metric in METRICS}
