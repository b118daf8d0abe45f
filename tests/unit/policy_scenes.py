"""Containers, wishes and deeds of policy's tests: by default everything is as it must be for a restart to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from brimline.deeds import Decision, Deed, Fate, Ledger, Outcome, Verdict
from brimline.model import AlertKey, Container, Kind, Now, Subject
from brimline.policy.case import Tick
from brimline.policy.decide import decide
from brimline.policy.terms import Scene, Terms, Wish, service_of

MONO = 100_000.0
NOW = Now(1_700_000_000.0, MONO)
MIB = 1 << 20
RULE = "g/Critical"


def container(
    name: str = "whisper", service: str = "", *, labels: dict[str, str] | None = None, **facts: object
) -> Container:
    """Return a running container that may be restarted."""
    project, _, called = service.partition("/")
    uid = facts.pop("uid", f"{name}@1")
    return Container(
        id=name,
        subject=Subject(Kind.CONTAINER, name, (name, project, called), uid),
        labels={"brimline.restart": "true"} if labels is None else labels,
        image=facts.pop("image", "shop/whisper:1"),
        image_id=facts.pop("image_id", "sha256:1"),
        runtime="runc",
        running=facts.pop("running", True),
        pid=1,
        started=1.0,
        exit_code=facts.pop("exit_code", None),
        health=facts.pop("health", ""),
        oom_killed=False,
        **facts,
    )


def wish(of: Container | Subject, action: str = "restart", **told: object) -> Wish:
    """Return what a firing alert asks for."""
    subject = of.subject if isinstance(of, Container) else of
    key = AlertKey(RULE, subject.kind, subject.name, subject.labels)
    filled = {"alertname": RULE.partition("/")[2], "severity": "critical", "episode": "1", "value": "91.0 %"}
    return Wish(subject, action, key=key, **{**filled, **told})


def asked(of: Container, action: str = "restart", **told: object) -> Wish:
    """Return what a person asks for."""
    return Wish(of.subject, action, **{"caller": "cli ann", **told})


def scene(containers: Sequence[Container], wishes: Sequence[Wish], **facts: object) -> Scene:
    """Return a tick in which all was measured often enough; what restart wishes ask for is pressed."""
    services: dict[str, set[str]] = {}
    for each in containers:
        if called := service_of(each.subject, each.labels):
            services.setdefault(called, set()).add(each.subject.name)
    subjects = [*(c.subject for c in containers), *(w.subject for w in wishes)]
    whole = {
        "now": NOW,
        "wishes": tuple(wishes),
        "containers": {c.subject: c for c in containers},
        "fresh": frozenset(subjects),
        "samples": {s.uid: 100 for s in subjects},
        "replicas": services,
        "pressed": {w.subject: 0.91 for w in wishes if w.action == "restart" and w.key is not None},
    }
    return Scene(**{**whole, **facts})


def deed(of: Container, ago: float, action: str = "restart", **facts: object) -> Deed:
    """Return a deed that ended some seconds before MONO, ten seconds after it began."""
    filled = {
        "id": f"{of.subject.name}-{action}-{ago}",
        "uid": f"{of.subject.name}@0",
        "service": service_of(of.subject, of.labels),
        "rule": RULE,
        "caller": "rule",
        "image_id": of.image_id,
        "limit": of.limit,
        "began": MONO - ago - 10,
        "ended": MONO - ago,
        "fate": Fate.DONE,
    }
    return Deed(action=action, name=of.subject.name, labels=of.subject.labels, **{**filled, **facts})


def verdicts(there: Scene, deeds: Sequence[Deed] = (), terms: Terms | None = None) -> list[Verdict]:
    """Return policy's verdicts in the order of the wishes."""
    return [decision.verdict for decision in decide(Tick(there, Ledger(tuple(deeds)), terms or Terms()))]


def only(there: Scene, deeds: Sequence[Deed] = (), terms: Terms | None = None, **ledger: object) -> Decision:
    """Return policy's one decision."""
    (decision,) = decide(Tick(there, Ledger(tuple(deeds), **ledger), terms or Terms()))
    return decision


def outcome(decision: Decision, *, ok: bool = True, uid: str = "") -> Outcome:
    """Return what became of a decision."""
    return Outcome(decision.id, ok=ok, detail="", started=0.0, ended=1.0, uid=uid)


def later(there: Scene, seconds: float) -> Scene:
    """Return the same scene some time on."""
    return replace(there, now=Now(there.now.wall + seconds, there.now.mono + seconds))
