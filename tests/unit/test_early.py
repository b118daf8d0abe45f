import pytest

from brimline.fds import FdBudget
from brimline.sources.early import Fill, Thresholds, level_of
from brimline.sources.watch import Watch
from fakes import FakePoller


def test_levels() -> None:
    assert [level_of(r) for r in (0.5, 0.8, 0.81, 0.85, 0.86, 1.2)] == [0, 0, 1, 1, 2, 2]


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


class RecordingWatch(Watch):
    """Notes which v1 thresholds are set; the kernel's side is proved against the real one."""

    def __init__(self, *, refuse: bool = False) -> None:
        super().__init__(FakePoller(), FdBudget(100))
        self.refuse = refuse
        self.set: list[str] = []
        self.alive: set[int] = set()

    def on_event(self, directory: str, file: str, argument: str, ready: object) -> int | None:  # type: ignore[override] # a name will do
        del directory, file, ready
        if self.refuse:
            return None
        self.set.append(argument)
        self.alive.add(len(self.set))
        return len(self.set)

    def forget_event(self, event: int | None) -> None:
        self.alive.discard(event or 0)


def _arm(thresholds: Thresholds, *, droppable: int = 0, swap: int = 0, room: int = 0) -> None:
    thresholds.arm(limit=1000, room=room, swap=swap, droppable=droppable)


def test_alarms_stand_at_the_levels_plus_what_is_droppable() -> None:
    watch = RecordingWatch()
    thresholds = Thresholds(watch, "d", lambda: None)
    _arm(thresholds, droppable=100)
    assert watch.set == ["900", "950"]
    _arm(thresholds, droppable=110)  # 1 % of the limit: stays
    assert watch.set == ["900", "950"]
    _arm(thresholds, droppable=140)
    assert watch.set == ["900", "950", "940", "990"]
    assert watch.alive == {3, 4}
    thresholds.disarm()
    assert watch.alive == set()
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
