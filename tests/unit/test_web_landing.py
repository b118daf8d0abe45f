"""The front page, drawn from views built by hand."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from importlib import resources
from types import MappingProxyType

import pytest

from brimline.model import (
    Alert,
    Column,
    Diagnosis,
    Kind,
    Metric,
    MetricKind,
    Now,
    Phase,
    Snapshot,
    SourceReport,
    SourceStatus,
    Subject,
)
from brimline.sources import cgroup
from brimline.view import View
from brimline.web.landing import Landing, draw
from brimline.web.once import Once
from unit.cli_views import alert, thresholds

GIB = 1 << 30
RUNNING = Metric("brimline_container_running", "x", MetricKind.GAUGE, ())
EXIT_CODE = Metric("brimline_container_exit_code", "x", MetricKind.GAUGE, ())
UP = SourceStatus("docker", up=True, seconds=0.0012, error=None, errors_total=0, info={"mode": "cgroupfs"})


def container(name: str, project: str = "", service: str = "") -> Subject:
    return Subject(Kind.CONTAINER, name, (name, project, service), f"{name}@1")


def column(family: cgroup.Family, values: dict[Subject, float]) -> Column:
    return Column(family[Kind.CONTAINER], tuple(values), list(values.values()))


def view(
    ratios: dict[Subject, float],
    *more: Column,
    limited: bool = True,
    sources: tuple[SourceStatus, ...] = (UP,),
    failed: dict[Subject, str] | None = None,
    alerts: tuple[Alert, ...] = (),
    diagnoses: Mapping[Subject, Diagnosis] = MappingProxyType({}),
    levels: tuple[float, float] = (0.8, 0.85),
) -> View:
    columns = (
        column(cgroup.MEMORY_USED_RATIO, ratios),
        column(cgroup.MEMORY_USED_BYTES, {s: r * 4 * GIB for s, r in ratios.items()}),
        column(cgroup.MEMORY_LIMIT_BYTES, dict.fromkeys(ratios, 4 * GIB)),
        column(cgroup.LIMITED, dict.fromkeys(ratios, int(limited))),
        *more,
    )
    report = SourceReport("cgroup", columns, 0.001, failed=failed or {})
    derived = SourceReport("derived", (), diagnoses=diagnoses)
    snapshot = Snapshot(Now(1_700_000_000.0, 5.0), (report, derived))
    return View(snapshot, sources, 42, 0.0042, b"", alerts, levels)


class Text(HTMLParser):
    """What a reader sees, and the classes of the rows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.rows: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "li":
            self.rows.append(dict(attrs).get("class") or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def seen(of: View, *, fresh: bool = True) -> Text:
    return Text(draw(of, fresh=fresh))


def test_subjects_stand_worst_first_with_their_state_in_words() -> None:
    page = seen(view({container("calm"): 0.5, container("hot", "shop", "api"): 0.91, container("warm"): 0.82}))
    assert page.rows[:3] == ["critical", "warning", "normal"]
    assert "1 critical , 1 warning , 1 normal" in page.text
    assert "hot container / shop / api 91.0 % 3.64 GiB of 4 GiB critical" in page.text


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
    html = draw(view({container("a"): ratio}), fresh=True)
    assert f'<li class="{state}">' in html
    assert f'<rect class="fill" y="2" width="{width}"' in html
    assert 'd="M80 0V12M85 0V12"' in html


def test_a_subject_without_a_limit_is_marked() -> None:
    assert "2 GiB no limit" in seen(view({container("free"): 0.5}, limited=False)).text


def test_a_stopped_container_is_shown_as_stopped() -> None:
    gone = container("gone")
    more = (Column(RUNNING, (gone,), [0]), Column(EXIT_CODE, (gone,), [137]))
    page = seen(view({container("a"): 0.1}, *more))
    assert page.rows[:2] == ["normal", "stopped"]
    assert "gone container exit code 137 stopped" in page.text
    assert "1 normal , 1 stopped" in page.text


def test_what_could_not_be_read_is_unknown_and_says_why() -> None:
    page = seen(view({container("a"): 0.1}, failed={container("b"): "memory.stat: permission denied"}))
    assert "b container memory.stat: permission denied unknown" in page.text


def test_a_failed_source_is_said_loudly_and_a_stale_loop_too() -> None:
    down = SourceStatus("docker", up=False, seconds=10.0, error="/run/docker.sock: no answer", errors_total=3, info={})
    page = seen(view({}, sources=(down,)), fresh=False)
    assert page.text.startswith("Stale. Nothing was read since 2023-11-14 22:13:20 UTC")
    assert "Source docker failed: /run/docker.sock: no answer" in page.text
    assert "docker failed 10s, 3 failed reads so far /run/docker.sock: no answer" in page.text
    assert "down" in page.rows


def test_a_source_shows_how_it_reads() -> None:
    assert "docker reading 1.2 ms, mode cgroupfs" in seen(view({})).text


def test_with_nothing_to_show_it_helps() -> None:
    assert "No container, systemd service or process group is measured yet." in seen(view({})).text
    assert "measured yet" not in seen(view({container("a"): 0.1})).text


def test_names_cannot_become_markup() -> None:
    evil = "<script>alert(1)</script>\"&'<img src=x>"
    down = SourceStatus(evil, up=False, seconds=0.1, error=evil, errors_total=1, info={"mode": evil})
    stopped = container(evil + "2", evil, evil)
    of = view(
        {container(evil, evil, evil): 0.9},
        Column(RUNNING, (stopped,), [0]),
        sources=(down,),
        failed={container(evil + "3"): evil},
        alerts=(alert(container(evil), evil, evil, phase=Phase.FIRING),),
        diagnoses={container(evil, evil, evil): Diagnosis("leaking", evil)},
    )
    page = seen(of)
    assert {"script", "img"}.isdisjoint(page.tags)
    assert page.text.count("<script>alert(1)</script>") >= 12


def test_the_policy_allows_this_style_and_nothing_else() -> None:
    once = Once()
    try:
        policy = Landing(None, once, telemetry_path="/metrics")._policy  # type: ignore[arg-type] # no page is asked for
    finally:
        once.close()
    style = resources.files("brimline.web").joinpath("landing.css").read_bytes()
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "style=" not in draw(view({container("a"): 0.9}), fresh=True)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_colour_has_aa_contrast_on_both_grounds(scheme: int) -> None:
    style = resources.files("brimline.web").joinpath("landing.css").read_text("utf-8")
    colours = dict(re.findall(r"--(\w+): (#\w{6})", style.split(":root")[scheme + 1]))
    assert len(colours) == 11
    for ground in ("ground", "card"):
        for text in ("text", "dim", "normal", "warning", "critical", "unknown", "link"):
            light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_a_thousand_subjects_are_drawn_in_no_time() -> None:
    of = view({container(f"service-{i}", "shop", f"s{i}"): i / 1000 for i in range(1000)})
    took = []
    for _ in range(3):
        began = time.process_time()
        html = draw(of, fresh=True)
        took.append(time.process_time() - began)
    assert html.count('<li class="critical">') == 149
    assert min(took) < 0.1


def test_what_fires_stands_on_top_and_what_is_pending_after_it() -> None:
    hot, calm = container("hot", "shop", "api"), container("calm")
    alerts = (
        alert(calm, "Leak", "warning", phase=Phase.PENDING, value=300, unit="seconds"),
        alert(hot, "Warned", "warning", phase=Phase.FIRING, value=1.5 * GIB, unit="bytes"),
        alert(hot, "Asked", "page", phase=Phase.FIRING, value=1e6, unit="", known=False),
        alert(hot, phase=Phase.FIRING),
    )
    page = seen(view({hot: 0.91, calm: 0.5}, alerts=alerts))
    since = "for 5m, since 2023-11-14 22:08:20 UTC"
    assert page.text.startswith(
        f"Firing: 3 MemoryHigh critical container/hot 91.0 % {since} Warned warning container/hot 1.50 GiB {since} "
        f"Asked page container/hot 1e+06 {since} its source fails, the last that is known "
        f"Pending: 1 Leak warning container/calm 5m {since} 1 critical"
    )
    assert page.rows[:4] == ["critical", "warning", "other", "warning"]


def test_without_an_alert_nothing_is_said_of_alerts() -> None:
    text = seen(view({container("a"): 0.99})).text
    assert text.startswith("1 critical Memory used")


def test_the_marks_and_the_state_are_each_ones_own() -> None:
    lax, plain = container("lax"), container("plain")
    html = draw(
        view({lax: 0.9, plain: 0.65}, thresholds(Kind.CONTAINER, {lax: (0.95, 0.97)}), levels=(0.5, 0.7)), fresh=True
    )
    first, second = html.split('<li class="')[1:3]
    assert first.startswith("warning")
    assert 'd="M50 0V12M70 0V12"' in first
    assert "levels" not in first
    assert second.startswith("normal")
    assert 'd="M95 0V12M97 0V12"' in second
    assert "levels 95 % and 97 %" in second
    assert "The marks stand at 50 % (warning) and 70 % (critical)" in html
    assert "those with levels of their own say so" in html


def test_levels_that_are_the_usual_ones_are_not_told() -> None:
    own = container("own")
    assert "levels" not in seen(view({own: 0.9}, thresholds(Kind.CONTAINER, {own: (0.8, 0.85)}))).text


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


def test_what_is_the_matter_stands_under_the_subject_and_what_is_well_says_nothing() -> None:
    leak, well, unjudged, hidden = (container(name) for name in ("leak", "well", "unjudged", "hidden"))
    told = Diagnosis("leaking", "Its floor keeps rising.")
    diagnoses = Counted({leak: told, well: Diagnosis("ok", "It does not leak."), hidden: told})
    page = seen(view({leak: 0.9, well: 0.5, unjudged: 0.2}, diagnoses=diagnoses))
    assert "leak container 90.0 % 3.60 GiB of 4 GiB critical Its floor keeps rising. well container" in page.text
    assert page.text.count("floor") == 1
    assert "does not leak" not in page.text
    assert diagnoses.asked == [leak, well, unjudged]
