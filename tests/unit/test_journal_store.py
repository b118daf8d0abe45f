"""The journal: what it promises while it is up, how it is down, and how it comes back."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from brimline.deeds import Deed, EntryKind, Fate, Ledger
from brimline.errors import JournalError
from brimline.journal import told
from brimline.journal.file import LOCK, NAME, daemon_runs
from brimline.journal.reading import open_reading
from brimline.journal.store import JournalFile
from brimline.model import Alert, Now, Phase, StoredAlert, Transition
from fakes import FakeClock, container
from unit.journals import BOOT, WEB, change, decision, note, opened, outcome, rows, run, texts, until, verified

HOUR, DAY, YEARS = 3600.0, 86_400.0, 10 * 365 * 86_400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_an_intent_is_rebuilt_as_it_was_decided(tmp_path: Path, clock: FakeClock) -> None:
    decided = decision(clock.now(), caller="cli anna")
    clock.pass_(1.5)
    with opened(tmp_path, clock) as journal:
        run(journal.intend(decided))
        assert journal.open_intents() == (decided,)
    with opened(tmp_path, clock) as journal:
        assert journal.open_intents() == (decided,)


def test_a_person_has_no_alert(tmp_path: Path, clock: FakeClock) -> None:
    decided = decision(clock.now(), key=None, alertname="", severity="", caller="cli anna")
    with opened(tmp_path, clock) as journal:
        run(journal.intend(decided))
        assert journal.open_intents() == (decided,)


def test_an_outcome_closes_an_intent(tmp_path: Path, clock: FakeClock) -> None:
    decided = decision(clock.now())
    with opened(tmp_path, clock) as journal:
        run(journal.intend(decided))
        clock.pass_(4)
        run(journal.conclude(decided, outcome(), Fate.DONE))
        assert journal.open_intents() == ()
        assert journal.ledger(clock.now()) == Ledger(
            (
                Deed(
                    id="d0001",
                    action="restart",
                    name=WEB.name,
                    labels=WEB.labels,
                    uid=WEB.uid,
                    service="shop/web",
                    rule="memory/High{severity=critical}",
                    caller="rule",
                    image_id="sha256:1",
                    limit=2**31,
                    began=1000.0,
                    ended=1004.0,
                    fate=Fate.DONE,
                    before_bytes=2**31,
                    after_bytes=2**20,
                    episode="e1",
                ),
            )
        )


def test_the_ledger_knows_what_others_did_what_did_not_last_and_who_resumed(tmp_path: Path, clock: FakeClock) -> None:
    decided = decision(clock.now())
    with opened(tmp_path, clock) as journal:
        run(journal.intend(decided))
        run(journal.conclude(decided, outcome(), Fate.FAILED))
        (mine,) = journal.ledger(clock.now()).deeds
        journal.note(told.relapsed(mine, WEB, clock.pass_(60)))
        other = replace(mine, id="o1", uid="c1@77", caller="", rule="", fate=Fate.OBSERVED)
        journal.note(told.observed(other, WEB, clock.pass_(60), "restarted by somebody else"))
        journal.note(told.resumed("shop-*", "cli anna", clock.pass_(60)))
        until(lambda: len(texts(tmp_path)) == 5)
        found = journal.ledger(clock.now())
    first, second = found.deeds
    assert (first.relapsed, first.fate) == (True, Fate.FAILED)
    assert (second.fate, second.uid, second.began, second.ended) == (Fate.OBSERVED, "c1@77", 1120.0, 1120.0)
    assert (second.service, second.limit) == ("shop/web", 2**31)
    assert found.resumed == {"shop-*": 1180.0}


def test_the_ledger_ends_a_day_ago_but_keeps_what_is_open(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        for number in (1, 2):
            run(journal.intend(decision(clock.now(), number)))
        run(journal.conclude(decision(clock.now(), 1), outcome(1), Fate.DONE))
        clock.pass_(DAY - 1)
        assert [deed.id for deed in journal.ledger(clock.now()).deeds] == ["d0001", "d0002"]
        clock.pass_(2)
        assert [deed.id for deed in journal.ledger(clock.now()).deeds] == ["d0002"]


@pytest.mark.parametrize("jump", [HOUR, -HOUR, YEARS, -YEARS])
def test_a_jump_of_the_wall_clock_changes_no_age_within_a_boot(tmp_path: Path, clock: FakeClock, jump: float) -> None:
    with opened(tmp_path, clock) as journal:
        run(journal.intend(decision(clock.now())))
    clock.pass_(60)
    clock.wall += jump
    with opened(tmp_path, clock) as journal:
        assert journal.ledger(clock.now()).deeds[0].began == 1000.0
        assert journal.open_intents()[0].at.mono == 1000.0


@pytest.mark.parametrize(("gone", "began"), [(600.0, 5.0 - 600.0), (-HOUR, 5.0)])
def test_a_line_of_an_earlier_boot_is_as_old_as_the_wall_clock_says(
    tmp_path: Path, clock: FakeClock, gone: float, began: float
) -> None:
    with opened(tmp_path, clock) as journal:
        run(journal.intend(decision(clock.now())))
    clock.wall += gone
    clock.mono = 5.0
    with opened(tmp_path, clock, boot="boot-2") as journal:
        assert journal.ledger(clock.now()).deeds[0].began == began
        assert journal.open_intents()[0].at == Now(1_700_000_000.0, began)


def test_only_its_owner_may_read_it(tmp_path: Path, clock: FakeClock) -> None:
    directory = tmp_path / "a" / "journal"
    with opened(directory, clock) as journal:
        journal.note(note(clock))
        until(lambda: journal.lost == 0 and texts(directory) == ["reloaded"])
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert modes == dict.fromkeys((NAME, f"{NAME}-wal", f"{NAME}-shm", LOCK), 0o600)


def test_two_daemons_never_share_one(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as first:
        assert daemon_runs(tmp_path)
        with opened(tmp_path, clock, retry=0.02) as second:
            assert not second.up
            assert second.why == (
                f"{tmp_path}: another Brimline (pid {os.getpid()}) keeps its journal here; "
                "give each its own storage.path"
            )
            with pytest.raises(JournalError, match="another Brimline"):
                run(second.intend(decision(clock.now())))
            assert first.up
            first.close()
            until(lambda: second.up)
    assert not daemon_runs(tmp_path)


def not_a_directory(directory: Path) -> str:
    directory.write_text("")
    return "file exists; write another storage.path"


def below_a_file(directory: Path) -> str:
    directory.symlink_to("/dev/null/journal")
    return "write another storage.path"


def a_directory_in_its_place(directory: Path) -> str:
    (directory / NAME).mkdir(parents=True)
    return "is a directory"


def newer(directory: Path) -> str:
    with opened(directory, FakeClock()):
        pass
    change(directory, "PRAGMA user_version = 99")
    return "a newer Brimline wrote it (schema 99, this one knows 2)"


def foreign(directory: Path) -> str:
    directory.mkdir()
    change(directory, "CREATE TABLE lines (other TEXT)")
    return "the database of another program"


@pytest.mark.parametrize("obstacle", [not_a_directory, below_a_file, a_directory_in_its_place, newer, foreign])
def test_what_it_cannot_use_leaves_it_down_with_a_sentence(tmp_path: Path, clock: FakeClock, obstacle) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    directory = tmp_path / "journal"
    expected = obstacle(directory)
    with opened(directory, clock) as journal:
        assert not journal.up
        assert expected in journal.why
        with pytest.raises(JournalError):
            run(journal.intend(decision(clock.now())))
        journal.note(note(clock))
        until(lambda: journal.lost == 1)
        assert journal.ledger(clock.now()) == Ledger()
        assert (journal.open_intents(), journal.pauses(), journal.requests()) == ((), (), ())
        assert journal.alerts.load() == ()
        assert journal.tallies.load() == {}


def test_it_comes_back_by_itself_and_says_so(tmp_path: Path, clock: FakeClock) -> None:
    directory = tmp_path / "journal"
    directory.write_text("")
    with opened(directory, clock, retry=0.02) as journal:
        assert not journal.up
        journal.note(note(clock, "lost"))
        until(lambda: journal.lost == 1)
        directory.unlink()
        until(lambda: journal.up)
        run(journal.intend(decision(clock.now())))
        said, intent = texts(directory)
    assert said.startswith("the journal can be written again; it could not: ")
    assert said.endswith("; 1 lines were lost")
    assert intent.startswith("restart of shop-web-1")


def scribbled(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to be read as a header" * 100)


def torn(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 : 4096 * 3] = b"\xa5" * 4096 * 2
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [scribbled, torn, cut])
def test_a_damaged_file_is_set_aside_and_never_deleted(tmp_path: Path, clock: FakeClock, damage) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    with opened(tmp_path, clock) as journal:
        for number in range(50):
            journal.note(note(clock, f"line {number} " + "x" * 200))
    damage(tmp_path / NAME)
    damaged = (tmp_path / NAME).read_bytes()
    with opened(tmp_path, clock) as journal:
        assert journal.up
        aside = tmp_path / f"{NAME}.corrupt-20231114T221320Z"
        assert aside.read_bytes() == damaged
        (text,) = texts(tmp_path)
        assert text.startswith(f"{tmp_path / NAME} is damaged (")
        assert text.endswith(f"); it was set aside as {aside.name}; a new one begins here")
        run(journal.intend(decision(clock.now())))
    damage(tmp_path / NAME)
    with opened(tmp_path, clock) as journal:
        assert journal.up
    assert sorted(file.name for file in tmp_path.glob("*.corrupt-*") if not file.name.endswith(("-wal", "-shm"))) == [
        aside.name,
        f"{aside.name}-2",
    ]


def test_a_file_removed_while_in_use_takes_no_intent(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock, retry=0.02) as journal:
        for file in tmp_path.glob(f"{NAME}*"):
            file.unlink()
        with pytest.raises(JournalError, match="removed or replaced"):
            run(journal.intend(decision(clock.now())))
        until(lambda: journal.up)
        run(journal.intend(decision(clock.now(), 2)))
        assert [d.id for d in journal.open_intents()] == ["d0002"]


def test_another_process_that_writes_long_costs_an_intent_and_no_more(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brimline.journal.file._BUSY_SECONDS", 0.05)
    with opened(tmp_path, clock, retry=0.02) as journal:
        other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another process has been writing"):
            run(journal.intend(decision(clock.now())))
        other.execute("ROLLBACK")
        other.close()
        until(lambda: journal.up)
        assert journal.open_intents() == ()


def test_lines_stand_in_the_order_they_were_handed_in(tmp_path: Path, clock: FakeClock) -> None:
    async def work(journal: JournalFile) -> None:
        for number in range(300):
            journal.note(note(clock, str(number)))
        await asyncio.gather(*(journal.intend(decision(clock.now(), number)) for number in range(20)))

    with opened(tmp_path, clock) as journal:
        run(work(journal))
        assert texts(tmp_path)[:300] == [str(number) for number in range(300)]
        assert [d.id for d in journal.open_intents()] == [f"d{number:04}" for number in range(20)]
    assert verified(tmp_path).lines == 320


def test_a_line_holds_whatever_it_is_given(tmp_path: Path, clock: FakeClock) -> None:
    subject = container("\udcff\0\n", "u\ud800")
    facts = {"a": float("nan"), "b": float("inf"), "c": "\udcff", "d": None, "e": True, "f": 2**80}
    with opened(tmp_path, clock) as journal:
        journal.note(note(clock, "\ud800 ✓", subject=subject, facts=facts))
        journal.note(replace(note(clock), at=Now(float("nan"), -0.0)))
        until(lambda: len(texts(tmp_path)) == 2)
    assert texts(tmp_path)[0] == "\\ud800 ✓"
    assert verified(tmp_path).broken is None


def stored(name: str = "web", value: float = 0.9) -> StoredAlert:
    key = decision(Now(0, 0), 1, container(name)).key
    assert key is not None
    return StoredAlert(key, "c1", "f1", Phase.PENDING, 5.0, value, 2.0, lingering=True, at=6.0)


def test_alerts_outlive_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        assert journal.alerts.load() == ()
        journal.alerts.save([stored("a"), stored("b")], [])
        journal.alerts.save([stored("b", 0.95)], [stored("a").key])
    with opened(tmp_path, clock) as journal:
        assert journal.alerts.load() == (stored("b", 0.95),)


def test_alerts_saved_while_it_is_down_are_written_when_it_is_up(tmp_path: Path, clock: FakeClock) -> None:
    directory = tmp_path / "journal"
    directory.write_text("")
    with opened(directory, clock, retry=0.02) as journal:
        journal.alerts.save([stored("a"), stored("b")], [])
        journal.alerts.save([], [stored("a").key])
        directory.unlink()
        until(lambda: journal.up and len(journal.alerts.load()) == 1)
        assert journal.alerts.load() == (stored("b"),)


def test_tallies_outlive_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        journal.tallies.save({("restarts", ("web", "", "")): 3.0, ("kills", ("web", "own")): 1.0})
        journal.tallies.save({("restarts", ("web", "", "")): 4.0}, [("kills", ("web", "own"))])
    with opened(tmp_path, clock) as journal:
        assert journal.tallies.load() == {("restarts", ("web", "", "")): 4.0}


def test_texts_outlive_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        journal.texts.save({"a": "1", "b": "\udcff"})
        journal.texts.save({"a": None})
    with opened(tmp_path, clock) as journal:
        assert journal.texts.load() == {"b": "\\udcff"}


@pytest.mark.parametrize(
    ("phase", "why", "text"),
    [
        (Phase.FIRING, "", "High fires on shop-web-1"),
        (Phase.INACTIVE, "it is gone", "High on shop-web-1 is over: it is gone"),
    ],
)
def test_a_change_of_an_alert_is_a_line(tmp_path: Path, clock: FakeClock, phase: Phase, why: str, text: str) -> None:
    key = decision(clock.now()).key
    assert key is not None
    alert = Alert(key, phase, 1.0, 0.9, WEB, "High", "critical", (), ("notify",), 0.8)
    with opened(tmp_path, clock) as journal:
        journal.note(told.changed(Transition(alert, Phase.PENDING, 1.0, why), clock.now()))
        until(lambda: texts(tmp_path) == [text])
        assert rows(tmp_path, "SELECT kind, name FROM lines") == [("alert", "shop-web-1")]


def test_what_nobody_waits_for_any_more_is_concluded_all_the_same(tmp_path: Path, clock: FakeClock) -> None:
    decided = decision(clock.now())

    async def work(journal: JournalFile) -> None:
        await journal.intend(decided)
        task = asyncio.ensure_future(journal.conclude(decided, outcome(), Fate.DONE))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with opened(tmp_path, clock) as journal:
        run(work(journal))
    with opened(tmp_path, clock) as journal:
        assert journal.open_intents() == ()


def test_the_kind_of_every_line_is_on_the_list(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        run(journal.intend(decision(clock.now())))
        assert rows(tmp_path, "SELECT kind, boot, mono FROM lines") == [(EntryKind.INTENT, BOOT, 1000.0)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_dies_of_a_bug_lets_nobody_wait(tmp_path: Path, clock: FakeClock) -> None:
    def bug(_: sqlite3.Connection) -> None:
        raise ValueError("a bug")

    with opened(tmp_path, clock) as journal:
        first = journal._writer.submit(bug)
        assert str(first.exception(5)) == "the writer ended: ValueError"
        until(lambda: not journal._writer._thread.is_alive())
        assert not journal.up
        with pytest.raises(JournalError, match="it is closed"):
            run(journal.intend(decision(clock.now())))


def test_an_intent_nobody_waits_for_is_not_written_if_there_is_time(tmp_path: Path, clock: FakeClock) -> None:
    began, held = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        began.set()
        held.wait(5)

    async def work(journal: JournalFile) -> None:
        journal._writer.post(hold)
        began.wait(5)
        task = asyncio.ensure_future(journal.intend(decision(clock.now())))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        held.set()

    with opened(tmp_path, clock) as journal:
        run(work(journal))
        run(journal.outbox.add([]))
        assert journal.open_intents() == ()


def test_what_was_concluded_long_before_the_end_of_the_last_life_was_told(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock) as journal:
        journal.note(note(clock, told.STARTED))
        for number in range(3):
            intended = decision(clock.now(), number)
            run(journal.intend(intended))
            run(journal.conclude(intended, outcome(number), Fate.DONE))
            clock.pass_(2000 * 10**number)
    clock.pass_(86_400)
    with opened(tmp_path, clock) as journal:
        journal.note(note(clock, "of this life"))
        journal._writer.submit(lambda _: None).result()
        assert [one.id for one, _, _ in journal.last_life()] == ["d0002"]
    with opened(tmp_path, clock) as journal:
        intended = decision(clock.now(), 9)
        run(journal.intend(intended))
        run(journal.conclude(intended, outcome(9), Fate.DONE))
    clock.pass_(86_400)
    with opened(tmp_path, clock) as journal:
        journal.note(note(clock, "of this life"))
        journal._writer.submit(lambda _: None).result()
        assert [one.id for one, _, _ in journal.last_life()] == ["d0009"]


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_disk_that_cannot_be_looked_at_is_a_sentence_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(_: Path) -> None:
        raise error

    monkeypatch.setattr("brimline.journal.reading.os.statvfs", refuse)
    with pytest.raises(JournalError, match=str(error.strerror).lower()):
        open_reading(tmp_path)


def test_a_file_that_may_not_be_opened_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, refusals = sqlite3.connect, ["unable to open database file"]

    def refuse(*given: Any, **more: Any) -> sqlite3.Connection:  # noqa: ANN401 - sqlite3.connect's
        if refusals:
            raise sqlite3.OperationalError(refusals.pop())
        return connect(*given, **more)

    monkeypatch.setattr("brimline.journal.file.sqlite3.connect", refuse)
    with opened(tmp_path, FakeClock(), retry=0.01) as journal:
        assert not journal.up
        assert "unable to open" in journal.why
        until(lambda: journal.up)


@pytest.mark.parametrize(
    "damage", ["facts = '{'", "facts = '[1]'", 'facts = \'{"verdict": "later"}\'', "subject_kind = 'gpu'"]
)
def test_a_line_that_cannot_be_read_costs_only_itself(tmp_path: Path, clock: FakeClock, damage: str) -> None:
    with opened(tmp_path, clock) as journal:
        run(journal.intend(decision(clock.now(), 1)))
        run(journal.intend(decision(clock.now(), 2)))
    change(tmp_path, f"UPDATE lines SET {damage} WHERE decision_id = 'd0001'")  # noqa: S608 - our own texts
    with opened(tmp_path, clock) as journal:
        assert [deed.id for deed in journal.ledger(clock.now()).deeds] == ["d0002"]
        assert [one.id for one in journal.open_intents()] == ["d0002"]
