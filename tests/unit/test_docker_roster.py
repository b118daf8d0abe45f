from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brimline.model import Container, Subject
from brimline.sources.docker_container import Listed, Selection, subject
from brimline.sources.docker_events import Event
from brimline.sources.docker_roster import Hooks, Roster

BOOT = 1000.0


class Heard:
    def __init__(self) -> None:
        self.ooms: list[str] = []
        self.exits: list[tuple[str, bool, bool, int | None]] = []
        self.limits: list[str] = []

    def hooks(self) -> Hooks:
        return Hooks(
            on_oom=lambda s: self.ooms.append(s.uid),
            on_exit=self._exit,
            on_limits_changed=lambda s: self.limits.append(s.uid),
        )

    def _exit(self, whose: Subject, flag: bool, oom: bool, code: int | None) -> None:  # noqa: FBT001 - the hook's own
        self.exits.append((whose.uid, flag, oom, code))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def roster(heard: Heard) -> Roster:
    return Roster(Selection(("*",), ("hidden*",)), heard.hooks())


def made(container_id: str = "a", name: str = "web", started: float = BOOT, **more: object) -> Container:
    running = bool(more.pop("running", started > 0))
    usual = Container(
        id=container_id,
        subject=subject(name, {}, f"{container_id}@{started}"),
        labels={},
        image="i",
        image_id="",
        runtime="",
        running=running,
        pid=7 if running else 0,
        started=started,
        exit_code=None,
        health="",
        oom_killed=False,
    )
    return replace(usual, **more)  # type: ignore[arg-type] # test data


def event(action: str, at: float, container_id: str = "a", name: str = "web", **attributes: str) -> Event:
    health = attributes.pop("health", "")
    return Event(container_id, action, at, (int(at * 1e9), container_id, action), {"name": name, **attributes}, health)


def restarts(roster: Roster, name: str = "web") -> int:
    return roster.tallies[name, "", ""].restarts


def start(roster: Roster, at: float, **more: Any) -> None:  # noqa: ANN401 - fields of the container
    """A start as the follower sees it: the event, then the inspection it asks for."""
    assert roster.happened(event("start", at + 0.001))
    roster.inspected(made(started=at, **more), listing=False)


def test_one_that_runs_already_starts_at_zero(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    assert restarts(roster) == 0


def test_every_start_counts_also_in_a_crash_loop(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    for i in range(4):  # dockerd's back-off begins at 100 ms
        assert roster.happened(event("die", BOOT + 100 + i / 10, exitCode="1"))
        assert roster.happened(event("start", BOOT + 100.05 + i / 10))
    roster.inspected(made(started=BOOT + 100.34), listing=False)  # one inspection for all of them
    assert restarts(roster) == 4


def test_the_first_start_of_a_new_one_is_no_restart(roster: Roster) -> None:
    assert roster.happened(event("create", BOOT))
    roster.inspected(made(started=0.0), listing=False)
    start(roster, BOOT + 1)
    assert restarts(roster) == 0
    start(roster, BOOT + 5)
    assert restarts(roster) == 1


def test_a_first_start_that_the_inspection_of_its_creation_saw_is_no_restart(roster: Roster) -> None:
    assert roster.happened(event("create", BOOT))
    roster.inspected(made(started=BOOT + 0.1), listing=False)
    assert roster.happened(event("start", BOOT + 0.101))
    assert restarts(roster) == 0
    start(roster, BOOT + 0.5)
    assert restarts(roster) == 1


def test_one_that_was_stopped_at_our_start_and_runs_again_has_restarted(roster: Roster) -> None:
    roster.inspected(made(running=False), listing=True)
    start(roster, BOOT + 60)
    assert restarts(roster) == 1


def test_a_start_seen_by_the_list_first_is_not_counted_twice(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    roster.happened(event("start", BOOT + 0.002))  # the stream was opened before the list was asked for
    assert restarts(roster) == 0
    start(roster, BOOT + 0.5)
    assert restarts(roster) == 1


def test_recreating_under_the_same_name_is_a_restart(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    roster.happened(event("die", BOOT + 50, exitCode="0"))
    roster.happened(event("destroy", BOOT + 51))
    roster.happened(event("create", BOOT + 52, "b"))
    roster.happened(event("start", BOOT + 53.001, "b"))
    roster.inspected(made("b", started=BOOT + 53), listing=False)
    assert restarts(roster) == 1
    assert list(roster.containers) == ["b"]


def test_restarts_in_a_gap_count_by_what_is_known(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    roster.inspected(made(started=BOOT + 500), listing=True)  # no event told
    assert restarts(roster) == 1
    roster.inspected(made(started=BOOT + 500), listing=True)
    assert restarts(roster) == 1


def test_a_replay_counts_once_whether_before_or_after_the_list(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    replay = [event("start", BOOT + at) for at in (100.001, 200.001, 300.001)]
    for one in replay:
        roster.happened(one)
    roster.inspected(made(started=BOOT + 300), listing=True)
    for one in replay:
        assert not roster.happened(one)
    assert restarts(roster) == 3


def test_a_late_replay_is_not_counted_beside_the_list(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    roster.inspected(made(started=BOOT + 300), listing=True)
    for at in (100.001, 200.001, 300.001):
        roster.happened(event("start", BOOT + at))
    assert restarts(roster) == 3


def test_a_clock_set_back_does_not_stop_the_count(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    start(roster, BOOT + 60)
    start(roster, BOOT - 3600)
    start(roster, BOOT - 3500)
    assert restarts(roster) == 3


def test_a_death_is_known_at_once_and_its_flag_by_inspection(roster: Roster, heard: Heard) -> None:
    roster.inspected(made(), listing=True)
    version = roster.version
    assert roster.happened(event("die", BOOT + 9, exitCode="137"))
    gone = roster.containers["a"]
    assert (gone.running, gone.pid, gone.exit_code) == (False, 0, 137)
    assert roster.version > version
    assert heard.exits == []
    roster.inspected(made(running=False, exit_code=137), listing=False)
    assert heard.exits == [("a@1000.0", False, False, 137)]


def test_a_replayed_death_does_not_stop_the_next_incarnation(roster: Roster, heard: Heard) -> None:
    roster.inspected(made(started=BOOT + 300), listing=True)
    assert roster.happened(event("die", BOOT + 299, exitCode="1"))
    assert roster.containers["a"].running
    roster.inspected(made(started=BOOT + 300), listing=False)
    assert [code for *_, code in heard.exits] == [1]


def test_an_oom_of_the_main_process(roster: Roster, heard: Heard) -> None:
    roster.inspected(made(), listing=True)
    assert not roster.happened(event("oom", BOOT + 8.99))
    roster.happened(event("die", BOOT + 9, exitCode="137"))
    roster.inspected(made(running=False, exit_code=137, oom_killed=True), listing=False)
    assert heard.ooms == ["a@1000.0"]
    assert heard.exits == [("a@1000.0", True, True, 137)]


def test_the_flag_a_worker_left_behind_is_no_news_at_a_plain_stop(roster: Roster, heard: Heard) -> None:
    roster.inspected(made(), listing=True)
    roster.happened(event("oom", BOOT + 10))
    roster.happened(event("kill", BOOT + 60, signal="15"))
    roster.happened(event("kill", BOOT + 70, signal="9"))
    roster.happened(event("die", BOOT + 70.02, exitCode="137"))
    roster.inspected(made(running=False, exit_code=137, oom_killed=True), listing=False)
    start(roster, BOOT + 80, oom_killed=True)  # kept through docker start
    roster.happened(event("die", BOOT + 200, exitCode="137"))  # kill -9 from the host: no event
    roster.inspected(made(started=BOOT + 80, running=False, exit_code=137, oom_killed=True), listing=False)
    assert heard.ooms == ["a@1000.0"]
    assert heard.exits == [("a@1000.0", True, False, 137), ("a@1080.0", True, False, 137)]


def test_an_engine_without_oom_events_is_believed_where_the_flag_is_new(roster: Roster, heard: Heard) -> None:
    roster.inspected(made(), listing=True)
    for at, flag_before in ((BOOT + 100, False), (BOOT + 200, True)):  # watched from the start
        start(roster, at, oom_killed=flag_before)
        roster.happened(event("die", at + 50, exitCode="137"))
        roster.inspected(made(started=at, running=False, exit_code=137, oom_killed=True), listing=False)
    assert [oom for *_, oom, _ in heard.exits] == [True, False]


def test_an_engine_without_oom_events_is_not_believed_of_a_life_half_seen(roster: Roster, heard: Heard) -> None:
    roster.inspected(made(), listing=True)
    roster.happened(event("die", BOOT + 50, exitCode="137"))
    roster.inspected(made(running=False, exit_code=137, oom_killed=True), listing=False)
    assert heard.exits == [("a@1000.0", True, False, 137)]


def test_a_death_so_quick_that_nobody_inspected_the_start(roster: Roster, heard: Heard) -> None:
    for one in (event("create", BOOT), event("start", BOOT + 1), event("oom", BOOT + 1.1)):
        roster.happened(one)
    roster.happened(event("die", BOOT + 1.2, exitCode="137"))
    assert heard.ooms == []
    roster.inspected(made(started=BOOT + 1, running=False, exit_code=137, oom_killed=True), listing=False)
    assert heard.ooms == ["a@1001.0"]
    assert heard.exits == [("a@1001.0", True, True, 137)]


def test_one_removed_as_it_died_is_still_reported(roster: Roster, heard: Heard) -> None:
    roster.inspected(made(), listing=True)
    roster.happened(event("oom", BOOT + 8.9))
    roster.happened(event("die", BOOT + 9, exitCode="137"))
    roster.gone("a")
    assert heard.exits == [("a@1000.0", False, True, 137)]
    assert roster.containers == {}


def test_after_a_missed_start_the_life_was_not_watched(roster: Roster, heard: Heard) -> None:
    start(roster, BOOT)
    roster.inspected(made(started=BOOT + 500), listing=True)
    roster.happened(event("die", BOOT + 600, exitCode="137"))
    roster.inspected(made(started=BOOT + 500, running=False, exit_code=137, oom_killed=True), listing=False)
    assert heard.exits == [("a@1500.0", True, False, 137)]


def test_excluded_ones_are_known_but_not_spoken_of(roster: Roster, heard: Heard) -> None:
    roster.happened(event("start", BOOT, name="hidden"))
    roster.happened(event("oom", BOOT + 1, name="hidden"))
    roster.inspected(made(name="hidden", started=BOOT), listing=False)
    roster.happened(event("oom", BOOT + 2, name="hidden"))
    roster.happened(event("die", BOOT + 2.1, name="hidden", exitCode="137"))
    roster.inspected(made(name="hidden", started=BOOT, running=False, oom_killed=True), listing=False)
    assert (roster.containers, roster.tallies) == ({}, {})
    assert (heard.ooms, heard.exits) == ([], [])
    assert roster.listed([Listed("a", "hidden", running=False)], doubt=False) == []


def test_the_list_says_whom_to_inspect(roster: Roster) -> None:
    roster.inspected(made("a", "web"), listing=True)
    roster.inspected(made("b", "db"), listing=True)
    roster.inspected(made("c", "job", running=False), listing=True)
    roster.inspected(made("d", "old"), listing=True)
    listing = [
        Listed("a", "web", running=True),
        Listed("b", "db2", running=True),
        Listed("c", "job", running=True),
        Listed("e", "new", running=False),
    ]
    assert roster.listed(listing, doubt=False) == ["b", "c", "e"]
    assert sorted(roster.containers) == ["a", "b", "c"]
    assert roster.listed(listing, doubt=True) == ["a", "b", "c", "e"]


def test_changes_that_need_no_inspection(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    assert not roster.happened(event("rename", BOOT + 1, name="web2", oldName="/web"))
    assert roster.containers["a"].subject.labels == ("web2", "", "")
    assert not roster.happened(event("health_status", BOOT + 2, name="web2", health="unhealthy"))
    assert roster.containers["a"].health == "unhealthy"
    assert roster.happened(event("health_status", BOOT + 2.5, name="web2"))  # Podman may not say which
    version = roster.version
    assert not roster.happened(event("kill", BOOT + 4, name="web2", signal="1"))
    assert not roster.happened(event("exec_start", BOOT + 5, name="web2"))
    assert roster.version == version


def test_a_new_limit_is_told_and_a_pause_is_looked_at(roster: Roster, heard: Heard) -> None:
    roster.inspected(made(), listing=True)
    assert roster.happened(event("update", BOOT + 3))
    assert heard.limits == ["a@1000.0"]
    assert roster.happened(event("pause", BOOT + 4))
    assert roster.happened(event("unpause", BOOT + 5))


def test_one_that_died_is_known_as_exited(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    roster.happened(event("die", BOOT + 9, exitCode="0"))
    known = roster.containers["a"]
    assert (known.status, known.finished, known.exit_code) == ("exited", BOOT + 9, 0)


def test_one_that_cannot_be_inspected_is_named_until_it_can(roster: Roster) -> None:
    roster.failed("a", "web", "no answer within 10 s")
    assert {s.labels: why for s, why in roster.unreadable.items()} == {("web", "", ""): "no answer within 10 s"}
    roster.inspected(made(), listing=True)
    assert roster.unreadable == {}
    roster.failed("a", "web", "again")
    assert list(roster.unreadable) == [roster.containers["a"].subject]
    roster.gone("a")
    assert roster.unreadable == {}


def test_nothing_new_is_no_new_version(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    version = roster.version
    roster.inspected(made(), listing=True)
    assert roster.version == version


def test_a_running_one_takes_its_restarts_to_its_new_name(roster: Roster) -> None:
    roster.inspected(made(), listing=True)
    start(roster, BOOT + 60)
    roster.happened(event("rename", BOOT + 61, name="web2"))
    assert restarts(roster, "web2") == 1
    roster.happened(event("create", BOOT + 62, "b"))
    roster.happened(event("start", BOOT + 63.001, "b"))
    roster.inspected(made("b", started=BOOT + 63), listing=False)
    assert restarts(roster) == 0
    roster.inspected(made(name="web3", started=BOOT + 60), listing=True)  # renamed in a gap
    assert (restarts(roster, "web3"), "web2" in {labels[0] for labels in roster.tallies}) == (1, False)


def test_a_stopped_one_leaves_its_restarts_to_its_successor(roster: Roster) -> None:
    """So docker-compose recreates a service: stop, rename the old one away, create, start, remove."""
    roster.inspected(made(), listing=True)
    roster.happened(event("die", BOOT + 50, exitCode="0"))
    roster.happened(event("rename", BOOT + 51, name="a_web"))
    roster.happened(event("create", BOOT + 52, "b"))
    roster.happened(event("start", BOOT + 53.001, "b"))
    assert restarts(roster) == 1


def test_an_oom_within_moments_of_a_start_is_told_of_the_life_that_began(roster: Roster, heard: Heard) -> None:
    """What the inspection of `create` told has no start yet: its uid is nobody's."""
    roster.inspected(made(started=0.0), listing=False)
    roster.happened(event("start", 1000.002))
    roster.happened(event("oom", 1000.02))
    roster.happened(event("die", 1000.04, exitCode="137"))
    assert heard.ooms == []
    roster.inspected(made(started=BOOT, running=False, oom_killed=True, exit_code=137), listing=False)
    assert heard.ooms == ["a@1000.0"]
    assert [uid for uid, *_ in heard.exits] == ["a@1000.0"]


def test_an_oom_right_after_a_restart_is_not_told_of_the_life_before(roster: Roster, heard: Heard) -> None:
    start(roster, BOOT)
    roster.happened(event("start", 1010.002))
    roster.happened(event("oom", 1010.02))
    roster.inspected(made(started=1010.0), listing=False)
    assert heard.ooms == ["a@1010.0"]
