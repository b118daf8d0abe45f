from __future__ import annotations

from typing import Any

import pytest

from brimline.sources.groups import Group, GroupOptions, configured_group
from brimline.sources.presets import PRESETS
from brimline.sources.process_census import Identity
from brimline.sources.process_roster import Move, Roster


def who(pid: int, command: str = "", *, ppid: int = 1, start: int | None = None, **facts: object) -> Identity:
    known: dict[str, Any] = {
        "pid": pid,
        "start": pid if start is None else start,
        "ppid": ppid,
        "comm": "x",
        "image": (command.encode(), b""),
        "kernel": False,
        "dead": False,
        "cpu_ticks": 0,
        "cgroups": ("/user.slice",),
        "argv": tuple(command.split()),
    }
    return Identity(**known | facts)


def group(name: str, cmdline: str, **options: object) -> Group:
    return configured_group(GroupOptions.model_validate({"group": name, "cmdline": cmdline, **options}))


def roster(*groups: Group) -> Roster:
    return Roster(groups, tuple(PRESETS))


def groups_of(roster: Roster) -> dict[int, str]:
    return {pid: roster.label(place.group) for pid, place in roster.places.items() if place.group is not None}


def masters_of(roster: Roster) -> list[int]:
    return [pid for pid, place in roster.places.items() if place.master]


def test_descendants_belong_to_the_group_in_whatever_order_they_are_found() -> None:
    r = roster(group("soroka", r"main\.py"))
    r.place([who(12, "sleep 1", ppid=11), who(11, "worker", ppid=10), who(10, "python main.py"), who(13, "bash")])
    assert groups_of(r) == {10: "soroka", 11: "soroka", 12: "soroka"}
    assert masters_of(r) == [10]


def test_without_children_only_those_that_fit_themselves() -> None:
    r = roster(group("g", "main", children=False))
    r.place([who(10, "main"), who(11, "main", ppid=10), who(12, "other", ppid=10)])
    assert groups_of(r) == {10: "g", 11: "g"}
    assert masters_of(r) == [10]


def test_the_first_group_that_fits_wins_and_fitting_beats_descent() -> None:
    r = roster(group("a", "one"), group("b", "one|two"))
    r.place([who(10, "one"), who(11, "two", ppid=10), who(12, "three", ppid=11)])
    assert groups_of(r) == {10: "a", 11: "b", 12: "b"}


def test_a_descendant_stays_one_when_its_parent_is_gone() -> None:
    r = roster(group("g", "main"))
    r.place([who(10, "main"), who(11, "worker", ppid=10)])
    r.forget(10)
    assert r.place([who(11, "worker --renamed", ppid=1)]) == []
    assert groups_of(r) == {11: "g"}


def test_a_pid_used_again_is_no_parent_of_older_processes() -> None:
    r = roster(group("g", "main"))
    r.place([who(50, "main", start=500), who(60, "orphan", ppid=50, start=100)])
    assert groups_of(r) == {50: "g"}


def test_exec_into_a_member_takes_the_children_along() -> None:
    r = roster(group("g", "main"))
    r.place([who(10, "sh"), who(11, "spawned", ppid=10), who(12, "spawned", ppid=11)])
    assert groups_of(r) == {}
    moves = r.place([who(10, "main")])
    assert {(m.after.identity.pid, m.before is not None) for m in moves} == {(10, True), (11, True), (12, True)}
    assert groups_of(r) == {10: "g", 11: "g", 12: "g"}


def test_exec_out_of_a_group_is_a_move() -> None:
    r = roster(group("g", "main"))
    r.place([who(10, "main")])
    [move] = r.place([who(10, "sleep")])
    assert isinstance(move, Move)
    assert move.before is not None
    assert move.before.group is not None
    assert move.after.group is None


def test_a_zombie_belongs_to_nobody() -> None:
    r = roster(group("g", ""))
    r.place([who(10, "main", dead=True)])
    assert groups_of(r) == {}


def test_a_master_outside_of_containers_becomes_a_group_with_all_below_it() -> None:
    r = roster()
    r.place([who(10, "gunicorn app:app"), who(11, "gunicorn app:app", ppid=10), who(12, "celery worker", ppid=11)])
    assert groups_of(r) == {10: "gunicorn:app", 11: "gunicorn:app", 12: "gunicorn:app"}
    assert masters_of(r) == [10]


@pytest.mark.parametrize("facts", [{"cgroups": ("/docker/" + "a" * 64,)}, {"depth": 2}])
def test_a_master_in_a_container_is_the_containers(facts: dict[str, object]) -> None:
    r = roster()
    r.place([who(10, "gunicorn app:app", **facts)])
    assert groups_of(r) == {}


def test_a_configured_group_comes_before_a_preset() -> None:
    r = roster(group("shop", "gunicorn"))
    r.place([who(10, "gunicorn app:app"), who(11, "celery worker", ppid=10)])
    assert groups_of(r) == {10: "shop", 11: "shop"}


def test_two_masters_of_one_name_are_told_apart_by_unit_or_port_and_stay_so() -> None:
    r = roster()
    r.place([who(10, "gunicorn app:app", cgroups=("/system.slice/shop.service",))])
    assert groups_of(r) == {10: "gunicorn:app"}
    r.place([who(20, "gunicorn -b :81 app:app"), who(30, "gunicorn -b :81 app:app")])
    assert groups_of(r) == {10: "gunicorn:app@shop", 20: "gunicorn:app@81", 30: "gunicorn:app@81"}
    r.forget(20)
    r.forget(30)
    assert groups_of(r) == {10: "gunicorn:app@shop"}


def test_a_preset_never_takes_a_configured_name() -> None:
    r = roster(group("ollama", "other"))
    r.place([who(10, "ollama serve")])
    assert groups_of(r) == {10: "ollama@preset"}


def test_a_title_over_the_arguments_does_not_make_another_group() -> None:
    r = roster()
    r.place([who(10, "gunicorn -b :8000 app:app")])
    title = who(10, argv=("gunicorn: master [app:app]",))
    assert r.place([title]) == []
    assert groups_of(r) == {10: "gunicorn:app"}


def test_a_name_out_of_a_command_line_is_made_fit_to_show() -> None:
    r = roster()
    r.place([who(10, argv=("gunicorn", "-n", '\udcff\n"\u2028', "app:app"))])
    assert groups_of(r) == {10: 'gunicorn:\\xff\\x0a"\\u2028'}
