"""From a tick to what is begun and told: once, not each tick; with the same consequences in a dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from brimline import deciding
from brimline.deciding import Deciding
from brimline.deeds import Decision, Deed, Fate, Ledger, Outcome, Request, Verdict, Whose, whose
from brimline.model import Alert, AlertKey, Column, Kind, Now, Phase, Snapshot, SourceReport, Subject
from brimline.policy import decide
from brimline.policy.book import Book
from brimline.policy.case import Tick
from brimline.policy.guarded import Guarded
from brimline.policy.served import STORM
from brimline.policy.terms import Terms
from brimline.rules.derived import DIAGNOSIS
from brimline.rules.diagnosis import DIAGNOSES
from brimline.rules.evaluator import Judgement
from brimline.scenes import Doing, Scenes, wishes_of
from brimline.sources.cgroup import MEMORY_USED_RATIO
from brimline.sources.process import MEMORY_USED_RATIO as GROUP_RATIO
from fakes import FakeClock, container, described

C = Kind.CONTAINER
WEB, API = container("web", "w@1"), container("api", "a@1", labels=("shop", "api"))
OPTED_IN = {"brimline.restart": "true"}
RULE = "memory/InferenceMemoryCritical"


class Heard:
    """Notes what is begun and told."""

    def __init__(self) -> None:
        self.begun: list[Decision] = []
        self.told: list[str] = []

    def begin(self, decision: Decision) -> None:
        self.begun.append(decision)

    def decided(self, decision: Decision) -> None:
        self.told.append(f"{decision.subject.name} {decision.verdict}")

    def observed(self, deed: Deed, subject: Subject, now: Now) -> None:
        assert now.mono == deed.began
        self.told.append(f"{subject.name} observed")

    def relapsed(self, deed: Deed, subject: Subject, now: Now) -> None:
        assert deed.relapsed
        assert now.mono
        self.told.append(f"{subject.name} relapsed")

    def unanswered(self, request: Request, why: str, now: Now) -> None:
        assert now.mono
        self.told.append(f"{request.name} {why}")


class Scene:
    """A host with containers that tick by tick are full or not."""

    def __init__(self, *subjects: Subject, terms: Terms | None = None, labels: Mapping[str, str] = OPTED_IN) -> None:
        self.clock, self.heard = FakeClock(), Heard()
        self.ordered: set[str] = set()
        self.scenes = Scenes(start_period=120.0, missing=lambda *_: None)
        self.deciding = Deciding(
            book=Book(Ledger()),
            scenes=self.scenes,
            terms=terms or Terms(),
            begin=self.heard.begin,
            told=self.heard,
            ours=lambda container_id: container_id in self.ordered,
        )
        self.engine = {s: described(s, labels, started=1_600_000_000.0) for s in subjects}
        self.subjects = tuple(subjects)
        self.busy: dict[Whose, str] = {}
        self.starting: set[Subject] = set()
        self.since = self.clock.wall

    def alert(self, subject: Subject, phase: Phase = Phase.FIRING, *, known: bool = True) -> Alert:
        key = AlertKey(RULE, C, subject.name, subject.labels)
        actions = ("notify", "restart")
        return Alert(
            key,
            phase,
            self.since,
            0.91,
            subject,
            "InferenceMemoryCritical",
            "critical",
            (),
            actions,
            0.85,
            known,
            "ratio",
        )

    def tick(self, *alerts: Alert, asked: tuple[Request, ...] = (), silent: bool = False) -> list[str]:
        now = self.clock.pass_(5.0)
        names = tuple((name,) for name in DIAGNOSES) * len(self.subjects)
        seven = tuple(s for s in self.subjects for _ in DIAGNOSES)
        hot = [float(name == ("starting" if s in self.starting else "ok")) for s in self.subjects for name in DIAGNOSES]
        cgroups = (
            Column(MEMORY_USED_RATIO[C], self.subjects, [0.9] * len(self.subjects)),
            Column(DIAGNOSIS[C], seven, hot, names),
        )
        silence = SourceReport("docker", (), error="hung")
        docker = silence if silent else SourceReport("docker", (), containers=self.engine)
        snapshot = Snapshot(now, (docker, SourceReport("cgroup", cgroups)))
        doing = Doing(busy=self.busy)
        decisions = self.deciding.decide(snapshot, Judgement(alerts, ()), doing, asked)
        return [str(decision.verdict) for decision in decisions]

    def settle(self) -> None:
        for _ in range(3):
            self.tick()


def test_what_fires_is_begun_once_and_its_own_flight_is_not_told() -> None:
    scene = Scene(WEB)
    scene.settle()
    assert scene.tick(scene.alert(WEB)) == ["run"]
    scene.busy = {whose(WEB): "restart"}
    assert scene.tick(scene.alert(WEB)) == ["in_flight"]
    assert scene.tick(scene.alert(WEB)) == ["in_flight"]
    assert [decision.subject for decision in scene.heard.begun] == [WEB]
    assert scene.heard.told == ["web run"]


def test_a_pending_alert_asks_for_nothing() -> None:
    scene = Scene(WEB)
    scene.settle()
    assert scene.tick(scene.alert(WEB, Phase.PENDING)) == []


def test_a_refusal_is_told_when_it_changes_and_again_in_the_next_firing() -> None:
    scene = Scene(WEB, labels={})
    scene.settle()
    for _ in range(3):
        assert scene.tick(scene.alert(WEB)) == ["not_opted_in"]
    assert scene.heard.told == ["web not_opted_in"]
    scene.engine = {WEB: described(WEB, OPTED_IN, started=1_600_000_000.0, status="paused")}
    scene.tick(scene.alert(WEB))
    assert scene.heard.told == ["web not_opted_in", "web stopped"]
    scene.tick()
    scene.tick(scene.alert(WEB))
    assert scene.heard.told == ["web not_opted_in", "web stopped", "web stopped"]
    assert scene.heard.begun == []


def test_nothing_is_done_on_the_first_samples_nor_after_a_reload() -> None:
    scene = Scene(WEB)
    verdicts = [scene.tick(scene.alert(WEB)) for _ in range(3)]
    assert verdicts == [["first_samples"], ["first_samples"], ["run"]]
    scene = Scene(WEB)
    scene.settle()
    scene.scenes.begin_anew()
    assert scene.tick(scene.alert(WEB)) == ["first_samples"]


def test_a_new_incarnation_has_first_samples_again() -> None:
    scene = Scene(WEB)
    scene.settle()
    again = replace(WEB, uid="w@2")
    scene.subjects, scene.engine = (again,), {again: described(again, OPTED_IN, started=1_600_000_100.0)}
    assert scene.tick(scene.alert(again)) == ["first_samples"]


def test_nothing_is_done_on_stale_data() -> None:
    scene = Scene(WEB)
    scene.settle()
    assert scene.tick(scene.alert(WEB, known=False)) == ["stale_data"]
    assert scene.tick(scene.alert(WEB), silent=True) == ["stale_data"]
    scene.subjects = ()
    assert scene.tick(scene.alert(WEB)) == ["stale_data"]


def test_the_start_period_is_what_the_diagnosis_says() -> None:
    scene = Scene(WEB)
    scene.starting = {WEB}
    scene.settle()
    assert scene.tick(scene.alert(WEB)) == ["start_period"]
    scene.starting = set()
    assert scene.tick(scene.alert(WEB)) == ["run"]


def test_what_is_refused_under_the_lock_costs_nothing_and_is_told() -> None:
    scene = Scene(WEB)
    scene.settle()
    scene.tick(scene.alert(WEB))
    scene.deciding.refused(scene.heard.begun[0], Verdict.LOCKED, "another Brimline acts on it")
    assert scene.heard.told == ["web run", "web locked"]
    assert scene.deciding.book.ledger().deeds == ()
    for _ in range(3):
        assert scene.tick(scene.alert(WEB)) == ["run"]
        scene.deciding.refused(scene.heard.begun[-1], Verdict.LOCKED, "another Brimline acts on it")
    assert scene.heard.told == ["web run", "web locked"], "what is tried again in every tick is told once"


def test_a_dry_run_begins_nothing_and_has_the_same_consequences() -> None:
    scene = Scene(WEB, terms=Terms(dry_run=True))
    scene.settle()
    assert [scene.tick(scene.alert(WEB))[0] for _ in range(4)] == ["dry_run", "cooldown", "dry_run", "cooldown"]
    assert scene.heard.begun == []
    assert len(scene.deciding.book.ledger().deeds) == 2


def test_somebody_elses_restart_counts_and_is_told_once() -> None:
    scene = Scene(WEB)
    scene.settle()
    again = replace(WEB, uid="w@2")
    scene.subjects, scene.engine = (again,), {again: described(again, OPTED_IN, started=1_600_000_100.0)}
    scene.settle()
    assert scene.heard.told == ["web observed"]
    (deed,) = scene.deciding.book.ledger().deeds
    assert deed.fate is Fate.OBSERVED
    report = scene.deciding.report(scene.clock.now())
    budget = next(c for c in report.columns if c.metric.name == "brimline_restart_budget_remaining")
    assert list(budget.values) == [2.0]


def test_the_first_start_of_a_container_that_was_seen_made_is_no_restart() -> None:
    scene = Scene(WEB)
    scene.engine = {WEB: described(WEB, OPTED_IN, started=0.0, running=False, status="created")}
    scene.settle()
    begun = replace(WEB, uid="w@1")
    scene.subjects, scene.engine = (begun,), {begun: described(begun, OPTED_IN, started=1_600_000_100.0)}
    scene.settle()
    assert scene.heard.told == []
    assert scene.deciding.book.ledger().deeds == ()


def test_its_restart_policy_costs_no_budget() -> None:
    scene = Scene(WEB)
    scene.settle()
    again = replace(WEB, uid="w@2")
    scene.subjects = (again,)
    scene.engine = {again: described(again, OPTED_IN, started=1_600_000_100.0, policy_restarts=1)}
    scene.settle()
    assert scene.heard.told == []
    assert scene.deciding.book.ledger().deeds == ()


def test_one_that_was_restarted_after_another_is_ours_too() -> None:
    scene = Scene(WEB)
    scene.settle()
    again = replace(WEB, uid="w@2")
    scene.subjects, scene.engine = (again,), {again: described(again, OPTED_IN, started=1_600_000_100.0)}
    scene.ordered = {"w"}
    scene.settle()
    assert scene.heard.told == []


def test_our_own_restart_is_not_observed_and_one_that_did_not_help_is_told() -> None:
    scene = Scene(WEB)
    scene.settle()
    scene.tick(scene.alert(WEB))
    again, (decision,) = replace(WEB, uid="w@2"), scene.heard.begun
    scene.subjects, scene.engine = (again,), {again: described(again, OPTED_IN, started=1_600_000_100.0)}
    scene.tick()
    done = Outcome(decision.id, ok=True, detail="", started=1.0, ended=2.0, uid="w@2")
    scene.deciding.concluded(decision, done, Fate.DONE, scene.clock.mono)
    scene.tick(scene.alert(again, Phase.PENDING))
    assert scene.heard.told == ["web run", "web relapsed"]


def test_what_another_tool_asks_for_in_vain_is_not_done_a_third_time() -> None:
    scene = Scene(WEB)
    scene.settle()
    for number in range(2):
        present = scene.subjects[0]
        assert scene.tick(asked=(Request(f"r{number}", 1.0, "restart", "web", "alertmanager mail"),)) == ["run"]
        again, decision = replace(WEB, uid=f"w@{number + 2}"), scene.heard.begun[-1]
        assert decision.subject == present
        scene.subjects = (again,)
        scene.engine = {again: described(again, OPTED_IN, started=1_600_000_100.0 + number)}
        done = Outcome(decision.id, ok=True, detail="", started=1.0, ended=2.0, uid=again.uid)
        scene.deciding.concluded(decision, done, Fate.DONE, scene.clock.mono)
        scene.clock.pass_(285.0)
        scene.settle()
    for number in (3, 4):
        request = Request(f"r{number}", 1.0, "restart", "web", "alertmanager mail")
        assert scene.tick(asked=(request,)) == ["ineffective"]
    assert scene.heard.told.count("web relapsed") == 2
    assert scene.tick(asked=(Request("r5", 1.0, "restart", "web", "cli ann"),)) == ["run"]


def test_what_happened_is_looked_up_once_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Tick] = []

    class Counted(Tick):
        def __init__(self, *told: object) -> None:
            super().__init__(*told)  # type: ignore[arg-type] # handed on
            made.append(self)

    scene = Scene(WEB, API)
    scene.settle()
    monkeypatch.setattr(deciding, "Tick", Counted)
    monkeypatch.setattr(decide, "Tick", Counted)
    assert scene.tick(scene.alert(WEB), scene.alert(API)) == ["run", "run"]
    assert len(made) == 1


def test_a_person_asks_by_name_or_service_and_hears_what_is_not_there() -> None:
    scene = Scene(WEB, API)
    asked = tuple(Request(str(n), 1.0, "restart", name, "cli me") for n, name in enumerate(["web", "shop/api", "wbe"]))
    assert scene.tick(asked=asked) == ["run", "run"]
    assert scene.heard.told[0] == 'wbe no such container; did you mean "web"?'
    assert [d.episode for d in scene.heard.begun] == ["0", "1"]


def test_one_name_for_two_is_not_acted_upon() -> None:
    twin = container("api-2", "b@1", labels=("shop", "api"))
    scene = Scene(API, twin)
    assert scene.tick(asked=(Request("1", 1.0, "restart", "shop/api", "cli me"),)) == []
    assert scene.heard.told == ["shop/api 2 containers are called so; write one's own name"]


def test_ourselves_never() -> None:
    scene = Scene(WEB)
    scene.scenes.guard(Guarded(own_ids=frozenset({"w"})))
    scene.settle()
    assert scene.tick(scene.alert(WEB)) == ["protected"]


def test_a_project_that_compose_changes_is_left_alone_for_a_while() -> None:
    scene = Scene(API)
    scene.settle()
    new = container("api-2", "n@1", labels=("shop", "api"))
    scene.engine = {**scene.engine, new: described(new, OPTED_IN, started=1_600_000_000.0)}
    assert scene.tick(scene.alert(API)) == ["paused"]
    for _ in range(6):
        scene.tick()
    assert scene.tick(scene.alert(API)) == ["run"]


def test_a_storm_is_a_measure_until_it_is_over() -> None:
    many = [container(f"c{n}", f"c{n}@1") for n in range(5)]
    scene = Scene(*many)
    scene.settle()
    verdicts = scene.tick(*[scene.alert(s) for s in many[:3]])
    assert sorted(verdicts) == ["in_flight", "in_flight", "run"]

    def storm() -> float:
        columns = scene.deciding.report(scene.clock.now()).columns
        return next(c.values[0] for c in columns if c.metric.name == "brimline_host_restart_storm")

    assert storm() == 1.0
    scene.tick()
    assert storm() == 0.0


def test_a_project_whose_successor_has_no_name_yet_is_left_alone_however_long_that_takes() -> None:
    half_made = container("0123456789ab_job", "n@1", labels=("shop", "job"))
    scene = Scene(API, half_made)
    for _ in range(10):
        scene.tick()
    assert scene.tick(scene.alert(API)) == ["paused"]
    scene.engine = {API: scene.engine[API]}
    for _ in range(8):
        scene.tick()
    assert scene.tick(scene.alert(API)) == ["run"]


def test_the_replicas_of_a_service_are_those_there_are_and_those_there_were_lately() -> None:
    twin = container("api-2", "b@1", labels=("shop", "api"))
    scene = Scene(WEB, API, twin)
    scene.settle()
    assert scene.scenes.replicas(scene.clock.mono) == {"shop/api": {"api", "api-2"}}
    scene.engine = {WEB: scene.engine[WEB], API: scene.engine[API]}
    scene.tick()
    scene.engine = dict(scene.engine)
    scene.tick()
    assert scene.scenes.replicas(scene.clock.mono) == {"shop/api": {"api", "api-2"}}
    assert scene.scenes.replicas(scene.clock.mono + 700) == {"shop/api": {"api"}}


def test_how_full_each_is_follows_it_whoever_comes_and_goes() -> None:
    scene = Scene(WEB, API)
    group = Subject(Kind.PROCESS, "web", ("web",), "17")

    def pressed(*full: tuple[Subject, float]) -> dict[Subject, float]:
        containers = tuple(s for s, _ in full if s.kind is C)
        groups = tuple(s for s, _ in full if s.kind is Kind.PROCESS)
        ratios = dict(full)
        columns = (
            Column(MEMORY_USED_RATIO[C], containers, [ratios[s] for s in containers]),
            Column(GROUP_RATIO, groups, [ratios[s] for s in groups]),
        )
        snapshot = Snapshot(scene.clock.pass_(5.0), (SourceReport("cgroup", columns),))
        scene.scenes.look(snapshot)
        alerts = [scene.alert(s) for s in (WEB, API, group)]
        told = scene.scenes.scene(snapshot, alerts, wishes_of(alerts), Doing())
        assert set(told.fresh) == set(ratios)
        assert set(told.samples) == {s.uid for s in ratios}
        return dict(told.pressed)

    assert pressed((WEB, 0.7), (API, 0.8), (group, 0.9)) == {WEB: 0.7, API: 0.8, group: 0.9}
    assert pressed((API, 0.6), (group, 0.5)) == {WEB: 0.0, API: 0.6, group: 0.5}
    assert pressed((group, 0.4), (API, 0.3), (WEB, 0.2)) == {WEB: 0.2, API: 0.3, group: 0.4}


@pytest.mark.parametrize("gone_for", [5.0, 700.0])
def test_a_replica_that_is_gone_counts_for_ten_minutes(gone_for: float) -> None:
    twin = container("api-2", "b@1", labels=("shop", "api"))
    scene = Scene(API, twin)
    scene.settle()
    scene.subjects, scene.engine = (API,), {API: scene.engine[API]}
    scene.tick()
    scene.clock.pass_(gone_for)
    expected = "last_replica" if gone_for < 600 else "run"
    for _ in range(7):
        verdicts = scene.tick(scene.alert(API))
        if verdicts != ["paused"]:
            break
    assert verdicts == [expected]


def test_the_last_container_takes_its_series_along() -> None:
    scene = Scene(WEB)
    scene.tick()
    budget, _, _ = scene.deciding.report(scene.clock.pass_(1.0)).columns
    assert (budget.subjects, list(budget.values)) == ((WEB,), [3.0])
    scene.engine = {}
    scene.tick(silent=True)
    assert scene.deciding.report(scene.clock.pass_(1.0)).columns[0].subjects == (WEB,)  # silent is not gone
    scene.tick()
    assert [c.metric for c in scene.deciding.report(scene.clock.pass_(1.0)).columns] == [STORM]


def test_services_and_projects_that_are_long_gone_are_forgotten() -> None:
    scene = Scene(WEB, API)
    scene.settle()
    scenes = scene.deciding.scenes
    for number in range(3):
        scenes._follow({WEB: described(WEB)} if number % 2 else {}, 10_000.0 * number)
    assert scenes._changed.keys() <= {"shop"}
    assert all(10_000.0 * 2 - at <= 600 for seen in scenes._seen.values() for at in seen.values())
