"""Several wishes in one tick, storms, maintenance windows, waits that double, and what is left of a budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brimline.actions.options import ActionsOptions
from brimline.deeds import Deed, Fate, Ledger, Verdict, whose
from brimline.policy.backoff import BACKOFFS, in_a_row
from brimline.policy.budget import remaining
from brimline.policy.case import Tick
from brimline.policy.decide import decide
from brimline.policy.effect import in_vain
from brimline.policy.pauses import closes_in, window
from brimline.policy.replicas import recreating
from brimline.policy.storm import is_storm
from brimline.policy.terms import Scene, Terms, Window
from unit.policy_scenes import MONO, asked, container, deed, later, only, scene, verdicts, wish

WHISPER = container()
REPLICAS = tuple(container(name, "shop/api") for name in "abc")
PLAIN = tuple(container(f"c{n}") for n in range(8))


def test_of_several_actions_on_one_subject_the_gravest_runs() -> None:
    there = scene([WHISPER], [wish(WHISPER, action) for action in ("cleanup", "recycle", "restart")])
    assert verdicts(there) == [Verdict.IN_FLIGHT, Verdict.IN_FLIGHT, Verdict.RUN]


def test_where_the_gravest_is_refused_the_next_one_runs() -> None:
    there = scene([WHISPER], [wish(WHISPER, action) for action in ("cleanup", "restart")])
    spent = [deed(WHISPER, 900 + n) for n in range(3)]
    assert verdicts(there, spent) == [Verdict.RUN, Verdict.BUDGET_SUBJECT]


@pytest.mark.parametrize(("terms", "asks"), [(Terms(dry_run=True), Verdict.DRY_RUN), (Terms(), Verdict.RUN)])
def test_a_dry_run_decides_as_a_real_one_within_a_tick(terms: Terms, asks: Verdict) -> None:
    there = scene(REPLICAS[:2], [wish(each) for each in REPLICAS[:2]])
    assert sorted(verdicts(there, terms=terms)) == sorted([asks, Verdict.LAST_REPLICA])


def test_a_question_of_a_person_holds_nothing_up() -> None:
    there = scene([WHISPER], [asked(WHISPER, dry_run=True), wish(WHISPER)])
    assert verdicts(there) == [Verdict.DRY_RUN, Verdict.RUN]


def test_of_two_replicas_above_the_rule_the_fullest_goes_and_the_other_waits() -> None:
    a, b, _ = REPLICAS
    there = scene([a, b], [wish(a), wish(b)], pressed={a.subject: 0.9, b.subject: 0.95})
    assert verdicts(there) == [Verdict.LAST_REPLICA, Verdict.RUN]
    assert verdicts(replace(there, pressed={a.subject: 0.9, b.subject: 0.9})) == [Verdict.RUN, Verdict.LAST_REPLICA]


def test_where_the_fullest_may_not_go_the_next_one_does() -> None:
    a, b, _ = REPLICAS
    there = scene([a, b], [wish(a), wish(b)], pressed={a.subject: 0.9, b.subject: 0.95})
    assert verdicts(there, [deed(b, 5)]) == [Verdict.RUN, Verdict.COOLDOWN]


def test_all_above_the_rule_wait_for_one_that_is_being_restarted_or_starting() -> None:
    a, b, c = REPLICAS
    there = scene(REPLICAS, [wish(a), wish(b)])
    assert verdicts(replace(there, busy={whose(c.subject): "restart"})) == [Verdict.LAST_REPLICA] * 2
    starting = {each.subject: each for each in (a, b, container("c", "shop/api", health="starting"))}
    assert verdicts(replace(there, containers=starting)) == [Verdict.LAST_REPLICA] * 2
    sick = {each.subject: each for each in (a, b, container("c", "shop/api", health="unhealthy"))}
    assert verdicts(replace(there, containers=sick)) == [Verdict.RUN, Verdict.LAST_REPLICA]
    assert c.subject in there.containers


def test_the_budget_of_the_host_is_spent_within_a_tick_too() -> None:
    there = scene(PLAIN, [wish(each) for each in PLAIN[:4]])
    assert sorted(verdicts(there, terms=Terms(per_host=3))) == sorted([Verdict.RUN] * 3 + [Verdict.BUDGET_HOST])


def crowd(firing: int, of: int) -> Scene:
    return scene(PLAIN[:of], [wish(each) for each in PLAIN[:firing]])


@pytest.mark.parametrize(("firing", "of", "storm"), [(5, 8, True), (4, 8, False), (3, 4, True), (3, 3, False)])
def test_more_than_half_of_at_least_four_is_a_storm(firing: int, of: int, *, storm: bool) -> None:
    there = crowd(firing, of)
    assert is_storm(Tick(there, Ledger(), Terms())) is storm
    assert verdicts(there).count(Verdict.RUN) == (1 if storm else firing)
    assert verdicts(there).count(Verdict.IN_FLIGHT) == (firing - 1 if storm else 0)


def test_a_storm_is_not_over_when_the_first_half_is_restarted() -> None:
    done = [deed(PLAIN[7], 299), deed(PLAIN[6], 200)]
    assert verdicts(crowd(4, 8)).count(Verdict.RUN) == 4
    assert verdicts(crowd(4, 8), done).count(Verdict.RUN) == 1
    assert verdicts(later(crowd(4, 8), 102), done).count(Verdict.RUN) == 4


def test_a_storm_lets_cleanups_pass_and_counts_no_persons() -> None:
    cleanups = scene(PLAIN, [wish(each, "cleanup") for each in PLAIN])
    assert verdicts(cleanups) == [Verdict.RUN] * 8
    assert verdicts(scene(PLAIN, [asked(each) for each in PLAIN])) == [Verdict.RUN] * 8


def test_a_storm_says_who_is_under_way() -> None:
    told = decide(Tick(crowd(5, 8), Ledger(), Terms()))[1].reason
    assert told.endswith("so they are restarted one at a time: c0 is under way")


@pytest.mark.parametrize(
    ("text", "weekday", "minute", "left"),
    [
        ("02:00-04:30", 3, 120, 150),
        ("02:00-04:30", 3, 119, None),
        ("02:00-04:30", 3, 270, None),
        ("23:00-02:00", 0, 1439, 121),
        ("23:00-02:00", 1, 0, 120),
        ("23:00-02:00", 1, 120, None),
        ("fri 23:00-02:00", 5, 119, 1),
        ("fri 23:00-02:00", 5, 1400, None),
        ("fri 23:00-02:00", 4, 60, None),
        ("sun 23:00-02:00", 0, 60, 60),
        ("sat-mon 02:00-03:00", 6, 130, 50),
        ("sat-mon 02:00-03:00", 0, 130, 50),
        ("sat-mon 02:00-03:00", 1, 130, None),
        ("02:00-02:00", 2, 119, 1),
    ],
)
def test_a_window_is_open_from_its_beginning_and_over_midnight(
    text: str, weekday: int, minute: int, left: int | None
) -> None:
    (written,) = ActionsOptions(quiet=(text,)).quiet
    assert closes_in(window(written), weekday, minute) == left


def test_a_window_that_was_not_checked_is_refused() -> None:
    assert window("mon 00:00-23:00") == Window(0, 1380, frozenset({0}))
    with pytest.raises(ValueError, match="is no window"):
        window("2-4")


def test_compose_recreates_where_a_successor_has_not_got_its_name_yet() -> None:
    old, new = container("shop-api-1", "shop/api"), container("0123456789ab_shop-api-1", "shop/api")
    assert recreating([old]) == frozenset()
    assert recreating([old, new, container("0123456789ab_lone")]) == {"shop"}


@pytest.mark.parametrize(("action", "waits"), [
    ("restart", [10, 20, 40, 80, 160, 300, 300]),
    ("cleanup", [60, 120, 240, 480, 600, 600]),
    ("recycle", [60, 120, 240, 480, 960, 1800, 1800]),
])  # fmt: skip
def test_waits_double_up_to_the_longest(action: str, waits: list[int]) -> None:
    assert [BACKOFFS[action].wait(times) for times in range(1, len(waits) + 1)] == waits
    assert BACKOFFS[action].wait(10_000) == waits[-1]


def test_ten_minutes_of_health_begin_the_waits_anew_and_a_failure_gives_no_health() -> None:
    backoff = BACKOFFS["restart"]
    first, second = deed(WHISPER, 1000), deed(WHISPER, 390)
    assert second.began - (MONO - 1000) == 600
    assert in_a_row([first, second], backoff) == 1
    assert in_a_row([first, replace(second, began=second.began - 1)], backoff) == 2
    assert in_a_row([replace(first, fate=Fate.FAILED), second], backoff) == 2


def test_what_is_left_is_the_least_of_the_three_budgets() -> None:
    a, b, c = REPLICAS
    there = scene(REPLICAS, [])

    def left(deeds: list[Deed], terms: Terms | None = None) -> int:
        return remaining(Tick(there, Ledger(tuple(deeds)), terms or Terms()), a.subject, "shop/api")

    assert left([]) == 3
    assert left([deed(a, 900)]) == 2
    assert left([deed(b, 900 + n) for n in range(3)] + [deed(c, 800)]) == 1
    assert left([deed(b, 900 + n) for n in range(9)]) == 0
    assert left([], Terms(per_host=1)) == 1


def test_the_second_restart_in_vain_is_told_for_a_critical_alert() -> None:
    deeds = [deed(WHISPER, 1900, relapsed=True), deed(WHISPER, 1500, relapsed=True)]
    tick = Tick(scene([WHISPER], []), Ledger(tuple(deeds)), Terms())
    assert in_vain(tick, WHISPER.subject, WHISPER) == deeds[1]
    assert in_vain(tick, WHISPER.subject, container(image_id="sha256:2")) is None
    assert in_vain(tick, WHISPER.subject, None) is None


def test_without_wishes_nothing_is_decided() -> None:
    assert decide(Tick(scene([WHISPER], []), Ledger(), Terms())) == ()


def test_a_restart_refused_for_its_budget_runs_once_the_hour_has_passed() -> None:
    there, spent = scene([WHISPER], [wish(WHISPER)]), [deed(WHISPER, ago) for ago in (3500, 2000, 900)]
    assert only(there, spent).verdict is Verdict.BUDGET_SUBJECT
    assert only(later(there, 90), spent).verdict is Verdict.BUDGET_SUBJECT
    assert only(later(there, 91), spent).verdict is Verdict.RUN
