"""Samples by the minute: what a tick costs them, what an hour makes of them, and how they keep to their room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.journal import history, packing
from brimline.journal.history import Spread
from brimline.journal.minutes import Measure
from brimline.journal.packing import FIELDS, NOTHING, hours, pack, thinned, unpack, words
from brimline.journal.store import JournalFile
from brimline.model import Column, Kind, Metric, MetricKind, Snapshot, SourceReport, Subject
from fakes import FakeClock, container
from unit.journals import opened, rows, until

USED, USAGE, LIMIT, OTHER = (Metric(name, "", MetricKind.GAUGE, ()) for name in ("used", "usage", "limit", "other"))
MEASURES = {USED: Measure.USED, USAGE: Measure.USAGE, LIMIT: Measure.LIMIT}
PAGE, HOUR = 4096, 3600
WEB, DB = container("web"), container("db")


@pytest.fixture
def clock() -> FakeClock:
    clock = FakeClock()
    clock.wall = 1_700_002_800.0  # a whole hour
    return clock


def tick(journal: JournalFile, clock: FakeClock, metric: Metric, subjects: tuple[Subject, ...], *pages: float) -> None:
    column = Column(metric, subjects, [page * PAGE for page in pages])
    journal.minutes.observe(Snapshot(clock.now(), (SourceReport("cgroup", (column,)),)))


def spread(*pages: int) -> Spread:
    return Spread(*(page * PAGE for page in pages))


def test_a_minute_is_the_least_the_average_and_the_greatest(tmp_path: Path, clock: FakeClock) -> None:
    subjects = (WEB, DB)
    with opened(tmp_path, clock, measures=MEASURES) as journal:
        for number in range(60):
            tick(journal, clock, USED, subjects, number, 7)
            tick(journal, clock, LIMIT, subjects[:1], 100)
            tick(journal, clock, OTHER, subjects, 1, 1)
            clock.pass_(1)
        tick(journal, clock, USED, subjects, 0, 0)
        until(lambda: len(journal.minutes.recent(WEB)) == 1)
        (web,), (db,) = journal.minutes.recent(WEB), journal.minutes.recent(DB)
    assert (web.at, web.seconds) == (1_700_002_800, 60)
    assert (web.used, web.usage, web.limit) == (spread(0, 29, 59), None, spread(100, 100, 100))
    assert (db.used, db.usage, db.limit) == (spread(7, 7, 7), None, None)


def test_the_hour_of_everybody_is_the_hour_of_each(tmp_path: Path, clock: FakeClock) -> None:
    """Who comes, goes and comes again in between has what `recent` tells of them."""
    with opened(tmp_path, clock, measures=MEASURES) as journal:
        for minute in range(9):
            subjects = (WEB, DB) if minute % 3 else (WEB,)
            tick(journal, clock, USED, subjects, *range(minute, minute + len(subjects)))
            tick(journal, clock, USED, subjects, *range(minute + 5, minute + 5 + len(subjects)))
            tick(journal, clock, LIMIT, subjects[:1], 100)
            clock.pass_(60)
        tick(journal, clock, USED, (WEB,), 0)
        until(lambda: len(journal.minutes.recent(WEB)) == 9)
        hour = journal.hour()
        for subject in (WEB, DB):
            expected = [
                (one.at, one.used.greatest / (one.limit.greatest if one.limit else 50 * PAGE))
                for one in journal.recent(subject)
                if one.used
            ]
            trace = hour[str(subject.kind), subject.name, subject.labels]
            assert trace.shares(50 * PAGE, 0) == expected
            assert trace.shares(50 * PAGE, expected[-1][0]) == expected[-1:]
        assert len(expected) == 6


def test_another_incarnation_and_another_set_of_subjects_go_on_in_the_same_minute(
    tmp_path: Path, clock: FakeClock
) -> None:
    with opened(tmp_path, clock, measures=MEASURES) as journal:
        tick(journal, clock, USED, (WEB,), 1)
        tick(journal, clock, USED, (container("web", "c2"), DB), 4, 9)
        tick(journal, clock, USED, (container("web", "c2"), DB), 4, 9)
        clock.pass_(60)
        tick(journal, clock, USED, (WEB,), 1)
        until(lambda: len(journal.minutes.recent(WEB)) == 1)
        assert journal.minutes.recent(container("web", "c9"))[0].used == spread(1, 3, 4)
        assert journal.minutes.recent(DB)[0].used == spread(9, 9, 9)


def test_a_value_that_is_none_is_none(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock, measures=MEASURES) as journal:
        tick(journal, clock, LIMIT, (WEB, DB), float("inf"), float("nan"))
        clock.pass_(60)
        tick(journal, clock, LIMIT, (WEB, DB), 1, 1)
        until(lambda: len(journal.minutes.recent(WEB)) == 1)
        assert journal.minutes.recent(DB)[0].limit is None
        most = (NOTHING - 1) * PAGE
        assert journal.minutes.recent(WEB)[0].limit == Spread(most, most, most)


def lived(journal: JournalFile, clock: FakeClock, minutes: int, subjects: tuple[Subject, ...] = (WEB, DB)) -> None:
    for number in range(minutes):
        tick(journal, clock, USED, subjects, *[number] * len(subjects))
        clock.pass_(60)


def test_the_last_hour_is_there_after_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock, measures=MEASURES) as journal:
        lived(journal, clock, 90)
        until(lambda: len(journal.minutes.recent(WEB)) == 60)
        clock.pass_(-60)
    with opened(tmp_path, clock, measures=MEASURES) as journal:
        found = journal.minutes.recent(WEB)
        assert [sample.used for sample in found] == [spread(n, n, n) for n in range(30, 90)]


def test_what_is_read_is_what_was_observed_in_minutes_and_in_hours(tmp_path: Path, clock: FakeClock) -> None:
    began = clock.wall
    with opened(tmp_path, clock, measures=MEASURES) as journal:
        lived(journal, clock, 300)
    with opened(tmp_path, clock, measures=MEASURES) as journal:
        assert rows(tmp_path, "SELECT count(*), min(step) FROM hours") == [(6, 1)]
        found = history.read(journal._reader, WEB, began, began + 5 * HOUR)
        assert [(sample.at, sample.used) for sample in found] == [(began + 60 * n, spread(n, n, n)) for n in range(300)]
        part = history.read(journal._reader, DB, began + 90 * 60, began + 95 * 60)
        assert [sample.used for sample in part] == [spread(n, n, n) for n in range(90, 95)]
        assert history.read(journal._reader, container("nobody"), began, began + HOUR) == ()
        assert [(s.kind, s.name) for s in history.subjects(journal._reader)] == [
            (Kind.CONTAINER, "db"),
            (Kind.CONTAINER, "web"),
        ]


def test_after_a_week_samples_go_and_names_with_them(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock, measures=MEASURES) as journal:
        lived(journal, clock, 121, (WEB, DB))
        clock.pass_(8 * 24 * HOUR)
        lived(journal, clock, 240, (WEB,))
    assert rows(tmp_path, "SELECT name FROM series") == [("web",)]
    first = rows(tmp_path, "SELECT min(hour) FROM hours")[0][0]
    assert first * HOUR >= clock.wall - 7 * 24 * HOUR - HOUR


def test_what_takes_too_much_room_is_thinned_and_then_goes(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path, clock, measures=MEASURES) as journal:
        lived(journal, clock, 30 * 60)
        until(lambda: rows(tmp_path, "SELECT count(*) FROM hours") == [(56,)])
        before = rows(tmp_path, "SELECT sum(length(data)) FROM hours")[0][0]
        journal.minutes._hours._room = before - 100
        lived(journal, clock, 2)
        until(lambda: rows(tmp_path, "SELECT count(*) FROM hours WHERE step = 5")[0][0] > 0)
        (oldest,) = rows(tmp_path, "SELECT min(hour) FROM hours")
        found = history.read(journal._reader, WEB, oldest[0] * HOUR, oldest[0] * HOUR + 600)
        assert [(sample.seconds, sample.used) for sample in found] == [(300, spread(0, 2, 4)), (300, spread(5, 7, 9))]
        assert rows(tmp_path, "SELECT min(hour) FROM hours WHERE step = 1")[0][0] > oldest[0]
        journal.minutes._hours._room = 100
        lived(journal, clock, 60)
        until(lambda: oldest not in rows(tmp_path, "SELECT hour FROM hours"))


def test_while_the_journal_is_down_the_last_hour_is_kept_in_memory(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "journal").write_text("")
    with opened(tmp_path / "journal", clock, measures=MEASURES) as journal:
        lived(journal, clock, 3)
        assert [sample.used for sample in journal.minutes.recent(WEB)] == [spread(0, 0, 0), spread(1, 1, 1)]


PARTS = st.integers(0, 20).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, NOTHING), min_size=size, max_size=size), min_size=FIELDS, max_size=FIELDS
    )
)


@given(PARTS)
def test_what_is_packed_is_unpacked(parts: list[list[int]]) -> None:
    assert [list(part) for part in unpack(pack([words(part) for part in parts]), FIELDS)] == parts


@given(
    st.dictionaries(
        st.integers(0, 59), st.dictionaries(st.integers(1, 5), st.integers(0, NOTHING - 1), min_size=1), max_size=10
    )
)
def test_an_hour_holds_every_minute_of_every_series(minutes: dict[int, dict[int, int]]) -> None:
    packed = hours(
        {
            minute: pack(
                [
                    words(values),
                    *[words(value + field & NOTHING for value in values.values()) for field in range(FIELDS)],
                ]
            )
            for minute, values in minutes.items()
        }
    )
    assert set(packed) == {series for values in minutes.values() for series in values}
    for series, data in packed.items():
        for field, part in enumerate(unpack(data, FIELDS)):
            expected = [
                minutes[minute][series] + field & NOTHING if series in minutes.get(minute, {}) else NOTHING
                for minute in range(60)
            ]
            assert list(part) == expected


def test_thinning_keeps_the_extremes_and_leaves_nothing_nothing() -> None:
    def part(values: Sequence[int]) -> packing.Words:
        return words([*values, *[NOTHING] * (60 - len(values))])

    least, average, greatest, *_ = unpack(thinned(pack([part([3, 1, 2])] * FIELDS), 5), FIELDS)
    assert [least[0], average[0], greatest[0]] == [1, 2, 3]
    assert list(least[1:]) == [NOTHING] * 11
