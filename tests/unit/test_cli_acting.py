"""The section "actions" of `brimline explain`, and the line below `check`: leave, what is left, what was done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brimline.cli import commands
from brimline.cli.check.closed import footer
from brimline.cli.explain.acting import Facts, acting
from brimline.cli.explain.remembered import Remembered, remember
from brimline.deeds import Fate, Ledger, Pause, Verdict
from brimline.journal import told
from brimline.journal.file import NAME
from brimline.leave import Leave
from brimline.model import Kind, Subject
from brimline.policy.guarded import Guarded
from brimline.policy.pauses import window
from brimline.policy.terms import Terms
from brimline.procfs import Procfs
from brimline.standing import Row, State
from fakes import FakeClock
from golden.hosts import Host
from unit.fake_docker import FakeDocker
from unit.journals import change, decision, opened, outcome, run
from unit.policy_scenes import MONO, NOW, container, deed

WHISPER = container("whisper", "shop/api")
BOT = Subject(Kind.PROCESS, "bot", ("bot",), "1@1")


def facts(**more: object) -> Facts:
    usual = Facts(
        subject=WHISPER.subject,
        at=NOW,
        leave=Leave(Terms(), Guarded()),
        containers={WHISPER.subject: WHISPER},
        replicas={"shop/api": {"whisper"}},
        cleanup="POST http://10.0.0.2:8000/cleanup",
        clock_time=lambda wall: f"<{wall:.0f}>",
        quiet_at=(0, 0),
    )
    return replace(usual, **more)  # type: ignore[arg-type] # by keyword


def lines(past: Remembered | None = None, **more: object) -> list[str]:
    return acting(facts(**more), past or Remembered(), 200)


def test_leave_a_cleanup_and_what_is_left() -> None:
    assert lines() == [
        "actions:",
        "  restart      allowed: its label says brimline.restart=true",
        "  budget       3 restarts left in this hour",
        "  cleanup      POST http://10.0.0.2:8000/cleanup",
    ]


def test_without_leave_the_label_to_paste_and_of_a_dry_run_that_nothing_is_done() -> None:
    closed = container("whisper", "shop/api", labels={})
    found = lines(containers={closed.subject: closed}, leave=Leave(Terms(dry_run=True), Guarded()))
    assert found[1] == "  restart      not opted in: brimline.restart=true"
    assert found[2].startswith("  dry run      everything is decided")


def test_what_holds_it_back_now() -> None:
    spent = Ledger((deed(WHISPER, 600), deed(WHISPER, 9)))
    pauses = (Pause("shop/*", 0.0, 1_700_000_060.0, "cli anna", since=MONO, seconds=60.0),)
    found = lines(Remembered(spent, pauses))
    assert "  paused       shop/*, until <1700000060>, by cli anna" in found
    assert "  budget       1 restart left in this hour" in found
    (waits,) = [line for line in found if line.startswith("  waits")]
    assert "cooldown" in waits
    helpless = Ledger((deed(WHISPER, 1900, relapsed=True), deed(WHISPER, 1500, relapsed=True)))
    assert any(line.startswith("  waits        ineffective") for line in lines(Remembered(helpless)))


def test_an_open_maintenance_window_is_told() -> None:
    terms = Terms(quiet=(window("mon 00:00-04:30"),))
    found = lines(leave=Leave(terms, Guarded()), quiet_at=(0, 150))
    assert "  quiet        a maintenance window is open for another 2h" in found
    assert not any("quiet" in line for line in lines(leave=Leave(terms, Guarded()), quiet_at=(1, 150)))


def test_what_is_under_way_is_told() -> None:
    ledger = Ledger((deed(WHISPER, 0, ended=None, fate=Fate.INTENDED, began=MONO - 12),))
    assert "  under way    restart, begun 12s ago" in lines(Remembered(ledger))


def test_a_group_of_processes_may_be_recycled_by_its_name() -> None:
    assert lines(subject=BOT) == [
        "actions:",
        '  recycle      not opted in: "bot" in actions.restart.allow',
        "  cleanup      POST http://10.0.0.2:8000/cleanup",
    ]


def test_of_what_no_rule_can_act_upon_nothing_is_said() -> None:
    assert lines(subject=Subject(Kind.HOST, "host", (), "boot")) == []
    assert lines(subject=Subject(Kind.CGROUP, "ssh.service", ("ssh.service",), "1")) == []


def test_without_a_journal_one_line_says_so(tmp_path: Path) -> None:
    past = remember(tmp_path, WHISPER.subject, NOW)
    found = lines(past)
    assert [line for line in found if "journal" in line] == [
        f"  journal      {tmp_path / NAME}: there is no journal; write where it is with --storage.path"
    ]
    assert not any("budget" in line for line in found), "what is not known is not said"


def test_the_last_decisions_and_actions_are_told_the_newest_first(tmp_path: Path) -> None:
    clock = FakeClock()
    with opened(tmp_path, clock, boot=Procfs().boot_id()) as journal:
        for number in range(1, 6):
            begun = decision(clock.pass_(60), number, WHISPER.subject)
            run(journal.intend(begun))
            run(journal.conclude(begun, outcome(number), Fate.DONE))
        refusal = decision(clock.pass_(60), 6, WHISPER.subject, verdict=Verdict.COOLDOWN, reason="too soon")
        journal.note(told.refused(refusal, clock.now()))
        journal.note(told.refused(replace(refusal, subject=BOT), clock.now()))
        at = clock.pass_(5)
    past = remember(tmp_path, WHISPER.subject, at)
    found = [line.partition("  ")[2].strip() for line in lines(past, at=at)]
    decided = [line for line in found if line.startswith("decided")]
    done = [line for line in found if line.startswith("done")]
    assert decided == [
        "decided      5s ago: restart: cooldown: too soon",
        "decided      1m 5s ago: restart: run: 91 % of 2 GiB used",
        "decided      2m 5s ago: restart: run: 91 % of 2 GiB used",
    ]
    assert done[0] == "done         1m 5s ago: restart of whisper done: running again after 2s; freed 2.00 GiB"
    assert len(done) == 3
    assert "budget       0 restarts left in this hour" in found


def test_a_line_that_is_damaged_is_said_to_be(tmp_path: Path) -> None:
    clock = FakeClock()
    with opened(tmp_path, clock) as journal:
        run(journal.intend(decision(clock.now(), 1, WHISPER.subject)))
    change(tmp_path, "UPDATE lines SET facts = '{'")
    past = remember(tmp_path, WHISPER.subject, clock.now())
    assert past.trouble == f"{tmp_path / NAME}: a line or a sample is damaged; see brimline journal verify"


@pytest.mark.parametrize(
    ("states", "closed", "said"),
    [
        (
            {"a": State.CRITICAL},
            "a",
            "1 container above a level may not be restarted (a): label it brimline.restart=true",
        ),
        (
            {"a": State.CRITICAL, "b": State.WARNING, "c": State.WARNING, "d": State.WARNING, "e": State.NORMAL},
            "abcde",
            "4 containers above a level may not be restarted (a, b, c ...): label them brimline.restart=true",
        ),
        ({"a": State.NORMAL}, "a", None),
        ({"a": State.CRITICAL}, "", None),
        ({"a": State.UNKNOWN}, "a", None),
    ],
)
def test_check_names_the_label_where_it_helps(states: dict[str, State], closed: str, said: str | None) -> None:
    rows = [row(name, state) for name, state in states.items()]
    found = footer(rows, {container(name).subject for name in closed}, 200)
    assert found == ([] if said is None else ["", said])


def row(name: str, state: State) -> Row:
    return Row(container(name).subject, state, (0.8, 0.85), 0.9, 9.0, 10.0)


@pytest.fixture
def captured(tmp_path: Path) -> Host:
    return Host.copy_of("v2", tmp_path / "host")


def on(host: Host, tmp_path: Path, *arguments: str) -> Result:
    """Run a verb over a captured host, its engine's answers included."""
    fake = FakeDocker(tmp_path)
    fake.version |= host.engine["version"]
    fake.containers = {record["Id"]: record for record in host.engine["containers"]}
    places = [f"--path.procfs={host.directory / 'proc'}", f"--path.cgroupfs={host.directory / 'cgroup'}"]
    config = tmp_path / "brimline.yml"
    config.write_text('thresholds: {"shop-*": {alert_at: 1%, restart_at: 2%}}\n')
    flags = [*places, f"--sources.docker.host={fake.host}", f"--storage.path={tmp_path}", f"--config.file={config}"]
    try:
        return CliRunner(env={"COLUMNS": "110"}).invoke(commands(), [*arguments, *flags], prog_name="brimline")
    finally:
        fake.stop()


def test_both_verbs_ask_the_engine_for_the_labels(captured: Host, tmp_path: Path) -> None:
    explained = on(captured, tmp_path, "explain", "shop-whisper-1").output.splitlines()
    assert "  restart      not opted in: brimline.restart=true" in explained
    checked = on(captured, tmp_path, "check", "shop-*").output.splitlines()
    assert checked[0].startswith("BRIMLINE CRITICAL - ")
    assert "2 containers above a level may not be restarted" in checked[-2]
    assert checked[-1].endswith("brimline.restart=true")
    record = captured.engine["containers"]
    for one in record:
        one["Config"]["Labels"]["brimline.restart"] = "true"
    captured.write("docker.json", json.dumps({**captured.engine, "containers": record}))
    assert "label" not in on(captured, tmp_path, "check", "shop-*").output
    allowed = on(captured, tmp_path, "explain", "shop-whisper-1").output
    assert "  restart      allowed: its label says brimline.restart=true" in allowed
