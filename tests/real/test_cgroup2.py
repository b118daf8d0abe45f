"""Boots of the machine with cgroup v2: one for tests/cgroup2, one with systemd and dockerd for tests/cgroup2_docker."""

from __future__ import annotations

from pathlib import Path

import pytest

from real.engine import Dockerd
from real.guest import Report, run_tests
from real.installed import build
from real.places import ROOT, MissingPartError

pytestmark = pytest.mark.timeout(2000)


def assert_good(report: Report) -> None:
    assert report.status == 0, f"\n{report.output}"
    assert report.skipped == 0, f"\n{report.output}"
    assert report.passed > 0, f"\n{report.output}"


def test_cgroup_v2() -> None:
    try:
        report = run_tests(ROOT / "tests/cgroup2")
    except MissingPartError as missing:
        pytest.skip(str(missing))
    assert_good(report)


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """A docker data root that holds the busybox image: a guest's dockerd starts on it."""
    root = tmp_path / "data-root"
    try:
        daemon = Dockerd(data_root=root)
    except MissingPartError as missing:
        pytest.skip(str(missing))
    try:
        daemon.start()
        assert daemon.busybox
    finally:
        daemon.close()
    return root


def test_cgroup_v2_with_systemd_and_dockerd(data_root: Path) -> None:
    try:
        build()
        report = run_tests(ROOT / "tests/cgroup2_docker", systemd=True, disk_mib=200, seed=data_root, seconds=1800)
    except MissingPartError as missing:
        pytest.skip(str(missing))
    assert_good(report)
