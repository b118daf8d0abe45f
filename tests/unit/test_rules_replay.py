from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from brimline.cli.rules.replay import replay_ as verb
from brimline.cli.rules.replay_journal import memory_of
from brimline.daemon import _REMEMBERED
from brimline.model import Column, Kind, Snapshot, SourceReport, Subject
from brimline.sources import cgroup, process
from fakes import FakeClock, container
from unit.fake_prometheus import prometheus
from unit.journals import opened

RULES = """
groups:
  - name: g
    rules:
      - {alert: High, on: container, when: memory_used_ratio > 80%, for: 1m, do: [notify]}
      - {alert: Critical, on: container, when: memory_used_ratio > 85%, for: 30s, do: [notify, restart]}
"""
START = 1_714_557_600


def replay(directory: Path, *arguments: str, rules: str = RULES) -> Result:
    (directory / "rules.yml").write_text(rules)
    done = CliRunner(env={"COLUMNS": "100"}).invoke(verb, [str(directory / "rules.yml"), *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def history(directory: Path, services: dict[str, list[float | None]], step: int = 15) -> str:
    lines = ["time,name,ratio"]
    for name, ratios in services.items():
        lines += [f"{START + i * step},{name},{ratio}" for i, ratio in enumerate(ratios) if ratio is not None]
    (directory / "h.csv").write_text("\n".join(lines) + "\n")
    return str(directory / "h.csv")


def told(directory: Path, services: dict[str, list[float | None]]) -> dict[str, Any]:
    done = replay(directory, "--csv", history(directory, services), "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def subject(story: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in story["subjects"] if one["name"] == name)


HOUR = 240  # samples


def test_a_service_that_idles_above_the_level_is_restarted_for_nothing(tmp_path: Path) -> None:
    story = told(tmp_path, {"idle": [0.87] * HOUR, "well": [0.5] * HOUR})
    idle, well = subject(story, "idle"), subject(story, "well")
    assert (idle["restarts"], idle["restarts_for_nothing"]) == ([START + 30.0], 1)
    assert (idle["seconds_above_alert_at"], idle["seconds_above_restart_at"]) == (3585.0, 3585.0)
    assert (well["restarts"], well["seconds_above_alert_at"], well["highest_ratio"]) == ([], 0.0, 0.5)
    assert [(rule["rule"], rule["fired"]) for rule in story["rules"]] == [("g/High", 1), ("g/Critical", 1)]
    assert story["rules"][0]["episodes"][0] == {
        "kind": "container",
        "name": "idle",
        "began": START + 60.0,
        "ended": None,
    }


@pytest.mark.parametrize(
    "after",
    [
        [0.9, 0.99] + [0.9] * HOUR,  # it reached the brim
        [0.9, 0.1] + [0.1] * HOUR,  # it died
        [0.9] * 4,  # it ended, and others went on
        [0.86 + 0.0002 * i for i in range(700)],  # it took long, but the alert never ended
    ],
)
def test_what_went_wrong_was_worth_a_restart(tmp_path: Path, after: list[float | None]) -> None:
    story = told(tmp_path, {"leaky": [0.5] * 10 + [0.9] * 10 + after, "well": [0.5] * 1000})
    assert (len(subject(story, "leaky")["restarts"]), subject(story, "leaky")["restarts_for_nothing"]) == (1, 0)


def test_time_nobody_recorded_counts_for_nothing(tmp_path: Path) -> None:
    story = told(tmp_path, {"a": [0.5, 0.9] + [None] * HOUR + [0.9, 0.9, 0.5]})
    assert [(rule["rule"], rule["fired"]) for rule in story["rules"]] == [("g/High", 0), ("g/Critical", 0)]
    assert subject(story, "a")["seconds_above_alert_at"] == 300.0 + 15 + 15


def test_the_table(tmp_path: Path) -> None:
    done = replay(tmp_path, "--csv", history(tmp_path, {"idle": [0.87] * HOUR, "well": [0.5] * HOUR}))
    assert done.output == (
        "59m 45s of history, 240 moments, 2 subjects: 2 alerts, 1 restart, 1 of them for nothing\n"
        "\n"
        "FIRED  SUBJECTS  LONGEST  ALERT\n"
        "    1         1  58m 45s  High\n"
        "    1         1  59m 15s  Critical\n"
        "\n"
        "HIGHEST  ABOVE 80.0 %  ABOVE 85.0 %  RESTARTS  FOR NOTHING  NAME\n"
        " 87.0 %       59m 45s       59m 45s         1            1  container/idle\n"
        " 50.0 %            0s            0s         0            0  container/well\n"
    )


def test_bytes_with_a_limit(tmp_path: Path) -> None:
    file = tmp_path / "h.csv"
    rows = [f"2024-05-01T10:{m:02}:00Z,a,{900 if m > 2 else 100}MiB,1GiB" for m in range(10)]
    file.write_text("\n".join(["time,name,bytes,limit", *rows]))
    by_column = json.loads(replay(tmp_path, "--csv", str(file), "--json").output)
    file.write_text("\n".join(["time,name,bytes", *(row.removesuffix(",1GiB") for row in rows)]))
    by_option = json.loads(replay(tmp_path, "--csv", str(file), "--limit", "1GiB", "--json").output)
    assert by_column == by_option
    assert by_column["subjects"][0]["highest_ratio"] == 900 / 1024
    assert by_column["began"] == START


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the first line names the columns"),
        ("time,name\n", "the first line names the columns"),
        ("time,name,ratoi\n", ':1:1: unknown column "ratoi"; did you mean "ratio"?'),
        ("time,name,bytes\n1,a,5\n", 'add a column "limit", or write --limit 4GiB'),
        ("time,name,ratio\n1,a,0.5\nsoon,a,0.5\n", ':3:1: "soon" is no time'),
        ("time,name,ratio\n1,a\n", ":2:1: 2 columns; the first line has 3"),
        ("time,name,ratio\n1,a,much\n", ':2:1: "much" is no ratio'),
        ("time,name,ratio\n1,a,nan\n", ':2:1: "nan" is no ratio'),
        ("time,name,ratio\n1,,0.5\n", ":2:1: a name is missing"),
        ("time,name,bytes,limit\n1,a,5M,1GiB\n", ':2:1: "5M": unknown unit "M"'),
        ("time,name,bytes,limit\n1,a,5,0\n", ":2:1: a limit of 0"),
        ("time,name,ratio\ninf,a,1\n", '"inf" is no time'),
    ],
)
def test_mistakes_in_a_csv(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "h.csv").write_text(text)
    done = replay(tmp_path, "--csv", str(tmp_path / "h.csv"))
    assert done.exit_code == 1
    assert said in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "one of --csv FILE, --prometheus URL and --journal"),
        (["--csv", "a", "--prometheus", "b"], "one of --csv FILE, --prometheus URL and --journal"),
        (["--csv", "a", "--journal"], "one of --csv FILE, --prometheus URL and --journal"),
        (["--journal", "--storage.path", "/nowhere"], "/nowhere/journal.sqlite: there is no journal"),
        (["--journal", "--step", "30s"], "--step means nothing with --journal"),
        (["--journal", "--limit", "1GiB"], "--limit means nothing with --journal"),
        (["--csv", "a", "--range", "14d"], "--range means nothing with --csv"),
        (["--prometheus", "a", "--limit", "1GiB"], "--limit means nothing with --prometheus"),
        (["--prometheus", "ftp://a"], '"ftp://a" is no address'),
        (["--prometheus", "http://a", "--step", "0"], "--step"),
        (["--prometheus", "http://a", "--range", "14"], 'write "14s"'),
        (["--csv", "/nowhere.csv"], "/nowhere.csv: cannot be read"),
    ],
)
def test_wrong_flags(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = replay(tmp_path, *arguments)
    assert done.exit_code in {1, 2}
    assert said in done.output


MIB = 1 << 20
LEAKY = container("leaky", "c1@5", ("shop", "leaky"))
FREE = container("free", "c2@5")
BOT = Subject(Kind.PROCESS, "bot", ("bot",), "1@1")


def remembered(directory: Path, minutes: int, used: Callable[[int], int]) -> FakeClock:
    """Write a journal of some minutes: one leaks, one has no limit, one is a group without PSS."""
    clock = FakeClock()
    clock.wall = float(START)
    with opened(directory, clock, measures=_REMEMBERED) as journal:
        for minute in range(minutes):
            for tick in range(4):
                held = used(minute) - tick * MIB  # the first of each minute is its greatest
                columns = (
                    Column(cgroup.MEMORY_USED_BYTES[Kind.CONTAINER], (LEAKY, FREE), [held, 900 * MIB]),
                    Column(cgroup.MEMORY_LIMIT_BYTES[Kind.CONTAINER], (LEAKY, FREE), [100 * MIB, 1000 * MIB]),
                    Column(process.MEMORY_RSS, (BOT,), [50 * MIB]),
                    Column(process.MEMORY_LIMIT, (BOT,), [100 * MIB]),
                )
                journal.minutes.observe(Snapshot(clock.now(), (SourceReport("cgroup", columns),)))
                clock.pass_(15)
    return clock


def test_the_journals_own_minutes_are_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = remembered(tmp_path, 180, lambda minute: (50 + minute // 4) * MIB)
    monkeypatch.setattr("brimline.cli.rules.replay.time.time", lambda: clock.wall)
    monkeypatch.setattr("brimline.cli.rules.replay.memory_of", lambda _: 1000.0 * MIB)
    rules = RULES.replace("memory_used_ratio > 85%", "[memory_used_ratio > 85%, limited == 1]")
    flags = ("--journal", "--json", f"--storage.path={tmp_path}")
    story = json.loads(replay(tmp_path, *flags, rules=rules).output)
    leaky, free, bot = (subject(story, name) for name in ("leaky", "free", "bot"))
    assert (leaky["samples"], leaky["highest_ratio"]) == (180, 0.94)
    assert leaky["restarts"] == [START + (36 * 4 + 1) * 60 + 60.0], "at 86 % for half a minute, as minutes tell"
    assert (free["highest_ratio"], free["restarts"]) == (0.9, []), "it has no limit"
    assert (bot["highest_ratio"], bot["samples"]) == (0.5, 180)
    hour = json.loads(replay(tmp_path, *flags, "--range", "1h", rules=rules).output)
    assert hour["moments"] == 60
    assert hour["began"] == START + 121 * 60


def test_a_limit_is_one_where_the_hosts_memory_is_not_known(tmp_path: Path) -> None:
    assert memory_of(str(tmp_path)) is None
    (tmp_path / "meminfo").write_text("MemTotal:       1024 kB\n")
    assert memory_of(str(tmp_path)) == MIB


def test_no_history(tmp_path: Path) -> None:
    assert replay(tmp_path, "--csv", history(tmp_path, {})).output.startswith("no history")


def test_prometheus_is_asked_in_pieces_for_what_the_rules_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = START + 5 * 86_400
    monkeypatch.setattr("brimline.cli.rules.replay.time.time", lambda: float(end))
    metric = {"container": "a", "compose_project": "shop", "job": "brimline", "instance": "x:1"}
    ratios = [[START + i * 30, "0.9" if i > 100 else "NaN"] for i in range(5 * 2880)]
    kills = [[START + i * 30, "1" if i > 200 else "0"] for i in range(5 * 2880)]
    answers = {
        "brimline_container_memory_used_ratio": [{"metric": metric, "values": ratios}],
        "brimline_container_memory_oom_kills_total": [{"metric": metric, "values": kills}],
    }
    with prometheus(answers) as (url, asked):
        done = replay(tmp_path, "--prometheus", url, "--range", "5d", "--json")
    story = json.loads(done.output)
    assert (story["subjects"][0]["restarts"], story["subjects"][0]["restarts_for_nothing"]) == (
        [START + 101 * 30 + 30],
        0,
    )
    assert story["subjects"][0]["samples"] == len(ratios) - 101
    ranges = [(float(q["start"]), float(q["end"])) for q in asked if q["query"].endswith("used_ratio")]
    assert [round((b - a) / 30) + 1 for a, b in ranges] == [5000, 5000, 4401]
    assert [b[0] - a[1] for a, b in pairwise(ranges)] == [30, 30]


def test_a_container_that_prometheus_shows_no_more_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus has applied its look-back already; the last sample of a CSV holds for 5 minutes."""
    monkeypatch.setattr("brimline.cli.rules.replay.time.time", lambda: float(START + 3600))
    times = range(START, START + 3600, 30)
    answers = {
        "brimline_container_memory_used_ratio": [
            {"metric": {"container": "brief"}, "values": [[at, "0.9"] for at in times[20:22]]},
            {"metric": {"container": "well"}, "values": [[at, "0.5"] for at in times]},
        ]
    }
    rules = RULES.replace("for: 30s", "for: 1m")
    with prometheus(answers) as (url, _):
        asked = json.loads(replay(tmp_path, "--prometheus", url, "--range", "1h", "--json", rules=rules).output)
    brief: list[float | None] = [None] * 20 + [0.9] * 2 + [None] * 98
    file = history(tmp_path, {"brief": brief, "well": [0.5] * 120}, step=30)
    read = json.loads(replay(tmp_path, "--csv", file, "--json", rules=rules).output)
    assert [[rule["fired"] for rule in story["rules"]] for story in (asked, read)] == [[0, 0], [1, 1]]


def test_an_error_of_prometheus_is_told(tmp_path: Path) -> None:
    with prometheus({}, status=422) as (url, _):
        done = replay(tmp_path, "--prometheus", url.replace("http://", "http://me:secret@"))
    assert done.exit_code == 1
    assert "422 too much" in done.output
    assert "secret" not in done.output
