"""The file of every version that was ever released opens, holds what it held, and is whole.

A fixture is an SQL script that makes such a file. After a change of the schema the one of the version before stays as
it is, and --regenerate-goldens writes that of the new one.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from brimline.deeds import EntryKind, Fate, Message, Pause, Request
from brimline.errors import JournalError
from brimline.journal import told
from brimline.journal.file import NAME
from brimline.journal.minutes import Measure
from brimline.journal.schema import APPLICATION, STEPS, VERSION, migrate
from brimline.model import Column, Kind, Metric, MetricKind, Phase, Snapshot, SourceReport, StoredAlert
from conftest import Golden
from fakes import MIB, FakeClock
from unit.journals import WEB, decision, note, opened, outcome, rows, run, verified

FIXTURES = Path(__file__).parents[1] / "fixtures" / "journal"
USED = Metric("used", "", MetricKind.GAUGE, ())


def live(directory: Path, clock: FakeClock) -> None:
    """Write something of everything."""
    with opened(directory, clock, measures={USED: Measure.USED}) as journal:
        first, second = decision(clock.now(), 1), decision(clock.now(), 2)
        for decided in (first, second):
            run(journal.intend(decided))
        run(journal.conclude(first, outcome(1), Fate.DONE))
        deed = journal.ledger(clock.now()).deeds[0]
        journal.note(told.refused(decision(clock.now(), 3), clock.now()))
        journal.note(told.relapsed(deed, WEB, clock.now()))
        journal.note(told.observed(deed, WEB, clock.now(), "restarted by somebody else"))
        journal.note(told.paused(Pause("web", clock.wall, None, "cli anna", clock.mono), clock.now()))
        journal.note(told.resumed("other", "cli anna", clock.now()))
        journal.note(told.requested(Request("r1", clock.wall, "restart", "web", "cli anna"), clock.now()))
        journal.note(note(clock, "firing", EntryKind.ALERT, subject=WEB))
        journal.note(note(clock, "started"))
        key = first.key
        assert key is not None
        journal.alerts.save([StoredAlert(key, "c1", "f", Phase.FIRING, 1.0, 0.9, 0.0, lingering=False, at=2.0)], [])
        journal.tallies.save({("restarts", WEB.labels): 3.0})
        journal.texts.save({"told": "so"})
        run(journal.outbox.add([Message("m1", "hook", "alert", b"{}", clock.wall)]))
        for _ in range(200):  # more than two hours: some of them are packed
            column = Column(USED, (WEB,), (7.0 * MIB,))
            journal.minutes.observe(Snapshot(clock.pass_(60), (SourceReport("cgroup", (column,)),)))


def script(directory: Path) -> str:
    with closing(sqlite3.connect(directory / NAME)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        lines = [*connection.iterdump(), f"PRAGMA application_id = {APPLICATION};", f"PRAGMA user_version = {version};"]
    return "\n".join(lines) + "\n"


def test_there_is_a_file_of_every_version(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    newest = FIXTURES / f"version-{VERSION}.sql"
    if request.config.getoption("--regenerate-goldens") and not newest.exists():
        live(tmp_path, FakeClock())
        newest.parent.mkdir(exist_ok=True)
        newest.write_text(script(tmp_path), encoding="utf-8")
    assert {file.name for file in FIXTURES.glob("*.sql")} == {f"version-{n}.sql" for n in range(1, VERSION + 1)}


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_file_of_a_released_version_holds_what_it_held(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        connection.executescript((FIXTURES / f"version-{version}.sql").read_text(encoding="utf-8"))
    clock = FakeClock()
    clock.pass_(200 * 60)
    with opened(tmp_path, clock) as journal:
        assert journal.up, journal.why
        assert [d.id for d in journal.open_intents()] == ["d0002"]
        assert {deed.fate for deed in journal.ledger(clock.now()).deeds} == {Fate.OBSERVED, Fate.INTENDED}
        assert [pause.glob for pause in journal.pauses()] == ["web"]
        assert journal.requests() == ()
        assert [alert.phase for alert in journal.alerts.load()] == [Phase.FIRING]
        assert journal.tallies.load() == {("restarts", WEB.labels): 3.0}
        assert journal.texts.load() == {"told": "so"}
        assert [m.body for m in journal.outbox.due(clock.now())] == [b"{}"]
        (*_, last) = journal.minutes.recent(WEB)
        assert last.used is not None
        assert last.used.average == 7 * MIB
    assert verified(tmp_path).broken is None
    assert rows(tmp_path, "PRAGMA user_version") == [(VERSION,)]


def test_what_is_written_today_is_what_the_fixture_holds(tmp_path: Path, golden: Golden) -> None:
    """A change of the tables without a step from the released ones shows here."""
    live(tmp_path, FakeClock())
    tables = "\n".join(
        sql for (sql,) in rows(tmp_path, "SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name")
    )
    golden(tables + "\n", FIXTURES / "tables.txt")
    script_ = (FIXTURES / f"version-{VERSION}.sql").read_text(encoding="utf-8")
    missing = [line for line in tables.splitlines() if line.strip() not in script_ and "sqlite_" not in line]
    assert missing == []


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path, FakeClock()):
        pass
    steps = (*STEPS, ("CREATE TABLE half (a)", "CREATE TABLE lines (b)"))
    monkeypatch.setattr("brimline.journal.schema.STEPS", steps)
    monkeypatch.setattr("brimline.journal.schema.VERSION", len(steps))
    with opened(tmp_path, FakeClock()) as journal:
        assert not journal.up
        assert "lines" in journal.why
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)


def test_a_step_is_taken_from_where_the_file_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        assert migrate(connection) == 0
        steps = (*STEPS, ("ALTER TABLE alerts ADD COLUMN more TEXT",))
        monkeypatch.setattr("brimline.journal.schema.STEPS", steps)
        monkeypatch.setattr("brimline.journal.schema.VERSION", len(steps))
        assert migrate(connection) == VERSION
        assert migrate(connection) == len(steps)
        assert "more" in {row[1] for row in connection.execute("PRAGMA table_info(alerts)")}
        monkeypatch.undo()
        with pytest.raises(JournalError, match="a newer Brimline wrote it"):
            migrate(connection)
        assert not connection.in_transaction


def test_every_kind_of_line_is_in_the_newest_fixture(tmp_path: Path) -> None:
    live(tmp_path, FakeClock())
    kinds = {kind for (kind,) in rows(tmp_path, "SELECT DISTINCT kind FROM lines")}
    assert kinds == {str(kind) for kind in EntryKind} - {EntryKind.ANCHOR}
    assert Kind.CONTAINER in {kind for (kind,) in rows(tmp_path, "SELECT subject_kind FROM lines")}
