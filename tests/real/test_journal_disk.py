"""The journal on real file systems of its own: one that is full, one that is mounted read-only, and both mended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brimline.deeds import Fate
from brimline.errors import JournalError
from brimline.journal.store import JournalFile
from fakes import FakeClock
from unit.journals import decision, note, opened, outcome, run, texts, until, verified

SMALL = 1  # MiB
NOBODY = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return the root of a small file system."""
    if os.geteuid():
        pytest.skip("it needs root")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}m", "brimline-test", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> Path:
    """Take all room that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return ballast


def intend(journal: JournalFile, clock: FakeClock, numbers: range) -> int:
    """Intend until it is refused; return how many were not."""
    for done, number in enumerate(numbers):
        try:
            run(journal.intend(decision(clock.now(), number, reason="x" * 500)))
        except JournalError:
            return done
    raise AssertionError("there is room for all of them")


def test_a_full_disk_takes_no_intent_and_comes_back_once_there_is_room(disk: Path) -> None:
    clock = FakeClock()
    with opened(disk / "journal", clock, retry=0.05) as journal:
        run(journal.intend(decision(clock.now(), 1)))
        ballast = fill(disk)
        intend(journal, clock, range(2, 200))  # until the log beside the file has no page to use again
        assert not journal.up
        assert "no room is left on the disk" in journal.why
        journal.note(note(clock, "lost"))
        begun = journal.open_intents()
        assert begun[0].id == "d0001"
        ballast.unlink()
        until(lambda: journal.up)
        assert journal.open_intents() == begun
        run(journal.conclude(begun[0], outcome(1), Fate.DONE))
        assert "no room is left on the disk" in "".join(texts(disk / "journal"))
    assert verified(disk / "journal").broken is None


def test_a_full_disk_at_the_start_leaves_it_down(disk: Path) -> None:
    fill(disk)
    with opened(disk / "journal", FakeClock()) as journal:
        assert not journal.up
        assert "no" in journal.why


def test_a_journal_that_fills_the_disk_is_whole_up_to_its_last_line(disk: Path) -> None:
    clock = FakeClock()
    with opened(disk, clock) as journal:
        written = intend(journal, clock, range(5000))
    found = verified(disk)
    assert found.broken is None
    assert found.lines == written > 20


def test_a_disk_mounted_read_only_takes_no_intent_until_it_is_not(disk: Path) -> None:
    clock = FakeClock()
    with opened(disk, clock):
        pass
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with opened(disk, clock, retry=0.05) as journal:
        assert not journal.up
        assert "read-only" in journal.why
        with pytest.raises(JournalError):
            run(journal.intend(decision(clock.now())))
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        until(lambda: journal.up)
        run(journal.intend(decision(clock.now())))


def test_a_journal_on_a_read_only_disk_can_be_read(disk: Path) -> None:
    clock = FakeClock()
    with opened(disk, clock) as journal:
        run(journal.intend(decision(clock.now())))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert len(texts(disk)) == 1
    assert verified(disk).broken is None


def test_a_directory_that_does_not_let_us_in(tmp_path: Path) -> None:
    """Root passes every mode, so the process gives its capabilities up first."""
    directory = tmp_path / "closed"
    directory.mkdir(mode=0o500)
    script = (
        "import sys; from fakes import FakeClock; from unit.journals import opened; from pathlib import Path\n"
        "with opened(Path(sys.argv[1]), FakeClock()) as journal: print(journal.up, journal.why)\n"
    )
    tests = Path(__file__).parents[1]
    found = subprocess.run(
        [*NOBODY, sys.executable, "-c", script, directory],
        env={**os.environ, "PYTHONPATH": f"{tests}:{tests.parent / 'exporter'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout.startswith(f"False {directory}"), found.stderr
    assert "permission denied" in found.stdout
