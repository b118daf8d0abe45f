"""`brimline explain NAME`: the subject that is meant, the numbers side by side, the binding limit, the one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from brimline.chain import chain_of
from brimline.cli.explain import verb
from brimline.config import Config
from brimline.model import Diagnosis, Level, Phase, Subject
from brimline.standing import Measures, rows
from brimline.verdict import verdict
from brimline.view import View
from fakes import FakeClock
from unit.cli_views import GIB, HOST, MIB, Scene, alert, cgroup, container, group
from unit.journals import opened

WHISPER = container("shop-whisper-1", "shop", "whisper")
UNKNOWN = [
    "actions:",
    "  restart      not known: the engine does not tell of it at present",
    '  cleanup      it has no cleanup: label it brimline.cleanup=":PORT/PATH", name',
    "               it under actions.cleanup, or install brimline.hook in its workers",
]
NOTHING = [*UNKNOWN[:2], "  cleanup      not known: it is not measured at present"]


class Run(Protocol):
    """Runs the verb over a scene."""

    def __call__(self, scene: Scene, name: str) -> Result: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    file = tmp_path / "brimline.yml"
    with opened(tmp_path, FakeClock()):
        file.write_text(f"storage: {{path: {tmp_path}}}\n")

    def call(scene: Scene, name: str) -> Result:
        async def observe(_: Config, also: object) -> View:
            assert also is not None
            return scene.view()

        monkeypatch.setattr(verb, "observe", observe)
        return CliRunner(env={"COLUMNS": "80"}).invoke(verb.explain, [f"--config.file={file}", name])

    return call


def weights() -> Scene:
    """300 MiB of mapped weights and 60 of its own below a limit of 450: the service everybody restarts."""
    scene = Scene().host(4 * GIB, 8 * GIB)
    scene.memory(
        WHISPER,
        62 * MIB,
        450 * MIB,
        memory_usage_bytes=363 * MIB,
        memory_working_set_bytes=362 * MIB,
        memory_anon_bytes=61 * MIB,
        memory_file_bytes=300 * MIB,
        memory_mapped_file_bytes=300 * MIB,
        memory_swap_bytes=0,
        memory_largest_process_bytes=361 * MIB,
        memory_available_bytes=388 * MIB,
        memory_pressure_some_ratio=0.012,
        memory_pressure_full_ratio=0.001,
        memory_limit_hits_total=3,
        memory_oom_kills_total=0,
        start_time_seconds=1_700_000_000.0 - 7500,
    )
    scene.chains[WHISPER] = (
        Level("/docker/4f5e", 450 * MIB, 363 * MIB, 62 * MIB),
        Level("/docker", None, 900 * MIB, 500 * MIB),
        Level("/", None, None, None),
    )
    return scene


def test_a_container_in_full(run: Run) -> None:
    result = run(weights(), "whisper")
    assert result.stdout.splitlines() == [
        "container/shop-whisper-1, service whisper of compose project shop",
        "  It is healthy at 13.8 % of 450 MiB: docker stats shows 80.4 %, but 300 MiB of",
        "  that are file cache (weights by mmap), dropped before anything is killed.",
        "",
        "MEMORY          BYTES  OF LIMIT  SHOWN BY",
        "used           62 MiB    13.8 %  Brimline; what the OOM killer is left with",
        "working set   362 MiB    80.4 %  docker stats, kubectl top, cAdvisor",
        "usage         363 MiB    80.7 %  systemctl status, memory.current, the kernel",
        "anonymous      61 MiB    13.6 %  container_memory_rss of cAdvisor",
        'page cache    300 MiB    66.7 %  cAdvisor\'s cache, "buff/cache" of free',
        "mapped files  300 MiB    66.7 %  model weights (safetensors, GGUF) by mmap",
        "swap              0 B     0.0 %  container_memory_swap of cAdvisor",
        "largest RSS   361 MiB    80.2 %  the top line of top, ps, htop",
        "",
        "usage                         363 MiB",
        "- inactive file cache           1 MiB",
        "- active file cache, slab     300 MiB",
        "= used                         62 MiB",
        "",
        "  LIMIT     USED     FREE         LEVEL",
        "450 MiB   62 MiB  388 MiB  binds  /docker/4f5e",
        "   none  500 MiB        -         /docker",
        "  8 GiB    4 GiB    4 GiB         host",
        "",
        "pressure     some 1.2 %, full 0.1 % of the last 10 s waited for memory",
        "limit hits   3 since its start",
        "OOM kills    see brimline_container_memory_oom_kills_total of a running Brimline",
        "left         388 MiB can still be allocated",
        "started      2h 5m ago",
        "",
        *UNKNOWN,
    ]
    assert result.exit_code == 0


def test_swap_is_part_of_what_is_held(run: Run) -> None:
    scene = weights()
    scene.values[WHISPER] = {**scene.values[WHISPER], "memory_swap_bytes": 38 * MIB}
    lines = run(scene, "whisper").stdout.splitlines()
    assert "+ swap                         38 MiB" in lines
    assert "= held                        100 MiB" in lines


def test_the_binding_limit_may_be_an_ancestors_and_the_sibling_is_named(run: Run) -> None:
    scene = weights().memory(container("hog"), 600 * MIB, GIB)
    shared = Level("/docker", 700 * MIB, 690 * MIB, 680 * MIB)
    scene.chains[WHISPER] = (Level("/docker/4f5e", 800 * MIB, 363 * MIB, 62 * MIB), shared)
    scene.chains[container("hog")] = (Level("/docker/77aa", None, 620 * MIB, 600 * MIB), shared)
    lines = run(scene, "whisper").stdout.splitlines()
    assert "450 MiB   62 MiB  388 MiB  binds  label brimline.limit, or an ancestor unseen" in lines
    scene.memory(WHISPER, 62 * MIB, 700 * MIB)
    lines = run(scene, "whisper").stdout.splitlines()
    assert "700 MiB  680 MiB   20 MiB  binds  /docker" in lines
    assert "/docker fills first; container/hog holds most of that, 600 MiB" in lines


@pytest.mark.parametrize(("own", "says"), [(19, False), (20, False), (21, True)])
def test_who_fills_a_shared_limit_is_named_only_where_that_has_less_left_than_its_own(own: int, *, says: bool) -> None:
    scene = weights().memory(container("hog"), 600 * MIB, GIB).memory(WHISPER, 62 * MIB, (62 + own) * MIB)
    shared = Level("/docker", 700 * MIB, 690 * MIB, 680 * MIB)
    scene.chains[WHISPER] = (Level("/docker/4f5e", (62 + own) * MIB, 62 * MIB, 62 * MIB), shared)
    scene.chains[container("hog")] = (Level("/docker/77aa", None, 620 * MIB, 600 * MIB), shared)
    measures = Measures(scene.view())
    row = next(row for row in rows(measures) if row.subject == WHISPER)
    said = "/docker fills first; container/hog holds most of that, 600 MiB"
    assert chain_of(row, measures).filler == (said if says else "")


def test_the_host_binds_where_it_is_smaller_than_the_limit(run: Run) -> None:
    scene = Scene().host(GIB, 2 * GIB).memory(WHISPER, GIB, 2 * GIB, limited=0)
    scene.chains[WHISPER] = (Level("/docker/4f5e", 64 * GIB, GIB, GIB),)
    assert " 2 GiB  1 GiB   1 GiB  binds  host" in run(scene, "whisper").stdout.splitlines()


def test_a_process_group_shows_its_own_numbers(run: Run) -> None:
    scene = Scene().host(GIB, 8 * GIB)
    scene.memory(group("gunicorn:app"), 0, 2 * GIB, memory_pss_bytes=449 * MIB, memory_rss_bytes=2146 * MIB)
    lines = run(scene, "gunicorn:app").stdout.splitlines()
    assert "PSS           449 MiB    21.9 %  smem; shared pages divided among sharers" in lines
    assert "RSS, summed  2.10 GiB   104.8 %  top, ps, htop; counts shared pages each time" in lines


def test_the_host_is_a_subject_too(run: Run) -> None:
    result = run(weights(), "host")
    assert "used       4 GiB    50.0 %  Brimline; total - available" in result.stdout.splitlines()


@pytest.mark.parametrize(
    ("more", "said"), [({"exit_code": 3}, "stopped, exit code 3"), ({}, "never started")], ids=["stopped", "created"]
)
def test_a_container_that_does_not_run_says_so(run: Run, more: dict[str, float], said: str) -> None:
    scene = weights()
    scene.values[container("dead")] = {"running": 0, **more}
    result = run(scene, "dead")
    assert result.stdout.splitlines() == ["container/dead", f"  It holds no memory: {said}.", "", *NOTHING]
    assert result.exit_code == 0
    assert "did you mean" in run(scene, "dead-1").stderr


def test_an_unknown_name_says_what_there_is(run: Run) -> None:
    result = run(weights(), "shop-wisper-1")
    assert (result.exit_code, result.stderr) == (
        1,
        'Error: no subject "shop-wisper-1"; did you mean "shop-whisper-1"?\n',
    )


def test_an_ambiguous_name_lists_what_it_names(run: Run) -> None:
    result = run(weights().memory(container("b", "shop", "whisper"), 1, 2), "whisper")
    assert result.stderr == (
        'Error: "whisper" names 2 subjects: container/b, container/shop-whisper-1; write one of them\n'
    )


def test_an_exact_name_is_not_ambiguous(run: Run) -> None:
    scene = Scene().memory(container("a"), 1, 2).memory(container("b", "p", "a"), 1, 2)
    assert run(scene, "a").stdout.startswith("container/a\n")


def test_what_cannot_be_read_says_why(run: Run) -> None:
    scene = Scene(failed={WHISPER: "memory.stat: permission denied"})
    assert run(scene, "whisper").stdout.splitlines()[1] == "  Not known: memory.stat: permission denied."


def test_every_line_fits(run: Run) -> None:
    scene = weights()
    scene.chains[WHISPER] = (Level("/system.slice/docker-" + "4f5e" * 16 + ".scope", 450 * MIB, None, None),)
    lines = run(scene, "whisper").stdout.splitlines()
    assert max(map(len, lines)) <= 80


def sentence(scene: Scene, subject: Subject) -> str:
    measures = Measures(scene.view())
    (row,) = (row for row in rows(measures) if row.subject == subject)
    return verdict(row, measures)


@pytest.mark.parametrize(
    ("used", "more", "begins"),
    [
        (10, {}, "It holds 10.0 % of 100 B that cannot be dropped: normal."),
        (
            82,
            {},
            "It holds 82.0 % of 100 B and nothing of that can be dropped: warning, 18 B are left before something",
        ),
        (
            91,
            {},
            "It holds 91.0 % of 100 B and nothing of that can be dropped: critical, 9 B are left before something",
        ),
        (38, {"memory_pressure_full_ratio": 0.23}, "It is slow, not full: all its tasks waited for memory 23.0 %"),
        (28, {"memory_high_ratio": 1.0, "memory_pressure_full_ratio": 0.84}, "It stands at its memory.high (100.0 %)"),
        (14, {"memory_working_set_bytes": 81}, "It is healthy at 14.0 % of 100 B: docker stats shows 81.0 %, but 67 B"),
        (14, {"limited": 0}, "It has no limit: it holds 14 B, 14.0 % of the host's memory; set a limit"),
        (91, {"memory_pressure_full_ratio": 0.9}, "It holds 91.0 % of 100 B and nothing of that can be dropped"),
    ],
)
def test_the_sentence(used: float, more: dict[str, float], begins: str) -> None:
    assert sentence(Scene().memory(WHISPER, used, 100, **more), WHISPER).startswith(begins)


def test_the_sentence_of_the_host() -> None:
    said = sentence(Scene().host(7 * GIB, 8 * GIB), HOST)
    assert said == "87.5 % of the host's 8 GiB cannot be had without swapping: critical."


def test_the_sentence_of_a_cgroup_without_numbers() -> None:
    broken = cgroup("system.slice/a.service")
    assert sentence(Scene(failed={broken: "gone"}), broken) == "Not known: gone."


def test_the_diagnosis_and_its_alerts_stand_below_the_sentence(run: Run) -> None:
    scene = weights()
    scene.diagnoses[WHISPER] = Diagnosis("leaking", "Its floor keeps rising: 13.8 % of 450 MiB now, full in 5m.")
    older = container("shop-whisper-1", "shop", "whisper")
    scene.alerts = (
        alert(older, "Leak", "warning", phase=Phase.PENDING, value=300, unit="seconds"),
        alert(WHISPER, "Kills", phase=Phase.FIRING, value=2, unit="count", known=False),
        alert(container("other"), phase=Phase.FIRING),
    )
    assert run(scene, "whisper").stdout.splitlines()[1:9] == [
        "  It is healthy at 13.8 % of 450 MiB: docker stats shows 80.4 %, but 300 MiB of",
        "  that are file cache (weights by mmap), dropped before anything is killed.",
        "",
        "diagnosis    leaking, as far as one reading tells: Its floor keeps rising: 13.8",
        "             % of 450 MiB now, full in 5m.",
        "alert        Kills (critical) firing for 5m, at 2, as far as is known: its",
        "             source fails",
        "alert        Leak (warning) pending for 5m, at 5m",
    ]


@pytest.mark.parametrize("name", ["thrashing", "throttled", "no_limit"])
def test_a_diagnosis_that_says_it_all_is_the_sentence(name: str) -> None:
    scene = Scene().memory(WHISPER, 10, 100, memory_pressure_full_ratio=0.9, memory_high_ratio=1.0, limited=0)
    scene.diagnoses[WHISPER] = Diagnosis(name, "It waits.")
    assert sentence(scene, WHISPER) == "It waits."


def test_a_danger_is_said_first_and_the_diagnosis_after_it(run: Run) -> None:
    scene = Scene().memory(WHISPER, 91, 100)
    scene.diagnoses[WHISPER] = Diagnosis("thrashing", "It waits.")
    lines = run(scene, "whisper").stdout.splitlines()
    assert lines[1].startswith("  It holds 91.0 % of 100 B and nothing of that can be dropped: critical")
    assert "diagnosis    thrashing, as far as one reading tells: It waits." in lines


def test_what_a_judge_finds_well_is_not_called_slow() -> None:
    scene = Scene().memory(
        WHISPER, 10, 100, memory_pressure_full_ratio=0.2
    )  # the host's own, nothing is reclaimed here
    assert sentence(scene, WHISPER).startswith("It is slow")
    scene.diagnoses[WHISPER] = Diagnosis("ok", "It does not leak.")
    assert sentence(scene, WHISPER) == "It holds 10.0 % of 100 B that cannot be dropped: normal."


def test_the_sentence_follows_its_own_levels() -> None:
    scene = Scene(levels={WHISPER: (0.95, 0.97)}).memory(WHISPER, 91, 100, memory_working_set_bytes=94)
    assert sentence(scene, WHISPER) == "It holds 91.0 % of 100 B that cannot be dropped: normal."
    scene.levels[WHISPER] = (0.92, 0.97)
    assert sentence(scene, WHISPER).startswith("It is healthy at 91.0 % of 100 B: docker stats shows 94.0 %")
    scene.levels[WHISPER] = (0.5, 0.6)
    assert ": critical, 9 B are left" in sentence(scene, WHISPER)


def test_one_that_does_not_run_or_cannot_be_read_shows_its_alerts(run: Run) -> None:
    dead = container("dead")
    scene = Scene(failed={WHISPER: "permission denied"})
    scene.values[dead] = {"running": 0}
    scene.alerts = (alert(dead, phase=Phase.FIRING), alert(WHISPER, phase=Phase.FIRING, known=False))
    assert run(scene, "dead").stdout.splitlines()[2:4] == ["  MemoryHigh (critical) firing for 5m, at 91.0 %", ""]
    assert run(scene, "whisper").stdout.splitlines()[1:4] == [
        "  Not known: permission denied.",
        "",
        "alert        MemoryHigh (critical) firing for 5m, at 91.0 %, as far as is known:",
    ]
