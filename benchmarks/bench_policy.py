"""What deciding costs: 1,000 containers in services of ten, 100 of them firing, a day of deeds in the ledger.

Process CPU of one tick, median and worst: 100 that ask for a restart or for a cleanup, and all that ask for a restart.
Then policy and its book in random steps beside a model.
Usage: python benchmarks/bench_policy.py [--full | --runs N] [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from brimline.deeds import Deed, Fate, Ledger, Verdict
from brimline.model import AlertKey, Container, Kind, Now, Subject
from brimline.policy.budget import remaining
from brimline.policy.case import Tick
from brimline.policy.decide import decide
from brimline.policy.terms import Scene, Terms, Wish, service_of

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from differential.hands import act

CONTAINERS, FIRING, DEEDS, TICKS = 1000, 100, 1000, 60
MONO = 200_000.0
GATE_MS = 5.0
CASES = (("restart", FIRING), ("cleanup", FIRING), ("restart", CONTAINERS))


def containers() -> list[Container]:
    """Return the containers, every tenth of a service."""
    found = []
    for index in range(CONTAINERS):
        name, service = f"shop-s{index % 100}-{index // 100}", f"s{index % 100}"
        subject = Subject(Kind.CONTAINER, name, (name, "shop", service), f"{index:064x}@1")
        labels = {"brimline.restart": "true"}
        found.append(
            Container(
                id=f"{index:064x}",
                subject=subject,
                labels=labels,
                image="shop/whisper:1",
                image_id="sha",
                runtime="runc",
                running=True,
                pid=1,
                started=1.0,
                exit_code=None,
                health="healthy",
                oom_killed=False,
            )
        )
    return found


def scene(there: list[Container], action: str, firing: int) -> Scene:
    """Return a tick in which so many of them fire."""
    subjects = [each.subject for each in there]
    wishes = []
    for subject in subjects[:: CONTAINERS // firing]:
        key = AlertKey("g/Critical", subject.kind, subject.name, subject.labels)
        wishes.append(Wish(subject, action, key=key, alertname="Critical", severity="critical", value="91.0 %"))
    replicas: dict[str, set[str]] = {}
    for each in there:
        replicas.setdefault(service_of(each.subject, each.labels), set()).add(each.subject.name)
    return Scene(
        now=Now(1e9, MONO),
        wishes=tuple(wishes),
        containers=dict(zip(subjects, there, strict=True)),
        fresh=frozenset(subjects),
        samples={subject.uid: 100 for subject in subjects},
        replicas=replicas,
        pressed={wish.subject: 0.9 for wish in wishes},
    )


def ledger(there: list[Container]) -> Ledger:
    """Return a day of restarts: far more than the budgets of one host allow."""
    deeds = []
    for nth in range(DEEDS):
        subject, began = there[nth * 7 % CONTAINERS].subject, MONO - 86_400 + nth * 80
        service = f"{subject.labels[1]}/{subject.labels[2]}"
        deeds.append(
            Deed(
                id=f"{nth:05}",
                action="restart",
                name=subject.name,
                labels=subject.labels,
                uid="",
                service=service,
                rule="g/Critical",
                caller="rule",
                image_id="sha",
                limit=0,
                began=began,
                ended=began + 20,
                fate=Fate.DONE,
            )
        )
    return Ledger(tuple(deeds))


def median(spent: list[float]) -> str:
    """Return median and worst in milliseconds."""
    return f"{statistics.median(spent):8.2f} ms CPU median, {max(spent):.2f} worst of {len(spent)}"


def main() -> int:
    """Print the table; exit 1 beyond the gate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="runs of up to 50 steps beside the model; 0: none")
    parser.add_argument("--full", action="store_true", help="10,000 of them")
    parser.add_argument("--quick", action="store_true", help="100 of them at most")
    chosen = parser.parse_args()
    runs = 10_000 if chosen.full else min(chosen.runs, 100) if chosen.quick else chosen.runs
    there = containers()
    past, terms = ledger(there), Terms(per_host=10_000)
    calm = Tick(scene(there, "restart", FIRING), past, terms)
    scenes = {case: scene(there, *case) for case in CASES}
    deciding: dict[tuple[str, int], list[float]] = {case: [] for case in CASES}
    runs_now, left = dict.fromkeys(CASES, 0), []
    for _ in range(TICKS):
        for case, tick in scenes.items():
            began = time.process_time()
            decisions = decide(Tick(tick, past, terms))
            deciding[case].append((time.process_time() - began) * 1000)
            runs_now[case] = sum(decision.verdict is Verdict.RUN for decision in decisions)
        began = time.process_time()
        for each in there:
            remaining(calm, each.subject, f"{each.subject.labels[1]}/{each.subject.labels[2]}")
        left.append((time.process_time() - began) * 1000)
    print(f"{CONTAINERS} containers, {len(past.deeds)} deeds")
    for (action, firing), spent in deciding.items():
        gate = f" (gate {GATE_MS:.0f})" if (action, firing) == CASES[0] else ""
        print(f"{firing:4} ask for a {action:8}{median(spent)}{gate}; {runs_now[action, firing]} are carried out")
    print(f"budgets left        {median(left)}, all containers")
    if runs:
        act(runs)
        print(f"beside the model   {runs} runs of up to 50 steps: as it says")
    return 0 if statistics.median(deciding[CASES[0]]) <= GATE_MS else 1


if __name__ == "__main__":
    sys.exit(main())
