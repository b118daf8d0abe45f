"""Lines for whoever shows them: the newest first, chosen by what they are about, a page at a time."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from brimline.deeds import Entry, EntryKind
from brimline.errors import JournalError
from brimline.journal.appending import append
from brimline.journal.file import NAME
from brimline.journal.lines import Wanted, read
from brimline.journal.reading import open_reading
from brimline.model import Kind, Subject
from fakes import FakeClock, container
from unit.journals import change, note, opened, until

UNIT = Subject(Kind.CGROUP, "system.slice/a.service", ("system.slice/a.service",), "u1")


def write(tmp_path: Path) -> None:
    """Write six lines, a second apart: about nothing, a container, its later life, a unit, a torn name, nothing."""
    clock = FakeClock()
    clock.wall = 100.0
    about = [
        note(clock, "one"),
        note(clock, "two", EntryKind.REFUSED, subject=container("web", "c1"), action="restart"),
        note(clock, "three", EntryKind.INTENT, subject=container("web", "c2"), action="restart"),
        note(clock, "four", EntryKind.INTENT, subject=UNIT, action="recycle"),
        note(clock, "five", EntryKind.REFUSED, subject=container("a\udcff", "c3"), action="cleanup"),
        note(clock, "six"),
    ]
    with opened(tmp_path, clock) as journal:
        for number, entry in enumerate(about):
            journal.note(replace(entry, at=clock.pass_(number and 1)))
        until(lambda: len(journal.lines(Wanted())) == 6)


def texts(found: tuple[Entry, ...]) -> list[str]:
    return [entry.text for entry in found]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), "six five four three two one"),
        (Wanted(limit=2), "six five"),
        (Wanted(limit=2, before=5), "four three"),
        (Wanted(before=1), ""),
        (Wanted(kinds=(EntryKind.INTENT, EntryKind.REFUSED), limit=3), "five four three"),
        (Wanted(subject_kind=Kind.CGROUP), "four"),
        (Wanted(name="web"), "three two"),
        (Wanted(name="web", kinds=(EntryKind.INTENT,)), "three"),
        (Wanted(name="we"), ""),
        (Wanted(name="%"), ""),
        (Wanted(name="' OR 1=1 --"), ""),
        (Wanted(name="a\udcff"), "five"),
        (Wanted(action="restart"), "three two"),
        (Wanted(since=102.0), "six five four three"),
        (Wanted(until=102.0), "two one"),
        (Wanted(since=101.0, until=104.0, before=4), "three two"),
    ],
)
def test_lines_are_chosen_by_what_they_are_about(tmp_path: Path, wanted: Wanted, expected: str) -> None:
    write(tmp_path)
    assert texts(read(tmp_path, wanted)) == expected.split()


def test_pages_follow_each_other_without_a_gap_or_a_line_twice(tmp_path: Path) -> None:
    write(tmp_path)
    found, before = [], None
    while page := read(tmp_path, Wanted(limit=4, before=before)):
        found += texts(page)
        before = page[-1].seq
    assert found == ["six", "five", "four", "three", "two", "one"]


def test_any_thread_may_read_beside_the_writer(tmp_path: Path) -> None:
    clock = FakeClock()
    found: list[tuple[Entry, ...]] = []
    with opened(tmp_path, clock) as journal:
        journal.note(note(clock, "one"))
        until(lambda: len(journal.lines(Wanted())) == 1)
        threads = [threading.Thread(target=lambda: found.append(journal.lines(Wanted()))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [texts(lines) for lines in found] == [["one"]] * 4


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        read(tmp_path, Wanted())
    write(tmp_path)
    change(tmp_path, "UPDATE lines SET facts = '{' WHERE seq = 3")
    with pytest.raises(JournalError, match="a line is damaged; see brimline journal verify"):
        read(tmp_path, Wanted())
    assert texts(read(tmp_path, Wanted(name="system.slice/a.service"))) == ["four"]
    (tmp_path / "journal.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(JournalError, match=r"journal\.sqlite"):
        read(tmp_path, Wanted())


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(limit=12), 12),
        (Wanted(limit=500, kinds=(EntryKind.OUTCOME, EntryKind.OBSERVED), since=3940.0), 30),
        (Wanted(limit=40, subject_kind=Kind.CGROUP, name=UNIT.name), 0),
        (Wanted(limit=40, subject_kind=Kind.CONTAINER, name="web"), 40),
        (Wanted(limit=40, kinds=(EntryKind.REFUSED,)), 40),
        (Wanted(limit=40, name="nobody"), 0),
    ],
)
def test_what_the_pages_ask_does_not_walk_through_the_whole_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Wanted, found: int
) -> None:
    clock = FakeClock()
    clock.wall = 0.0
    with opened(tmp_path, clock):
        pass
    with closing(sqlite3.connect(tmp_path / NAME, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for number in range(4000):
            kind = EntryKind.REFUSED if number % 2 else EntryKind.OUTCOME
            entry = note(clock, str(number), kind, subject=container(f"web{number % 5 or ''}", "c1"), action="restart")
            append(connection, replace(entry, at=clock.pass_(1)), "boot")
        connection.execute("COMMIT")
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def counted(directory: Path) -> sqlite3.Connection:
        connection = open_reading(directory)
        connection.set_progress_handler(step, 100)
        return connection

    monkeypatch.setattr("brimline.journal.lines.open_reading", counted)
    assert len(read(tmp_path, wanted)) == found
    assert steps < 80  # hundreds of SQLite's instructions: to walk through all takes some 400
