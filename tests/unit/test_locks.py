"""The lock files: every package with its hashes, from wherever one is set up to get packages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LOCKS = sorted(Path(__file__).resolve().parents[2].glob("requirements*.txt"))


def test_there_are_locks() -> None:
    assert [lock.name for lock in LOCKS] == ["requirements-build.txt", "requirements-test.txt", "requirements.txt"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_versions_and_hashes_and_no_registry(lock: Path) -> None:
    lines = [line.strip() for line in lock.read_text("utf-8").splitlines()]
    entries = [line.removesuffix("\\").strip() for line in lines if line and not line.startswith("#")]
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+(\[[\w,]+\])?==[\w.!+]+( ; .*)?|--hash=sha256:[0-9a-f]{64}", entry), entry
    assert not [line for line in lines if "://" in line or "index-url" in line]
