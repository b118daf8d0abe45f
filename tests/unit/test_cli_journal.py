"""`brimline journal`, `pause`, `resume` and `restart`: what they print, what they leave behind, and how they end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brimline.cli import asking, commands
from brimline.cli import journal as journal_verb
from brimline.cli import restart as restart_verb
from brimline.deeds import Entry, EntryKind, Fate, Outcome, Request, Verdict
from brimline.journal import told
from brimline.journal.appending import append
from brimline.journal.file import Lock, open_to_append
from brimline.model import Now
from fakes import FakeClock
from unit.journals import BOOT, change, decision, note, opened, outcome, texts

TIME = "2023-11-14 22:13:20"
WALL = 1_700_000_000.0


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("SUDO_USER", "anna")
    time.tzset()
    monkeypatch.setattr("time.time", lambda: WALL)
    yield
    monkeypatch.undo()
    time.tzset()


def brimline(*arguments: str, storage: Path) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(
        commands(), [*arguments, f"--storage.path={storage}"], prog_name="brimline"
    )


def write(directory: Path, *entries: Entry) -> None:
    with closing(open_to_append(directory)) as connection:
        for entry in entries:
            append(connection, entry, BOOT)


@contextmanager
def daemon(directory: Path) -> Iterator[None]:
    """Hold the lock as a running Brimline does."""
    with opened(directory, FakeClock()):
        pass
    lock = Lock(directory)
    lock.take()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def answering(directory: Path, answer: Callable[[Request], list[Entry]]) -> Iterator[None]:
    """Answer the first request as a running Brimline does."""

    def work() -> None:
        with closing(asking.opened(directory)) as connection:
            for _ in range(500):
                for written in asking.lines(connection, directory, after=0):
                    if written.entry.kind is EntryKind.REQUESTED:
                        for entry in answer(told.request_of(written.entry)):
                            write(directory, entry)
                        return
                threading.Event().wait(0.01)

    with daemon(directory):
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            thread.join()


def story(directory: Path) -> None:
    clock = FakeClock()
    with opened(directory, clock) as journal:
        journal.note(note(clock, "started"))
        journal.note(
            told.refused(decision(clock.now(), 1, verdict=Verdict.COOLDOWN, reason="8 s of 10 s"), clock.now())
        )
        journal.note(told.intent(decision(clock.now(), 2), clock.now()))
        journal.note(told.outcome(decision(clock.now(), 2), outcome(2), Fate.DONE, clock.pass_(4)))


def test_the_lines_of_a_day_are_aligned(tmp_path: Path) -> None:
    story(tmp_path)
    result = brimline("journal", storage=tmp_path)
    assert result.stdout.splitlines() == [
        f"{TIME}  note       -  started",
        f"{TIME}  refused    shop-web-1  restart of shop-web-1 not taken (cooldown): 8 s of 10 s",
        f"{TIME}  intent     shop-web-1  restart of shop-web-1: 91 % of 2 GiB used",
        "2023-11-14 22:13:24  outcome    shop-web-1  restart of shop-web-1 done: running again after 2s",
    ]
    assert result.exit_code == 0


def test_only_of_one_subject_and_only_since(tmp_path: Path) -> None:
    story(tmp_path)
    assert len(brimline("journal", "--subject", "shop/*", storage=tmp_path).stdout.splitlines()) == 3
    assert brimline("journal", "--subject", "other", storage=tmp_path).stdout == ""
    write(tmp_path, Entry(EntryKind.NOTE, Now(WALL - 7200, 1.0), "older"))
    assert "older" in brimline("journal", storage=tmp_path).stdout
    assert "older" not in brimline("journal", "--since=1h", storage=tmp_path).stdout


def test_json_is_one_object_a_line(tmp_path: Path) -> None:
    story(tmp_path)
    lines = [json.loads(line) for line in brimline("journal", "--json", storage=tmp_path).stdout.splitlines()]
    assert [(line["seq"], line["kind"]) for line in lines] == [
        (1, "note"),
        (2, "refused"),
        (3, "intent"),
        (4, "outcome"),
    ]
    assert lines[0]["subject"] is None
    assert lines[2]["subject"] == {
        "kind": "container",
        "name": "shop-web-1",
        "labels": ["shop-web-1", "shop", "web"],
        "uid": "c1@5",
    }
    assert (lines[3]["facts"]["ok"], lines[3]["facts"]["freed_bytes"]) == (True, 2**31 - 2**20)


def test_it_is_read_while_a_daemon_writes(tmp_path: Path) -> None:
    clock = FakeClock()
    with opened(tmp_path, clock) as journal:
        journal.note(note(clock, "under way"))
        journal._writer.submit(lambda _: None).result()
        assert "under way" in brimline("journal", storage=tmp_path).stdout


def test_following_prints_what_is_written_and_what_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story(tmp_path)
    steps = iter(range(4))

    def sleep(_: float) -> None:
        match next(steps):
            case 0:
                write(tmp_path, note(FakeClock(), "first"), note(FakeClock(), "carried", facts={"carried": 1}))
            case 1:
                (tmp_path / "journal.sqlite").rename(tmp_path / "journal.sqlite.corrupt-1")
                write(tmp_path, note(FakeClock(), "of another file"))
            case _:
                raise KeyboardInterrupt

    monkeypatch.setattr(journal_verb.time, "sleep", sleep)
    result = brimline("journal", "--follow", storage=tmp_path)
    assert [line.rpartition("  ")[2] for line in result.stdout.splitlines()][-2:] == ["first", "of another file"]
    assert "carried" not in result.stdout
    assert result.exit_code == 0


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    result = brimline("journal", storage=tmp_path / "none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: {tmp_path}/none/journal.sqlite: there is no journal; write where it is with --storage.path\n"
    )
    (tmp_path / "journal.sqlite").write_bytes(b"no database" * 1000)
    assert "file is not a database" in brimline("journal", storage=tmp_path).stderr
    (tmp_path / "journal.sqlite").unlink()
    change(tmp_path, "CREATE TABLE t (a)")
    assert "no journal of Brimline" in brimline("journal", "verify", storage=tmp_path).stderr


def test_a_line_that_is_damaged_is_said_to_be(tmp_path: Path) -> None:
    story(tmp_path)
    change(tmp_path, "UPDATE lines SET facts = '{' WHERE seq = 3")
    result = brimline("journal", storage=tmp_path)
    assert (result.exit_code, len(result.stdout.splitlines())) == (1, 2)
    assert "a line or a sample is damaged; see brimline journal verify" in result.stderr


def test_a_duration_that_is_none_is_refused(tmp_path: Path) -> None:
    result = brimline("journal", "--since=1", storage=tmp_path)
    assert result.exit_code == 2
    assert 'write "1s"' in result.stderr


def test_verify_names_the_first_line_that_is_not_what_was_written(tmp_path: Path) -> None:
    story(tmp_path)
    result = brimline("journal", "verify", storage=tmp_path)
    assert (result.exit_code, result.stdout) == (
        0,
        f"{tmp_path}/journal.sqlite: 4 lines, all as they were written\n",
    )
    change(tmp_path, "UPDATE lines SET text = 'nothing happened' WHERE seq = 3")
    result = brimline("journal", "verify", storage=tmp_path)
    said = "it, or the hash of the line before it, is not what was written; 2 lines before it are whole"
    assert (result.exit_code, result.stdout) == (1, f"{tmp_path}/journal.sqlite: line 3: {said}\n")


def test_pausing_says_what_is_paused(tmp_path: Path) -> None:
    with daemon(tmp_path):
        first = brimline("pause", "whisper-*", "--for", "2h", storage=tmp_path)
        second = brimline("pause", storage=tmp_path)
    assert first.output == "paused: whisper-*, until 2023-11-15 00:13:20, by cli anna\n"
    assert second.output == (
        "paused: everything, until resumed, by cli anna\npaused: whisper-*, until 2023-11-15 00:13:20, by cli anna\n"
    )
    assert (first.exit_code, second.exit_code) == (0, 0)
    clock = FakeClock()
    clock.mono = time.monotonic()
    with opened(tmp_path, clock, boot=asking.Procfs().boot_id()) as journal:
        assert {(pause.glob, pause.seconds, pause.caller) for pause in journal.pauses()} == {
            ("whisper-*", 7200.0, "cli anna"),
            ("", None, "cli anna"),
        }


def test_pausing_without_a_daemon_makes_the_journal_and_says_so(tmp_path: Path) -> None:
    where = tmp_path / "new"
    result = brimline("pause", "web", storage=where)
    assert result.exit_code == 0
    assert result.stdout == "paused: web, until resumed, by cli anna\n"
    assert result.stderr == f"no Brimline runs with {where}: the one that starts next heeds it\n"


def test_resuming_one_leaves_the_others(tmp_path: Path) -> None:
    with daemon(tmp_path):
        for name in ("web", "db"):
            brimline("pause", name, storage=tmp_path)
        assert brimline("resume", "web", storage=tmp_path).stdout == "paused: db, until resumed, by cli anna\n"
        assert brimline("resume", storage=tmp_path).stdout == "nothing is paused\n"
    assert texts(tmp_path)[-2:] == ["web resumed by cli anna", "everything resumed by cli anna"]


def test_pausing_for_no_time_is_refused(tmp_path: Path) -> None:
    result = brimline("pause", "--for=0", storage=tmp_path)
    assert result.exit_code == 2
    assert 'write how long, such as "2h"' in result.stderr


def test_a_path_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = brimline("pause", storage=tmp_path / "file")
    assert result.exit_code == 1
    assert "write another storage.path" in result.stderr


def asked(request: Request) -> Entry:
    """Return the line of the intent a request leads to."""
    decided = decision(
        Now(WALL, 1.0), key=None, episode=request.id, caller=request.caller, reason=f"{request.caller} asks"
    )
    return told.intent(decided, decided.at)


def ended(*, ok: bool) -> Entry:
    decided = decision(Now(WALL, 1.0))
    detail = "running again after 2s" if ok else "it does not come up"
    made = Outcome(decided.id, ok, detail, WALL, WALL + 3)
    return told.outcome(decided, made, Fate.DONE if ok else Fate.FAILED, Now(WALL + 3, 4.0))


def test_a_restart_is_waited_for(tmp_path: Path) -> None:
    with answering(tmp_path, lambda request: [asked(request), ended(ok=True)]):
        result = brimline("restart", "shop-web-1", storage=tmp_path)
    assert result.output == (
        "restart of shop-web-1: cli anna asks\nrestart of shop-web-1 done: running again after 2s\n"
    )
    assert result.exit_code == 0
    assert texts(tmp_path)[0] == "restart of shop-web-1 asked for by cli anna"


def test_a_restart_that_fails_ends_with_1(tmp_path: Path) -> None:
    with answering(tmp_path, lambda request: [asked(request), ended(ok=False)]):
        result = brimline("restart", "shop-web-1", storage=tmp_path)
    assert result.stdout.splitlines()[-1] == "restart of shop-web-1 failed: it does not come up"
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("flags", "verdict", "code"),
    [
        ((), Verdict.BUDGET_SUBJECT, 1),
        ((), Verdict.DRY_RUN, 1),
        (("--dry-run",), Verdict.DRY_RUN, 0),
        (("--dry-run",), Verdict.PROTECTED, 1),
    ],
)
def test_a_refusal_ends_with_1_and_a_dry_run_that_would_run_with_0(
    tmp_path: Path, flags: tuple[str, ...], verdict: Verdict, code: int
) -> None:
    seen: list[bool] = []

    def refuse(request: Request) -> list[Entry]:
        seen.append(request.dry_run)
        decided = decision(Now(WALL, 1.0), verdict=verdict, reason="so it is", episode=request.id)
        other = decision(Now(WALL, 1.0), 9, verdict=verdict, reason="of an alert")
        return [told.refused(other, other.at), told.refused(decided, decided.at)]

    with answering(tmp_path, refuse):
        result = brimline("restart", "shop-web-1", *flags, storage=tmp_path)
    assert result.output == f"restart of shop-web-1 not taken ({verdict}): so it is\n"
    assert result.exit_code == code
    assert seen == [bool(flags)]


def test_a_request_that_becomes_no_decision_is_answered_too(tmp_path: Path) -> None:
    with answering(tmp_path, lambda r: [told.unanswered(r, Now(WALL, 1.0), 'no container "nobody"')]):
        result = brimline("restart", "nobody", storage=tmp_path)
    assert (result.exit_code, result.output) == (1, 'restart of nobody not taken: no container "nobody"\n')


def test_without_a_daemon_nothing_is_asked(tmp_path: Path) -> None:
    result = brimline("restart", "web", storage=tmp_path)
    assert result.exit_code == 3
    assert result.stderr == f"no Brimline runs with {tmp_path}; write where its journal is with --storage.path\n"
    assert list(tmp_path.iterdir()) == []


def test_a_daemon_that_does_not_answer_ends_with_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart_verb, "_ANSWER_SECONDS", 0.0)
    with daemon(tmp_path):
        result = brimline("restart", "web", storage=tmp_path)
    assert result.exit_code == 3
    assert "did not answer within 0 s" in result.stderr


def test_a_daemon_that_ends_meanwhile_is_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart_verb, "_PORTION_SECONDS", 0.0)
    runs = iter((True, False))
    monkeypatch.setattr(restart_verb, "daemon_runs", lambda _: next(runs))
    looks = iter(range(100))

    class Slow(restart_verb.Conversation):
        def over(self) -> bool:
            if next(looks) == 3:
                write(tmp_path, ended(ok=True))
            return super().over()

    monkeypatch.setattr(restart_verb, "Conversation", Slow)
    with answering(tmp_path, lambda request: [asked(request)]):
        result = brimline("restart", "shop-web-1", storage=tmp_path)
    assert result.stderr == "Brimline ended meanwhile; what it began is concluded when it starts again\n"
    assert result.exit_code == 0


def test_whoever_waits_no_longer_is_told_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(restart_verb.asking, "poll", interrupt)
    with daemon(tmp_path):
        result = brimline("restart", "web", storage=tmp_path)
    assert result.exit_code == 130
    assert '"brimline journal --follow" tells' in result.stderr


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(asking.getpass, "getuser", nobody)
    monkeypatch.setattr(asking.os, "getuid", lambda: 4242)
    assert asking.caller({}) == "cli uid 4242"
    assert asking.caller({"SUDO_USER": "a\nb"}) == "cli a\\x0ab"


def test_a_moment_that_is_none_is_shown_as_it_stands() -> None:
    assert asking.clock_time(1e300) == "1e+300"
