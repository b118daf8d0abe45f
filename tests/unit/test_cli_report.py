"""`brimline report`: what a past amounts to, and that each of its three forms tells it to whoever reads it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from brimline.cli import commands
from brimline.cli.report import page as report_html
from brimline.cli.report import text as report_text
from brimline.cli.report.events import Restarts
from brimline.cli.report.facts import Report, Terms, report, standing
from brimline.cli.report.leaks import leaks
from brimline.cli.report.past import judged
from brimline.cli.report.spark import spark
from brimline.deeds import Entry, Verdict
from brimline.journal.history import Sample
from brimline.levels import LevelBook, Override
from brimline.model import Kind, Phase, Subject
from brimline.standing import State
from fakes import container
from unit.journals import change
from unit.pasts import (
    HOUR,
    MIB,
    MINUTE,
    Shape,
    alert,
    daily,
    done,
    leak,
    live,
    observed,
    refused,
    samples,
    saw,
    service,
    write,
)

DAY = 1440  # minutes
BOOK = LevelBook(0.80, 0.85)
TERMS = Terms(BOOK, {"InferenceOomKilled"})
WEB = service("web")
HOSTILE = '<script>alert("x")</script>&|`*_\'"\u202e'


def made(
    seen: dict[Subject, Sequence[Sample]], entries: Sequence[Entry] = (), *, minutes: int = DAY, terms: Terms = TERMS
) -> Report:
    return report(seen.items(), entries, (0, minutes * MINUTE), terms)


def restarted(minute: int) -> float:
    return leak(minute % 720 * 2)


def cached(minute: int) -> float:
    """Fill a cache for six hours, then stay."""
    return 0.3 + 0.3 * min(minute, 360) / 360


@pytest.mark.parametrize("shape", [saw, daily, cached, lambda _: 0.5])
def test_what_is_healthy_does_not_leak(shape: Shape) -> None:
    assert leaks(samples(shape, 2 * DAY)) == ()


def test_a_leak_has_its_slope_and_the_time_to_the_limit() -> None:
    (found,) = leaks(samples(leak, DAY))
    assert found.slope * HOUR == pytest.approx(25 * MIB, rel=0.05)
    assert (found.began, found.ended) == (0, DAY * MINUTE)
    assert found.left == pytest.approx(0.12 * 1000 / 25 * HOUR, rel=0.05)  # from the floor of the last bin


def test_a_leak_that_a_restart_ends_is_over() -> None:
    first, second = leaks(samples(restarted, DAY), [720 * MINUTE])
    assert (first.left, second.left is not None) == (None, True)
    assert first.ended == pytest.approx(720 * MINUTE, abs=2 * MINUTE)
    assert first.slope * HOUR == pytest.approx(50 * MIB, rel=0.1)


def test_a_fall_that_nobody_tells_of_ends_a_leak_too() -> None:
    (found,) = leaks(samples(restarted, DAY))
    assert found.left is None
    assert found.ended == pytest.approx(720 * MINUTE, abs=2 * MINUTE)


def test_another_limit_begins_anew() -> None:
    grown = samples(leak, DAY, limit=1000 * MIB) + samples(
        lambda _: leak(DAY - 1) / 2, 240, limit=2000 * MIB, began=DAY * MINUTE
    )
    (found,) = leaks(grown)
    assert (found.left, found.ended) == (None, DAY * MINUTE)


def test_samples_without_a_limit_tell_of_no_leak() -> None:
    assert leaks([replace(sample, limit=None) for sample in samples(leak, DAY)]) == ()


def test_a_minute_is_above_a_level_by_its_average() -> None:
    found = standing(WEB, samples(lambda minute: 0.9 if minute < 5 else 0.82 if minute < 15 else 0.799, 60), BOOK)
    assert found is not None
    assert (found.above_alert, found.above_restart, found.seconds) == (15 * MINUTE, 5 * MINUTE, 60 * MINUTE)
    assert (found.peak, found.peak_at, found.state) == (920 * MIB, 0, State.CRITICAL)
    assert found.highest == pytest.approx(0.92)


def test_a_subject_is_held_against_its_own_levels() -> None:
    book = LevelBook(0.80, 0.85, (Override("shop/web", 0.5, 0.6),))
    found = standing(WEB, samples(lambda _: 0.55, 10), book)
    assert found is not None
    assert (found.levels, found.above_alert, found.above_restart) == ((0.5, 0.6), 600, 0)


def test_what_was_never_measured_is_left_out() -> None:
    nothing = [replace(sample, used=None) for sample in samples(saw, 5)]
    without = [replace(sample, limit=None) for sample in samples(saw, 5)]
    found = made({WEB: nothing, service("db"): without})
    assert [(one.name, one.state, one.highest) for one in found.standings] == [
        ("container/shop-db-1", State.UNKNOWN, None)
    ]


@pytest.mark.parametrize(
    ("times", "busiest", "state"),
    [
        ([0], 1, State.NORMAL),
        ([n * 700 for n in range(5)], 5, State.NORMAL),
        ([n * 600 for n in range(7)], 6, State.WARNING),
        ([0, 3600], 1, State.NORMAL),
        (list(range(21)), 21, State.CRITICAL),
    ],
)
def test_restarts_are_judged_by_their_busiest_hour(times: list[float], busiest: int, state: State) -> None:
    found = Restarts("container/web", tuple(times), 0)
    assert (found.busiest, found.state) == (busiest, state)


def test_restarts_are_ours_and_others() -> None:
    found = made({}, [done(WEB, 10), done(WEB, 20, ok=False), done(WEB, 30, action="cleanup"), observed(WEB, 40)])
    assert [(r.name, r.times, r.ours) for r in found.restarts] == [("container/shop-web-1", (10, 40), 1)]
    assert [(a.action, a.ok, a.freed) for a in found.actions] == [
        ("restart", True, 400 * MIB),
        ("restart", False, 400 * MIB),
        ("cleanup", True, 400 * MIB),
    ]
    assert made({}, [done(WEB, 1, freed=-MIB), done(WEB, 2, freed=3 * MIB)]).freed == 3 * MIB


def test_alerts_begin_before_and_go_on_after() -> None:
    found = made(
        {},
        [
            alert(WEB, "MemoryHigh", 100, Phase.INACTIVE),
            alert(WEB, "MemoryHigh", 200),
            alert(WEB, "InferenceOomKilled", 210, value=1.02),
            alert(WEB, "MemoryHigh", 260, Phase.INACTIVE, value=0.1),
        ],
    )
    assert [(e.alertname, e.began, e.ended, e.value) for e in found.episodes] == [
        ("MemoryHigh", None, 100, 0.9),
        ("MemoryHigh", 200, 260, 0.9),
        ("InferenceOomKilled", 210, None, 1.02),
    ]
    assert [(k.at, k.number) for k in found.killed] == [(210, 2)]
    assert [report_text.lasted(e, found) for e in found.episodes] == ["1m 40s and before", "1m", "23h 56m, goes on"]


def test_the_worst_come_first() -> None:
    shapes: dict[str, Shape] = {"calm": lambda _: 0.1, "leaking": leak, "high": lambda _: 0.82, "busy": lambda _: 0.7}
    found = made({service(name): samples(shape, DAY) for name, shape in shapes.items()})
    assert [one.subject.labels[2] for one in found.standings] == ["leaking", "high", "busy", "calm"]
    assert [one.state for one in found.standings[:2]] == [State.CRITICAL, State.WARNING]


class Reader(HTMLParser):
    """Takes a page apart as a browser does."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "path", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def full(name: str = "shop-web-1") -> Report:
    web = container(name, "c", (name, name))
    entries = [
        alert(web, "MemoryHigh", 50),
        alert(web, "InferenceOomKilled", 60),
        done(web, 100),
        replace(done(web, 200, ok=False, freed=-MIB), text=f"restart of x failed: {name}"),
        observed(web, 300),
        refused(web, 400, Verdict.NOT_OPTED_IN),
    ]
    return made({web: samples(leak, DAY), service("db"): samples(lambda _: 0.01, DAY)}, entries)


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    page = report_html.page(full(), "host-1")
    read = Reader(page)
    assert read.open == []
    assert not {tag for tag, _ in read.tags} & {"script", "link", "img", "iframe", "object"}
    assert not any(name.startswith("on") or name in {"src", "href"} for _, attrs in read.tags for name in attrs)
    assert not re.search(r"url\(|@import|https?:", page)
    said = " ".join(read.texts)
    for word in (
        "Brimline report of host-1",
        "Memory",
        "Leaks",
        "OOM kills",
        "Restarts",
        "Actions",
        "Alerts",
        "Not done",
    ):
        assert word in said
    assert re.search(r"2\d(\.\d)? MiB/h", said)
    assert "drawn to its own height" in said


def test_a_hostile_name_is_only_a_name() -> None:
    calm, hostile = Reader(report_html.page(full(), "h")), Reader(report_html.page(full(HOSTILE), HOSTILE))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in calm.tags]
    assert any(HOSTILE in text for text in hostile.texts)


def test_a_page_of_nothing_says_where_to_look() -> None:
    said = " ".join(Reader(report_html.page(made({}), "")).texts)
    assert "There are no samples of this time" in said
    assert "brimline status" in said
    assert "Leaks" not in said


def test_markdown_keeps_its_tables_whatever_the_names() -> None:
    text = report_text.markdown(full(HOSTILE), HOSTILE)
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1
    assert "<script" not in text.replace("\\<script", "")


def test_json_is_the_whole_report() -> None:
    data = json.loads(report_text.as_json(full(), "host-1"))
    web, db = data["subjects"]
    assert (web["state"], web["labels"][2], db["leaks"]) == ("critical", "shop-web-1", [])
    assert web["leaks"][0]["bytes_per_second"] * HOUR == pytest.approx(25 * MIB, rel=0.05)
    assert [a["freed_bytes"] for a in data["actions"]] == [400 * MIB, -MIB]
    assert data["not_done"] == [{"action": "restart", "verdict": "not_opted_in", "decided": 1}]
    assert data["oom_kills"] == [{"at": 60.0, "name": "container/shop-web-1", "kills": 1}]


def test_the_curve_is_broken_where_nothing_was_seen() -> None:
    seen = [s for s in samples(saw, DAY) if not 600 <= s.at / MINUTE < 800]
    one = standing(WEB, seen, BOOK)
    assert one is not None
    drawn = spark(one, 0, DAY * MINUTE, [3600.0])
    assert (drawn.count('class="curve"'), drawn.count('class="deed"'), drawn.count('class="alert"')) == (2, 1, 1)
    short = standing(WEB, samples(saw, 10), BOOK)
    assert short is not None
    assert spark(short, 0, 600, []).count('class="curve"') == 1


END = 1_700_002_800.0 + 90 * MINUTE


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr("time.time", lambda: END)
    yield
    monkeypatch.undo()
    time.tzset()


def brimline(storage: Path, *arguments: str) -> Result:
    return CliRunner().invoke(commands(), ["report", *arguments, f"--storage.path={storage}"], prog_name="brimline")


def test_it_reads_the_journal_as_it_is(tmp_path: Path) -> None:
    live(tmp_path, {WEB: saw, service("db"): lambda _: 0.83}, 90)
    write(tmp_path, [done(WEB, END - HOUR), done(WEB, END - 30 * HOUR), alert(WEB, "InferenceOomKilled", END - 60)])
    data = json.loads(brimline(tmp_path, "--format=json").stdout)
    assert [(one["name"], one["state"]) for one in data["subjects"]] == [
        ("shop-db-1", "warning"),
        ("shop-web-1", "normal"),
    ]
    assert data["subjects"][0]["seconds_above_alert"] == 90 * MINUTE
    assert (len(data["actions"]), len(data["oom_kills"])) == (1, 1)
    assert data["ended"] - data["began"] == 24 * HOUR
    recent = json.loads(brimline(tmp_path, "--format=json", "--since=30m").stdout)
    assert (len(recent["actions"]), recent["subjects"][0]["seconds"]) == (0, 30 * MINUTE)


def test_the_file_says_by_its_name_what_it_is(tmp_path: Path) -> None:
    live(tmp_path, {WEB: saw}, 5)
    for name, begins in (("a.html", "<!doctype html>"), ("a.md", "# Brimline report"), ("a.json", "{")):
        result = brimline(tmp_path, "-o", str(tmp_path / name))
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == f"{tmp_path / name}: 1 subject, 0 actions\n"
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
    assert brimline(tmp_path).stdout.startswith("# Brimline report")
    refused_ = brimline(tmp_path, "-o", str(tmp_path / "none" / "a.md"))
    assert (refused_.exit_code, "write another file with -o" in refused_.stderr) == (1, True)


def test_a_process_group_without_pss_is_told_of_by_its_rss() -> None:
    bot = Subject(Kind.PROCESS, "bot", ("bot",), "")
    rss = [replace(sample, used=None, usage=sample.used) for sample in samples(saw, 3)]
    assert [one.used for one in judged(bot, rss)] == [one.usage for one in rss]
    assert judged(bot, samples(saw, 3)) == samples(saw, 3)
    assert judged(WEB, rss) == tuple(rss)


def test_without_a_journal_there_is_a_sentence(tmp_path: Path) -> None:
    result = brimline(tmp_path / "none")
    assert result.exit_code == 1
    assert "there is no journal; write where it is with --storage.path" in result.stderr


@pytest.mark.parametrize(
    "change_",
    [
        "UPDATE lines SET facts = '{'",
        "UPDATE lines SET labels = '5'",
        "UPDATE minutes SET data = x'0011'",
        "UPDATE series SET kind = 'nothing'",
    ],
)
@pytest.mark.parametrize("verb", [["report"], ["plot", "shop-web-1", "-o-"]])
def test_what_is_damaged_in_the_journal_is_a_sentence(tmp_path: Path, verb: list[str], change_: str) -> None:
    live(tmp_path, {WEB: saw}, 5)
    write(tmp_path, [done(WEB, END - HOUR)])
    change(tmp_path, change_)
    result = CliRunner().invoke(commands(), [*verb, f"--storage.path={tmp_path}"], prog_name="brimline")
    assert result.exit_code == 1
    assert "a line or a sample is damaged; see brimline journal verify" in result.stderr


@pytest.mark.parametrize("bug", [ValueError, KeyError, TypeError])
def test_a_bug_of_ours_is_not_called_damage_of_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: type[Exception]
) -> None:
    def broken(*_: object) -> Report:
        raise bug("ours")

    live(tmp_path, {WEB: saw}, 5)
    for verb, what in ((["report"], "report.verb.put_together"), (["plot", "shop-web-1", "-o-"], "plot.verb.find")):
        monkeypatch.setattr(f"brimline.cli.{what}", broken)
        result = CliRunner().invoke(commands(), [*verb, f"--storage.path={tmp_path}"], prog_name="brimline")
        assert isinstance(result.exception, bug)
