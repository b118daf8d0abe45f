"""`brimline plot`: what the picture shows, that it is one, and what is said where it cannot be drawn."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from brimline.cli import commands
from brimline.cli.plot import verb
from brimline.cli.plot.axes import Axes, byte_ticks, time_ticks
from brimline.cli.plot.svg import Mark, Plot, draw, runs
from unit.pasts import HOUR, MIB, MINUTE, alert, done, live, observed, samples, saw, service, write

WEB = service("web")
END = 1_700_002_800.0 + 90 * MINUTE
NS = "{http://www.w3.org/2000/svg}"


def clock(form: str, at: float) -> str:
    return time.strftime(form, time.gmtime(at))


def drawn(plot: Plot) -> ET.Element:
    return ET.fromstring(draw(plot, clock))  # noqa: S314 - our own


def words(svg: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter(f"{NS}text")]


PLOT = Plot("web", samples(saw, 120), 0.0, 120.0 * MINUTE, (0.8, 0.85))


def test_the_picture_says_what_it_shows() -> None:
    plot = replace(PLOT, marks=[Mark(3600, "restart"), Mark(5400, "cleanup", failed=True)], fired=[(60, 600)])
    said = words(drawn(plot))
    assert said[0] == "web"
    assert {"0 B", "200 MiB", "1000 MiB", "Jan 01", "01:00", "restart", "cleanup failed", "an alert fired"} <= set(said)
    assert {"used, peak 567 MiB", "limit 1000 MiB", "alert 80.0 %", "restart 85.0 %"} <= set(said)


def test_marks_that_stand_close_have_one_word() -> None:
    said = words(drawn(replace(PLOT, marks=[Mark(3600 + n, "restart") for n in range(10)])))
    assert said.count("restart") == 1


def test_a_limit_far_above_the_use_leaves_the_picture() -> None:
    small = drawn(replace(PLOT, samples=samples(lambda _: 0.01, 60)))
    assert "1000 MiB" not in words(small)
    assert "limit 1000 MiB" in words(small)
    assert len(list(small.iter(f"{NS}path"))) < len(list(drawn(PLOT).iter(f"{NS}path")))


def test_a_limit_that_changed_is_a_step() -> None:
    changed = (*samples(saw, 60), *samples(saw, 60, limit=800 * MIB, began=HOUR))
    black = [
        path for path in drawn(replace(PLOT, samples=changed)).iter(f"{NS}path") if path.get("stroke") == "#1d2023"
    ]
    assert [path.get("d", "").count("V") for path in black] == [1]


def test_nothing_seen_is_said() -> None:
    assert "no samples of this time" in words(drawn(replace(PLOT, samples=())))


def test_the_curve_is_broken_where_nothing_was_seen() -> None:
    seen = [sample for sample in samples(saw, 60) if not 20 <= sample.at / MINUTE < 25]
    assert [len(run) for run in runs(seen)] == [20, 35]


@given(st.text(), st.text())
def test_any_name_makes_a_picture(title: str, word: str) -> None:
    printable = "".join(c for c in title + word if c.isprintable())  # as labels.sanitise leaves it
    svg = drawn(replace(PLOT, title=printable, marks=[Mark(60, printable)]))
    assert printable in words(svg)


@given(st.floats(1, 1e15))
def test_sizes_are_round_and_few(top: float) -> None:
    ticks = byte_ticks(top)
    assert ticks[0] == 0
    assert 1 <= len(ticks) <= 7
    assert ticks[-1] <= top


@given(st.integers(0, 2_000_000_000), st.integers(60, 7 * 24 * HOUR))
def test_moments_are_round_and_few(began: int, length: int) -> None:
    ticks = [at for at, _ in time_ticks(began, began + length, lambda at: at % (24 * HOUR) == 0)]
    assert len(ticks) <= 11
    assert all(began <= at <= began + length and at % 60 == 0 for at in ticks)


def test_what_is_outside_stands_at_the_edge() -> None:
    axes = Axes(0.0, 100.0, 10.0, 960, 420)
    assert [axes.x(-5), axes.x(50), axes.x(500)] == [84, 512, 940]
    assert [axes.y(-1), axes.y(5), axes.y(99)] == [axes.bottom, 209, axes.above]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr("time.time", lambda: END)
    monkeypatch.chdir(tmp_path)
    live(tmp_path, {WEB: saw, service("db"): saw}, 90)
    others = done(service("db"), END - HOUR, action="cleanup")
    write(
        tmp_path,
        [done(WEB, END - HOUR), others, observed(WEB, END - 2000), alert(WEB, "InferenceMemoryHigh", END - 900)],
    )
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


def brimline(storage: Path, *arguments: str) -> Result:
    return CliRunner().invoke(commands(), ["plot", *arguments, f"--storage.path={storage}"], prog_name="brimline")


def test_one_subject_is_drawn_with_what_was_done_to_it(journal: Path) -> None:
    result = brimline(journal, "web", "--since=2h")
    assert (result.exit_code, result.stderr) == (0, "shop-web-1.svg\n")
    said = words(ET.parse(journal / "shop-web-1.svg").getroot())  # noqa: S314 - our own
    assert {"container/shop-web-1, used memory", "restart", "restart by others", "an alert fired"} <= set(said)
    assert "cleanup" not in said


def test_standard_output_is_a_file_too(journal: Path) -> None:
    assert brimline(journal, "shop/db", "-o", "-").stdout.startswith("<svg ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody",), 'no subject "nobody"'),
        (("shop-*",), "names 2 subjects"),
        (("web", "-o", "web.pdf"), "write a file that ends in .svg or .png"),
        (("web", "-o", "none/web.svg"), "write another file with -o"),
    ],
)
def test_what_cannot_be_drawn_is_said(journal: Path, arguments: tuple[str, ...], said: str) -> None:
    result = brimline(journal, *arguments)
    assert result.exit_code != 0
    assert said in result.stderr


def test_a_png_is_drawn_by_the_extra(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def svg2png(**given: object) -> bytes:
        asked.update(given)
        return b"\x89PNG"

    monkeypatch.setitem(sys.modules, "cairosvg", SimpleNamespace(svg2png=svg2png))
    assert brimline(journal, "web", "-o", "web.png").exit_code == 0
    assert (journal / "web.png").read_bytes() == b"\x89PNG"
    assert (str(asked["bytestring"]).startswith("b'<svg "), asked["scale"]) == (True, 2)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("cairosvg"), "cairosvg is not installed"),
        (OSError("no library called cairo-2"), "the system's cairo library is missing"),
    ],
)
def test_without_the_extra_there_is_a_sentence(
    journal: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def missing(_: str) -> None:
        raise error

    monkeypatch.setattr(verb, "import_module", missing)
    result = brimline(journal, "web", "-o", "web.png")
    assert result.exit_code == 1
    assert said in result.stderr
    assert 'pip install "brimline[plot]"' in result.stderr
