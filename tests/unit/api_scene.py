"""A view with one of everything, rules and a journal, for the API's tests."""

from __future__ import annotations

from dataclasses import replace

from brimline import bundled
from brimline.deeds import Decision, Entry, EntryKind, Pause, Verdict
from brimline.journal.history import Sample, Spread
from brimline.metrics.catalog import by_name
from brimline.model import Alert, Column, Diagnosis, Level, Now, Phase, SourceReport
from brimline.policy.served import BUDGET
from brimline.rules.spec import load_all
from brimline.rules.terms import RuleSet
from brimline.rules.vocabulary import vocabulary
from brimline.view import View
from fakes import described
from unit.cli_views import GIB, HOST, MIB, Scene, alert, cgroup, container, down, group
from unit.web_faces import FakeFace, FakePast

API = container("shop-api-1", "shop", "api")
OTHER = container("shop-api-2", "shop", "api")
YOUNG = container("young")
IDLE = container("migrate", "shop", "migrate")
LOST = container("lost")
UNIT = cgroup("system.slice/ollama.service")
BOT = group("soroka")
EVERYBODY = (API, OTHER, YOUNG, IDLE, LOST, UNIT, BOT, HOST)


def restarting(alertname: str = "InferenceMemoryCritical", subject: object = API) -> Alert:
    """Return an alert that fires and asks for a restart."""
    return replace(alert(subject, alertname, phase=Phase.FIRING), actions=("notify", "restart"))  # type: ignore[arg-type]


def view(*alerts: Alert) -> View:
    """Return what was seen: two replicas, a young container, one that has ended, a unit, a group and the host."""
    scene = Scene(
        alerts=alerts,
        chains={API: (Level("docker/c1", 2 * GIB, 2 * GIB, 1900 * MIB), Level("docker", None, 9 * GIB, None))},
        failed={LOST: "its cgroup is gone"},
        containers={API: described(API, health="healthy"), IDLE: described(IDLE, running=False)},
        diagnoses={
            API: Diagnosis("leaking", "It rises by 10 MiB an hour."),
            YOUNG: Diagnosis("starting", "It is young."),
        },
        levels={API: (0.7, 0.9)},
        down=[down("docker", "connection refused")],
    )
    scene.memory(API, 1900 * MIB, 2048 * MIB, memory_time_to_limit_seconds=3600.0, limited=1.0, running=1.0)
    scene.memory(OTHER, 512 * MIB, 2048 * MIB, memory_time_to_limit_seconds=float("inf"), running=1.0)
    scene.memory(YOUNG, 512 * MIB, 1024 * MIB, running=1.0)
    scene.memory(UNIT, 4 * GIB, 8 * GIB).memory(BOT, 100 * MIB, 200 * MIB, memory_pss_bytes=100 * MIB)
    scene.values[IDLE] = {"running": 0.0, "exit_code": 3.0}
    scene.host(8 * GIB, 16 * GIB)
    seen = scene.view()
    budgets = SourceReport("policy", (Column(BUDGET, (API,), [2.0]),))
    snapshot = replace(seen.snapshot, reports=(*seen.snapshot.reports, budgets))
    pauses = (Pause("soroka", 1_700_000_000.0, None, "cli ada"),)
    return replace(seen, snapshot=snapshot, pauses=pauses, decisions=(refusal(),))


def refusal() -> Decision:
    """Return what policy says of a restart nobody allowed."""
    return Decision(
        "d1",
        Now(1_700_000_000.0, 1.0),
        "restart",
        API,
        Verdict.NOT_OPTED_IN,
        "91 % of 2 GiB used; brimline.restart=true would allow it",
        key=restarting().key,
        alertname="InferenceMemoryCritical",
        severity="critical",
        episode="e1",
        service="shop/api",
    )


def rules() -> RuleSet:
    """Return the bundled rules."""
    return load_all([(bundled.RULES, bundled.text(bundled.RULES))], vocabulary(by_name().values()))


def lines(count: int) -> list[Entry]:
    """Return so many lines about different things."""
    found = [
        Entry(EntryKind.NOTE, Now(1.0, 1.0), "Brimline started"),
        Entry(EntryKind.REFUSED, Now(2.5, 2.5), "not taken", API, "restart", "d1", {"verdict": "cooldown", "limit": 5}),
        Entry(EntryKind.OUTCOME, Now(9.0, 9.0), "done", UNIT, "cleanup", "d2", {"ok": True, "downtime": None}),
    ]
    return [replace(found[number % 3], seq=number + 1) for number in range(count)]


def face(*alerts: Alert, lines_: int = 3) -> FakeFace:
    """Return a face with all of it."""
    spread = Spread(MIB, 2 * MIB, 3 * MIB)
    samples = {API: (Sample(1_699_999_980, 60, spread, None, Spread(GIB, GIB, GIB)),)}
    return FakeFace(view(*alerts), rules(), FakePast(lines(lines_), samples))
