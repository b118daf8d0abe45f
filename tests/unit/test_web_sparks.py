"""Bars and lines: what they show, and what they say to whoever does not see them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.deeds import EntryKind
from brimline.journal.minutes import Trace
from brimline.journal.packing import NOTHING
from brimline.model import Kind
from brimline.standing import Measures, Row, State
from brimline.web.page.bars import Part, legend, parts_of, stack
from brimline.web.page.sparks import Hour, chart, hour_of, spark, tone
from unit.cli_views import GIB, container
from unit.page_scenes import AT, Scenery, entry, restarted, shop

A = container("a")
NOW = Row(A, State.NORMAL, (0.8, 0.85), 0.5, 50 << 12, 100 << 12)
MINUTE = int(AT // 60)


def test_the_hour_is_a_share_of_the_limit_of_then_and_ends_now() -> None:
    trace = Trace((MINUTE - 2, MINUTE - 1), (20, 30), (40, NOTHING))
    assert hour_of(trace, NOW, (), AT).points == [((MINUTE - 2) * 60, 0.5), ((MINUTE - 1) * 60, 0.3), (AT, 0.5)]


def test_what_is_not_known_is_no_point_and_what_is_older_is_left_out() -> None:
    trace = Trace((MINUTE - 61, MINUTE - 2, MINUTE - 1), (20, NOTHING, 30), (40, 40, 40))
    assert hour_of(trace, None, (), AT).points == [((MINUTE - 1) * 60, 0.75)]


def test_a_gap_breaks_the_line() -> None:
    hour = Hour(AT, [(AT - 1200, 0.5), (AT - 1140, 0.5), (AT - 300, 0.6), (AT - 240, 0.6)], ())
    line = re.search(r'class="line" d="([^"]+)"', spark(hour, 0.85))
    assert line is not None
    assert line[1].count("M") == 2


def test_marks_stand_where_something_was_done_in_their_tones() -> None:
    deeds = [
        restarted(A, 1800, 2, 1),
        restarted(A, 900, 2, 1, ok=False),
        entry(EntryKind.OBSERVED, A, "someone restarted a", 600, "restart"),
        entry(EntryKind.RELAPSED, A, "it did not last", 300, "restart"),
        restarted(A, 4000, 2, 1),
    ]
    hour = hour_of(None, NOW, deeds, AT)
    assert [css for _, css in hour.marks] == ["done", "failed", "seen", "failed"]
    assert [tone(deed) for deed in deeds[:2]] == ["done", "failed"]
    assert '<path class="mark done" d="M1800 0V1000"/>' in spark(hour, 0.85)
    assert '<path class="mark done" d="M1800 0V1000"/>' in chart(hour, (0.8, 0.85), GIB)


def test_the_line_is_told_in_words() -> None:
    hour = Hour(AT, [(AT - 120, 0.4), (AT - 60, 0.9), (AT, 0.7)], [(AT - 60, "done")])
    assert 'aria-label="last hour: from 40.0 % to 70.0 %, highest 90.0 %, 1 action"' in spark(hour, 0.85)


def test_without_a_past_it_says_so() -> None:
    empty = Hour(AT, (), ())
    assert "no history yet" in spark(empty, 0.85)
    assert "Nothing is remembered" in chart(empty, (0.8, 0.85), None)


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9), max_size=60))
def test_no_value_leaves_the_picture(shares: list[float]) -> None:
    hour = Hour(AT, [(AT - 60 * (len(shares) - n), share) for n, share in enumerate(shares)], ())
    drawn = chart(hour, (0.8, 0.85), GIB)
    line = re.search(r'class="line" d="([^"]*)"', drawn)
    for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", line[1] if line else ""):
        assert 0 <= float(x) <= 3600
        assert 0 <= float(y) <= 1000


def test_memory_is_told_apart_and_adds_up_to_its_usage() -> None:
    found = shop().view()
    measures = Measures(found)
    subject = next(s for s in measures.all(Kind.CONTAINER, "memory_used_ratio") if s.name == "whisper-bot")
    used, usage = (measures.get(subject, f"memory_{name}_bytes") for name in ("used", "usage"))
    row = Row(subject, State.CRITICAL, (0.8, 0.85), 0.9, used, GIB)
    parts = parts_of(row, measures)
    assert [part.word for part in parts] == ["anonymous", "shared memory", "kernel", "other", "droppable"]
    assert sum(part.size for part in parts) == pytest.approx(usage)
    assert sum(part.size for part in parts[:4]) == pytest.approx(used)
    assert "anonymous</b> <data" in legend(parts)


def test_parts_that_are_not_told_apart_are_not_drawn() -> None:
    view = Scenery().add(A, 0.5).view()
    assert parts_of(NOW, Measures(view)) == []


def test_a_stack_ends_with_its_bar() -> None:
    parts = [Part("anon", "a", 80, "x"), Part("cache", "c", 90, "y"), Part("swap", "s", 5, "z")]
    drawn = re.findall(r'x="([\d.]+)" y="2" width="([\d.]+)"', stack(parts, 100, (0.8, 0.85)))
    assert drawn == [("0.00", "80.00"), ("80.00", "20.00"), ("100.00", "0.00")]
