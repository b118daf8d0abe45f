"""The diagnosis: which word, in which order, and that each sentence has its numbers and names what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.rules.diagnosis import DIAGNOSES, Facts, diagnose, name_of

GIB = float(1 << 30)
HEALTHY = Facts(age=7200.0, ratio=0.6, limit=4 * GIB, level=0.8, highest=0.6, full=0.0, refaults=0.0, hits=0.0)
AT_HIGH = {"high": GIB, "high_ratio": 0.99}
# Measured: mapped weights of 300 MB and 150 MB of anonymous memory under a limit of 400 MB, and memory.high at 100 MB.
THRASHING = HEALTHY._replace(ratio=0.38, full=0.23, refaults=28_000.0, hits=40.0)
THROTTLED = HEALTHY._replace(ratio=0.28, full=0.84, **AT_HIGH)
IDLE = HEALTHY._replace(ratio=0.9, lowest=0.88, highest=0.91, watched=7080.0)


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (HEALTHY, "ok"),
        (HEALTHY._replace(waiting=True, full=0.5, refaults=1e5), "starting"),
        (THRASHING, "thrashing"),
        (THROTTLED, "throttled"),
        (HEALTHY._replace(left=1800.0), "leaking"),
        (IDLE, "idle_above_threshold"),
        (HEALTHY._replace(limited=False), "no_limit"),
        (HEALTHY._replace(ratio=0.9), "ok"),
    ],
)
def test_each_word(facts: Facts, name: str) -> None:
    assert diagnose(facts).name == name_of(facts) == name


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (THROTTLED._replace(refaults=1e5, left=60.0), "throttled"),
        (THRASHING._replace(left=60.0), "thrashing"),
        (IDLE._replace(left=60.0), "leaking"),
        (IDLE._replace(limited=False), "idle_above_threshold"),
        (IDLE._replace(lowest=0.81), "idle_above_threshold"),
        (IDLE._replace(lowest=0.81, highest=0.97), "ok"),
    ],
)
def test_the_order_of_precedence(facts: Facts, name: str) -> None:
    assert name_of(facts) == name


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(HEALTHY._replace(full=0.4), id="pressure of the host's, nothing of its own is read back"),
        pytest.param(HEALTHY._replace(full=0.05, refaults=5000.0), id="cache turns over without anybody waiting"),
        pytest.param(HEALTHY._replace(full=0.02, high_hits=50.0, **AT_HIGH), id="at memory.high and not held"),
        pytest.param(HEALTHY._replace(full=None, **AT_HIGH), id="at memory.high, and nothing tells that it is held"),
        pytest.param(HEALTHY._replace(full=None, refaults=28_000.0, hits=40.0), id="no PSI: nothing is guessed"),
    ],
)
def test_what_is_not_enough(facts: Facts) -> None:
    assert name_of(facts) == "ok"


def test_memory_high_without_psi_is_told_by_its_own_counter() -> None:
    found = diagnose(HEALTHY._replace(full=None, high_hits=12.0, **AT_HIGH))
    assert found.name == "throttled"
    assert "without PSI" in found.sentence
    assert "12.0 times a second" in found.sentence


@pytest.mark.parametrize(
    ("facts", "numbers"),
    [
        (THRASHING, ["23.0 %", "28,000 pages", "40.0 times", "38.0 % of 4 GiB"]),
        (THROTTLED, ["1 GiB", "99.0 %", "84.0 %"]),
        (HEALTHY._replace(left=5400.0), ["60.0 % of 4 GiB", "1h 30m"]),
        (IDLE, ["88.0 %", "91.0 %", "80.0 %", "1h 58m"]),
        (HEALTHY._replace(limited=False), ["60.0 %", "4 GiB"]),
        (HEALTHY._replace(waiting=True, age=40.0), ["40s"]),
        (HEALTHY, ["60.0 % of 4 GiB", "80.0 %"]),
    ],
)
def test_a_sentence_has_its_numbers(facts: Facts, numbers: list[str]) -> None:
    sentence = diagnose(facts).sentence
    assert [n for n in numbers if n not in sentence] == []


def test_what_the_kernel_does_not_tell_is_named() -> None:
    assert "PSI" not in diagnose(HEALTHY).sentence
    assert "Thrashing could not be told" in diagnose(HEALTHY._replace(full=None)).sentence
    busy = diagnose(HEALTHY._replace(full=None, refaults=28_000.0, hits=40.0)).sentence
    assert "may be thrashing" in busy
    assert "28,000 pages" in busy


perhaps = st.none() | st.floats(0, 1e6)


@given(
    st.builds(
        Facts,
        age=st.floats(0, 1e8),
        waiting=st.booleans(),
        ratio=st.floats(0, 2),
        limit=st.floats(0, 1e13),
        limited=st.booleans(),
        left=st.none() | st.floats(0.001, 1e6),
        lowest=st.none() | st.floats(0, 2),
        highest=st.floats(0, 2),
        full=st.none() | st.floats(0, 1),
        refaults=perhaps,
        hits=perhaps,
        high=perhaps,
        high_ratio=perhaps,
        high_hits=perhaps,
    )
)
def test_any_facts_have_one_word_and_one_sentence(facts: Facts) -> None:
    found = diagnose(facts)
    assert found.name in DIAGNOSES
    assert found.sentence.endswith(".")
    assert "None" not in found.sentence
