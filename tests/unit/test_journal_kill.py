"""A process that is killed between two steps: what the journal returned from is there, in full, for the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from brimline.faults import VARIABLE
from fakes import FakeClock
from unit.journals import opened, verified

CHILD = Path(__file__).with_name("journal_child.py")
ENVIRON = {**os.environ, "PYTHONPATH": str(CHILD.parents[1])}


@pytest.mark.parametrize(
    ("point", "open_intents", "fates", "queued"),
    [
        ("intending", 0, [], 0),
        ("intended", 1, ["intended"], 0),
        ("concluding", 1, ["intended"], 0),
        ("concluded", 0, ["done"], 0),
        ("queueing", 0, ["done"], 0),
        ("queued", 0, ["done"], 1),
    ],
)
def test_killed_at(tmp_path: Path, point: str, open_intents: int, fates: list[str], queued: int) -> None:
    child = subprocess.run(
        [sys.executable, CHILD, tmp_path], env={**ENVIRON, VARIABLE: point}, capture_output=True, check=False
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    clock = FakeClock()
    with opened(tmp_path, clock) as journal:
        assert journal.up
        assert len(journal.open_intents()) == open_intents
        assert [deed.fate for deed in journal.ledger(clock.now()).deeds] == fates
        assert journal.outbox.counts()["queued"] == queued
    assert verified(tmp_path).broken is None
    assert not list(tmp_path.glob("*.corrupt-*"))


def test_left_alone_it_ends_well(tmp_path: Path) -> None:
    subprocess.run([sys.executable, CHILD, tmp_path], env=ENVIRON, check=True)
    with opened(tmp_path, FakeClock()) as journal:
        assert journal.outbox.counts() == {"queued": 0, "delivered": 1, "dead": 0}
