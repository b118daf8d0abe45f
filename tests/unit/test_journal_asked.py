"""Pauses and requests that other processes write into the journal: who is paused until when, what is taken once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from brimline.deeds import Entry, Pause, Request
from brimline.journal import told
from brimline.journal.appending import append
from brimline.journal.file import open_to_append
from brimline.model import Now
from fakes import FakeClock
from unit.journals import BOOT, opened, texts, until

HOUR, YEARS = 3600.0, 10 * 365 * 86_400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def write(directory: Path, entry: Entry) -> None:
    """Write as another process does."""
    with closing(open_to_append(directory)) as connection:
        append(connection, entry, BOOT)


def paused(clock: FakeClock, glob: str = "", seconds: float | None = None) -> Entry:
    at = clock.now()
    until_ = None if seconds is None else at.wall + seconds
    return told.paused(Pause(glob, at.wall, until_, "cli anna", at.mono, seconds), at)


def request(clock: FakeClock, number: int = 1, *, dry_run: bool = False) -> Request:
    return Request(f"r{number}", clock.wall, "restart", "web", "cli anna", dry_run=dry_run)


def test_a_pause_is_in_force_until_it_is_resumed(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        assert journal.pauses() == ()
        write(tmp_path, paused(clock, "web"))
        assert journal.pauses() == (Pause("web", clock.wall, None, "cli anna", clock.mono, None),)
        clock.pass_(YEARS)
        assert len(journal.pauses()) == 1
        write(tmp_path, told.resumed("other", "cli anna", clock.now()))
        assert len(journal.pauses()) == 1
        write(tmp_path, told.resumed("web", "cli anna", clock.now()))
        assert journal.pauses() == ()


def test_resuming_everything_ends_every_pause(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        for glob in ("", "web", "shop/*"):
            write(tmp_path, paused(clock, glob))
        assert len(journal.pauses()) == 3
        write(tmp_path, told.resumed("", "cli anna", clock.now()))
        assert journal.pauses() == ()


def test_a_second_pause_takes_the_place_of_the_first(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        write(tmp_path, paused(clock, "web"))
        write(tmp_path, paused(clock, "web", 60))
        clock.pass_(59)
        assert len(journal.pauses()) == 1
        clock.pass_(1)
        assert journal.pauses() == ()


@pytest.mark.parametrize("jump", [HOUR, -HOUR, YEARS, -YEARS])
def test_a_jump_of_the_wall_clock_ends_no_pause_and_lengthens_none(
    tmp_path: Path, clock: FakeClock, jump: float
) -> None:
    with opened(tmp_path, clock) as journal:
        write(tmp_path, paused(clock, "", 600))
        clock.wall += jump
        clock.pass_(599)
        assert len(journal.pauses()) == 1
        clock.pass_(1)
        assert journal.pauses() == ()


def test_after_a_reboot_the_wall_clock_counts(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        write(tmp_path, paused(clock, "", 600))
        assert len(journal.pauses()) == 1
    clock.mono = 5.0
    clock.wall += 599
    with opened(tmp_path, clock, boot="boot-2") as journal:
        assert [pause.since for pause in journal.pauses()] == [5.0 - 599]
        clock.wall += 1
        assert journal.pauses() == ()


def test_pauses_known_last_stay_while_the_file_cannot_be_read(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        write(tmp_path, paused(clock, "web"))
        assert len(journal.pauses()) == 1
        journal._reader._directory = tmp_path / "gone"
        journal._reader.close()
        assert len(journal.pauses()) == 1


def test_a_request_is_taken_once(tmp_path: Path, clock: FakeClock) -> None:
    asked = request(clock, dry_run=True)
    with opened(tmp_path, clock) as journal:
        assert journal.requests() == ()
        write(tmp_path, told.requested(asked, clock.now()))
        assert journal.requests() == (asked,)
        assert journal.requests() == ()
    with opened(tmp_path, clock) as journal:
        assert journal.requests() == ()


def test_a_request_that_met_no_daemon_is_taken_if_it_is_young(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock):
        pass
    write(tmp_path, told.requested(request(clock, 1), clock.now()))
    clock.pass_(30)
    young = request(clock, 2)
    write(tmp_path, told.requested(young, clock.now()))
    clock.pass_(60)
    with opened(tmp_path, clock) as journal:
        assert journal.requests() == (young,)
        until(lambda: texts(tmp_path)[-1] == "restart of web not taken: nobody took it for 90 s; ask again")
    with opened(tmp_path, clock) as journal:
        assert journal.requests() == ()
        assert len(texts(tmp_path)) == 3


def test_a_request_taken_right_before_the_file_was_opened_anew_is_not_taken_twice(
    tmp_path: Path, clock: FakeClock
) -> None:
    with opened(tmp_path, clock, retry=0.02) as journal:
        write(tmp_path, told.requested(request(clock), clock.now()))
        assert len(journal.requests()) == 1
        journal._writer.post(lambda connection: connection.execute("no SQL"))
        until(lambda: journal._writer.generation == 2)
        journal._asked._begin = 0  # as if that had not reached the disk
        assert journal.requests() == ()


def test_what_the_daemon_writes_down_for_others_is_not_taken_from_the_file(tmp_path: Path, clock: FakeClock) -> None:
    """A webhook's request reaches policy by another way; it is only told of here."""
    with opened(tmp_path, clock) as journal:
        journal.note(told.requested(request(clock), clock.now()))
        until(lambda: len(texts(tmp_path)) == 1)
        assert journal.requests() == ()
    with opened(tmp_path, clock) as journal:
        assert journal.requests() == ()


def test_what_is_resumed_is_told_once_and_not_what_was_before(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock):
        pass
    write(tmp_path, told.resumed("before", "cli anna", clock.now()))
    with opened(tmp_path, clock, retry=0.02) as journal:
        assert journal.resumed() == ()
        write(tmp_path, told.resumed("web", "cli anna", clock.pass_(1)))
        write(tmp_path, told.resumed("", "cli anna", clock.pass_(1)))
        assert journal.resumed() == ("web", "")
        assert journal.resumed() == ()
        journal._writer.post(lambda connection: connection.execute("no SQL"))
        until(lambda: journal.openings == 2)
        assert journal.resumed() == ()
        write(tmp_path, told.resumed("web", "cli anna", clock.pass_(1)))
        assert journal.resumed() == ("web",)


def test_nothing_is_read_while_nobody_writes(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path, clock) as journal:
        journal.pauses()
        queries: list[str] = []
        monkeypatch.setattr(journal._reader, "rows", lambda sql, *_: queries.append(sql) or [])
        for _ in range(3):
            journal.pauses()
            journal.requests()
        assert queries == []
        write(tmp_path, paused(clock))
        journal.pauses()
        assert len(queries) == 1


def test_a_moment_of_this_boot_is_its_own_clock(clock: FakeClock) -> None:
    entry = paused(clock, "web", 60)
    assert told.pause_of(entry).since == clock.mono
    assert entry.at == Now(clock.wall, clock.mono)


def test_a_pause_that_cannot_be_read_stops_nothing(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        write(tmp_path, paused(clock, "a"))
        write(tmp_path, paused(clock, "b"))
        journal._writer.submit(lambda c: c.execute("UPDATE lines SET facts = '{' WHERE seq = 1")).result()
        assert [pause.glob for pause in journal.pauses()] == ["b"]
        clock.pass_(700)
        journal.prune()
        journal._writer.submit(lambda _: None).result()
        assert journal.up


def test_what_was_asked_for_long_ago_is_not_remembered_for_ever(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brimline.journal.pauses._REMEMBERED", 2)
    with opened(tmp_path, clock) as journal:
        for number in range(5):
            journal.note(told.requested(request(clock, number), clock.now()))
        journal._writer.submit(lambda _: None).result()
        assert len(journal._asked._handed) == 2
