"""A view judged: each subject's levels, its diagnosis, and alerts in the order of their urgency."""

from __future__ import annotations

import pytest

from brimline.model import Column, Diagnosis, Kind, Now, Phase, Snapshot, SourceReport
from brimline.rules.terms import Unit
from brimline.sources.cgroup import MEMORY_THRESHOLD_RATIO
from brimline.standing import Measures, State, amount, rows, state_of, told
from brimline.view import View
from unit.cli_views import GIB, HOST, Scene, alert, cgroup, container, group


@pytest.mark.parametrize(
    ("ratio", "state"),
    [(0.6, State.NORMAL), (0.61, State.WARNING), (0.9, State.WARNING), (0.91, State.CRITICAL)],
)
def test_a_state_begins_above_a_level(ratio: float, state: State) -> None:
    assert state_of(ratio, (0.6, 0.9)) is state


def test_levels_are_the_subjects_own_or_the_views() -> None:
    own, unit, plain = container("own"), cgroup("a.service"), container("plain")
    there = Scene(levels={own: (0.7, 0.9), unit: (0.1, 0.2)}, default_levels=(0.5, 0.6), failed={plain: "gone"})
    there.memory(own, 80, 100).memory(unit, 15, 100).memory(group("bot"), 55, 100, memory_pss_bytes=55).host(70, 100)
    found = {row.subject: (row.state, row.levels) for row in rows(Measures(there.view()))}
    assert found == {
        own: (State.WARNING, (0.7, 0.9)),
        unit: (State.WARNING, (0.1, 0.2)),
        group("bot"): (State.WARNING, (0.5, 0.6)),
        HOST: (State.CRITICAL, (0.5, 0.6)),
        plain: (State.UNKNOWN, (0.5, 0.6)),
    }


def test_a_level_that_is_not_served_is_the_views() -> None:
    only = container("only")
    column = Column(MEMORY_THRESHOLD_RATIO[Kind.CONTAINER], (only,), [0.9], (("restart",),))
    snapshot = Snapshot(Now(0.0, 0.0), (SourceReport("levels", (column,)),))
    assert Measures(View(snapshot, (), 1, 0.0, b"", levels=(0.5, 0.6))).levels(only) == (0.5, 0.9)


def test_a_view_that_was_not_judged_has_no_findings() -> None:
    measures = Measures(Scene().memory(container("a"), 90, 100).view())
    assert measures.alerts == []
    assert measures.diagnosis(container("a")) is None
    assert measures.trouble(container("a")) is None
    assert measures.levels(container("a")) == (0.80, 0.85)


def test_only_what_is_not_ok_is_trouble() -> None:
    a, b = container("a"), container("b")
    leak = Diagnosis("leaking", "It rises.")
    measures = Measures(Scene(diagnoses={a: leak, b: Diagnosis("ok", "Well.")}).view())
    assert (measures.trouble(a), measures.trouble(b)) == (leak, None)
    assert measures.diagnosis(b) == Diagnosis("ok", "Well.")


def test_alerts_come_by_urgency_and_by_subject_whatever_its_incarnation() -> None:
    a, b = container("a"), container("b")
    alerts = (
        alert(a, "P", phase=Phase.PENDING),
        alert(b, "Odd", "page", phase=Phase.FIRING),
        alert(b, "W", "warning", phase=Phase.FIRING),
        alert(b, "C", phase=Phase.FIRING),
        alert(a, "C", phase=Phase.FIRING),
    )
    measures = Measures(Scene(alerts=alerts).view())
    assert [(one.alertname, one.subject.name) for one in measures.alerts] == [
        ("C", "a"),
        ("C", "b"),
        ("W", "b"),
        ("Odd", "b"),
        ("P", "a"),
    ]
    reborn = type(a)(a.kind, a.name, a.labels, "a@2")
    assert [one.alertname for one in measures.alerts_of(reborn)] == ["C", "P"]
    assert measures.alerts_of(cgroup("a")) == []


@pytest.mark.parametrize(
    ("unit", "value", "said"),
    [
        (Unit.RATIO, 0.913, "91.3 %"),
        (Unit.BYTES, 1.5 * GIB, "1.50 GiB"),
        (Unit.SECONDS, 7500, "2h 5m"),
        (Unit.PER_SECOND, 2.5, "2.5/s"),
        ("", 12.5, "12.5"),
        (Unit.RATIO, float("inf"), "inf"),
    ],
)
def test_a_value_is_told_by_its_unit(unit: str, value: float, said: str) -> None:
    assert amount(alert(container("a"), phase=Phase.FIRING, value=value, unit=unit)) == said


def test_an_alert_that_begins_after_the_clock_was_set_back_has_lasted_no_time() -> None:
    late = alert(container("a"), "M", "", phase=Phase.PENDING, since=1000.0)
    assert told(late, 900.0) == "M pending for 0s, at 91.0 %"
