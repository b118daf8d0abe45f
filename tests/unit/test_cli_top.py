"""`brimline top` and `brimline check --watch`: what each reading shows, what each key does, and how they end."""

from __future__ import annotations

import asyncio
import builtins
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from brimline.cli import commands, watching
from brimline.cli.check import text as check_text
from brimline.cli.check import watch
from brimline.cli.top import verb
from brimline.cli.top.rows import Order, Screen, Trends, chosen, lines, moved, summary
from brimline.cli.top.screen import Top, bar
from brimline.config import Config, Loaded
from brimline.loading import load
from brimline.model import Diagnosis, Now, Phase
from brimline.standing import Measures, rows
from brimline.view import View
from unit.cli_views import GIB, MIB, Scene, alert, cgroup, container, down, group

WHISPER, API, BOT = container("shop-whisper-1", "shop", "whisper"), container("api"), group("bot")
TIME = "2023-11-14 22:13:20"
UNMEASURED = "latency, worker restarts not measured yet"


def scene(whisper: float = 0.9, cpu: float = 100.0) -> Scene:
    return (
        Scene(
            alerts=(alert(WHISPER, phase=Phase.FIRING), alert(API, "MemoryOdd", "warning", phase=Phase.PENDING)),
            diagnoses={API: Diagnosis("leaking", "Its floor keeps rising.")},
            down=(down("docker", "no answer"),),
        )
        .memory(WHISPER, whisper * GIB, GIB, cpu_seconds_total=cpu)
        .memory(API, 100 * MIB, GIB, memory_time_to_limit_seconds=600)
        .memory(BOT, 3 * MIB, 8 * GIB, limited=0, memory_rss_bytes=3 * MIB, cpu_seconds_total=7.0)
    )


def at(view: View, seconds: float) -> View:
    now = Now(view.snapshot.at.wall + seconds, view.snapshot.at.mono + seconds)
    return replace(view, snapshot=replace(view.snapshot, at=now))


def readings() -> list[View]:
    return [scene(0.5).view(), at(scene(0.9, cpu=190.0).view(), 60)]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brimline.cli.asking.clock_time", lambda _: TIME)


@pytest.fixture
def brimline(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return what runs a verb over readings that are made."""

    async def given(found: Loaded, seen: Callable[[View], None], *, count: int | None = None) -> None:
        for view in readings()[:count]:
            seen(view)
        if found.config.interval == 1.5 and count is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(verb, "watch", given)
    monkeypatch.setattr(watch, "watch", given)
    return lambda *arguments: CliRunner(env={"COLUMNS": "100"}).invoke(commands(), list(arguments))


def named(screen: Screen, view: View | None = None) -> list[str]:
    every = lines(Measures(view or scene().view()), {})
    return [line.row.subject.name for line in chosen(every, screen)]


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ("", ["shop-whisper-1", "api", "bot"]),
        ("n", ["api", "shop-whisper-1", "bot"]),
        ("nn", ["bot", "shop-whisper-1", "api"]),
        ("u", ["shop-whisper-1", "api", "bot"]),
        ("l", ["api", "shop-whisper-1", "bot"]),
        ("rr", ["bot", "api", "shop-whisper-1"]),
        ("/whis\r", ["shop-whisper-1"]),
        ("/shop/wx\x7f*\r", ["shop-whisper-1"]),
        ("/API\r", ["api"]),
        ("/api\rn\x1b", ["api", "shop-whisper-1", "bot"]),
        ("/api\x1b", ["shop-whisper-1", "api", "bot"]),
        ("xyz", ["shop-whisper-1", "api", "bot"]),
    ],
)
def test_keys_sort_and_filter(keys: str, names: list[str]) -> None:
    screen = Screen()
    for key in keys:
        screen = screen.press(key)
    assert named(screen) == names
    assert not screen.over


@pytest.mark.parametrize("keys", ["q", "\x03", "/ab\x03", "aq"])
def test_keys_end_it(keys: str) -> None:
    screen = Screen()
    for key in keys:
        screen = screen.press(key)
    assert screen.over


@given(st.text())
def test_whatever_is_typed_is_survived(keys: str) -> None:
    screen = Screen()
    for key in keys:
        screen = screen.press(key)
    assert screen.pattern.isprintable()
    named(screen)


def test_every_order_has_a_key_of_its_own() -> None:
    keys = [order.value[0] for order in Order]
    assert len({*keys, "a", "q", "/"}) == len(keys) + 3


def test_a_trend_is_of_the_last_minute() -> None:
    trends = Trends()
    found = rows(Measures(scene().view()))
    (whisper,) = [row for row in found if row.subject == WHISPER]
    told = [
        trends.look(second, [replace(whisper, used=used)])
        for second, used in ((0.0, 1000.0), (30.0, 4000.0), (60.0, 7000.0), (61.0, 7100.0))
    ]
    assert told[0] == {}
    assert [found[WHISPER] for found in told[1:]] == [100.0, 100.0, pytest.approx(100.0)]
    assert trends.look(62.0, []) == {}
    assert trends.look(63.0, [whisper]) == {}


def test_what_stands_still_has_no_trend() -> None:
    (line, *_) = lines(Measures(scene().view()), {})
    assert [moved(replace(line, trend=t)) for t in (None, 1000.0, 2048.0, -2048.0)] == ["", "", "+2 KiB", "-2 KiB"]


def test_a_summary_counts() -> None:
    assert summary(lines(Measures(scene().view()), {})) == "1 critical, 2 normal, 1 alert firing"
    assert summary(lines(Measures(Scene().view()), {})) == "nothing to measure"


@pytest.mark.parametrize(
    ("ratio", "drawn"), [(0.0, ""), (1.0, "█" * 16), (2.0, "█" * 16), (0.5, "█" * 8), (1 / 128, "▏")]
)
def test_a_bar_is_drawn_in_eighths(ratio: float, drawn: str) -> None:
    assert bar(ratio) == drawn.ljust(16)


def drawn(keys: str = "", width: int = 120, height: int = 20) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=False)
    top = Top(console, Screen())
    console.print(top.draw())
    for view in readings():
        top.take(view)
    for key in keys:
        top.screen = top.screen.press(key)
    console.print(top.draw())
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_screen_has_alerts_failures_and_a_line_a_subject() -> None:
    first, *found = drawn()
    assert first == "the first reading is under way"
    assert found[0] == "brimline top   1 critical, 2 normal, 1 alert firing"
    assert found[1] == "source docker failed: no answer"
    assert found[2].startswith("container/shop-whisper-1: MemoryHigh (critical) firing for ")
    assert found[3].split() == ["STATE", "▼", "NAME", "RATIO", "USED", "LIMIT", "TREND/s", "FULL", "IN", "WHAT"]
    assert found[4].split()[:3] == ["critical", "shop-whisper-1", "90.0"]
    assert found[4].split()[-2:] == ["+6.83", "MiB"]
    assert found[5].split()[-2:] == ["10m", "leaking"]
    assert "no limit" in found[6]
    assert found[7].startswith("s r u t l n sort")


def test_a_narrow_or_low_screen_shows_what_has_room() -> None:
    narrow = drawn(width=80)
    assert "TREND/s" not in "".join(narrow)
    low = drawn(height=8)
    assert sum("no limit" in line for line in low) == 0
    assert low[-1].startswith("1 more below")


def test_the_screen_says_what_was_chosen() -> None:
    assert drawn("/wh")[-1].startswith("/wh█")
    assert "only wh" in drawn("/wh\r")[1]
    assert not any("MemoryHigh" in line for line in drawn("a"))


def test_off_a_terminal_there_are_plain_tables(brimline: Callable[..., Result]) -> None:
    result = brimline("top", "--sort", "name", "--count", "2")
    assert result.exit_code == 0
    second = result.stdout.split("\n\n")[1].splitlines()
    assert second[:2] == [f"{TIME}  1 critical, 2 normal, 1 alert firing", "source docker failed: no answer"]
    assert second[2].startswith("container/shop-whisper-1: MemoryHigh")
    assert [line.split()[-1] for line in second[3:]] == [
        "NAME",
        "container/api",
        "container/shop-whisper-1",
        "process/bot",
    ]
    assert "+6.83 MiB" in second[5]
    assert "\x1b" not in result.stdout


def test_only_what_is_asked_for(brimline: Callable[..., Result]) -> None:
    result = brimline("top", "--filter", "shop/*", "--count", "1")
    assert [line.split()[-1] for line in result.stdout.splitlines()[3:5]] == ["NAME", "container/shop-whisper-1"]


def test_being_interrupted_is_no_failure(brimline: Callable[..., Result]) -> None:
    assert brimline("top", "--interval", "1.5").exit_code == 0
    assert brimline("check", "--watch", "--interval=1.5").exit_code == 2


def test_without_rich_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any) -> Any:  # noqa: ANN401 - stands in for the import
        if name.partition(".")[0] == "rich":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(name, *rest)

    monkeypatch.delitem(sys.modules, "brimline.cli.top.screen")
    monkeypatch.delattr("brimline.cli.top.screen")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(verb.click.ClickException, match=r'pip install "brimline\[tui\]"'):
        asyncio.run(verb._live(Loaded(Config(), {}, None), Screen()))


def test_watching_off_a_terminal_is_a_line_a_subject(brimline: Callable[..., Result]) -> None:
    result = brimline("check", "--watch")
    assert result.stdout.splitlines()[4:] == [
        f"{TIME}  unknown   source docker failed: no answer",
        (
            f"{TIME}  critical   90.0 %  container/shop-whisper-1  922 MiB of 1 GiB  CPU 1.50 cores  {UNMEASURED}"
            "  MemoryHigh firing"
        ),
        f"{TIME}  normal      9.8 %  container/api  100 MiB of 1 GiB  CPU, {UNMEASURED}  MemoryOdd pending  leaking",
        f"{TIME}  normal      0.0 %  process/bot  3 MiB, no limit  CPU 0.00 cores  {UNMEASURED}",
    ]
    assert result.exit_code == 2


def test_cores_are_what_a_counter_rose_between_two_looks() -> None:
    cores = watch.Cores()

    def look(mono: float, **seconds: float) -> dict[str, float]:
        seen = Scene()
        for name, value in seconds.items():
            seen.memory(container(name), 1, 2, cpu_seconds_total=value)
        return {subject.name: used for subject, used in cores.look(Measures(seen.view()), mono).items()}

    assert look(1000.0, a=5.0, b=50.0) == {}
    assert look(1010.0, a=9.0, b=50.0, c=1.0) == {"a": 0.4, "b": 0.0}
    assert look(1012.0, a=1.0, b=54.0, c=1.5) == {"b": 2.0, "c": 0.25}  # a began anew
    assert look(1012.0, a=1.0, b=54.0, c=1.5) == {}


def test_a_screen_of_watching_has_a_column_for_cores() -> None:
    first, second = (check_text.Result(view, ()) for view in readings())
    cores = watch.Cores()
    early = check_text.body(first, 80, colour=False, cores=cores.look(first.measures, 0.0))
    assert early[5] == "CPU, latency, worker restarts: not measured yet"
    late = check_text.body(second, 80, colour=False, cores=cores.look(second.measures, 60.0))
    assert late[1:6] == [
        "STATE      RATIO     USED     LIMIT  CORES  KIND       NAME",
        "critical  90.0 %  922 MiB     1 GiB   1.50  container  shop-whisper-1",
        "normal     9.8 %  100 MiB     1 GiB      -  container  api",
        "normal     0.0 %    3 MiB  no limit   0.00  process    bot",
        "latency, worker restarts: not measured yet",
    ]


def test_watching_what_is_not_there_is_unknown(brimline: Callable[..., Result]) -> None:
    result = brimline("check", "--watch", "nobody")
    assert result.stdout.splitlines()[-1] == f'{TIME}  unknown   nothing matches "nobody"'
    assert result.exit_code == 3


def test_watching_in_json_is_an_object_a_line(brimline: Callable[..., Result]) -> None:
    first, second = map(json.loads, brimline("check", "--watch", "--json").stdout.splitlines())
    assert (first["state"], second["state"]) == ("unknown", "critical")
    assert [subject["cpu_cores"] for subject in first["subjects"]] == [None] * 3
    assert [subject["cpu_cores"] for subject in second["subjects"]] == [1.5, None, 0.0]
    assert {(s["latency_seconds"], s["worker_restarts"]) for s in second["subjects"]} == {(None, None)}


def test_watch_and_oom_are_two_things(brimline: Callable[..., Result]) -> None:
    result = brimline("check", "--watch", "--oom")
    assert (result.exit_code, result.stderr) == (3, "--watch and --oom: write one of them\n")


def test_a_screen_is_drawn_over_the_one_before() -> None:
    assert watch.redraw(["a", "b"], 24) == "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"
    assert watch.redraw(list("abcdef"), 5).count("\n") == 4
    assert "... and 3 more lines" in watch.redraw(list("abcdef"), 5)


@pytest.mark.parametrize(("written", "meant"), [("5", 5.0), ("0.5", 0.5), ("1m", 60.0), (None, 2.0)])
def test_a_bare_number_is_seconds(written: str | None, meant: float) -> None:
    flags = {} if written is None else {"interval": written}
    assert load(watching.in_seconds(flags, "2s"), {}).config.interval == meant
    assert watching.in_seconds({}) == {}


def test_every_interval_is_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[str] = []

    class Fake:
        """Stands in for an application whose engine needs two looks."""

        def __init__(self, *_: object) -> None:
            self.looks = 0

        async def first_look(self) -> None:
            ticks.append("first")

        def measured(self) -> bool:
            return self.looks > 1

        def tick(self) -> View:
            self.looks += 1
            ticks.append("tick")
            return scene().view()

        async def close(self) -> None:
            ticks.append("close")

    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(watching, "App", Fake)
    monkeypatch.setattr(watching.asyncio, "sleep", sleep)
    seen: list[View] = []
    asyncio.run(watching.watch(Loaded(Config(), {}, None), seen.append, count=3))
    assert len(seen) == 3
    assert ticks == ["first", *["tick"] * 4, "close"]
    assert slept == [0.25, 5.0, 5.0]


def test_cgroups_are_lines_too() -> None:
    view = Scene().memory(cgroup("system.slice/a.service"), GIB, 2 * GIB).view()
    assert list(watch.lines_of(rows(Measures(view)), Measures(view), [], {})) == [
        f"{TIME}  normal     50.0 %  cgroup/system.slice/a.service  1 GiB of 2 GiB  CPU, {UNMEASURED}"
    ]
