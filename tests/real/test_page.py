"""The pages in a real Chromium: at two widths, in two schemes, by keyboard, with and without a script, live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import pytest

from brimline.config import WebConfig
from brimline.deeds import Pause
from brimline.model import Phase, SourceStatus
from brimline.web.connections import Connections, Patience, Served, serve
from brimline.web.routes import make_app
from real import axe
from real.chromium import Tab, chromium
from real.places import CACHE, MissingPartError, free_port
from real.sidecar import Sidecar
from unit.cli_views import alert, container
from unit.page_scenes import AT, Scenery, Shown, crowd, members, shop

PICTURES = CACHE / "pages"
WIDE, NARROW = (1280, 900), (390, 844)
LOOKS = ((WIDE, False), (NARROW, True), (WIDE, True), (NARROW, False))  # each with whether it is dark
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
Check = Callable[[Tab, str, Shown], Awaitable[None]]


@asynccontextmanager
async def served(shown: Shown, port: int = 0) -> AsyncIterator[Served]:
    connections = Connections(Patience(drain=0.2))
    app = make_app(shown, WebConfig(listen_address=("127.0.0.1:0",)), connections)
    running = await serve(app, [("127.0.0.1", port)], connections)
    try:
        yield running
    finally:
        await running.close()


def browse(scenery: Scenery, check: Check) -> None:
    """Run `check(tab, address, face)`; afterwards neither console, network nor policy may have complained."""

    async def run() -> None:
        shown = Shown(scenery)
        shown.processes = members()
        async with served(shown) as running, chromium() as tab:
            await check(tab, running.addresses[0], shown)
            assert tab.wrong == []

    try:
        asyncio.run(run())
    except MissingPartError as missing:
        pytest.skip(str(missing))


def long_names() -> Scenery:
    scenery, name = shop(), "ingest-" + "verylongname" * 14
    subject = container(name, "a-project-with-quite-a-long-name-that-goes-on", "service-" + "x" * 120)
    scenery.add(subject, 0.97, restarts_total=12, budget=0, memory_time_to_limit_seconds=45)
    scenery.alerts.append(alert(subject, "A" * 90, phase=Phase.FIRING, value=0.97))
    evil = "<script>alert(1)</script>\"&'<img src=x>"
    return scenery.add(container(evil, evil, evil), 0.82)


def trouble() -> Scenery:
    scenery = shop()
    error = "/run/docker.sock: no answer in time"
    scenery.sources = (SourceStatus("docker", up=False, seconds=10.0, error=error, errors_total=3, info={}),)
    scenery.failed[container("gone-away", "shop", "gone")] = "memory.stat: permission denied"
    scenery.dry_run = True
    scenery.pauses = (Pause("shop/*", AT - 60, AT + 600, "cli anna"),)
    assert scenery.past is not None
    scenery.past = replace(scenery.past, up=False, why="journal.db: no space left on device")
    return scenery


SCENES = {
    "three": shop,
    "thirty": lambda: crowd(30),
    "thousand": lambda: crowd(1000),
    "long": long_names,
    "trouble": trouble,
    "nothing": Scenery,
}


@pytest.mark.parametrize("name", SCENES)
def test_a_page_fits_is_accessible_and_makes_no_complaint(name: str) -> None:
    async def check(tab: Tab, address: str, shown: Shown) -> None:
        rules = axe.script()
        shown.is_fresh = name != "trouble"
        subject = next((s for s in (shown.view.alerts if shown.view else ())), None)
        pages = ["/", "/?q=nobody&sort=-name"]
        pages += [f"/subject/container/{subject.subject.name}"] if subject is not None else []
        PICTURES.mkdir(parents=True, exist_ok=True)
        for (width, height), dark in LOOKS if name == "three" else LOOKS[:2]:
            await tab.shape(width, height, dark=dark, phone=width < 500)
            for number, path in enumerate(pages):
                await tab.open(address + path)
                assert await tab.look(OVERFLOW) <= 0, (path, width)
                assert await axe.violations(tab, rules) == [], (path, width, dark)
                scheme = "dark" if dark else "light"
                await tab.picture(PICTURES / f"{name}-{number}-{width}-{scheme}.png", whole=name != "thousand")

    browse(SCENES[name](), check)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", ["three", "thirty", "thousand"])
def test_the_worst_why_and_what_was_done_stand_on_the_first_screen(name: str, size: tuple[int, int]) -> None:
    async def check(tab: Tab, address: str, _: Shown) -> None:
        await tab.shape(*size, phone=size == NARROW)
        await tab.open(address)
        for part in (".who a", "b", ".ratio", ".did"):  # who, which alert, how much, what was done or why not
            bottom = await tab.look(f"document.querySelector('.firing li {part}').getBoundingClientRect().bottom")
            assert 0 < bottom <= size[1] / 2, part
        firing = await tab.look("document.querySelector('.firing .who a').textContent")
        assert await tab.look("document.querySelector('tbody th a').textContent") == firing

    browse(SCENES[name](), check)


def test_a_tick_renews_the_page_and_keeps_focus_search_order_and_what_is_unfolded() -> None:
    async def check(tab: Tab, address: str, shown: Shown) -> None:
        await tab.open(f"{address}/?sort=name")
        await tab.until("document.getElementById('link').textContent === 'live'", "events come")
        await tab.look("marker = 1; document.getElementById('q').focus()")
        await tab.call("Input.insertText", text="service-99")
        await tab.until("location.search.includes('q=service-99')", "the search is in the address")
        await tab.until("document.querySelectorAll('tbody').length === 11", "the search chose")
        await tab.look("document.querySelector('#more-firing').open = true")
        await tab.look("document.querySelector('tbody th a').focus()")
        shown.show(crowd(1000).add(container("service-99", "project-19", "web-99"), 0.999))
        await tab.until("document.querySelector('tbody .used b').textContent === '99.9 %'", "the tick is seen")
        assert await tab.look("marker") == 1
        assert await tab.look("document.activeElement.textContent") == "service-99"
        assert await tab.look("document.getElementById('q').value") == "service-99"
        assert await tab.look("document.querySelector('th.name').ariaSort") == "ascending"
        assert await tab.look("document.querySelector('#more-firing').open")

    browse(crowd(1000), check)


def test_text_that_is_selected_is_left_alone_until_it_is_not() -> None:
    async def check(tab: Tab, address: str, shown: Shown) -> None:
        await tab.open(address)
        await tab.until("document.getElementById('link').textContent === 'live'", "events come")
        await tab.look("getSelection().selectAllChildren(document.querySelector('tbody th')); 0")
        shown.show(shop().add(container("a"), 0.999))
        await asyncio.sleep(1)
        assert "99.9 %" not in await tab.look("document.body.innerText")
        await tab.look("getSelection().removeAllRanges()")
        await tab.until("document.body.innerText.includes('99.9 %')", "the page caught up")

    browse(shop(), check)


def test_when_events_end_it_looks_by_itself_and_finds_back() -> None:
    port = free_port()

    async def run() -> None:
        shown = Shown(shop())
        async with chromium() as tab:
            async with served(shown, port) as running:
                await tab.open(running.addresses[0])
                await tab.until("document.getElementById('link').textContent === 'live'", "events come")
            await tab.until("document.getElementById('link').textContent !== 'live'", "it says that none come")
            shown.show(shop().add(container("a"), 0.999))
            async with served(shown, port):
                await tab.until("document.body.innerText.includes('99.9 %')", "it looked again")

    try:
        asyncio.run(run())
    except MissingPartError as missing:
        pytest.skip(str(missing))


def test_without_a_script_it_sorts_searches_and_reloads() -> None:
    async def check(tab: Tab, address: str, _: Shown) -> None:
        await tab.without_script()
        await tab.shape(*WIDE)
        await tab.open(address)
        assert await tab.look("document.querySelector('meta[http-equiv=refresh]').content") == "15"
        await tab.click("#by-restarts")
        await tab.until("document.querySelector('th.restarts')?.ariaSort === 'descending'", "the heading sorts")
        await tab.until("document.readyState === 'complete'", "its page is there")
        await tab.click("#q")
        await tab.call("Input.insertText", text="embedder")
        await tab.press("Enter", text="\r")
        await tab.until("location.search.includes('q=embedder')", "Enter searches")
        await tab.until("document.querySelectorAll('tbody').length === 1", "the search chose")
        assert "sort=restarts" in await tab.look("location.search")

    browse(shop(), check)


def test_it_is_used_by_keyboard_alone() -> None:
    async def check(tab: Tab, address: str, _: Shown) -> None:
        await tab.shape(*WIDE)
        await tab.open(address)
        await tab.press("Tab")
        assert await tab.look("document.activeElement.className") == "skip"
        assert await tab.look("document.activeElement.getBoundingClientRect().left") > 0
        await tab.press("Enter", text="\r")
        assert await tab.look("document.activeElement.id") == "main"
        await tab.press("/", text="/")
        assert await tab.look("document.activeElement.id") == "q"
        stops = []
        for _ in range(15):  # as many as there are after the search
            await tab.press("Tab")
            stops.append(await tab.look("document.activeElement.id || document.activeElement.textContent"))
            style = await tab.look("getComputedStyle(document.activeElement).outlineStyle")
            assert style == "solid", stops
        assert stops[1:7] == ["by-name", "by-used", "by-left", "by-restarts", "by-state", "whisper-bot"]
        await tab.look("document.getElementById('by-restarts').focus()")
        await tab.press("Enter", text="\r")
        await tab.until("document.querySelector('th.restarts').ariaSort === 'descending'", "Enter sorts")
        assert await tab.look("document.activeElement.id") == "by-restarts"

    browse(shop(), check)


def test_names_are_never_run() -> None:
    async def check(tab: Tab, address: str, _: Shown) -> None:
        await tab.open(address)
        await tab.until("document.getElementById('link').textContent === 'live'", "events come")
        assert await tab.look("document.querySelectorAll('main script, main img').length") == 0
        await tab.look("[...document.querySelectorAll('tbody th a')].find((a) => a.textContent[0] === '<').click()")
        await tab.until("document.querySelector('h1')?.textContent.startsWith('<script>')", "its page opens")
        assert await tab.look("document.querySelectorAll('main script, main img').length") == 0

    browse(long_names(), check)


def test_a_running_brimline_is_shown_live() -> None:
    async def check(sidecar: Sidecar) -> None:
        async with chromium() as tab:
            await tab.open(f"{sidecar.url}/")
            await tab.until("document.getElementById('link').textContent === 'live'", "events come")
            before = await tab.look("document.getElementById('sources').textContent")
            await tab.until(f"document.getElementById('sources').textContent !== {before!r}", "a tick is seen")
            await tab.open(f"{sidecar.url}/subject/host/host")
            await tab.until("document.querySelector('.standing').textContent.includes('%')", "the host's page")
            assert tab.wrong == []

    try:
        with closing(Sidecar("--interval=500ms")) as sidecar:
            asyncio.run(check(sidecar))
    except MissingPartError as missing:
        pytest.skip(str(missing))
