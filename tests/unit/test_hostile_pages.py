"""Every text of tests/hostile.py through pages, API, reports and plots: nothing is made of it but what we wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

import hostile
from brimline.cli.plot.svg import Mark, Plot, draw
from brimline.cli.report import page as report_html
from brimline.cli.report import text as report_text
from brimline.cli.report.facts import Report, Terms, report
from brimline.deeds import Entry, EntryKind, Pause, Verdict
from brimline.labels import sanitise
from brimline.levels import LevelBook
from brimline.members import Member, Members
from brimline.model import (
    Diagnosis,
    Kind,
    Level,
    Now,
    Phase,
    SourceStatus,
    Subject,
)
from brimline.web.page.frame import Frame as Window
from brimline.web.page.front import front, heading
from brimline.web.page.gathered import Gathered
from brimline.web.page.query import Query
from brimline.web.page.subject import Known, other_page, subject_page
from unit.cli_views import GIB, HOST, Scene, alert, group
from unit.hostile_scenes import CALM, SUBJECTS, Skeleton, bad_scene, obeyed
from unit.page_scenes import AT, Scenery, decision, entry, restarted
from unit.pasts import done, samples, saw
from unit.web_faces import Ask, FakeFace, FakePast, browse, data


def scenery(text: str) -> tuple[Scenery, Subject]:
    """Return a tick in which everything that somebody else says is this text."""
    name = sanitise(text) or "x"
    bad, other = Subject(Kind.CONTAINER, name, (name, name, name), "c1"), group(name)
    found = Scenery(sources=(SourceStatus(text, up=False, seconds=1.0, error=text, errors_total=1, info={"a": text}),))
    found.add(bad, 0.91, memory_anon_bytes=GIB).add(other, 0.5).add(HOST, 0.4)
    found.failed[Subject(Kind.CONTAINER, f"{name}2", (f"{name}2", name, name), "c2")] = text
    found.alerts.append(alert(bad, text, text, phase=Phase.FIRING))
    found.decisions.append(decision(bad, Verdict.NOT_OPTED_IN, text, text))
    found.diagnoses[bad] = Diagnosis(text, text)
    found.chains[bad] = (Level(f"/pod/{text}", GIB, GIB, GIB), Level("/", None, GIB, GIB))
    found.pauses = (Pause(text or "*", AT - 5, None, text),)
    found.write(entry(EntryKind.ALERT, bad, text, 30), entry(EntryKind.OUTCOME, bad, text, 20, text, ok=True))
    found.write(restarted(bad, 40, GIB, GIB // 2))
    return found, bad


def drawn(text: str) -> Iterator[tuple[str, str]]:
    found, bad = scenery(text)
    gathered = Gathered(found.view(), found.past)
    window = Window({"metrics": "Metrics"})
    line = gathered.called(bad.kind, bad.name)
    assert line is not None
    assert found.past is not None
    known = Known(tuple(found.past.entries), Members(AT, (Member(1, text, GIB, GIB),), 0))
    contents = {
        "front": (front(gathered, Query(), fresh=True), heading(gathered)),
        "found": (front(gathered, Query(words=text or "nothing"), fresh=False), text),
        "subject": (subject_page(gathered, line, known, fresh=True, up="../../"), text),
        "other": (other_page("container", f"{text}-not-there", gathered, "../"), text),
    }
    for name, (content, title) in contents.items():
        yield name, window.page(content, title=title, up="", fresh=True).decode()


@pytest.fixture(scope="module")
def calm() -> dict[str, Skeleton]:
    return {name: Skeleton(html) for name, html in drawn(CALM)}


def test_no_text_makes_an_element_or_an_attribute_or_an_address_that_we_did_not_write(
    calm: dict[str, Skeleton],
) -> None:
    for text in hostile.TEXTS:
        for name, html in drawn(text):
            seen = Skeleton(html)
            if name in {"front", "subject"} and text and name in calm:
                assert _even(seen) == _even(calm[name]), (name, text)
            kinds = {part for one in calm.values() for part in one.made} | {("a", "href", "title")}
            assert set(seen.made) <= kinds | {("p", "class"), ("/", "p")}, (name, text, set(seen.made) - kinds)
            for address in seen.addresses:
                assert re.match(r"(?:\.\./|\./|\?|subject/|assets/|metrics|data:image/svg|$|#)", address), (
                    name,
                    address,
                )


def _even(page: Skeleton) -> list[tuple[str, ...]]:
    """Return what it is made of, without what differs by right: the hover of a long name."""
    return [("a", "href") if part == ("a", "href", "title") else part for part in page.made]


def test_what_was_said_is_read_as_it_was_said() -> None:
    for text in hostile.TEXTS:
        shown = "".join(Skeleton(dict(drawn(text))["subject"]).words)
        plain = text.encode(errors="backslashreplace").decode().replace("\r\n", "\n").replace("\r", "\n")
        assert _squeezed(plain) in _squeezed(shown), text


def _squeezed(text: str) -> str:
    return " ".join(text.replace("\x00", "").split())


def test_the_api_is_json_that_says_what_was_said() -> None:
    names = hostile.NAMES

    async def check(ask: Ask) -> None:
        found = await data(await ask("/api/v1/targets"))
        assert {target["name"] for target in found["targets"]} >= set(names)
        journal = await data(await ask("/api/v1/journal?limit=1000"))
        assert {line["text"] for line in journal["entries"]} == set(names)
        alerts = await data(await ask("/api/v1/alerts"))
        assert {one["alertname"] for one in alerts["alerts"]} == set(names)
        for name in names[:: len(names) // 60]:
            answer = await ask(f"/api/v1/targets/container/{quote(name, safe='')}")
            assert answer.status == 200, name
            assert (await data(answer))["target"]["name"] == name
            assert answer.headers["Content-Type"].startswith("application/json")

    scene = Scene(alerts=tuple(alert(s, s.name, "critical", phase=Phase.FIRING) for s in SUBJECTS))
    for subject in SUBJECTS:
        scene.memory(subject, 1.0, 2.0)
    lines = [Entry(EntryKind.NOTE, Now(AT, 1.0), name, seq=n + 1) for n, name in enumerate(names)]
    browse(check, FakeFace(scene.view(), None, FakePast(lines)))


def test_whatever_is_asked_for_the_api_answers_in_its_envelope() -> None:
    async def check(ask: Ask) -> None:
        for text in hostile.TEXTS:
            written = quote(text.encode("utf-8", "surrogateescape")[:1000], safe="")
            for path in (f"/api/v1/targets/container/{written}", f"/api/v1/targets?name={written}&{written}=1"):
                answer = await ask(path)
                assert answer.status < 500, text
                assert json.loads(await answer.read())["status"] in {"error", "success"}
            for path in (f"/subject/container/{written}", f"/?q={written}&sort={written}", f"/health/{written}"):
                assert (await ask(path)).status in {200, 400, 404}, text

    browse(check, FakeFace(bad_scene(CALM)[0].view(), None, FakePast()))


def reported(texts: Sequence[str]) -> Report:
    """Return a report on services of these names, each with an action that says the same."""
    seen, entries = {}, []
    for number, text in enumerate(texts):
        name = sanitise(text) or "x"
        subject = Subject(Kind.CONTAINER, name, (name, name, name), f"c{number}")
        seen[subject] = samples(saw, 3)
        entries.append(replace(done(subject, 60.0), text=f"restart of {name} done: {text}"))
    return report(seen.items(), entries, (0, 180), Terms(LevelBook(0.8, 0.85), set()))


def test_a_report_is_made_of_what_we_wrote_in_all_its_forms() -> None:
    usual = set(Skeleton(report_html.page(reported([CALM]), CALM)).made)
    for text in hostile.TEXTS:
        found = reported([text])
        html = report_html.page(found, text)
        assert set(Skeleton(html).made) <= usual, text
        lines = report_text.markdown(found, sanitise(text))
        assert obeyed(lines) == [], text
        assert not re.search(r"(?<!\\)(?:\\\\)*<[A-Za-z/!?]", lines), text
        assert isinstance(json.loads(report_text.as_json(found, text)), dict)


def test_a_plot_is_made_of_what_we_wrote() -> None:
    def drawn_elements(title: str) -> list[str]:
        plot = Plot(title, samples(saw, 5), 0.0, 300.0, (0.8, 0.85), marks=[Mark(60, title)])
        return [element.tag for element in ET.fromstring(draw(plot, lambda _, __: "00:00")).iter()]  # noqa: S314 - our own

    usual = drawn_elements(CALM)
    for name in hostile.NAMES:
        assert drawn_elements(name) == usual, name
