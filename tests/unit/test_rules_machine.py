from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.metrics.catalog import by_name
from brimline.model import Now, Phase
from brimline.rules.machine import INACTIVE, MOVES, State, Truth, milliseconds, step
from brimline.rules.spec import load
from brimline.rules.terms import Rule
from brimline.rules.vocabulary import vocabulary

VOCABULARY = vocabulary(by_name().values())
T, H, F, U = Truth.TRUE, Truth.HELD, Truth.FALSE, Truth.UNKNOWN
TRUTHS = st.lists(st.tuples(st.sampled_from(list(Truth)), st.sampled_from((1.0, 5.0, 7.5))), max_size=40)


def rule(hold: str = "0s", keep: str = "0s") -> Rule:
    one = f"{{alert: A, on: container, when: memory_used_ratio > 80%, for: {hold}, keep_firing_for: {keep}}}"
    return load(f"groups: [{{name: g, rules: [{one}]}}]", "x.yml", VOCABULARY).rules[0]


def live(judged: Rule, truths: list[Truth], every: float = 5.0) -> list[str]:
    """The phases after evaluations that come every so often."""
    state, phases = INACTIVE, []
    for index, truth in enumerate(truths):
        state, _ = step(judged, state, truth, 0.9, Now(1e9 + index * every, 100 + index * every))
        phases.append(str(state.phase)[0])
    return phases


def test_every_truth_has_its_move_in_every_phase() -> None:
    assert set(MOVES) == set(product(Phase, Truth))


@pytest.mark.parametrize(
    ("hold", "keep", "truths", "phases"),
    [
        ("0s", "0s", [T, F, T], "fif"),
        ("10s", "0s", [T, T, T, T], "ppff"),
        ("7s", "0s", [T, T, T], "ppf"),
        ("10s", "0s", [T, T, F, T, T, T], "ppippf"),
        ("5s", "0s", [T, H, T, H], "pipi"),  # what is held keeps nothing that waits
        ("0s", "0s", [T, H, H, F], "fffi"),
        ("0s", "10s", [T, F, F, F], "fffi"),
        ("0s", "10s", [T, F, F, T, F, F, F], "ffffffi"),  # a new beginning of the waiting
        ("0s", "10s", [T, F, H, F, F, F], "fffffi"),
        ("0s", "3s", [T, F, F], "ffi"),
        ("10s", "0s", [T, T, U, U, T, T], "pppppf"),  # from the last known to the next known nothing counts
        ("10s", "0s", [T, U, F], "ppi"),
        ("0s", "10s", [T, F, U, U, F, F, F], "ffffffi"),
        ("0s", "0s", [U, H, F], "iii"),
        ("0s", "0s", [T, U, U, U, F], "ffffi"),
    ],
)
def test_lives(hold: str, keep: str, truths: list[Truth], phases: str) -> None:
    assert "".join(live(rule(hold, keep), truths)) == phases


def test_a_step_says_which_phase_it_left() -> None:
    judged = rule("5s")
    state, left = step(judged, INACTIVE, T, 0.9, Now(50.0, 0.0))
    assert (state.phase, left, state.since, state.value) == (Phase.PENDING, Phase.INACTIVE, 50.0, 0.9)
    state, left = step(judged, state, T, 0.95, Now(53.0, 3.0))
    assert (left, state.since, state.value) == (None, 50.0, 0.95)
    state, left = step(judged, state, T, 0.99, Now(55.0, 5.0))
    assert (state.phase, left, state.since) == (Phase.FIRING, Phase.PENDING, 55.0)
    state, left = step(judged, state, U, None, Now(60.0, 10.0))
    assert (state.phase, left, state.since, state.value, state.known) == (Phase.FIRING, None, 55.0, 0.99, False)
    assert step(judged, state, F, None, Now(65.0, 15.0)) == (INACTIVE, Phase.FIRING)


def test_the_wall_clock_decides_nothing() -> None:
    judged = rule("10s")
    state, _ = step(judged, INACTIVE, T, 0.9, Now(1e9, 0.0))
    state, _ = step(judged, state, T, 0.9, Now(2e9, 5.0))
    assert state.phase is Phase.PENDING
    state, _ = step(judged, state, T, 0.9, Now(1.0, 10.0))
    assert state.phase is Phase.FIRING


def test_a_tenth_of_a_second_added_up_does_not_miss_the_time() -> None:
    judged, state, mono, ticks = rule("30s"), INACTIVE, 12_345.678, 0
    while state.phase is not Phase.FIRING:
        state, _ = step(judged, state, T, 0.9, Now(0.0, mono))
        mono, ticks = mono + 0.1, ticks + 1
    assert ticks == 301


@given(TRUTHS, st.sampled_from((0, 5, 12)))
def test_nothing_fires_before_it_was_known_to_be_true_for_so_long(steps: list[tuple[Truth, float]], hold: int) -> None:
    judged, state, mono = rule(f"{hold}s"), INACTIVE, 0.0
    known_true, before = 0.0, F
    for truth, seconds in steps:
        mono += seconds
        known_true = 0.0 if truth in {F, H} else known_true + seconds * (truth is T and before is T)
        was = state.phase
        state, _ = step(judged, state, truth, 0.9, Now(0.0, mono))
        if state.phase is Phase.FIRING and was is not Phase.FIRING:
            assert known_true >= hold
        before = truth


@given(TRUTHS, st.sampled_from((0, 5, 12)), st.sampled_from((0, 5, 12)))
def test_what_is_unknown_changes_no_phase(steps: list[tuple[Truth, float]], hold: int, keep: int) -> None:
    judged, state, mono = rule(f"{hold}s", f"{keep}s"), INACTIVE, 0.0
    for truth, seconds in steps:
        mono += seconds
        was = state.phase
        state, left = step(judged, state, truth, None, Now(0.0, mono))
        assert truth is not U or (state.phase is was and left is None)


@given(TRUTHS, TRUTHS, st.sampled_from((5, 12)), st.floats(0, 5000))
def test_unknown_time_is_as_if_it_had_not_been(
    first: list[tuple[Truth, float]], then: list[tuple[Truth, float]], hold: int, gap: float
) -> None:
    """An outage, however long, ends where it began: only how long it took is not known."""
    judged = rule(f"{hold}s", f"{hold}s")

    def phases(seconds: float) -> list[Phase]:
        state, mono, found = INACTIVE, 0.0, []
        for truth, took in [*first, (U, 1.0), (U, seconds), *then]:
            mono += took
            state, _ = step(judged, state, truth, 0.9, Now(0.0, mono))
            found.append(state.phase)
        return found

    assert phases(gap) == phases(1.0)


@given(st.lists(st.sampled_from((0.76, 0.79, 0.81, 0.86)), min_size=3, max_size=60))
def test_a_saw_tooth_between_the_two_levels_does_not_flap(values: list[float]) -> None:
    judged, state, fired, phases = rule(), INACTIVE, False, []
    for index, value in enumerate(values):  # when > 80 %, clear < 75 %
        fired |= value > 0.8
        truth = T if value > 0.8 else H if fired else F
        state, _ = step(judged, state, truth, value, Now(0.0, index * 5.0))
        phases.append(state.phase)
    assert sum(a is not b for a, b in pairwise(phases)) <= 1


def test_a_state_is_small() -> None:
    assert not hasattr(State(Phase.PENDING), "__dict__")
    assert milliseconds(0.0005) == 0
