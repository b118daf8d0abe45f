from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from brimline.actions.lock import LockedError, held

EXPORTER = str(Path(__file__).parents[2] / "exporter")


def test_two_never_hold_the_lock_of_one_container(tmp_path: Path) -> None:
    with held({"memory": str(tmp_path)}) as lost:
        assert lost == ""
        with pytest.raises(LockedError, match="another Brimline holds the lock"), held({"memory": str(tmp_path)}):
            raise AssertionError("both hold it")
    with held({"memory": str(tmp_path)}) as lost:
        assert lost == ""


def test_another_process_is_kept_out_and_its_death_gives_the_lock_back(tmp_path: Path) -> None:
    program = f"""
import sys, time
sys.path.insert(0, {EXPORTER!r})
from brimline.actions.lock import held
with held({{"memory": {str(tmp_path)!r}}}):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LockedError), held({"memory": str(tmp_path)}):
            raise AssertionError("both hold it")
        other.kill()
    with held({"memory": str(tmp_path)}) as lost:
        assert lost == ""


@pytest.mark.parametrize("seen", [("memory", "cpu"), ("cpu", "memory"), ("pids", "cpu", "memory")])
def test_all_take_the_same_directory_whatever_else_they_see(tmp_path: Path, seen: tuple[str, ...]) -> None:
    for name in ("memory", "cpu", "pids"):
        (tmp_path / name).mkdir()
    with (
        held({"memory": str(tmp_path / "memory")}),
        pytest.raises(LockedError),
        held({name: str(tmp_path / name) for name in seen}),
    ):
        raise AssertionError("both hold it")


def test_where_no_cgroup_is_seen_it_says_what_is_lost() -> None:
    with held({}) as lost:
        assert "a second Brimline would not be kept out" in lost


def test_a_directory_that_is_gone_or_none_costs_the_lock_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("gone", "file"):
        with held({"memory": str(tmp_path / name)}) as lost:
            assert str(tmp_path / name) in lost


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with held({"memory": str(tmp_path)}), pytest.raises(LockedError), held({"memory": str(tmp_path)}):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
