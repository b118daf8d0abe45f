import pytest

from brimline.sources.early import LEVELS, Fill, Thresholds, level_of
from unit.fake_watch import RecordingWatch


def test_levels() -> None:
    assert [level_of(r, LEVELS) for r in (0.5, 0.8, 0.81, 0.85, 0.86, 1.2)] == [0, 0, 1, 1, 2, 2]
    assert [level_of(r, (0.7, 0.9)) for r in (0.7, 0.71, 0.86, 0.9, 0.91)] == [0, 1, 1, 1, 2]
    assert [level_of(r, (0.95, 0.85)) for r in (0.5, 0.9, 0.96)] == [0, 1, 2]


def test_an_idle_cgroup_asks_for_nothing() -> None:
    fill = Fill()
    assert fill.seconds_to_next_level(5.0) is None
    fill.note(0.5, 10.0)
    assert fill.seconds_to_next_level(10.0) is None
    fill.note(0.4, 15.0)
    assert fill.seconds_to_next_level(15.0) is None


def test_a_filling_one_is_looked_at_half_way_to_the_next_level() -> None:
    fill = Fill()
    fill.note(0.2, 10.0)
    fill.note(0.7, 15.0)  # 0.1 a second, 0.1 below the alert level
    assert fill.seconds_to_next_level(15.0) == pytest.approx(0.5)
    fill.note(0.9, 17.0)  # above both levels the limit itself is next
    assert fill.seconds_to_next_level(17.0) == pytest.approx(0.5)
    fill.note(1.0, 18.0)
    assert fill.seconds_to_next_level(18.0) is None


def test_a_filling_one_is_looked_at_half_way_to_the_next_of_its_own_levels() -> None:
    fill = Fill()
    fill.levels = (0.5, 0.9)
    fill.note(0.2, 10.0)
    fill.note(0.4, 12.0)  # 0.1 a second
    assert fill.seconds_to_next_level(12.0) == pytest.approx(0.5)
    fill.note(0.6, 14.0)
    assert fill.seconds_to_next_level(14.0) == pytest.approx(1.5)
    fill.levels = (0.95, 0.7)  # whose alert level is the higher one is first told of the restart
    assert fill.seconds_to_next_level(14.0) == pytest.approx(0.5)


def test_what_filled_and_stands_still_is_soon_left_in_peace() -> None:
    """Nothing is noted while nothing changes: time alone must do it, or a loaded model is looked at for ever."""
    fill = Fill()
    fill.note(0.1, 10.0)
    fill.note(0.75, 12.0)
    now, looks = 12.0, 0
    while (wait := fill.seconds_to_next_level(now)) is not None and wait < 5.0:
        now += max(wait, 0.1)
        looks += 1
    assert looks < 30
    assert now < 12.0 + 15.0
    later = fill.seconds_to_next_level(now + 60)
    assert later is None
    assert fill.rate == 0.0


def _arm(
    thresholds: Thresholds,
    *,
    levels: tuple[float, float] = LEVELS,
    droppable: int = 0,
    swap: int = 0,
    room: int = 0,
) -> None:
    thresholds.arm(levels, limit=1000, room=room, swap=swap, droppable=droppable)


def test_alarms_stand_at_the_levels_plus_what_is_droppable() -> None:
    watch = RecordingWatch()
    thresholds = Thresholds(watch, "d", lambda: None)
    _arm(thresholds, droppable=100)
    assert watch.set == ["900", "950"]
    _arm(thresholds, droppable=110)  # 1 % of the limit: stays
    assert watch.set == ["900", "950"]
    _arm(thresholds, droppable=140)
    assert watch.set == ["900", "950", "940", "990"]
    assert watch.alive == ["940", "990"]
    thresholds.disarm()
    assert watch.alive == []
    watch.close()


def test_alarms_stand_at_the_levels_of_the_subject() -> None:
    watch = RecordingWatch()
    thresholds = Thresholds(watch, "d", lambda: None)
    _arm(thresholds, levels=(0.7, 0.9))
    assert watch.alive == ["700", "900"]
    thresholds.disarm()
    _arm(thresholds, levels=(0.6, 0.9), droppable=50)
    assert watch.alive == ["650", "950"]
    watch.close()


def test_one_alarm_stands_for_two_levels_that_are_the_same() -> None:
    watch = RecordingWatch()
    _arm(Thresholds(watch, "d", lambda: None), levels=(0.7, 0.7))
    assert watch.set == ["700"]
    watch.close()


def test_no_alarm_beyond_the_limit_where_cache_gives_way_first() -> None:
    watch = RecordingWatch()
    _arm(Thresholds(watch, "d", lambda: None), droppable=170)
    assert watch.set == ["970"]
    watch.close()


def test_swap_counts_on_both_sides() -> None:
    watch = RecordingWatch()
    _arm(Thresholds(watch, "d", lambda: None), room=200, swap=100)
    assert watch.set == ["860", "920"]
    watch.close()


def test_a_refused_alarm_is_not_asked_for_again() -> None:
    watch = RecordingWatch(refuse=True)
    thresholds = Thresholds(watch, "d", lambda: None)
    _arm(thresholds)
    assert thresholds.refused
    watch.refuse = False
    _arm(thresholds)
    assert watch.set == []
    watch.close()
