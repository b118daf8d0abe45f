from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from brimline.metrics.catalog import by_name
from brimline.model import Alert, Column, Kind, Now, Snapshot, SourceReport, StoredAlert, Subject
from brimline.rules.alertstore import MemoryAlertStore
from brimline.rules.evaluator import RULE_GONE, Evaluator, Judgement
from brimline.rules.judge import NEW_INCARNATION
from brimline.rules.spec import load
from brimline.rules.terms import RuleSet
from brimline.rules.vocabulary import vocabulary

METRICS = by_name()
VOCABULARY = vocabulary(METRICS.values())
RATIO, WORKING, FULL = "memory_used_ratio", "memory_working_set_ratio", "memory_pressure_full_ratio"
RUNNING, KILLS = "running", "memory_oom_kills_total"
SEVENTY = "levels: {alert_at: 70%}"
WALL = 1_700_000_000.0

Values = Mapping[str, Mapping[Subject, float]]


def rules(*texts: str, levels: str = "") -> RuleSet:
    lines = "\n".join(f"  - {{alert: A{index}, on: container, {text}}}" for index, text in enumerate(texts))
    return load(f"{levels}\ngroups:\n- name: g\n  rules:\n{lines}\n", "x.yml", VOCABULARY)


def subject(name: str = "a", uid: str = "1", project: str = "") -> Subject:
    return Subject(Kind.CONTAINER, name, (name, project, ""), uid)


A, B = subject("a"), subject("b")


def columns(values: Values) -> tuple[Column, ...]:
    return tuple(
        Column(METRICS[f"brimline_container_{measure}"], tuple(found), tuple(found.values()))
        for measure, found in values.items()
    )


class World:
    """An evaluator, and ticks every five seconds."""

    def __init__(self, judged: RuleSet, store: MemoryAlertStore | None = None, wall: float = WALL) -> None:
        self.store = store or MemoryAlertStore()
        self.wall, self.mono = wall, 100.0
        self.evaluator = Evaluator(judged, self.store, self.now)

    @property
    def now(self) -> Now:
        return Now(self.wall, self.mono)

    def reports(self, *reports: SourceReport, seconds: float = 5.0) -> Judgement:
        self.wall, self.mono = self.wall + seconds, self.mono + seconds
        return self.evaluator.tick(Snapshot(self.now, reports))

    def tick(self, values: Values, seconds: float = 5.0) -> Judgement:
        return self.reports(SourceReport("cgroup", columns(values)), seconds=seconds)

    def ratio(self, **ratios: float) -> Judgement:
        return self.tick({RATIO: {subject(name): ratio for name, ratio in ratios.items()}})


def names(judgement: Judgement) -> list[str]:
    return [f"{alert.alertname} {alert.key.name} {alert.phase}" for alert in judgement.alerts]


def phases(world: World, reports: Sequence[Values]) -> list[str]:
    return ["".join(f"{a.phase}"[0] for a in world.tick(values).alerts) or "i" for values in reports]


def failed(*subjects: Subject) -> SourceReport:
    return SourceReport("cgroup", (), failed=dict.fromkeys(subjects, "permission denied"))


def test_each_subject_has_its_own_alert() -> None:
    world = World(rules("when: memory_used_ratio > 80%, for: 5s, severity: critical, do: [notify, restart]"))
    assert names(world.ratio(a=0.9, b=0.1)) == ["A0 a pending"]
    judgement = world.ratio(a=0.91, b=0.85)
    assert names(judgement) == ["A0 a firing", "A0 b pending"]
    alert = judgement.alerts[0]
    assert (alert.value, alert.threshold, alert.subject, alert.severity) == (0.91, 0.8, A, "critical")
    assert alert.actions == ("notify", "restart")
    assert {(t.alert.key.name, str(t.before), str(t.alert.phase), t.at) for t in judgement.transitions} == {
        ("b", "inactive", "pending", WALL + 10),
        ("a", "pending", "firing", WALL + 10),
    }
    assert names(world.ratio(a=0.8, b=0.1)) == []


def test_the_value_is_the_one_of_this_tick() -> None:
    world = World(rules("when: memory_used_ratio > 80%"))
    assert [world.ratio(a=value).alerts[0].value for value in (0.9, 0.95, 0.95, 0.81)] == [0.9, 0.95, 0.95, 0.81]


def test_where_chooses_by_label() -> None:
    world = World(rules('when: memory_used_ratio > 80%, where: {compose_project: shop, container: "!*-2"}'))
    shop = [subject(f"web-{n}", project="shop") for n in (1, 2)]
    assert names(world.tick({RATIO: dict.fromkeys([*shop, A], 0.9)})) == ["A0 web-1 firing"]


@pytest.mark.parametrize(
    ("when", "values", "expected"),
    [
        ("when: [memory_used_ratio > 80%, memory_working_set_ratio > 10%]", (0.9, 0.2), "f"),
        ("when: [memory_used_ratio > 80%, memory_working_set_ratio > 10%]", (0.9, 0.1), "i"),
        ("when: [memory_used_ratio > 80%, memory_working_set_ratio > 10%]", (0.9, None), "i"),
        ("any: [memory_used_ratio > 80%, memory_working_set_ratio > 10%]", (0.1, 0.2), "f"),
        ("any: [memory_used_ratio > 80%, memory_working_set_ratio > 10%]", (None, None), "i"),
        ("any: [[memory_used_ratio > 80%, memory_working_set_ratio > 10%], processes > 2]", (0.9, 0.2), "f"),
        ("when: memory_used_ratio != 90%", (None, None), "i"),
    ],
)
def test_lists(when: str, values: tuple[float | None, float | None], expected: str) -> None:
    world = World(rules(when))
    found = {m: {A: v} for m, v in zip((RATIO, WORKING), values, strict=True) if v is not None}
    assert phases(world, [found]) == [expected]


HIGH: Values = {RATIO: {A: 0.9}, WORKING: {A: 0.9}}


def working_fails(ratio: float) -> tuple[SourceReport, ...]:
    """The source of one measure answers, that of the other fails."""
    return (SourceReport("one", columns({RATIO: {A: ratio}})), SourceReport("two", (), error="no answer"))


@pytest.mark.parametrize(
    ("when", "ratio", "known", "phase"),
    [
        ("when: [memory_used_ratio > 80%, memory_working_set_ratio > 80%]", 0.9, False, "firing"),
        ("when: [memory_used_ratio > 80%, memory_working_set_ratio > 80%]", 0.1, True, None),  # false beats unknown
        ("any: [memory_used_ratio > 80%, memory_working_set_ratio > 80%]", 0.9, True, "firing"),  # true beats unknown
        ("any: [memory_used_ratio > 80%, memory_working_set_ratio > 80%]", 0.1, False, "firing"),
    ],
)
def test_three_valued_lists(when: str, ratio: float, known: bool, phase: str | None) -> None:  # noqa: FBT001 - a case
    world = World(rules(when))
    both = (SourceReport("one", columns({RATIO: {A: 0.9}})), SourceReport("two", columns({WORKING: {A: 0.9}})))
    assert names(world.reports(*both)) == ["A0 a firing"]
    alerts = world.reports(*working_fails(ratio)).alerts
    assert [(str(alert.phase), alert.known) for alert in alerts] == ([] if phase is None else [(phase, known)])


def test_a_source_that_fails_changes_no_phase_and_stops_the_time() -> None:
    world = World(rules("when: memory_used_ratio > 80%, for: 20s"))
    for _ in range(3):
        world.ratio(a=0.9)
    down = SourceReport("cgroup", (), error="no answer")
    for _ in range(100):
        assert names(world.reports(down)) == ["A0 a pending"]
    assert names(world.ratio(a=0.9)) == ["A0 a pending"]  # 10 s are known
    assert names(world.ratio(a=0.9)) == ["A0 a pending"]
    assert names(world.ratio(a=0.9)) == ["A0 a firing"]


def test_time_in_which_nobody_looked_counts_towards_nothing() -> None:
    world = World(rules("when: memory_used_ratio > 80%, for: 20s"))
    for _ in range(3):
        world.ratio(a=0.9)
    world.wall, world.mono = world.wall + 60, world.mono + 60  # stopped, and told to go on
    world.evaluator.missed(world.now)
    assert names(world.tick({RATIO: {A: 0.9}}, seconds=0)) == ["A0 a pending"]  # 10 s are known
    assert names(world.ratio(a=0.9)) == ["A0 a pending"]
    assert names(world.ratio(a=0.9)) == ["A0 a firing"]


def test_a_subject_that_could_not_be_read_is_unknown_and_another_is_not() -> None:
    world = World(rules("when: memory_used_ratio > 80%"))
    world.ratio(a=0.9, b=0.9)
    assert names(world.reports(failed(A))) == ["A0 a firing"]
    assert not world.reports(failed(A)).alerts[0].known


def test_what_the_source_no_longer_names_is_gone() -> None:
    world = World(rules("when: memory_used_ratio > 80%"))
    world.ratio(a=0.9)
    judgement = world.reports(SourceReport("docker", (), error="no answer"), SourceReport("cgroup", ()))
    assert judgement.alerts == ()
    assert [(str(t.before), str(t.alert.phase), t.why) for t in judgement.transitions] == [("firing", "inactive", "")]


def test_a_field_that_does_not_exist_is_no_zero() -> None:
    world = World(rules("when: memory_used_ratio < 50%", "when: memory_used_ratio != 50%"))
    assert world.tick({WORKING: {A: 0.1}}).alerts == ()


def test_a_new_incarnation_begins_anew() -> None:
    world = World(rules("when: memory_used_ratio > 80%, for: 5s"))
    world.ratio(a=0.9)
    world.ratio(a=0.9)
    judgement = world.tick({RATIO: {subject("a", uid="2"): 0.95}})
    assert names(judgement) == ["A0 a pending"]
    assert judgement.alerts[0].subject.uid == "2"
    assert [(str(t.before), str(t.alert.phase), t.why) for t in judgement.transitions] == [
        ("firing", "inactive", NEW_INCARNATION),
        ("inactive", "pending", ""),
    ]


def test_the_first_source_says_which_incarnation_it_is() -> None:
    world = World(rules("when: memory_used_ratio > 80%"))
    new, old = subject("a", uid="2"), subject("a", uid="1")
    reports = (
        SourceReport("docker", columns({RUNNING: {new: 1.0}})),
        SourceReport("cgroup", columns({RATIO: {old: 0.9}})),
    )
    for _ in range(3):
        judgement = world.reports(*reports)
        assert [alert.subject.uid for alert in judgement.alerts] == ["2"]
    assert judgement.transitions == ()


def test_windows_go_on_over_incarnations_and_after_the_end() -> None:
    """As the twin's series does: restarts_total and the like belong to the service, not to one of its lives."""
    world = World(rules('when: "increase(memory_oom_kills_total, 1m) > 0"'))
    for _ in range(3):
        world.tick({KILLS: {A: 0.0}})
    assert names(world.tick({KILLS: {subject("a", uid="2"): 1.0}})) == ["A0 a firing"]
    assert names(world.reports(SourceReport("cgroup", ()))) == ["A0 a firing"]
    for _ in range(11):
        last = world.reports(SourceReport("cgroup", ()))
    assert last.alerts == ()


def test_clear_holds_what_fires_between_the_levels() -> None:
    world = World(rules("when: memory_used_ratio > 80%, clear: memory_used_ratio < 60%, for: 5s"))
    ratios = [0.7, 0.9, 0.7, 0.9, 0.9, 0.7, 0.6, 0.59, 0.7]
    assert phases(world, [{RATIO: {A: ratio}} for ratio in ratios]) == list("ipipfffii")


def test_a_subject_may_have_levels_of_its_own() -> None:
    judged = rules("when: memory_used_ratio > alert_at", "when: memory_used_ratio > restart_at", levels=SEVENTY)
    world = World(judged)

    def at(ratio: float, levels: Mapping[Subject, tuple[float, float]]) -> set[str]:
        values = columns({RATIO: {A: ratio, B: ratio}})
        found = world.reports(SourceReport("cgroup", (*values, served(levels)) if levels else values))
        return {f"{alert.alertname} {alert.key.name}" for alert in found.alerts}

    assert at(0.75, {}) == {"A0 a", "A0 b"}
    assert at(0.75, {A: (0.8, 0.95)}) == {"A0 b"}
    assert at(0.9, {A: (0.8, 0.95)}) == {"A0 a", "A0 b", "A1 b"}  # a laxer label stops the restart
    assert at(0.9, {A: (0.8, 0.85)}) == {"A0 a", "A0 b", "A1 a", "A1 b"}


def test_a_window_is_compared_with_the_level_of_now() -> None:
    world = World(rules('when: "max(memory_used_ratio, 1m) > restart_at"'))
    values = columns({RATIO: {A: 0.9}})
    for level, firing in ((0.95, False), (0.85, True), (0.95, False), (0.8, True)):
        found = world.reports(SourceReport("cgroup", (*values, served({A: (0.7, level), B: (0.1, 0.2)}))))
        assert bool(found.alerts) is firing


def served(levels: Mapping[Subject, tuple[float, float]]) -> Column:
    series = METRICS["brimline_container_memory_threshold_ratio"]
    who = tuple(subject for subject in levels for _ in range(2))
    values = tuple(level for both in levels.values() for level in both)
    return Column(series, who, values, (("alert",), ("restart",)) * len(levels))


def test_the_threshold_shown_is_the_subjects_own() -> None:
    world = World(rules("when: memory_used_ratio > alert_at"))
    for level in (0.5, 0.6):
        both = (*columns({RATIO: {A: 0.9}}), served({A: (level, 0.9)}))
        alerts = world.reports(SourceReport("cgroup", both)).alerts
        assert [alert.threshold for alert in alerts] == [level]


def test_a_reload_keeps_the_time_of_what_did_not_change() -> None:
    kept = "when: memory_used_ratio > 80%, for: 10s"
    world = World(rules(kept, "when: memory_working_set_ratio > 80%"))
    both = {RATIO: {A: 0.9}, WORKING: {A: 0.9}}
    world.tick(both)
    world.tick(both)
    world.evaluator.use(rules(f"{kept}, annotations: {{summary: other}}, do: [notify]"), world.now)
    judgement = world.tick(both)
    assert names(judgement) == ["A0 a firing"]
    assert judgement.alerts[0].actions == ("notify",)
    gone = next(t for t in judgement.transitions if t.why == RULE_GONE)
    assert (gone.alert.alertname, str(gone.before), str(gone.alert.phase)) == ("A1", "firing", "inactive")
    world.evaluator.use(rules("when: memory_used_ratio > 80%, for: 11s"), world.now)
    assert names(world.tick(both)) == ["A0 a pending"]


def test_a_restart_of_ours_does_not_count_as_time() -> None:
    judged = rules("when: memory_used_ratio > 80%, for: 20s", "when: memory_used_ratio > 50%")
    before = World(judged)
    for _ in range(3):
        before.ratio(a=0.9)  # 10 s are known
    before.evaluator.save(before.now)
    after = World(judged, before.store, wall=before.wall + 600)
    first = after.ratio(a=0.9)
    assert names(first) == ["A0 a pending", "A1 a firing"]
    assert first.transitions == ()
    assert first.alerts[1].since == WALL + 5
    assert [names(after.ratio(a=0.9))[0] for _ in range(2)] == ["A0 a pending", "A0 a firing"]


def test_what_was_stored_is_unknown_while_its_sources_are_silent_and_gone_when_they_are_not() -> None:
    judged = rules("when: memory_used_ratio > 80%")
    before = World(judged)
    before.ratio(a=0.9, b=0.9)
    before.evaluator.save(before.now)
    after = World(judged, before.store, wall=before.wall + 60)
    starting = SourceReport("docker", (), error="the engine has not listed its containers yet")
    judgement = after.reports(starting, SourceReport("cgroup", ()))
    assert [(alert.key.name, alert.known, alert.value) for alert in judgement.alerts] == [
        ("a", False, 0.9),
        ("b", False, 0.9),
    ]
    judgement = after.reports(SourceReport("docker", ()), SourceReport("cgroup", columns({RATIO: {A: 0.9}})))
    assert names(judgement) == ["A0 a firing"]
    assert [t.alert.key.name for t in judgement.transitions] == ["b"]


def stored(world: World) -> StoredAlert:
    (found,) = world.store.load()
    return found


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, True),
        ({"at": WALL - 3500}, True),
        ({"at": WALL - 3700}, False),
        ({"at": WALL + 86_400}, True),  # the clock was set back: no reason to forget
        ({"fingerprint": "another"}, False),
    ],
)
def test_what_is_too_old_or_of_another_rule_is_dropped(change: dict[str, object], kept: bool) -> None:  # noqa: FBT001
    judged = rules("when: memory_used_ratio > 80%, for: 20s")
    before = World(judged)
    before.ratio(a=0.9)
    before.ratio(a=0.9)
    before.evaluator.save(before.now)
    store = MemoryAlertStore()
    store.save([replace(stored(before), **{"at": WALL, **change})], ())  # type: ignore[arg-type] # a field's new value
    after = World(judged, store, wall=WALL + 10)
    first = after.ratio(a=0.9)
    assert [alert.since == WALL + 5 for alert in first.alerts] == [kept]
    assert len(after.store.load()) == 1


def test_another_incarnation_is_not_what_was_stored() -> None:
    judged = rules("when: memory_used_ratio > 80%, for: 5s")
    before = World(judged)
    before.ratio(a=0.9)
    before.ratio(a=0.9)
    before.evaluator.save(before.now)
    after = World(judged, before.store, wall=before.wall + 10)
    judgement = after.tick({RATIO: {subject("a", uid="2"): 0.9}})
    assert names(judgement) == ["A0 a pending"]
    assert judgement.transitions[0].why == NEW_INCARNATION


def test_the_store_knows_what_is_open_and_how_far_it_came() -> None:
    world = World(rules("when: memory_used_ratio > 80%, for: 1m"))
    world.ratio(a=0.9)
    assert [(s.held, s.uid, s.at) for s in world.store.load()] == [(0.0, "1", WALL + 5)]
    for _ in range(3):
        world.ratio(a=0.9)
    assert stored(world).held >= 10.0  # a crash loses less than a quarter of a minute
    world.ratio(a=0.1)
    assert world.store.load() == ()


def test_rows_of_containers_that_come_and_go_are_used_again() -> None:
    world = World(rules("when: memory_used_ratio > 80%", 'when: "max(memory_used_ratio, 1m) > 99%"'))
    for number in range(500):
        world.tick({RATIO: {subject(f"job-{number}", uid=str(number)): 0.5, A: 0.5}})
    roll = world.evaluator._sight.rolls[Kind.CONTAINER]
    assert len(roll.subjects) < 50
    ring = next(iter(world.evaluator._history.rings.values()))
    assert max(map(len, ring.frames)) < 50
    judgement = world.tick({RATIO: {subject("job-0", uid="new"): 1.0, A: 0.5}})
    assert names(judgement) == ["A0 job-0 firing", "A1 job-0 firing"]


def test_rows_used_again_are_chosen_by_their_new_labels() -> None:
    world = World(rules('when: memory_used_ratio > 80%, where: {container: "job-*"}'))
    for number in range(100):
        assert len(world.tick({RATIO: {subject(f"job-{number}"): 0.9}}).alerts) == 1
        assert world.tick({RATIO: {subject(f"web-{number}"): 0.9}}).alerts == ()


def test_an_alert_is_the_same_object_while_nothing_changes() -> None:
    world = World(rules("when: memory_used_ratio > 80%"))
    first: Alert = world.ratio(a=0.9).alerts[0]
    assert world.ratio(a=0.9).alerts[0] is first


def test_columns_that_are_lists_are_read_anew() -> None:
    world = World(rules("when: memory_used_ratio > 80%"))
    values, who = [0.5], (A,)
    column = Column(METRICS[f"brimline_container_{RATIO}"], who, values)
    assert world.reports(SourceReport("cgroup", (column,))).alerts == ()
    values[0] = 0.9
    assert names(world.reports(SourceReport("cgroup", (column,)))) == ["A0 a firing"]


def test_the_host_has_one_alert() -> None:
    host = Subject(Kind.HOST, "host", (), "boot")
    judged = load(
        "groups: [{name: g, rules: [{alert: H, on: host, when: memory_used_ratio > 80%}]}]", "x.yml", VOCABULARY
    )
    world = World(judged)
    column = Column(METRICS["brimline_host_memory_used_ratio"], (host,), (0.9,))
    assert names(world.reports(SourceReport("host", (column,)))) == ["H host firing"]
