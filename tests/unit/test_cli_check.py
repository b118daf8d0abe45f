"""`brimline check`: states, the Nagios line with its exit status, the table's width, JSON, filters."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from brimline.cli.check import verb
from brimline.config import Config
from brimline.errors import UnreachableError
from brimline.model import Diagnosis, Phase
from brimline.view import View
from unit.cli_views import GIB, HOST, MIB, Scene, alert, cgroup, container, down, group

WHISPER = container("shop-whisper-1", "shop", "whisper")


STATUS = (
    "BRIMLINE CRITICAL - 1 critical: container/shop-whisper-1 90.0 % of 2 GiB; 1 warning: container/api 82.0 % of 100 B"
)
PERFDATA = (
    "'container/shop-whisper-1'=90.0%;80;85;0;100 'container/api'=82.0%;80;85;0;100 'host'=50.0%;80;85;0;100 "
    "'cgroup/system.slice/ssh.service'=0.0%;80;85;0;100"
)


class Run(Protocol):
    """Runs the verb over a scene."""

    def __call__(self, scene: Scene, *arguments: str) -> Result: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    file = tmp_path / "brimline.yml"
    file.touch()

    def call(scene: Scene, *arguments: str) -> Result:
        async def observe(_: Config, also: object) -> View:
            assert also is not None
            return scene.view()

        monkeypatch.setattr(verb, "observe", observe)
        return CliRunner(env={"COLUMNS": "80"}).invoke(verb.check, [f"--config.file={file}", *arguments])

    return call


def scene() -> Scene:
    return (
        Scene()
        .memory(WHISPER, 1.8 * GIB, 2 * GIB)
        .memory(container("api"), 82, 100)
        .memory(cgroup("system.slice/ssh.service"), 4 * MIB, 8 * GIB, limited=0)
        .host(4 * GIB, 8 * GIB)
    )


def test_a_reading_in_full(run: Run) -> None:
    result = run(scene())
    assert result.stdout.splitlines() == [
        f"{STATUS} | {PERFDATA}",
        "",
        "STATE      RATIO      USED     LIMIT  KIND       NAME",
        "critical  90.0 %  1.80 GiB     2 GiB  container  shop-whisper-1",
        "warning   82.0 %      82 B     100 B  container  api",
        "normal    50.0 %     4 GiB     8 GiB  host",
        "normal     0.0 %     4 MiB  no limit  cgroup     system.slice/ssh.service",
    ]
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("used", "word", "code"), [(80, "OK", 0), (80.1, "WARNING", 1), (85, "WARNING", 1), (85.1, "CRITICAL", 2)]
)
def test_a_state_begins_above_its_level(run: Run, used: float, word: str, code: int) -> None:
    result = run(Scene().memory(container("a"), used, 100))
    assert result.stdout.startswith(f"BRIMLINE {word} - ")
    assert result.exit_code == code


def test_nothing_to_measure_is_unknown(run: Run) -> None:
    result = run(Scene())
    assert (result.stdout, result.exit_code) == ("BRIMLINE UNKNOWN - nothing to measure\n", 3)


def test_what_could_not_be_read_is_unknown_and_says_why(run: Run) -> None:
    result = run(Scene(failed={container("a"): "permission denied"}).memory(container("b"), 1, 100))
    assert result.stdout.startswith("BRIMLINE UNKNOWN - 1 unknown: container/a (permission denied) | 'container/b'=")
    assert "  container/a: permission denied" in result.stdout.splitlines()
    assert result.exit_code == 3


def test_a_failed_source_is_unknown_but_a_known_danger_is_worse(run: Run) -> None:
    failed = [down("docker", "no answer in 10s")]
    calm = run(Scene(down=failed).memory(container("a"), 1, 100))
    assert (calm.exit_code, "source docker failed: no answer in 10s" in calm.stdout) == (3, True)
    assert run(Scene(down=failed).memory(container("a"), 99, 100)).exit_code == 2


def test_a_group_without_a_limit_is_held_against_the_host(run: Run) -> None:
    found = Scene().host(GIB, 8 * GIB)
    found.values[group("vllm")] = {"memory_rss_bytes": 7 * GIB}
    result = run(found)
    assert result.exit_code == 2
    assert "critical  87.5 %  7 GiB  no limit  process  vllm" in result.stdout.splitlines()


@pytest.mark.parametrize(
    "pattern", ["shop-whisper-1", "shop-*", "whisper", "shop/whisper", "container/shop*", "shop-whisper-[0-9]"]
)
def test_names_are_globs_over_every_way_to_say_it(run: Run, pattern: str) -> None:
    result = run(scene(), pattern)
    assert "'container/shop-whisper-1'=" in result.stdout
    assert "ssh.service" not in result.stdout
    assert result.exit_code == 2


def test_a_path_may_be_named_by_its_end(run: Run) -> None:
    assert run(scene(), "ssh.service").exit_code == 0


def test_a_name_that_matches_nothing_is_unknown(run: Run) -> None:
    result = run(scene(), "ssh.service", "wisper")
    assert result.stdout.startswith('BRIMLINE UNKNOWN - nothing matches "wisper" | ')
    assert result.exit_code == 3


def test_a_failed_source_does_not_touch_what_was_asked_for(run: Run) -> None:
    found = Scene(down=[down("docker", "gone")]).memory(group("vllm"), 1, 100, memory_pss_bytes=1)
    assert run(found, "vllm").exit_code == 0
    assert run(found, "vllm", "whisper").exit_code == 3


def test_json(run: Run) -> None:
    result = run(scene(), "--json", "whisper")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "state": "critical",
        "at": 1_700_000_000.0,
        "levels": {"warning": 0.8, "critical": 0.85},
        "subjects": [
            {
                "kind": "container",
                "name": "shop-whisper-1",
                "compose_project": "shop",
                "compose_service": "whisper",
                "state": "critical",
                "used_ratio": 0.9,
                "used_bytes": 1.8 * GIB,
                "limit_bytes": 2 * GIB,
                "limited": True,
                "levels": {"warning": 0.8, "critical": 0.85},
                "diagnosis": None,
                "error": None,
            }
        ],
        "alerts": [],
        "stopped": [],
        "sources": [{"source": "test", "up": True, "error": None}],
        "unmatched": [],
    }


def test_the_table_fits_the_terminal(run: Run) -> None:
    found = Scene().memory(cgroup(f"a/{'x' * 300}.service"), 1.5 * GIB, 2.5 * GIB).host(GIB, 8 * GIB)
    lines = run(found).stdout.splitlines()[2:]
    assert max(map(len, lines)) == 80
    assert any(line.startswith("normal  60.0 %") and "xx…xx" in line and line.endswith(".service") for line in lines)


def test_names_cannot_forge_the_plugin_line(run: Run) -> None:
    line = run(Scene().memory(container("a'=1|b"), 99, 100)).stdout.splitlines()[0]
    assert line.count("|") == 1
    assert line.endswith("| 'container/a''_1_b'=99.0%;80;85;0;100")
    assert re.fullmatch(r"BRIMLINE CRITICAL - [^|]*\| '[^|]*'=99\.0%;80;85;0;100", line)


def test_many_subjects_are_counted_and_three_are_named(run: Run) -> None:
    found = Scene()
    for n in range(7):
        found.memory(container(f"c{n}"), 99 - n, 100)
    said = run(found).stdout.split("|")[0]
    assert said == (
        "BRIMLINE CRITICAL - 7 critical: container/c0 99.0 % of 100 B, container/c1 98.0 % of 100 B, "
        "container/c2 97.0 % of 100 B and 4 more "
    )


def test_a_wrong_flag_is_unknown_and_not_critical(run: Run) -> None:
    assert run(Scene(), "--jsonn").exit_code == 3


def test_a_wrong_configuration_is_unknown(run: Run) -> None:
    result = run(Scene(), "--interval=5")
    assert (result.exit_code, result.stderr) == (3, '--interval: "5" is no duration; write "5s"\n')


class Unreadable(Scene):
    """Cannot be seen."""

    def view(self) -> View:
        raise UnreachableError("no answer")


def test_a_reading_that_fails_is_unknown(run: Run) -> None:
    result = run(Unreadable())
    assert (result.exit_code, result.stdout) == (3, "BRIMLINE UNKNOWN - no answer\n")


def test_what_does_not_run_is_listed_and_changes_no_state(run: Run) -> None:
    there = scene()
    there.values[container("dead")] = {"running": 0, "exit_code": 3}
    there.values[container("new")] = {"running": 0}
    result = run(there)
    assert result.stdout.splitlines()[-3:] == [
        "not running:",
        "  container/dead: stopped, exit code 3",
        "  container/new: never started",
    ]
    assert result.exit_code == run(scene()).exit_code
    assert json.loads(run(there, "--json").stdout)["stopped"] == [
        {"kind": "container", "name": "dead", "exit_code": 3},
        {"kind": "container", "name": "new", "exit_code": None},
    ]


def test_who_asks_for_one_that_does_not_run_is_told(run: Run) -> None:
    there = scene()
    there.values[container("dead")] = {"running": 0, "exit_code": 3}
    result = run(there, "dead")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        3,
        "BRIMLINE UNKNOWN - container/dead is stopped, exit code 3",
    )
    assert "dead" not in run(there, "system.slice/*").stdout


def test_each_is_held_against_its_own_levels(run: Run) -> None:
    lax, strict = container("lax"), container("strict")
    there = Scene(levels={lax: (0.95, 0.97), strict: (0.3, 0.55)}, default_levels=(0.5, 0.6))
    there.memory(lax, 94, 100).memory(strict, 50, 100).memory(group("bot"), 55, 100, memory_pss_bytes=55).host(61, 100)
    line = run(there).stdout.splitlines()[0]
    assert line.startswith(
        "BRIMLINE CRITICAL - 1 critical: host 61.0 % of 100 B; 2 warning: process/bot 55.0 % of 100 B"
    )
    perfdata = line.partition(" | ")[2]
    assert perfdata == (
        "'host'=61.0%;50;60;0;100 'process/bot'=55.0%;50;60;0;100 'container/strict'=50.0%;30;55;0;100 "
        "'container/lax'=94.0%;95;97;0;100"
    )
    data = json.loads(run(there, "--json").stdout)
    assert data["levels"] == {"warning": 0.5, "critical": 0.6}
    assert {found["name"]: found["levels"] for found in data["subjects"]} == {
        "host": {"warning": 0.5, "critical": 0.6},
        "bot": {"warning": 0.5, "critical": 0.6},
        "strict": {"warning": 0.3, "critical": 0.55},
        "lax": {"warning": 0.95, "critical": 0.97},
    }


def test_what_is_the_matter_is_told_below_the_table(run: Run) -> None:
    there = scene()
    there.diagnoses = {
        WHISPER: Diagnosis("leaking", "Its floor keeps rising: 90.0 % of 2 GiB now, and it reaches the limit in 5m."),
        container("api"): Diagnosis("ok", "It holds 82.0 % of 100 B and does not leak."),
        cgroup("system.slice/ssh.service"): Diagnosis("no_limit", "It has no limit."),
    }
    result = run(there)
    assert result.stdout.splitlines()[-4:] == [
        "",
        "diagnosis:",
        "  container/shop-whisper-1 leaking: Its floor keeps rising: 90.0 % of 2 GiB now,",
        "    and it reaches the limit in 5m.",
    ]
    told = {found["name"]: found["diagnosis"] for found in json.loads(run(there, "--json").stdout)["subjects"]}
    assert told["host"] is None
    assert told["api"] == {"name": "ok", "sentence": "It holds 82.0 % of 100 B and does not leak."}
    assert told["system.slice/ssh.service"]["name"] == "no_limit"


def test_what_fires_is_in_the_first_line_and_every_alert_below_the_table(run: Run) -> None:
    there = scene()
    there.alerts = (
        alert(container("api"), phase=Phase.PENDING, severity="warning"),
        alert(WHISPER, phase=Phase.FIRING),
        alert(HOST, "HostShort", "", phase=Phase.FIRING, value=1.5 * GIB, unit="bytes", known=False),
    )
    result = run(there)
    lines = result.stdout.splitlines()
    assert lines[0] == (f"{STATUS}; 2 firing: MemoryHigh of container/shop-whisper-1, HostShort of host | {PERFDATA}")
    assert lines[-4:] == [
        "alerts:",
        "  container/shop-whisper-1: MemoryHigh (critical) firing for 5m, at 91.0 %",
        "  host: HostShort firing for 5m, at 1.50 GiB, as far as is known: its source fails",
        "  container/api: MemoryHigh (warning) pending for 5m, at 91.0 %",
    ]
    assert json.loads(run(there, "--json", "whisper").stdout)["alerts"] == [
        {
            "alertname": "MemoryHigh",
            "severity": "critical",
            "labels": {},
            "state": "firing",
            "since": 1_699_999_700.0,
            "value": 0.91,
            "threshold": 0.85,
            "known": True,
            "kind": "container",
            "name": "shop-whisper-1",
        }
    ]
    assert "firing" not in run(there, "api").stdout


def test_many_alerts_are_counted_and_three_are_named(run: Run) -> None:
    there = Scene().memory(container("c0"), 1, 100)
    there.alerts = tuple(alert(container(f"c{n}"), f"A{n}|", phase=Phase.FIRING) for n in range(5))
    line = run(there).stdout.splitlines()[0]
    assert line == (
        "BRIMLINE OK - 1 subject, highest container/c0 1.0 % of 100 B; 5 firing: A0_ of container/c0, "
        "A1_ of container/c1, A2_ of container/c2 and 2 more | 'container/c0'=1.0%;80;85;0;100"
    )
