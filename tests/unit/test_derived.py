"""The derived report: columns beside their subjects, what it remembers of whom, and what it says when sources fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from brimline.model import Column, Container, Kind, Snapshot, SourceReport, Subject
from brimline.rules.derived import DIAGNOSIS, TIME_TO_LIMIT, Derived
from brimline.rules.terms import Levels
from brimline.sources import cgroup
from fakes import FakeClock, container, described, values

GIB = 1 << 30
A, B = container("a", "a1"), container("b", "b1")
UNIT = Subject(Kind.CGROUP, "unit", ("unit",), "unit@1")
C = Kind.CONTAINER
METRICS = {metric.name: metric for metric in cgroup.METRICS}


class Scene:
    """A few subjects that live for a while under `Derived`."""

    def __init__(self, *subjects: Subject, derived: Derived | None = None) -> None:
        self.clock = FakeClock()
        self.derived = derived or Derived(Levels())
        self.subjects = subjects
        self.share: Callable[[float], float] = lambda _: 0.5
        self.told: dict[str, float] = {"memory_limit_bytes": GIB, "limited": 1}
        self.engine: Mapping[Subject, Container] = {}
        self.began = self.clock.now()
        self.told["start_time_seconds"] = self.began.wall

    def columns(self, kind: Kind) -> list[Column]:
        subjects = tuple(s for s in self.subjects if s.kind is kind)
        share = self.share(self.clock.mono - self.began.mono)
        readings = {"memory_used_bytes": share * GIB, "memory_used_ratio": share, **self.told}
        found = [Column(METRICS[f"brimline_{kind}_{m}"], subjects, (v,) * len(subjects)) for m, v in readings.items()]
        levels = tuple(s for s in subjects for _ in range(2))
        names = (("alert",), ("restart",)) * len(subjects)
        found.append(Column(cgroup.MEMORY_THRESHOLD_RATIO[kind], levels, (0.8, 0.85) * len(subjects), names))
        return found if subjects else []

    def tick(self, error: str | None = None, failed: Mapping[Subject, str] | None = None) -> SourceReport:
        now = self.clock.pass_(5.0)
        told = [] if error else [c for kind in (C, Kind.CGROUP) for c in self.columns(kind)]
        reports = (
            SourceReport("docker", (), containers=self.engine),
            SourceReport("cgroup", tuple(told), error=error, failed=failed or {}),
        )
        return self.derived.report(Snapshot(now, reports), now)

    def live(self, seconds: float) -> SourceReport:
        for _ in range(int(seconds / 5) - 1):
            self.tick()
        return self.tick()


def words(report: SourceReport) -> dict[str, str]:
    return {subject.name: diagnosis.name for subject, diagnosis in report.diagnoses.items()}


def test_each_subject_has_one_word_of_seven_beside_it() -> None:
    scene = Scene(A, B, UNIT)
    report = scene.live(200)
    served = values(report)
    assert served["brimline_container_diagnosis"] == {
        f"{name}{{{word}}}": float(word == "ok")
        for name in "ab"
        for word in ("ok", "leaking", "thrashing", "throttled", "idle_above_threshold", "no_limit", "starting")
    }
    assert served["brimline_cgroup_diagnosis"]["unit{ok}"] == 1.0
    assert TIME_TO_LIMIT[C].name not in served
    assert words(report) == {"a": "ok", "b": "ok", "unit": "ok"}
    assert "50.0 % of 1 GiB" in report.diagnoses[A].sentence


def test_the_tuples_stay_the_same_until_the_subjects_change() -> None:
    scene = Scene(A, B)
    fixed = tuple(scene.subjects)
    columns = scene.columns(C)

    def report() -> Column:
        now = scene.clock.pass_(5.0)
        kept = [Column(c.metric, columns[i].subjects, c.values, c.extra) for i, c in enumerate(scene.columns(C))]
        found = scene.derived.report(Snapshot(now, (SourceReport("cgroup", tuple(kept)),)), now)
        return next(c for c in found.columns if c.metric is DIAGNOSIS[C])

    first, second = report(), report()
    assert first.subjects is second.subjects
    assert first.extra is second.extra
    assert first.subjects == tuple(s for s in fixed for _ in range(7))


def test_a_leak_has_a_time_to_its_limit_and_is_called_one() -> None:
    scene = Scene(A, UNIT)
    scene.share = lambda age: 0.4 + 0.1 * age / 3600
    report = scene.live(2 * 3600)
    served = values(report)
    for name, subject in (("container", "a"), ("cgroup", "unit")):
        assert served[f"brimline_{name}_memory_time_to_limit_seconds"][subject] == pytest.approx(4 * 3600, rel=0.1)
    assert words(report) == {"a": "leaking", "unit": "leaking"}


def test_it_is_starting_until_its_start_period_is_over() -> None:
    scene = Scene(A, B)
    scene.engine = {s: described(s, {"brimline.start-period": period}) for s, period in ((A, "10m"), (B, "soon"))}
    assert words(scene.live(60)) == {"a": "starting", "b": "starting"}
    assert words(scene.live(120)) == {"a": "starting", "b": "ok"}
    assert words(scene.live(600)) == {"a": "ok", "b": "ok"}


def test_one_with_a_health_check_is_starting_until_it_was_healthy_or_for_ten_start_periods() -> None:
    scene = Scene(A, B)
    scene.engine = {A: described(A, health="starting"), B: described(B, health="unhealthy")}
    assert words(scene.live(600)) == {"a": "starting", "b": "starting"}
    scene.engine = {A: described(A, health="healthy"), B: described(B, health="starting")}
    scene.tick()
    scene.engine = {A: described(A, health="unhealthy"), B: described(B, health="starting")}
    assert words(scene.live(60)) == {"a": "ok", "b": "starting"}, "one that was healthy once has started"
    assert words(scene.live(600)) == {"a": "ok", "b": "ok"}


def test_the_first_healthy_answer_ends_the_start_period_early() -> None:
    scene = Scene(A, B)
    scene.engine = {A: described(A, health="starting"), B: described(B)}
    assert words(scene.live(30)) == {"a": "starting", "b": "starting"}
    scene.engine = {A: described(A, health="healthy"), B: described(B)}
    assert words(scene.tick()) == {"a": "ok", "b": "starting"}, "without a health check the time decides"


def test_a_silent_engine_changes_no_start_period() -> None:
    scene = Scene(A)
    scene.engine = {A: described(A, {"brimline.start-period": "10m"})}
    scene.live(150)
    scene.engine = {}
    assert words(scene.live(30)) == {"a": "starting"}


def test_a_model_that_was_loaded_to_90_percent_stands_there() -> None:
    scene = Scene(A)
    scene.share = lambda age: min(0.9, age / 60)
    assert words(scene.live(300))["a"] == "ok", "not yet long enough"
    report = scene.live(300)
    assert words(report)["a"] == "idle_above_threshold"
    assert "a restart would bring it back to the same" in report.diagnoses[A].sentence


def test_one_that_crept_above_its_level_does_not_stand_there() -> None:
    scene = Scene(A)
    scene.share = lambda age: 0.9 if age > 1800 else 0.7
    assert words(scene.live(3 * 3600))["a"] == "ok"


def test_of_one_that_is_older_than_the_watch_it_takes_an_hour_to_say_where_it_stands() -> None:
    scene = Scene(A)
    scene.told["start_time_seconds"] -= 86_400
    scene.share = lambda _: 0.9
    assert words(scene.live(1800))["a"] == "ok"
    assert words(scene.live(1900))["a"] == "idle_above_threshold"


def test_rates_are_taken_of_counters_over_some_seconds() -> None:
    scene = Scene(A)
    scene.told |= {"memory_pressure_full_ratio": 0.23, "memory_refaults_total": 0, "memory_limit_hits_total": 0}
    scene.live(200)
    for _ in range(8):
        scene.told["memory_refaults_total"] += 5 * 28_000
        report = scene.tick()
    assert words(report)["a"] == "thrashing"
    assert "28,000 pages a second" in report.diagnoses[A].sentence


def test_a_failed_source_makes_it_unknown_and_forgets_nothing() -> None:
    scene = Scene(A)
    scene.share = lambda age: 0.4 + 0.1 * age / 3600
    scene.live(2 * 3600)
    failed = scene.tick(error="no memory controller")
    assert failed.error == "no memory controller"
    assert not failed.columns
    assert words(scene.tick())["a"] == "leaking"


def test_a_subject_that_could_not_be_read_is_not_forgotten_and_one_that_is_gone_is() -> None:
    scene = Scene(A, B)
    scene.share = lambda age: 0.4 + 0.1 * age / 3600
    scene.live(2 * 3600)
    scene.subjects = (B,)
    assert scene.tick(failed={A: "permission denied"}).failed == {A: "permission denied"}
    scene.subjects = (A, B)
    assert words(scene.tick()) == {"a": "leaking", "b": "leaking"}
    scene.subjects = (A,)
    scene.tick()
    scene.subjects = (A, B)
    assert words(scene.tick()) == {"a": "leaking", "b": "ok"}


def test_a_jump_of_the_wall_clock_and_a_silent_engine_make_nothing_younger() -> None:
    scene = Scene(A)
    scene.share = lambda age: 0.4 + 0.1 * age / 3600
    scene.live(2 * 3600)
    scene.clock.wall -= 7200
    assert words(scene.tick())["a"] == "leaking"
    del scene.told["start_time_seconds"]
    assert words(scene.tick())["a"] == "leaking"


def test_a_new_start_is_another_history() -> None:
    scene = Scene(A)
    scene.share = lambda age: 0.4 + 0.1 * age / 3600
    scene.live(2 * 3600)
    scene.told["start_time_seconds"] = scene.clock.wall
    assert words(scene.tick())["a"] == "starting"


def test_an_empty_snapshot_makes_an_empty_report() -> None:
    report = Scene().tick()
    assert (report.columns, dict(report.diagnoses), report.error) == ((), {}, None)
