"""`brimline check --oom`: what was killed and whose it was, who is protected, and what is missing for it."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brimline import bundled
from brimline.app import App
from brimline.cli.check import oom
from brimline.cli.check.oom_cover import Cover, asked, room
from brimline.cli.check.oom_kernel import Told, kernel
from brimline.config import Config
from brimline.deeds import Verdict
from brimline.kmsg import Bound, Kill
from brimline.leave import Answer
from brimline.loading import load
from brimline.metrics.catalog import by_name
from brimline.model import Container, Kind, SourceReport, Subject
from brimline.rules.spec import load as load_rules
from brimline.rules.vocabulary import vocabulary
from brimline.standing import Row, State
from brimline.view import View
from unit.cli_views import GIB, MIB, Scene, cgroup, container, group

ID, OTHER = "a" * 64, "b" * 64
WHISPER, TTS, BOT = container("whisper", "shop", "whisper"), container("tts"), group("bot")
RULES = load_rules(bundled.text(bundled.RULES), "bundled", vocabulary(by_name().values()))
WALL = 1_700_000_000.0


def kill(path: str, bound: Bound = Bound.CGROUP, limited: str | None = None) -> Kill:
    return Kill(WALL, 42, "python3", 500 * MIB, bound, path if limited is None else limited, path, 512 * MIB)


def running(subject: Subject, id_: str, labels: dict[str, str]) -> Container:
    return Container(id_, subject, labels, "app:1", "sha256:1", "runc", True, 1, 1.0, None, "", False)  # noqa: FBT003 - its fields in order


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Config]]:
    """Return what puts a scene, its containers and the kernel's kills before the verb."""

    def put(scene: Scene, containers: dict[Subject, Container], told: Told, **flags: Any) -> tuple[int, Config]:  # noqa: ANN401 - flags
        view = scene.view()
        engine = SourceReport("docker", (), containers=containers)
        seen = replace(view, snapshot=replace(view.snapshot, reports=(*view.snapshot.reports, engine)))
        app = SimpleNamespace(view=seen, rules=RULES, targets=lambda: (), pids=lambda _: ())

        def observe(_: Config, also: Callable[[App], None]) -> Coroutine[Any, Any, View]:
            async def work() -> View:
                also(app)  # type: ignore[arg-type] # stands in for one
                return seen

            return work()

        monkeypatch.setattr(oom, "observe", observe)
        monkeypatch.setattr(oom, "kernel", lambda: told)
        patterns = flags.pop("patterns", ())
        config = load(flags.pop("flags", {}), {}).config
        return oom.report(config, patterns, {}, **{"as_json": False, **flags}), config

    return put


def test_kills_are_told_by_whom_they_hit_and_by_which_limit(
    look: Callable[..., tuple[int, Config]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    scene = Scene().memory(WHISPER, GIB, 2 * GIB).memory(cgroup("system.slice/ssh.service"), MIB, GIB)
    told = Told(
        (
            kill(f"/docker/{ID}"),
            kill(f"/docker/{OTHER}", limited="/docker"),
            kill("/system.slice/ssh.service/a", Bound.HOST, ""),
        ),
        "/dev/kmsg",
        WALL - 60,
    )
    look(scene, {WHISPER: running(WHISPER, ID, {})}, told)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 OOM kills in the kernel's log (/dev/kmsg, back to ")
    assert [line.split("  ")[-1] for line in lines[3:6]] == [
        "cgroup/system.slice/ssh.service",
        "gone: bbbbbbbbbbbb",
        "container/whisper",
    ]
    assert ["own 512 MiB" in lines[5], "shared 512 MiB" in lines[4], "the host's memory" in lines[3]] == [True] * 3


def test_whoever_is_protected_and_whoever_is_not(
    look: Callable[..., tuple[int, Config]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    scene = Scene().memory(WHISPER, GIB, 2 * GIB).memory(TTS, MIB, 8 * GIB, limited=0)
    containers = {
        WHISPER: running(WHISPER, ID, {"brimline.restart": "true"}),
        TTS: running(TTS, OTHER, {}),
    }
    code, _ = look(scene, containers, Told((), "/dev/kmsg", WALL))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("no OOM kills in the kernel's log")
    assert [line.split() for line in lines[3:5]] == [
        ["no", "none", "restart,", "cleanup", "not", "opted", "in", "no", "none", "container/tts"],
        ["yes", "2", "GiB", "restart,", "cleanup", "yes", "no", "none", "container/whisper"],
    ]
    assert "  container/tts: no limit: no rule can tell when it is full; set one, or declare it with" in lines[7]
    assert "restart: needs leave, brimline.restart=true; cleanup: " in lines[8]
    assert code == 1
    assert look(scene, containers, Told(), patterns=["whisper"])[0] == 0
    assert look(scene, containers, Told(), patterns=["nobody"])[0] == 3


def test_dry_run_protects_nobody(look: Callable[..., tuple[int, Config]], capsys: pytest.CaptureFixture[str]) -> None:
    containers = {WHISPER: running(WHISPER, ID, {"brimline.restart": "true"})}
    code, _ = look(Scene().memory(WHISPER, GIB, 2 * GIB), containers, Told(), flags={"actions.dry_run": True})
    assert code == 1
    assert "dry run: nothing is done" in capsys.readouterr().out


def test_a_log_that_cannot_be_read_is_said(
    look: Callable[..., tuple[int, Config]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert look(Scene().host(GIB, 2 * GIB), {}, Told(why="/dev/kmsg: operation not permitted"))[0] == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "OOM kills before now are not known: /dev/kmsg: operation not permitted"
    assert lines[-1] == "no container and no process group is measured: there is nobody to protect"


def test_json_holds_everything(look: Callable[..., tuple[int, Config]], capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene().memory(WHISPER, GIB, 2 * GIB)
    look(scene, {WHISPER: running(WHISPER, ID, {})}, Told((kill(f"/docker/{ID}"),), "journalctl -k", 1.0), as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert (data["kills"][0]["of"], data["kills"][0]["bound"]) == ("container/whisper", "cgroup")
    (whisper,) = data["subjects"]
    assert (whisper["protected"], whisper["leave"]["verdict"]) == (False, "not_opted_in")


def cover(**more: Any) -> Cover:  # noqa: ANN401 - its fields
    usual: dict[str, Any] = {
        "subject": WHISPER,
        "limit": GIB,
        "actions": ("restart", "cleanup"),
        "leave": Answer(Verdict.RUN, "its label"),
        "hook": "",
        "lack": "it has no cleanup",
        "swap": 0.0,
    }
    return Cover(**{**usual, **more})


@pytest.mark.parametrize(
    ("more", "gaps"),
    [
        ({}, 0),
        ({"leave": Answer(Verdict.PROTECTED, "its label"), "hook": "POST http://a/cleanup"}, 0),
        ({"leave": Answer(Verdict.PROTECTED, "its label")}, 1),
        ({"leave": None}, 1),
        ({"actions": ("restart",), "leave": Answer(Verdict.NOT_OPTED_IN, "a label"), "hook": "2 processes"}, 1),
        ({"actions": (), "limit": None}, 2),
        ({"subject": BOT, "actions": ("recycle",)}, 0),
        ({"subject": cgroup("a.service")}, 1),
    ],
)
def test_what_protects(more: dict[str, Any], gaps: int) -> None:
    assert len(cover(**more).gaps) == gaps


def test_the_bundled_rules_act_on_containers_and_groups() -> None:
    assert asked(WHISPER, RULES.rules) == ("restart", "cleanup")
    assert asked(cgroup("a.service"), RULES.rules) == ()
    assert asked(Subject(Kind.HOST, "host", (), ""), RULES.rules) == ()


def test_the_swap_a_subject_may_take_is_in_its_ratio() -> None:
    row = Row(WHISPER, State.NORMAL, (0.8, 0.85), ratio=0.25, used=300 * MIB, limit=GIB)
    assert room(row, 212 * MIB) == pytest.approx(GIB)
    assert room(row, None) == 0.0


def test_the_kernels_own_buffer_is_read(tmp_path: Path) -> None:
    file = tmp_path / "kmsg"
    file.write_text("3,1,2000000,-;Out of memory: Killed process 9 (x) total-vm:9kB, anon-rss:8kB, file-rss:0kB\n")
    told = kernel(file)
    assert (told.source, [found.pid for found in told.kills], told.since is not None) == (str(file), [9], True)


def program(tmp_path: Path, script: str) -> str:
    file = tmp_path / "journalctl"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def test_systemds_journal_is_asked_where_the_buffer_is_closed(tmp_path: Path) -> None:
    line = "1700000000.5 host kernel: Out of memory: Killed process 9 (x) total-vm:9kB, anon-rss:8kB, file-rss:0kB"
    told = kernel(tmp_path / "none", program(tmp_path, f'echo "{line}"'))
    assert (told.kills[0].wall, told.source) == (1_700_000_000.5, f"{tmp_path}/journalctl -k")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo no permission >&2; exit 1", "no permission"),
        ("exit 4", "exit status 4"),
        ("true", "no line of the kernel"),
    ],
)
def test_what_stands_against_each_way_is_said(tmp_path: Path, script: str, why: str) -> None:
    told = kernel(tmp_path / "none", program(tmp_path, script))
    assert f"{tmp_path}/none: no such file or directory; {tmp_path}/journalctl -k: " in told.why
    assert why in told.why
    assert kernel(tmp_path / "none", str(tmp_path / "absent")).why.count("no such file") == 2
