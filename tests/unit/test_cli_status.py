"""`brimline status`: what a journal and the lock beside it tell of a Brimline that runs, and of one that does not."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brimline.cli import commands
from brimline.deeds import Pause, Verdict
from brimline.journal import told
from brimline.journal.file import Lock
from brimline.model import AlertKey, Kind, Phase, StoredAlert
from fakes import FakeClock
from unit.journals import WEB, change, decision, note, opened
from unit.pasts import HOUR, MINUTE, done, live, observed, refused, saw, write

END = 1_700_002_800.0 + 90 * MINUTE


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: END + 30)


def status(storage: Path, *arguments: str) -> Result:
    return CliRunner().invoke(commands(), ["status", *arguments, f"--storage.path={storage}"], prog_name="brimline")


def lived(directory: Path) -> None:
    live(directory, {WEB: saw}, 90)
    key = AlertKey("memory/InferenceMemoryHigh{severity=warning}", Kind.CONTAINER, WEB.name, WEB.labels)
    stored = StoredAlert(key, "c1", "f", Phase.FIRING, END - HOUR, 0.9, 0.0, lingering=False, at=END)
    with opened(directory, FakeClock()) as journal:
        journal.alerts.save([stored], [])
    clock = FakeClock()
    clock.wall = END - HOUR
    write(
        directory,
        [
            note(clock, told.STARTED),
            refused(WEB, END - 300, Verdict.COOLDOWN),
            done(WEB, END - 200),
            done(WEB, END - 100, ok=False, freed=0),
            observed(WEB, END - 50),
            told.paused(Pause("db-*", END, None, "cli anna"), clock.now()),
        ],
    )


def test_one_that_runs(tmp_path: Path) -> None:
    lived(tmp_path)
    lock = Lock(tmp_path)
    lock.take()
    try:
        result = status(tmp_path, "--actions.restart.allow=shop/*")
    finally:
        lock.release()
    size = result.stdout.splitlines()[1].partition(" lines, ")[2].partition(" of ")[0]
    assert result.stdout.splitlines() == [
        f"Brimline runs (pid {os.getpid()}) with {tmp_path}, for 1h",
        f"journal   6 lines, {size} of 256 MiB, last written 30s ago",
        "measures  1 container, and the host",
        "acts      by the containers' labels and actions.restart.allow: shop/*",
        "paused    db-*, until resumed, by cli anna",
        "firing    InferenceMemoryHigh (severity=warning) on container/shop-web-1, for 1h",
        "last done 1m 20s ago  shop-web-1 was started anew",
        "          2m 10s ago  FAILED restart of shop-web-1 failed: it does not come up",
        "          3m 50s ago  restart of shop-web-1 done: running again after 2s; freed 400 MiB",
    ]
    assert result.exit_code == 0


def test_one_that_does_not_run(tmp_path: Path) -> None:
    lived(tmp_path)
    result = status(tmp_path, "--dry-run")
    lines = result.stdout.splitlines()
    assert lines[0] == f"Brimline does not run with {tmp_path}; its journal ends 30s ago"
    assert "acts      dry run: everything is decided, nothing done" in lines
    assert result.exit_code == 3


def test_an_action_that_was_begun_is_under_way_while_it_runs(tmp_path: Path) -> None:
    clock = FakeClock()
    clock.wall = END - 10
    write(tmp_path, [told.intent(decision(clock.now(), 7), clock.now())])
    lock = Lock(tmp_path)
    lock.take()
    try:
        assert "under way 40s ago  restart of shop-web-1: 91 % of 2 GiB used" in status(tmp_path).stdout
    finally:
        lock.release()
    assert "under way" not in status(tmp_path).stdout


def test_one_that_has_written_nothing_for_long_may_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lived(tmp_path)
    monkeypatch.setattr("time.time", lambda: END + 600)
    lock = Lock(tmp_path)
    lock.take()
    try:
        assert "that is long ago: it may hang" in status(tmp_path).stdout
    finally:
        lock.release()
    assert "that is long ago" not in status(tmp_path).stdout


def test_a_journal_of_one_line_has_one_line(tmp_path: Path) -> None:
    write(tmp_path, [note(FakeClock(), told.STARTED)])
    assert "\njournal   1 line, " in status(tmp_path).stdout


def test_a_journal_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    missing = status(tmp_path / "none")
    assert missing.stdout.splitlines() == [
        f"Brimline does not run with {tmp_path}/none",
        f"journal   {tmp_path}/none/journal.sqlite: there is no journal; write where it is with --storage.path",
    ]
    lived(tmp_path)
    change(tmp_path, "UPDATE lines SET facts = '{' WHERE kind = 'outcome'")
    damaged = status(tmp_path)
    assert "a line or a sample is damaged; see brimline journal verify" in damaged.stdout
    assert (missing.exit_code, damaged.exit_code) == (3, 3)


def test_a_sample_that_is_damaged_is_a_sentence_too(tmp_path: Path) -> None:
    lived(tmp_path)
    change(tmp_path, "UPDATE minutes SET data = x'0011'")
    found = status(tmp_path)
    assert "a line or a sample is damaged; see brimline journal verify" in found.stdout
    assert found.exit_code == 3


MOMENTS = (0.0, -1.0, -1e13, 9.2e9, 1e15, 1e300, -1e300, END + 3e9, math.inf, -math.inf, "abc")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    "where",
    ["lines SET wall = ?", "lines SET mono = ?", "alerts SET since = ?", "lines SET wall = ? WHERE kind = 'note'"],
)
def test_a_moment_by_a_clock_gone_wild_breaks_no_verb(tmp_path: Path, where: str, moment: float | str) -> None:
    lived(tmp_path)
    change(tmp_path, f"UPDATE {where}", (moment,))
    for verb in (["status"], ["report", "--since=7d"], ["journal", "--since=9000d"], ["plot", WEB.name, "-o-"]):
        result = CliRunner().invoke(commands(), [*verb, f"--storage.path={tmp_path}"], prog_name="brimline")
        assert isinstance(result.exception, SystemExit | None), result.exception
    data = json.loads(status(tmp_path, "--json").stdout, parse_constant=pytest.fail)  # no Infinity, which is no JSON
    assert data["journal"]["readable"] or "damaged" in data["journal"]["error"]


@pytest.mark.parametrize("moment", [math.inf, "abc"])
def test_a_pause_beside_a_line_of_no_moment_is_a_sentence(tmp_path: Path, moment: float | str) -> None:
    lived(tmp_path)
    change(tmp_path, "UPDATE lines SET mono = ?", (moment,))
    result = CliRunner().invoke(commands(), ["pause", f"--storage.path={tmp_path}"], prog_name="brimline")
    assert "a line or a sample is damaged; see brimline journal verify" in result.stderr
    assert result.exit_code == 1


def test_json_holds_the_same(tmp_path: Path) -> None:
    lived(tmp_path)
    data = json.loads(status(tmp_path, "--json").stdout)
    assert (data["running"], data["pid"], data["dry_run"]) == (False, None, False)
    assert data["journal"]["lines"] == 6
    assert data["journal"]["readable"] is True
    assert data["measured"] == {"container": 1}
    assert [deed["freed_bytes"] for deed in data["last_done"]] == [None, 0, 400 << 20]
    assert data["firing"][0] == {
        "alertname": "InferenceMemoryHigh",
        "labels": "severity=warning",
        "kind": "container",
        "name": "shop-web-1",
        "since": END - HOUR,
    }
    assert data["pauses"] == [{"name": "db-*", "at": END - HOUR, "until": None, "by": "cli anna"}]
