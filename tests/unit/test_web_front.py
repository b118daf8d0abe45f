"""The front page, drawn from ticks built by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from brimline.deeds import EntryKind, Pause, Verdict
from brimline.model import Diagnosis, Phase, SourceStatus, Subject
from brimline.web.page.front import front, heading
from brimline.web.page.gathered import Gathered
from brimline.web.page.query import Query
from unit.cli_views import GIB, HOST, alert, container, group
from unit.page_scenes import AT, Scenery, crowd, decision, entry, restarted, shop

FIRST = Query()
DOWN = SourceStatus("docker", up=False, seconds=10.0, error="/run/docker.sock: no answer", errors_total=3, info={})


class Page(HTMLParser):
    """What a reader sees, and what it is made of."""

    VOID = frozenset({"input", "meta", "link", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.states: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tbody":
            self.states.append(held.get("class") or "")
        if "id" in held:
            self.ids.append(held["id"] or "")
        assert "style" not in held
        assert not [name for name in held if name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def html(scenery: Scenery, query: Query = FIRST, *, fresh: bool = True) -> str:
    return front(Gathered(scenery.view(), scenery.past), query, fresh=fresh)


def seen(scenery: Scenery, query: Query = FIRST, *, fresh: bool = True) -> Page:
    return Page(html(scenery, query, fresh=fresh))


def test_the_worst_stands_first_with_why_and_with_what_was_done_about_it() -> None:
    page = seen(shop())
    assert page.states == ["critical", "normal", "normal", "normal", "normal"]
    assert (
        "whisper-bot container / shop / whisper-bot 91.2 % 934 MiB of 1 GiB - 2 1 left 1 OOM kill critical "
        "It holds 91.2 % of 1 GiB and nothing of that can be dropped: critical, 81.9 MiB are left before something is "
        "killed. no restart, cooldown: the last restart ended 40s ago; the next is possible in 20s "
        "40s ago : restart of whisper-bot done: it is healthy again after 3.2s; freed 20.5 MiB ( 952 MiB before, "
        "932 MiB after)"
    ) in page.text


def test_what_fires_stands_on_top_with_its_answer_and_what_is_pending_after_it() -> None:
    text = seen(shop()).text
    firing = "Firing: 1 whisper-bot container / shop / whisper-bot InferenceMemoryCritical critical 91.2 % for 5m"
    assert f"{firing} restart 40s ago no restart, cooldown Pending: 1 translator" in text
    assert text.index("Firing") < text.index("Pending") < text.index("Memory used")


def test_a_leak_tells_its_sentence_and_the_time_that_is_left() -> None:
    text = seen(shop()).text
    assert "translator container / shop / translator 61.0 % 937 MiB of 1.50 GiB 42m 0 3 left normal" in text
    assert "leaking: Its floor keeps rising" in text


def test_the_worst_firing_alerts_stand_first_and_the_rest_is_folded() -> None:
    page = seen(crowd(1000))
    firing = page.text.partition("Firing: 64")[2].partition("Memory used")[0]
    assert re.findall(r"service-\d+", firing)[:4] == ["service-27", "service-54", "service-81", "service-108"]
    assert "60 more" in firing
    assert page.text.count("firing") == 0
    assert "more-firing" in page.ids


def test_without_an_alert_nothing_is_said_of_alerts() -> None:
    assert "iring" not in seen(Scenery().add(container("a"), 0.9)).text


def test_what_nobody_may_miss_stands_on_top() -> None:
    scenery = shop()
    scenery.sources = (DOWN,)
    scenery.dry_run = True
    scenery.pauses = (Pause("shop/*", AT - 60, AT + 600, "cli anna"), Pause("", AT - 60, None, "cli ben"))
    assert scenery.past is not None
    scenery.past = replace(scenery.past, up=False, why="journal.db: no space left on device")
    text = seen(scenery, fresh=False).text
    loud = text.partition("1 critical")[0]
    assert "Stale. Nothing was read since 2023-11-14 22:13:20 UTC" in loud
    assert "Source docker failed: /run/docker.sock: no answer" in loud
    assert "Nothing is done: the journal cannot be written: journal.db: no space left on device" in loud
    assert "Dry run. Everything is decided and written down, nothing is done." in loud
    assert "Paused: nothing is done to shop/*, for another 10m ; asked for by cli anna 1m ago ." in loud
    assert "Paused: nothing is done to anything, until somebody resumes it; asked for by cli ben" in loud
    assert "docker failed 10s, 3 failed reads so far" in text


def test_on_a_good_day_nothing_is_loud() -> None:
    assert 'class="loud' not in html(shop())


def test_a_journal_that_cannot_be_read_costs_its_lines_only() -> None:
    scenery = shop()
    assert scenery.past is not None
    scenery.past = replace(scenery.past, broken="journal.db: a line is damaged")
    text = seen(scenery).text
    assert "The journal cannot be read: journal.db: a line is damaged" in text
    assert "Nothing was written down yet." in text
    assert "91.2 %" in text


def test_without_a_journal_there_is_no_history() -> None:
    scenery = shop()
    scenery.past = None
    assert seen(scenery).text.count("no history yet") == 4  # the host's is not kept


def test_what_a_dry_run_would_do_is_told_as_such() -> None:
    a = container("a")
    scenery = Scenery().add(a, 0.9)
    scenery.decisions.append(decision(a, Verdict.DRY_RUN, "91 % for 5m"))
    assert "restart, were this no dry run: 91 % for 5m" in seen(scenery).text


@pytest.mark.parametrize("verdict", [Verdict.RUN, Verdict.IN_FLIGHT])
def test_what_is_under_way_is_told_as_such(verdict: Verdict) -> None:
    a = container("a")
    scenery = Scenery().add(a, 0.9)
    scenery.decisions.append(decision(a, verdict, "it began 3s ago"))
    assert "restart under way: it began 3s ago" in seen(scenery).text


def test_the_answer_to_the_gravest_alert_comes_first() -> None:
    a = container("a")
    scenery = Scenery().add(a, 0.9)
    mild = replace(decision(a, Verdict.COOLDOWN, "mild", "cleanup"), severity="warning")
    scenery.decisions += [mild, replace(decision(a, Verdict.PROTECTED, "grave"), severity="critical")]
    assert "no restart, protected: grave no cleanup, cooldown: mild" in seen(scenery).text


def test_what_the_host_killed_since_its_boot_is_no_news() -> None:
    scenery = Scenery().add(HOST, 0.1, memory_oom_kills_total=62).add(container("a"), 0.1, memory_oom_kills_total=2)
    assert re.findall(r"\d+ OOM kills", seen(scenery).text) == ["2 OOM kills"]


def test_an_action_that_failed_and_one_that_made_it_worse_say_so() -> None:
    a, b = container("a"), container("b")
    scenery = Scenery().add(a, 0.9).add(b, 0.9)
    scenery.write(restarted(a, 60, 100 << 20, 150 << 20), restarted(b, 60, 1, 1, ok=False))
    drawn = html(scenery)
    assert "50 MiB more" in drawn
    assert 'class="did failed"' in drawn
    assert "<b>failed</b>" in drawn


@pytest.mark.parametrize(
    ("ratio", "state", "width"),
    [
        (0.0, "normal", "0.0"),
        (0.8, "normal", "80.0"),
        (0.801, "warning", "80.1"),
        (0.85, "warning", "85.0"),
        (0.8501, "critical", "85.0"),
        (1.7, "critical", "100.0"),
    ],
)
def test_the_bar_and_the_state_follow_the_ratio(ratio: float, state: str, width: str) -> None:
    drawn = html(Scenery().add(container("a"), ratio))
    assert f'<tbody class="{state}">' in drawn
    assert f'<rect class="fill" y="2" width="{width}"' in drawn
    assert 'd="M80 0V12M85 0V12"' in drawn


def test_the_marks_are_each_ones_own() -> None:
    lax, plain = container("lax"), container("plain")
    scenery = Scenery().add(lax, 0.9).add(plain, 0.82)
    scenery.levels[lax] = (0.95, 0.97)
    drawn = html(scenery)
    own, usual = drawn.partition("<tbody")[2].split("<tbody")[::-1]
    assert 'd="M95 0V12M97 0V12"' in own
    assert "levels 95 % and 97 %" in own
    assert 'd="M80 0V12M85 0V12"' in usual
    assert "levels" not in usual
    assert "those with levels of their own say so" in drawn


def test_sizes_tell_their_exact_bytes_on_hover() -> None:
    drawn = html(Scenery().add(container("a"), 0.5, 4 * GIB))
    assert '<data value="2147483648" title="2,147,483,648 bytes">2 GiB</data>' in drawn


def test_a_subject_without_a_limit_is_marked() -> None:
    assert "2 GiB , no limit" in seen(Scenery().add(container("free"), 0.5, limited=0)).text


def test_what_is_stopped_or_unknown_says_why() -> None:
    gone, hidden = container("gone"), container("hidden")
    scenery = Scenery().add(container("a"), 0.1)
    scenery.values[gone] = {"running": 0, "exit_code": 137}
    scenery.failed[hidden] = "memory.stat: permission denied"
    page = seen(scenery)
    assert page.states == ["unknown", "normal", "stopped"]
    assert "gone container - - stopped stopped, exit code 137" in page.text
    assert "hidden container no history yet - - unknown memory.stat: permission denied" in page.text
    assert "1 unknown 1 normal 1 stopped" in page.text


def test_with_nothing_to_show_it_helps() -> None:
    help_ = "No container, systemd service or process group is measured yet."
    assert help_ in seen(Scenery()).text
    assert help_ in seen(Scenery().add(HOST, 0.4)).text
    assert help_ not in seen(shop()).text


def test_the_first_hundred_are_shown_and_the_way_to_all_of_them() -> None:
    some = seen(crowd(300))
    assert len(some.states) == 100
    assert "The first 100 of 301; show all 301 , or search." in some.text
    every = seen(crowd(300), Query(everything=True))
    assert len(every.states) == 301
    assert "Show the first 100 only" in every.text


def test_a_search_that_finds_nothing_says_so() -> None:
    page = seen(shop(), Query(words="nobody"))
    assert 'No subject matches "nobody". Show all of them' in page.text
    assert page.states == []


def test_the_window_s_title_tells_what_is_wrong() -> None:
    assert heading(Gathered(shop().view(), None)) == "1 critical - Brimline"
    assert heading(Gathered(Scenery().add(container("a"), 0.1).view(), None)) == "Brimline"


def test_every_id_is_there_once() -> None:
    page = seen(crowd(300))
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("ago", [-1e18, 1e18])
def test_a_line_by_a_clock_that_was_wrong_costs_no_page(ago: float) -> None:
    assert "before the flood" in seen(shop().write(entry(EntryKind.NOTE, None, "before the flood", ago))).text


def test_names_cannot_become_markup() -> None:
    evil = "<script>alert(1)</script>\"&'<img src=x>"
    subject, idle = container(evil, evil, evil), container(f"{evil}2", evil, evil)
    scenery = Scenery().add(subject, 0.9).add(group(evil), 0.95)
    scenery.values[idle] = {"running": 0}
    scenery.sources = (SourceStatus(evil, up=False, seconds=0.1, error=evil, errors_total=1, info={"mode": evil}),)
    scenery.alerts.append(alert(subject, evil, evil, phase=Phase.FIRING))
    scenery.decisions.append(decision(subject, Verdict.COOLDOWN, evil, evil))
    scenery.diagnoses[subject] = Diagnosis(evil, evil)
    scenery.failed[container(f"{evil}3")] = evil
    scenery.pauses = (Pause(evil, AT, None, evil),)
    scenery.write(entry(EntryKind.OUTCOME, subject, evil, 5, evil, ok=True), entry(EntryKind.NOTE, None, evil, 6))
    page = seen(scenery, Query(words="script"))
    assert {"script", "img"}.isdisjoint(page.tags)
    assert page.text.count("<script>alert(1)</script>") >= 20


class Counted(Mapping[Subject, Diagnosis]):
    """Diagnoses that remember who was asked for."""

    def __init__(self, found: dict[Subject, Diagnosis]) -> None:
        self.found = found
        self.asked: list[Subject] = []

    def __getitem__(self, subject: Subject) -> Diagnosis:
        self.asked.append(subject)
        return self.found[subject]

    def __iter__(self) -> Iterator[Subject]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)


def test_sentences_are_made_for_those_only_who_are_shown() -> None:
    scenery = crowd(300)
    counted = scenery.diagnoses = Counted(scenery.diagnoses)  # type: ignore[assignment] # a mapping that counts
    seen(scenery)
    assert 90 < len(set(counted.asked)) <= 100
