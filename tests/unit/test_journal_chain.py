"""The chain of the journal's lines: whatever was changed, taken out or put in is found, and at its first line."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brimline.deeds import EntryKind, Fate, Pause
from brimline.journal import told
from brimline.journal.appending import append
from brimline.journal.file import NAME, open_to_append
from brimline.journal.options import StorageOptions
from brimline.journal.prune import prune, used
from brimline.journal.rows import COLUMNS
from brimline.journal.schema import migrate
from brimline.journal.verify import Finding, verify
from brimline.model import Now
from fakes import FakeClock
from unit.journals import BOOT, WEB, change, decision, note, opened, outcome, rows, verified

DAY = 86_400.0
LINES = 12
READ = "SELECT CAST({} AS BLOB) FROM lines WHERE seq = ?"
WRITE = "UPDATE lines SET {} = ? WHERE seq = ?"
WRITE_TEXT = "UPDATE lines SET {} = CAST(? AS TEXT) WHERE seq = ?"
OPTIONS = StorageOptions(keep=30 * DAY)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def fill(directory: Path, clock: FakeClock, count: int = LINES) -> None:
    with closing(open_to_append(directory)) as connection:
        connection.execute("BEGIN")
        for number in range(count):
            facts = {"n": number, "é": "ü", "none": None}
            append(connection, note(clock, f"line {number}", subject=WEB, facts=facts), BOOT)
        connection.execute("COMMIT")


@pytest.fixture(scope="module")
def filled() -> Iterator[Path]:
    with TemporaryDirectory() as directory:
        fill(Path(directory), FakeClock())
        yield Path(directory)


@contextmanager
def copy_of(directory: Path) -> Iterator[Path]:
    with TemporaryDirectory() as copy:
        shutil.copy(directory / NAME, copy)
        yield Path(copy)


def test_what_was_written_is_whole(filled: Path) -> None:
    assert verified(filled) == Finding(LINES, 1, LINES)


def test_an_empty_journal_is_whole(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock):
        pass
    assert verified(tmp_path) == Finding(0)


@settings(max_examples=150)
@given(seq=st.integers(1, LINES), column=st.sampled_from((*COLUMNS, "hash")), data=st.data())
def test_any_flipped_byte_of_any_column_is_found(filled: Path, seq: int, column: str, data: st.DataObject) -> None:
    with copy_of(filled) as copy, closing(sqlite3.connect(copy / NAME, isolation_level=None)) as connection:
        (stored,) = connection.execute(READ.format(column), (seq,)).fetchone()
        changed = bytearray(stored or b"\0")
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] ^= data.draw(st.integers(1, 255))
        as_text = column not in {"hash", "wall", "mono"}
        connection.execute((WRITE_TEXT if as_text else WRITE).format(column), (bytes(changed), seq))
        found = verified(copy)
    assert found.broken in {seq, seq + 1}  # a hash that was changed shows at its own line
    assert found.lines == found.broken - 1


@settings(max_examples=100)
@given(data=st.data())
def test_any_flipped_byte_of_a_line_in_the_file_is_found(filled: Path, data: st.DataObject) -> None:
    with copy_of(filled) as copy:
        raw = bytearray((copy / NAME).read_bytes())
        number = data.draw(st.integers(0, LINES - 1))
        # The row's own bytes: from its boot id to the end of its text and facts.
        place = raw.index(f"line {number}{{".encode())
        start, end = raw.rindex(BOOT.encode(), 0, place), raw.index(b"}", place) + 1 + 32
        place = data.draw(st.integers(start, end - 1))
        raw[place] ^= 1 << data.draw(st.integers(0, 7))
        (copy / NAME).write_bytes(raw)
        assert verified(copy).broken == number + 1


@pytest.mark.parametrize(
    ("sql", "broken", "said"),
    [
        ("DELETE FROM lines WHERE seq = 5", 6, "it follows line 4: 1 in between are missing"),
        ("DELETE FROM lines WHERE seq > 9", 10, "it is missing; the last line that was written is 12"),
        ("DELETE FROM lines WHERE seq < 3", 3, "no anchor tells of the 2 lines before it"),
        ("DELETE FROM lines", 1, "it is missing; the last line that was written is 12"),
        ("UPDATE lines SET text = 'line 6' WHERE seq = 4", 4, "is not what was written"),
        ("UPDATE lines SET hash = x'00' WHERE seq = 12", 12, "its hash is none"),
        ("UPDATE lines SET seq = 13 WHERE seq = 12", 13, "it follows line 11: 1 in between are missing"),
        ("UPDATE sqlite_sequence SET seq = 11 WHERE name = 'lines'", 12, "it was never given out"),
    ],
)
def test_lines_taken_out_or_put_in_are_found(filled: Path, sql: str, broken: int, said: str) -> None:
    with copy_of(filled) as copy:
        change(copy, sql)
        found = verified(copy)
    assert found.broken == broken
    assert said in found.found


def test_a_rewritten_line_does_not_pass_with_its_hash_rewritten(filled: Path) -> None:
    with copy_of(filled) as copy:
        with closing(open_to_append(copy)) as connection:
            connection.execute("DELETE FROM lines WHERE seq = 12")
            append(connection, note(FakeClock(), "something else"), BOOT)
            connection.execute("UPDATE lines SET text = 'forged' WHERE seq = 6")
        assert verified(copy).broken == 6


def pruned(directory: Path, now: Now, options: StorageOptions = OPTIONS) -> int:
    with closing(open_to_append(directory)) as connection:
        total = 0
        connection.execute("BEGIN IMMEDIATE")
        while removed := prune(connection, options, now, BOOT):
            total += removed
        connection.execute("COMMIT")
    return total


def test_old_lines_go_and_the_chain_still_holds(tmp_path: Path, clock: FakeClock) -> None:
    fill(tmp_path, clock, 20)
    clock.pass_(30 * DAY - 60)
    fill(tmp_path, clock, 5)
    assert pruned(tmp_path, clock.now()) == 0
    clock.pass_(61)
    assert pruned(tmp_path, clock.now()) == 19
    assert verified(tmp_path) == Finding(6, 21, 26, 20)
    assert rows(tmp_path, "SELECT kind, text FROM lines WHERE seq = 26") == [
        ("anchor", "20 older lines removed, through line 20")
    ]
    clock.pass_(30 * DAY)
    pruned(tmp_path, clock.now())
    fill(tmp_path, clock, 1)
    assert verified(tmp_path).broken is None
    change(tmp_path, "UPDATE lines SET facts = replace(facts, '0', '1') WHERE kind = 'anchor'")
    assert verified(tmp_path).broken is not None


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 10 * 365 * DAY, -10 * 365 * DAY])
def test_a_jump_of_the_wall_clock_removes_no_line_of_this_boot(tmp_path: Path, clock: FakeClock, jump: float) -> None:
    fill(tmp_path, clock)
    clock.wall += jump
    assert pruned(tmp_path, clock.now()) == 0


def test_a_file_that_is_too_large_loses_its_oldest_lines(tmp_path: Path, clock: FakeClock) -> None:
    options = StorageOptions(max_size=8 * 1024 * 1024)
    with closing(open_to_append(tmp_path)) as connection:
        connection.execute("BEGIN")
        for number in range(12_000):
            append(connection, note(clock, f"{number} " + "x" * 500), BOOT)
        connection.execute("COMMIT")
        assert used(connection) > 4 * 1024 * 1024
    pruned(tmp_path, clock.now(), options)
    with closing(open_to_append(tmp_path)) as connection:
        assert used(connection) <= 4 * 1024 * 1024
        assert used(connection) > 3 * 1024 * 1024
    assert (tmp_path / NAME).stat().st_size < 4.5 * 1024 * 1024
    assert verified(tmp_path).broken is None


def test_what_still_counts_is_written_anew(tmp_path: Path, clock: FakeClock) -> None:
    """An intent nobody concluded, a pause without an end, and the deeds of a day outlive any pruning."""
    first, second = decision(clock.now(), 1), decision(clock.now(), 2)
    with closing(open_to_append(tmp_path)) as connection:
        for glob in ("kept", "resumed", "replaced", "over"):
            seconds = 60.0 if glob == "over" else None
            until = clock.wall + 60 if glob == "over" else None
            append(connection, told.paused(Pause(glob, clock.wall, until, "", clock.mono, seconds), clock.now()), BOOT)
        append(connection, told.intent(first, clock.now()), BOOT)
        append(connection, told.intent(second, clock.now()), BOOT)
    with opened(tmp_path, clock) as journal:
        whole = journal.open_intents()
    fill(tmp_path, clock)
    clock.pass_(31 * DAY)
    recent = decision(clock.now(), 3)
    with closing(open_to_append(tmp_path)) as connection:
        append(connection, told.outcome(second, outcome(2), Fate.DONE, clock.now()), BOOT)
        append(connection, told.resumed("resumed", "", clock.now()), BOOT)
        pause = Pause("replaced", clock.wall, clock.wall + 9e9, "", clock.mono, 9e9)
        append(connection, told.paused(pause, clock.now()), BOOT)
        append(connection, told.intent(recent, clock.now()), BOOT)
    pruned(tmp_path, clock.now())
    assert verified(tmp_path).broken is None
    with opened(tmp_path, clock) as journal:
        assert journal.open_intents() == (whole[0], recent)
        assert {(pause.glob, pause.seconds) for pause in journal.pauses()} == {("kept", None), ("replaced", 9e9)}
        assert [deed.id for deed in journal.ledger(clock.now()).deeds] == ["d0001", "d0003"]


def test_size_alone_removes_nothing_that_the_ledger_needs(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, clock) as journal:
        for number in range(40):
            journal.note(told.intent(decision(clock.now(), number), clock.now()))
            journal.note(told.outcome(decision(clock.now(), number), outcome(number), Fate.DONE, clock.now()))
            journal.note(note(clock, "x" * 100))
        journal.note(told.resumed("", "cli anna", clock.now()))
        journal.note(told.paused(Pause("web", clock.wall, None, ""), clock.now()))
    with opened(tmp_path, clock) as journal:
        before = journal.ledger(clock.now())
    monkeypatch.setattr("brimline.journal.prune.used", lambda _: 2**40)
    for _ in range(30):
        pruned(tmp_path, clock.now())
    with opened(tmp_path, clock) as journal:
        assert journal.ledger(clock.now()) == before
        assert [pause.glob for pause in journal.pauses()] == ["web"]
    kinds = rows(tmp_path, "SELECT kind FROM lines")
    assert (EntryKind.NOTE,) not in kinds
    assert verified(tmp_path).broken is None


def test_the_journal_prunes_by_itself(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock, keep=DAY) as journal:
        journal.note(note(clock))
        clock.pass_(2 * DAY)
        journal.prune()
        journal.note(note(clock, "later"))
        journal.prune()  # a second look follows after ten minutes only
    assert [kind for (kind,) in rows(tmp_path, "SELECT kind FROM lines ORDER BY seq")] == ["anchor", "note"]


def test_verify_leaves_no_transaction_behind() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        verify(connection)
        assert not connection.in_transaction


def test_prune_does_not_turn_round_and_round_what_all_still_counts(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock, max_size="8MiB") as journal:

        def many(connection: sqlite3.Connection) -> None:
            for number in range(7000):
                intent = told.intent(decision(clock.now(), number, reason="x" * 400), clock.now())
                append(connection, intent, BOOT)

        journal._writer.submit(many).result()
        job = journal._writer.submit(lambda c: (used(c), prune(c, journal._options, clock.now(), BOOT)))
        in_use, shorter = job.result()
    assert in_use > 4 * 1024 * 1024
    assert shorter == 0
    assert verified(tmp_path).broken is None
