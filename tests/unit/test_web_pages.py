"""The pages on a real socket: addresses, headers, what is drawn once a tick and what it costs."""

from __future__ import annotations

import asyncio
import gzip
import re
import threading
import time
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

import pytest

from brimline.deeds import Entry
from brimline.journal.lines import Wanted
from brimline.web.page import pages
from brimline.web.page.frame import Frame
from brimline.web.page.gathered import Gathered
from unit.acting import until
from unit.cli_views import cgroup, container
from unit.page_scenes import PastOf, Scenery, Shown, crowd, members, shop
from unit.test_web_front import Page
from unit.test_web_server import Ask, browse

STYLE = Frame({})._style


def test_the_front_page_has_its_content_and_a_policy_that_allows_nothing_from_elsewhere() -> None:
    async def check(ask: Ask) -> None:
        answer = await ask("/")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'; style-src 'self' 'sha256-")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        body = await answer.text()
        assert "whisper-bot" in Page(body.partition("<body")[2].partition(">")[2].removesuffix("</body></html>\n")).text
        assert not re.search(r"<script(?! src=)", body)
        assert re.search(r'<noscript><meta http-equiv="refresh" content="\d+"></noscript>', body)

    browse(check, Shown(shop()))


def test_every_page_loads_its_script_which_may_be_kept_for_ever() -> None:
    async def check(ask: Ask) -> None:
        for path in ("/", "/subject/container/whisper-bot", "/subject/cgroup/system.slice/ssh.service"):
            source = re.search(r'<script src="([^"]+)" defer', await (await ask(path)).text())
            assert source is not None
            answer = await ask(urljoin(path, source[1]))
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
            assert "immutable" in answer.headers["Cache-Control"]
            assert "api/v1/events" in await answer.text()

    browse(check, Shown(shop().add(cgroup("system.slice/ssh.service"), 0.1)))


@pytest.mark.parametrize("prefix", ["/", "/mem", "/a/b"])
@pytest.mark.parametrize("name", ["system.slice/ssh.service", "/", "a//b", "a/../b", "50%25 of ü?#<", "ssh.service"])
def test_a_name_may_hold_anything_and_its_page_leads_back(name: str, prefix: str) -> None:
    async def check(ask: Ask) -> None:
        front = prefix.rstrip("/") + "/"
        body = await (await ask(front)).text()
        link = re.search(r'href="(subject/cgroup/[^"]+)"', body)
        assert link is not None
        address = urljoin(front, link[1])
        answer = await ask(address)
        assert answer.status == 200, address
        text = await answer.text()
        back = re.search(r'aria-label="Path"><a href="([^"]+)"', text)
        assert back is not None
        assert urljoin(address, back[1]) == front

    browse(check, Shown(Scenery().add(cgroup(name), 0.5)), route_prefix=prefix)


def test_a_subject_that_is_not_there_is_404_in_words() -> None:
    async def check(ask: Ask) -> None:
        answer = await ask("/subject/container/whisper")
        assert answer.status == 404
        assert "These may be meant:" in await answer.text()
        assert (await ask("/subject/container/")).status == 404

    browse(check, Shown(shop()))


def test_a_page_shows_the_processes_it_was_given() -> None:
    shown = Shown(shop())
    shown.processes = members()

    async def check(ask: Ask) -> None:
        assert "ffmpeg" in await (await ask("/subject/container/whisper-bot")).text()

    browse(check, shown)


def test_before_the_first_tick_every_page_says_so() -> None:
    shown = Shown(shop())
    shown.view = None

    async def check(ask: Ask) -> None:
        for path in ("/", "/subject/container/whisper-bot"):
            assert "The first reading is under way" in await (await ask(path)).text()

    browse(check, shown)


def test_a_loop_that_hangs_is_said_loudly_at_once() -> None:
    shown = Shown(shop())

    async def check(ask: Ask) -> None:
        assert "Stale." not in await (await ask("/")).text()
        shown.is_fresh = False
        body = await (await ask("/")).text()
        assert "Stale." in body
        assert '<body class="stale">' in body

    browse(check, shown)


def test_searching_and_sorting_work_by_address_alone() -> None:
    async def check(ask: Ask) -> None:
        body = await (await ask("/?q=shop&sort=state&sort=name&all=1")).text()
        assert re.findall(r"<tbody.*?href=\"subject/(?:container|process)/([^\"]+)", body) == [
            "embedder",
            "translator",
            "whisper-bot",
        ]
        assert 'value="shop"' in body
        assert "evil" not in await (await ask("/?q=%22%3E%3Cscript%3E&sort=evil&all=evil")).text()
        assert "<script>" not in await (await ask("/?q=%22%3E%3Cscript%3E")).text()

    browse(check, Shown(shop()))


def test_gzip_holds_the_same_page() -> None:
    async def check(ask: Ask) -> None:
        plain = await (await ask("/")).read()
        packed = await ask("/", headers={"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await packed.read()) == plain

    browse(check, Shown(shop()))


def test_a_tick_is_gathered_once_for_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []

    class Counted(Gathered):
        def __init__(self, *parts: object) -> None:
            made.append(time.monotonic())
            super().__init__(*parts)  # type: ignore[arg-type] # handed through

    monkeypatch.setattr(pages, "Gathered", Counted)
    shown = Shown(shop())

    async def check(ask: Ask) -> None:
        for path in ("/", "/?q=shop", "/?sort=name", "/subject/container/whisper-bot", "/"):
            assert (await ask(path)).status == 200
        assert len(made) == 1
        shown.show(shop())
        await ask("/")
        assert len(made) == 2

    browse(check, shown)


@dataclass
class Hanging(PastOf):
    """A journal whose disk hangs, under what is asked of one subject alone or of everything."""

    everything: bool = True
    free: threading.Event = field(default_factory=threading.Event)

    def lines(self, wanted: Wanted) -> tuple[Entry, ...]:
        if self.everything or wanted.name is not None:
            assert self.free.wait(20)
        return ()


def test_a_disk_that_hangs_under_a_page_holds_up_no_scrape_and_no_health_check() -> None:
    past = Hanging()
    shown = Shown(replace(shop(), past=past))

    async def check(ask: Ask) -> None:
        page = asyncio.create_task(ask("/"))
        try:
            async with asyncio.timeout(5):
                assert (await ask("/metrics", headers={"Accept-Encoding": "gzip"})).status == 200
                assert (await ask("/health/translator")).status == 200
                assert (await ask("/api/v1/targets")).status == 200
            assert not page.done()
        finally:
            past.free.set()
        assert (await page).status == 200

    browse(check, shown)


def test_a_crowd_that_wants_pages_of_its_own_is_refused_before_it_holds_up_the_others() -> None:
    past = Hanging(everything=False)
    shown = Shown(replace(shop(), past=past))

    async def check(ask: Ask) -> None:
        first = [asyncio.create_task(ask("/subject/container/translator")) for _ in range(pages._WAITING + 4)]
        await until(lambda: sum(one.done() for one in first) >= 4)
        refused, waiting = await asyncio.wait(first, timeout=0.5)
        assert len(refused) == 4
        for one in refused:
            assert (one.result().status, one.result().headers["Retry-After"]) == (503, "5")
        past.free.set()
        assert {(await one).status for one in waiting} == {200}
        assert (await ask("/subject/container/translator")).status == 200

    browse(check, shown)


def test_ten_times_the_subjects_cost_less_than_ten_times_as_much() -> None:
    def cost(scenery: Scenery) -> float:
        took = []

        async def check(ask: Ask) -> None:
            began = time.process_time()
            await ask("/")
            took.append(time.process_time() - began)

        for _ in range(3):
            browse(check, Shown(scenery))
        return min(took)

    assert cost(crowd(1000)) < 10 * cost(crowd(100))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_stands_out_enough_for_what_it_is_used(scheme: int) -> None:
    colours = dict(re.findall(r"--(\w+): (#\w{6})", STYLE.split(":root")[scheme + 1]))
    text = ("text", "dim", "normal", "warning", "critical", "unknown", "link")
    parts = ("anon", "shmem", "kernel", "rest", "cache", "swap")
    for ground in ("ground", "card"):
        for names, least in ((text, 4.5), (parts, 3.0)):
            for name in names:
                light, dark = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= least, (name, ground)


def test_whoever_wants_less_motion_gets_none() -> None:
    assert "animation" not in STYLE
    moving = re.findall(r"[^{}]*\{[^{}]*transition[^{}]*\}", STYLE)
    assert len(moving) == STYLE.count("@media (prefers-reduced-motion: no-preference)") == 1


def test_a_container_of_the_same_name_in_another_kind_has_its_own_page() -> None:
    async def check(ask: Ask) -> None:
        assert "90.0 %" in await (await ask("/subject/container/a")).text()
        assert "10.0 %" in await (await ask("/subject/cgroup/a")).text()

    browse(check, Shown(Scenery().add(container("a"), 0.9).add(cgroup("a"), 0.1)))
