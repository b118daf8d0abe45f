from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from brimline.model import Container
from brimline.sources.docker_container import Selection, subject
from brimline.sources.docker_roster import Hooks, Roster
from brimline.sources.docker_targets import BELIEVED, RunningContainers


class Tree:
    """Where cgroups are, and who asked."""

    def __init__(self) -> None:
        self.places: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.rounds = 0

    def locate(self, pids: Mapping[str, int]) -> Mapping[str, Mapping[str, str]]:
        assert all(pid > 0 for pid in pids.values())
        self.asked += pids
        self.rounds += 1
        return {container_id: self.places[container_id] for container_id in pids if container_id in self.places}


@pytest.fixture
def tree() -> Tree:
    return Tree()


@pytest.fixture
def roster() -> Roster:
    return Roster(Selection(("*",), ()), Hooks())


def add(roster: Roster, container_id: str, *, running: bool = True, limit: str | None = None) -> Container:
    made = Container(
        id=container_id,
        subject=subject(f"{container_id}-name", {}, f"{container_id}@1"),
        labels={} if limit is None else {"brimline.limit": limit},
        image="",
        image_id="",
        runtime="",
        running=running,
        pid=42 if running else 0,
        started=1000.0,
        exit_code=None,
        health="",
        oom_killed=False,
    )
    roster.inspected(made, listing=True)
    return made


def test_running_ones_only_with_what_was_declared(roster: Roster, tree: Tree) -> None:
    made = add(roster, "a", limit="6GiB")
    add(roster, "b", running=False)
    tree.places["a"] = {"memory": "/cg/a"}
    (target,) = RunningContainers(roster, tree.locate).targets()
    assert (target.subject, target.main_pid) == (made.subject, 42)
    assert (target.directories, target.declared_limit, target.started) == ({"memory": "/cg/a"}, 6 << 30, 1000.0)


def test_the_same_tuple_until_something_changes(roster: Roster, tree: Tree) -> None:
    add(roster, "a")
    tree.places["a"] = {"memory": "/cg/a"}
    running = RunningContainers(roster, tree.locate)
    first = running.targets()
    roster.version += 1  # something no target shows
    assert running.targets() is first
    add(roster, "b")
    assert len(running.targets()) == 2
    assert tree.asked.count("a") == 1


def test_a_cgroup_not_found_is_looked_for_ever_more_rarely(roster: Roster, tree: Tree) -> None:
    add(roster, "a")
    running = RunningContainers(roster, tree.locate)
    for _ in range(64):
        (target,) = running.targets()
        assert (target.directories, target.main_pid) == ({}, 0)
    assert len(tree.asked) == 7  # after 1, 2, 4 ... 32 reads
    tree.places["a"] = {"memory": "/cg/a"}
    for _ in range(64):
        (target,) = running.targets()
    assert (target.directories, target.main_pid) == ({"memory": "/cg/a"}, 42)
    assert len(tree.asked) == 8


def test_the_engine_is_elsewhere_only_when_nothing_is_found_twice(roster: Roster, tree: Tree) -> None:
    running = RunningContainers(roster, tree.locate)
    running.targets()
    assert not running.elsewhere  # nothing runs: who knows
    add(roster, "a")
    add(roster, "b")
    for i in range(BELIEVED):
        assert not running.elsewhere, i
        running.targets()
    assert [c.id for c in running.sampled()] == ["a", "b"]
    tree.places["b"] = {"memory": "/cg/b"}
    running.targets()
    running.targets()
    assert not running.elsewhere
    assert running.sampled() == []


def test_a_newcomer_does_not_bring_the_engine_back(roster: Roster, tree: Tree) -> None:
    add(roster, "a")
    running = RunningContainers(roster, tree.locate)
    for _ in range(BELIEVED):
        running.targets()
    add(roster, "b")
    running.targets()
    assert [c.id for c in running.sampled()] == ["a", "b"]
    roster.gone("a")
    roster.gone("b")
    running.targets()
    add(roster, "c")
    running.targets()
    assert [c.id for c in running.sampled()] == ["c"]


def test_all_that_are_lost_are_looked_for_at_once(roster: Roster, tree: Tree) -> None:
    for name in "abc":
        add(roster, name)
    running = RunningContainers(roster, tree.locate)
    running.targets()
    assert (tree.rounds, tree.asked) == (1, ["a", "b", "c"])


def test_a_new_incarnation_is_looked_for_anew(roster: Roster, tree: Tree) -> None:
    made = add(roster, "a")
    tree.places["a"] = {"memory": "/cg/a"}
    running = RunningContainers(roster, tree.locate)
    running.targets()
    again = replace(made, subject=replace(made.subject, uid="a@2"), started=2000.0)
    roster.inspected(again, listing=False)
    assert running.targets()[0].subject.uid == "a@2"
    assert tree.asked == ["a", "a"]


def test_a_bad_limit_is_ignored_and_said_once(roster: Roster, tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    add(roster, "a", limit="6g")
    running = RunningContainers(roster, tree.locate)
    for _ in range(3):
        assert running.targets()[0].declared_limit is None
        roster.version += 1
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("container a-name: label brimline.limit is ignored: ")
    assert 'write "6GiB"' in caplog.messages[0]
