"""What an action lacks is asked for once in a while, and a cgroup is found without going through all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brimline.actions.base import Standing
from brimline.model import Column, Container, Kind, Snapshot, SourceReport, Subject, Target
from brimline.sources.cgroup import MEMORY_USED_RATIO
from brimline.standings import Lacks, Standings
from fakes import FakeClock, container, described, target

WEB, API = container("web", "w@1"), container("api", "a@1")


class Asked:
    """An action that lacks what it is told, and counts how often it is asked."""

    name = "cleanup"

    def __init__(self, lack: str = "") -> None:
        self.lack, self.times = lack, 0
        self.seen: list[Mapping[str, str]] = []

    def lacks(self, _standing: Standing, _container: Container | None, directories: Mapping[str, str]) -> str:
        self.times += 1
        self.seen.append(directories)
        return self.lack


class Host:
    """Two containers and their cgroups."""

    def __init__(self) -> None:
        self.clock, self.asked = FakeClock(), 0
        self.all: Sequence[Target] = (target(WEB, {"memory": "/web"}), target(API, {"memory": "/api"}))
        self.standings = Standings(lambda _: (), self.targets)
        self.lacks = Lacks(self.standings)
        self.look()

    def targets(self) -> Sequence[Target]:
        self.asked += 1
        return self.all

    def look(self, seconds: float = 0.0, *subjects: Subject) -> None:
        now = self.clock.pass_(seconds)
        there = subjects or (WEB, API)
        column = Column(MEMORY_USED_RATIO[Kind.CONTAINER], there, [0.9] * len(there))
        self.standings.look(Snapshot(now, (SourceReport("cgroup", (column,)),)))

    def ask(self, of: Subject = WEB) -> str | None:
        return self.lacks("cleanup", of, described(of))


def test_what_is_lacking_is_asked_for_once_in_thirty_seconds_and_of_each() -> None:
    host, action = Host(), Asked("write a label")
    host.lacks.use({"cleanup": action})  # type: ignore[dict-item] # as much as is asked of it
    assert [host.ask(), host.ask(), host.ask(API)] == ["write a label"] * 3
    assert action.times == 2
    action.lack = ""
    host.look(30.0)
    assert (host.ask(), action.times) == ("write a label", 2)
    host.look(1.0)
    assert (host.ask(), action.times) == (None, 3)
    assert (host.ask(), action.times) == (None, 3)


def test_another_incarnation_other_options_and_whoever_is_not_measured_are_asked_anew() -> None:
    host, action = Host(), Asked("write a label")
    host.lacks.use({"cleanup": action})  # type: ignore[dict-item]
    host.ask()
    again = container("web", "w@2")
    host.look(5.0, again)
    assert (host.ask(again), action.times) == ("write a label", 2)
    assert host.ask(API) is None, "policy says itself that it was not measured"
    assert host.lacks("fly", again, None) is None
    other = Asked()
    host.lacks.use({"cleanup": other})  # type: ignore[dict-item]
    assert (host.ask(again), other.times) == (None, 1)


def test_answers_of_those_that_are_gone_are_forgotten() -> None:
    host, action = Host(), Asked("write a label")
    host.lacks.use({"cleanup": action})  # type: ignore[dict-item]
    for number in range(10):
        subject = container("web", f"w@{number}")
        host.look(31.0, subject)
        host.ask(subject)
    assert len(host.lacks._answers) <= 2


def test_where_many_are_due_ten_a_tick_are_asked_for_anew() -> None:
    host, action = Host(), Asked("write a label")
    host.lacks.use({"cleanup": action})  # type: ignore[dict-item]
    many = tuple(container(f"c{number}", f"c{number}@1") for number in range(25))

    def tick(seconds: float) -> int:
        before = action.times
        host.look(seconds, *many)
        assert {host.ask(one) for one in many} == {"write a label"}
        return action.times - before

    assert [tick(5.0), tick(30.0), tick(1.0), tick(1.0), tick(1.0), tick(1.0)] == [25, 0, 10, 10, 5, 0]


def test_a_cgroup_is_looked_up_among_targets_that_are_asked_for_once_a_tick() -> None:
    host = Host()
    assert [host.standings.directories(one)["memory"] for one in (WEB, API, WEB)] == ["/web", "/api", "/web"]
    assert host.asked == 1
    assert host.standings.directories(container("gone", "g@1")) == {}
    host.all = (target(WEB, {"memory": "/elsewhere"}),)
    host.look(5.0)
    assert host.standings.directories(WEB) == {"memory": "/elsewhere"}
    assert host.standings.directories(API) == {}
    assert host.asked == 2
