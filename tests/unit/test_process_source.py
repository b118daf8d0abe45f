from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brimline.fds import FdBudget
from brimline.model import Now, SourceReport
from brimline.procfs import Procfs
from brimline.sources.process import METRICS, Alone, ProcessOptions, ProcessSource
from brimline.sources.pss import Member, Share
from unit.fake_procfs import BOOT, FakeProcfs

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
SOROKA = {"group": "soroka", "cmdline": r"main\.py"}
Values = dict[str, dict[str, float]]


class Watched:
    """A source over a fake /proc; a tick is what the engine does every 5 s."""

    def __init__(self, root: Path) -> None:
        self.tree = FakeProcfs(root)
        self.source: ProcessSource | None = None
        self.report = SourceReport("none", ())
        self.mono = 1000.0

    def start(
        self,
        *groups: dict[str, object],
        cgroup_limit: Callable[[int], int | None] = lambda _: None,
        alone: Alone | None = None,
        measure: Callable[[Member], Share | None] | None = None,
        fds: int = 100,
    ) -> None:
        options = ProcessOptions.model_validate({"groups": groups})
        procfs = Procfs(str(self.tree.root))
        self.source = ProcessSource(
            options, procfs, FdBudget(fds), cgroup_limit=cgroup_limit, alone=alone, measure=measure
        )
        self.source.start()

    def read(self, seconds: float) -> None:
        assert self.source is not None
        self.mono += seconds
        self.report = self.source.read(Now(BOOT + self.mono, self.mono))
        assert self.source._membership._census.mark().wait(10)

    def tick(self, seconds: float = 5) -> Values:
        """Read twice: what is new is asked about in the first tick and counts in the second."""
        self.read(seconds / 2)
        self.read(seconds / 2)
        assert self.report.error is None
        values: Values = {}
        for column in self.report.columns:
            for subject, value in zip(column.subjects, column.values, strict=True):
                measure = column.metric.name.removeprefix("brimline_process_")
                values.setdefault(subject.name, {})[measure] = value
        return values

    def tick_until(self, condition: Callable[[Values], bool]) -> Values:
        deadline = time.monotonic() + 30
        while not condition(values := self.tick(0.02)):
            assert time.monotonic() < deadline
            time.sleep(0.01)  # the readers are real threads: they must get on faster than the fake clock does
        return values


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    if watched.source is not None:
        watched.source.close()


@pytest.mark.parametrize("fds", [0, 1, 100])
def test_every_measure_of_a_group(watched: Watched, fds: int) -> None:
    watched.tree.spawn(10, ["python", "main.py"], start=500, pages=30, cpu=200)
    watched.tree.spawn(11, ["worker"], ppid=10, start=600, pages=50, cpu=100)
    watched.tree.spawn(12, ["bash"], pages=999)
    watched.start({**SOROKA, "limit": f"{PAGE * 160}B"}, fds=fds)
    assert watched.tick() == {
        "soroka": {
            "processes": 2,
            "memory_rss_bytes": 80 * PAGE,
            "memory_largest_process_bytes": 50 * PAGE,
            "memory_limit_bytes": 160 * PAGE,
            "memory_used_ratio": 0.5,
            "cpu_seconds_total": 300 / TICKS,
            "oldest_start_time_seconds": BOOT + 500 / TICKS,
            "restarts_total": 0,
        }
    }
    assert watched.report.columns[0].subjects[0].uid == "10@500/0123abcd"
    assert watched.report.info["descriptors"] == ("kept" if fds > 1 else "partly")


def test_a_group_without_a_process_has_no_memory_rather_than_0(watched: Watched) -> None:
    watched.start({**SOROKA, "limit": "1GiB"})
    assert watched.tick() == {"soroka": {"processes": 0, "restarts_total": 0, "memory_limit_bytes": 1 << 30}}


def test_a_group_that_goes_and_comes_back(watched: Watched) -> None:
    watched.tree.spawn(10, ["main.py"], cpu=300)
    watched.start(SOROKA)
    watched.tick()
    watched.tree.kill(10)
    gone = watched.tick()["soroka"]
    assert gone == {"processes": 0, "restarts_total": 0, "cpu_seconds_total": 300 / TICKS}
    assert watched.report.columns[0].subjects[0].uid == ""
    watched.tree.spawn(20, ["main.py"], cpu=10, start=900)
    back = watched.tick()["soroka"]
    assert (back["processes"], back["restarts_total"], back["cpu_seconds_total"]) == (1, 1, 310 / TICKS)
    assert watched.report.columns[0].subjects[0].uid == "20@900/0123abcd"


def test_nothing_is_said_before_everything_has_been_looked_at(watched: Watched) -> None:
    watched.tree.spawn(10, ["main.py"])
    fifo = watched.tree.root / "10" / "cmdline"
    fifo.unlink()
    os.mkfifo(fifo)
    source = ProcessSource(
        ProcessOptions.model_validate({"groups": [SOROKA]}), Procfs(str(watched.tree.root)), FdBudget(9)
    )
    report = source.read(Now(BOOT, 1.0))  # also one that was never started
    assert report.columns == ()
    assert report.error is not None
    assert "first look" in report.error
    fifo.open("wb").close()
    source.close()


def test_a_hung_command_line_is_reported_and_the_others_are_read(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.tree.spawn(10, ["main.py"], pages=5)
    watched.start(SOROKA)
    watched.tick()
    watched.tree.spawn(11, ["x"], ppid=10, pages=7)
    fifo = watched.tree.root / "11" / "cmdline"
    fifo.unlink()
    os.mkfifo(fifo)
    assert watched.source is not None
    deadline = time.monotonic() + 30
    with caplog.at_level(logging.WARNING):
        while watched.report.info["reader"] != "stuck" or watched.report.columns[0].values[0] < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)  # the readers are real threads: they must get on faster than the fake clock does
            watched.mono += 0.02
            watched.report = watched.source.read(Now(BOOT, watched.mono))
    columns = {c.metric.name: c.values[0] for c in watched.report.columns}
    assert columns["brimline_process_memory_rss_bytes"] == 12 * PAGE  # its parent is known without its command line
    assert [r.getMessage().split(":")[0] for r in caplog.records] == ["process 11 does not give its command line"]
    fifo.open("wb").close()


def test_a_shared_cgroup_gives_the_limit(watched: Watched) -> None:
    watched.tree.spawn(10, ["main.py"], pages=4, cgroup="/a")
    watched.tree.spawn(11, ["x"], ppid=10, pages=4, cgroup="/a", start=200)
    watched.start(SOROKA, cgroup_limit={10: PAGE * 16}.get)
    assert watched.tick()["soroka"]["memory_used_ratio"] == 0.5
    watched.tree.spawn(12, ["x"], ppid=10, pages=4, cgroup="/b", start=300)
    watched.tick()
    assert "memory_limit_bytes" not in watched.tick(30)["soroka"]


def test_presets_are_groups_by_themselves_and_keep_their_counters_for_an_hour(watched: Watched) -> None:
    watched.tree.spawn(10, ["gunicorn", "shop:app"], pages=3)
    watched.tree.spawn(11, ["gunicorn", "shop:app"], ppid=10, pages=4, start=101)
    watched.start()
    assert watched.tick()["gunicorn:shop"]["memory_rss_bytes"] == 7 * PAGE
    watched.tree.kill(10)
    watched.tree.kill(11)
    assert watched.tick()["gunicorn:shop"]["processes"] == 0
    assert watched.tick(3500)["gunicorn:shop"]["processes"] == 0
    watched.tree.spawn(20, ["gunicorn", "shop:app"], start=900)
    assert watched.tick()["gunicorn:shop"]["restarts_total"] == 1
    watched.tree.kill(20)
    watched.tick()
    assert watched.tick(8000) == {}


def test_pss_is_the_ratio_once_it_is_known(watched: Watched) -> None:
    shares = {(10, 100): Share(3 * PAGE, 2 * PAGE, PAGE), (11, 200): Share(PAGE, PAGE, 0)}
    watched.tree.spawn(10, ["main.py"], pages=8)
    watched.tree.spawn(11, ["x"], ppid=10, start=200, pages=8)
    watched.start({**SOROKA, "pss": True, "limit": f"{PAGE * 16}B"}, measure=lambda member: shares[member])
    first = watched.tick_until(lambda values: "memory_pss_bytes" in values["soroka"])["soroka"]
    assert first["memory_rss_bytes"] == 16 * PAGE
    assert (first["memory_pss_bytes"], first["memory_uss_bytes"]) == (4 * PAGE, 3 * PAGE)
    assert first["memory_swap_bytes"] == PAGE
    assert first["memory_used_ratio"] == 0.25
    assert watched.report.info["pss"] == "on"


def test_pss_that_may_not_be_read_is_absent_and_the_ratio_uses_rss(watched: Watched) -> None:
    def refuse(_: Member) -> Share:
        raise PermissionError

    watched.tree.spawn(10, ["main.py"], pages=8)
    watched.start({**SOROKA, "pss": True, "limit": f"{PAGE * 16}B"}, measure=refuse)
    values = watched.tick_until(lambda _: watched.report.info["pss"] == "denied")["soroka"]
    assert "memory_pss_bytes" not in values
    assert values["memory_used_ratio"] == 0.5


def test_alone_everything_in_sight_is_one_group(watched: Watched) -> None:
    watched.tree.spawn(2, None)
    watched.tree.spawn(10, ["gunicorn", "app:app"], pages=20)
    watched.start(SOROKA, alone=Alone("self", 60 * PAGE))
    assert watched.tick()["self"]["processes"] == 2
    assert watched.tick()["self"]["memory_used_ratio"] == 0.5
    assert list(watched.tick()) == ["self"]


def test_a_newcomer_that_execs_before_the_next_tick_is_looked_at_again(watched: Watched) -> None:
    watched.start(SOROKA)
    watched.tick()
    watched.tree.spawn(10, ["sh"])
    watched.read(5)
    watched.tree.spawn(10, ["main.py"], stack=8)
    watched.read(5)
    assert watched.tick()["soroka"]["processes"] == 1


def test_a_later_exec_is_noticed_within_a_minute(watched: Watched) -> None:
    watched.tree.spawn(10, ["sh"])
    watched.start(SOROKA)
    watched.tick()
    watched.tick()
    watched.tree.spawn(10, ["main.py"], stack=8)
    assert watched.tick()["soroka"]["processes"] == 0
    assert watched.tick(130)["soroka"]["processes"] == 1


def test_hidden_processes_make_an_empty_group_unknown(watched: Watched) -> None:
    watched.tree.kill(1)  # every /proc has pid 1; where it is not listed it is hidden
    watched.start(SOROKA)
    assert watched.tick() == {}
    [(subject, reason)] = watched.report.failed.items()
    assert subject.name == "soroka"
    assert "hidepid" in reason
    assert watched.report.info["hidden"] == "yes"


def test_a_user_that_does_not_exist_is_said(watched: Watched) -> None:
    watched.start({"group": "g", "user": "nobody-such"})
    watched.tick()
    assert [*watched.report.failed.values()] == [
        'user "nobody-such" does not exist here; write the user\'s number, as `id -u` prints it'
    ]


def test_a_root_that_is_no_proc_is_an_error_with_advice_until_it_is_there(tmp_path: Path) -> None:
    root = tmp_path / "late"
    source = ProcessSource(ProcessOptions.model_validate({"groups": [SOROKA]}), Procfs(str(root)), FdBudget(9))
    source.start()
    for mono in (1.0, 6.0):
        report = source.read(Now(BOOT, mono))
        assert report.columns == ()
        assert report.error is not None
        assert "--path.procfs" in report.error
    FakeProcfs(root).spawn(10, ["main.py"])
    source.read(Now(BOOT, 11.0))
    assert source._membership._census.mark().wait(10)
    report = source.read(Now(BOOT, 16.0))
    assert report.columns[0].values == [1]
    source.close()


def test_a_clock_that_is_set_moves_the_start_and_a_wobble_does_not(watched: Watched) -> None:
    watched.tree.spawn(10, ["main.py"], start=0)
    watched.start(SOROKA)
    assert watched.tick()["soroka"]["oldest_start_time_seconds"] == BOOT
    watched.tree.file("stat", f"btime {BOOT + 1}\n")
    assert watched.tick(60)["soroka"]["oldest_start_time_seconds"] == BOOT
    watched.tree.file("stat", f"btime {BOOT + 3600}\n")
    assert watched.tick(60)["soroka"]["oldest_start_time_seconds"] == BOOT + 3600


def test_subjects_stay_the_same_objects_until_something_changes(watched: Watched) -> None:
    watched.tree.spawn(10, ["main.py"])
    watched.start(SOROKA)
    watched.tick()
    before = {c.metric: c.subjects for c in watched.report.columns}
    watched.tick()
    assert all(before[c.metric] is c.subjects for c in watched.report.columns)
    assert set(before) <= set(METRICS)


def test_descriptors_are_given_back(watched: Watched) -> None:
    fds = FdBudget(100)
    for pid in range(10, 40):
        watched.tree.spawn(pid, ["main.py"])
    options = ProcessOptions.model_validate({"groups": [SOROKA]})
    source = ProcessSource(options, Procfs(str(watched.tree.root)), fds)
    source.start()
    source.read(Now(BOOT, 1.0))
    assert fds.used == 30
    for pid in range(10, 25):
        watched.tree.kill(pid)
    source.read(Now(BOOT, 6.0))
    assert fds.used == 15
    source.close()
    assert fds.used == 0
