from brimline.judging import Judging
from brimline.metrics.catalog import by_name
from brimline.metrics.render import Renderer
from brimline.model import Column, Kind, Now, Snapshot, SourceReport, Subject
from brimline.rules.alertstore import MemoryAlertStore
from brimline.rules.served import ALERTS
from brimline.rules.spec import load
from brimline.rules.terms import RuleSet
from brimline.rules.vocabulary import vocabulary
from brimline.sources import cgroup
from fakes import container

MEASURES = vocabulary(by_name().values())
RULES = """
groups:
  - name: g
    rules:
      - alert: High
        on: container
        when: memory_used_ratio > 80%
        for: 5s
        severity: warning
        do: [notify]
      - alert: UnitHigh
        on: cgroup
        when: memory_used_ratio > 80%
        severity: critical
        do: [notify]
"""
UNIT = Subject(Kind.CGROUP, "a.service", ("a.service",), "a@1")


def rules(text: str = RULES) -> RuleSet:
    return load(text, "r.yml", MEASURES)


def snapshot(at: float, ratio: float, *, subjects: tuple[Subject, ...] = (container(), UNIT)) -> Snapshot:
    columns = tuple(Column(cgroup.MEMORY_USED_RATIO[s.kind], (s,), (ratio,)) for s in subjects)
    return Snapshot(Now(1_700_000_000 + at, at), (SourceReport("cgroup", columns),))


def judging() -> Judging:
    return Judging(rules(), (), MemoryAlertStore(), 120.0, Now(1_700_000_000, 0.0))


def lines(seen: Snapshot) -> list[str]:
    body = Renderer(series=1000).render(seen).body.decode()
    return [line for line in body.splitlines() if line.startswith("brimline_alerts{")]


def test_an_alert_is_served_as_prometheus_serves_its_own() -> None:
    judge = judging()
    seen, judgement = judge.judge(snapshot(5, 0.9))
    assert [a.alertname for a in judgement.alerts] == ["High", "UnitHigh"]
    labels = 'container="web",compose_project="",compose_service="",cgroup="",group=""'
    unit = 'container="",compose_project="",compose_service="",cgroup="a.service",group=""'
    assert lines(seen) == [
        f'brimline_alerts{{alertname="High",severity="warning",state="pending",{labels}}} 1',
        f'brimline_alerts{{alertname="UnitHigh",severity="critical",state="firing",{unit}}} 1',
    ]
    seen, _ = judge.judge(snapshot(10, 0.9))
    assert 'alertname="High",severity="warning",state="firing"' in lines(seen)[0]
    seen, judgement = judge.judge(snapshot(15, 0.5))
    assert (lines(seen), judgement.alerts) == ([], ())


def test_the_tuples_stay_the_same_while_the_alerts_do() -> None:
    judge = judging()
    judge.judge(snapshot(5, 0.9))
    (first,) = judge.judge(snapshot(10, 0.9))[0].reports[-1].columns
    (again,) = judge.judge(snapshot(15, 0.91))[0].reports[-1].columns
    assert first.metric is ALERTS
    assert again.subjects is first.subjects
    assert again.extra is first.extra


def test_rules_see_the_derived_readings_and_a_reload_keeps_the_timers_of_what_did_not_change() -> None:
    judge = judging()
    judge.judge(snapshot(0, 0.9))
    extended = RULES + "      - {alert: Named, on: host, when: memory_used_ratio > 1%, severity: info, do: [notify]}\n"
    judge.use(rules(extended), (), 120.0, Now(1_700_000_002, 2.0))
    seen, judgement = judge.judge(snapshot(5, 0.9))
    assert [(a.alertname, a.phase) for a in judgement.alerts] == [("High", "firing"), ("UnitHigh", "firing")]
    assert [r.source for r in seen.reports] == ["cgroup", "levels", "derived", "rules"]
    names = {c.metric.name for c in seen.reports[2].columns}
    assert "brimline_container_diagnosis" in names
