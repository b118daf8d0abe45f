from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from brimline.fds import RESERVED, FdBudget, KeptFile, allowed


def test_the_budget_gives_all_or_nothing() -> None:
    budget = FdBudget(3)
    assert budget.acquire(2)
    assert not budget.acquire(2)
    assert budget.used == 2
    budget.release(2)
    assert budget.acquire(3)


def test_giving_back_more_than_was_taken_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="release each one once"):
        FdBudget(3).release()


@pytest.mark.parametrize(("limit", "kept"), [(1, 1), (0, 0)])
def test_a_file_is_read_anew_with_and_without_a_kept_descriptor(tmp_path: Path, limit: int, kept: int) -> None:
    path = tmp_path / "file"
    budget = FdBudget(limit)
    file = KeptFile(str(path), budget)
    with pytest.raises(FileNotFoundError):
        file.read()
    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as short as it gets
    for text in (b"one", b"two"):
        path.write_bytes(text)
        assert file.read() == text
    assert file.read(offset=1) == b"wo"
    assert budget.used == kept
    file.close()
    file.close()
    assert budget.used == 0
    assert len(os.listdir("/proc/self/fd")) == open_before  # noqa: PTH208 - Path.iterdir keeps one open itself


def test_the_budget_leaves_room_below_the_limit_and_raises_that(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"soft": 64, "hard": 1024}
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limits["soft"], limits["hard"]))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.update(soft=both[0], hard=both[1]))
    assert (allowed(4096), allowed(500)) == (1024 - RESERVED, 500)
    assert limits == {"soft": 1024, "hard": 1024}

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "setrlimit", refuse)
    limits["soft"] = 64
    assert allowed(4096) == 0
    limits["soft"] = resource.RLIM_INFINITY
    assert allowed(4096) == 4096
