from brimline.fds import FdBudget
from brimline.sources.early import Fill, Thresholds, level_of
from brimline.sources.watch import Watch
from fakes import FakePoller


def test_levels() -> None:
    assert [level_of(r) for r in (0.5, 0.8, 0.81, 0.85, 0.86, 1.2)] == [0, 0, 1, 1, 2, 2]


def test_an_idle_cgroup_asks_for_nothing() -> None:
    fill = Fill()
    assert fill.seconds_to_next_level() is None
    fill.note(0.5, 10.0)
    assert fill.seconds_to_next_level() is None
    fill.note(0.4, 15.0)
    assert fill.seconds_to_next_level() is None


def test_a_filling_one_is_looked_at_half_way_to_the_next_level() -> None:
    fill = Fill()
    fill.note(0.2, 10.0)
    fill.note(0.7, 15.0)  # 0.1 a second, 0.1 below the alert level
    assert fill.seconds_to_next_level() is not None
    assert abs((fill.seconds_to_next_level() or 0) - 0.5) < 1e-9
    fill.note(0.9, 17.0)  # above both levels the limit itself is next
    assert abs((fill.seconds_to_next_level() or 0) - 0.5) < 1e-9
    fill.note(1.0, 18.0)
    assert fill.seconds_to_next_level() is None


def test_a_fill_rate_fades_by_halves() -> None:
    fill = Fill()
    fill.note(0.0, 1.0)
    fill.note(0.4, 2.0)
    rates = []
    for mono in (3.0, 4.0, 5.0):
        fill.note(0.4, mono)
        rates.append(fill.rate)
    assert rates == [0.2, 0.1, 0.05]


class RecordingWatch(Watch):
    """Notes which v1 thresholds are set; the kernel's side is proved against the real one."""

    def __init__(self, *, refuse: bool = False) -> None:
        super().__init__(FakePoller(), FdBudget(100))
        self.refuse = refuse
        self.set: list[str] = []
        self.alive: set[int] = set()

    def on_event(self, directory: str, file: str, argument: str, ready: object) -> int | None:  # type: ignore[override]
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
