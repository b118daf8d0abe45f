"""A leak that is alerted, cleaned up and restarted in view of a real Prometheus, and what the dashboards show of it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from grafana.boards import Board, filled
from real.cgroups import sweep
from real.engine import Dockerd
from real.hooks import Receiver
from real.places import wait_until
from real.prometheus import Prometheus
from real.service import Service, Traffic
from real.sidecar import Sidecar
from real.watching import quick_rules

COMPOSE = "com.docker.compose"
LEAKY, STEADY = "shop-web-1", "shop-cache-1"
SLICE = f"brimline-grafana-{os.getpid()}"  # other daemons' containers are not in it
MAY_BE_EMPTY = "mpty "  # a panel's description says so and when
LIMITS = ("--memory", "96m", "--memory-swap", "96m")


class Asked(Protocol):
    """Whoever answers as Prometheus does."""

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 (JSON)
        """GET a path and return its JSON."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A Prometheus that has seen it all, from when to when, and what stands for the variables."""

    prometheus: Asked
    began: float
    ended: float
    values: Mapping[str, str]

    def ask(self, target: Mapping[str, Any], **values: str) -> list[dict[str, Any]]:
        """Return the series of a query of a panel, as Grafana asks for them."""
        expr = filled(target["expr"], {**self.values, **values})
        if target.get("instant"):
            answer = self.prometheus.get("/api/v1/query", query=expr, time=str(self.ended))
        else:
            span = {"start": str(self.began), "end": str(self.ended), "step": "1"}
            answer = self.prometheus.get("/api/v1/query_range", query=expr, **span)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found if isinstance(found[0] if found else {}, dict) else [scalar(found)]

    def without(self, board: Board) -> list[tuple[Mapping[str, Any], str]]:
        """Return the queries that find nothing, each after its panel."""
        pairs = ((panel, target) for panel in board.panels for target in panel["targets"])
        return [(panel, target["expr"]) for panel, target in pairs if not self.ask(target)]

    def choices(self, variable: Mapping[str, Any]) -> list[str]:
        """Return the values that a variable offers."""
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        assert asked is not None, variable["query"]
        span = {"start": str(self.began), "end": str(self.ended)}
        match = {"match[]": filled(asked[1], self.values)}
        found: list[str] = self.prometheus.get(f"/api/v1/label/{asked[2]}/values", **match, **span)["data"]
        return found


def everything(**chosen: str) -> dict[str, str]:
    """Return what stands for the variables while nothing but these is chosen."""
    return {**dict.fromkeys(("job", "instance"), ".+"), **dict.fromkeys(("project", "service"), ".*"), **chosen}


def scalar(pair: list[Any]) -> dict[str, Any]:
    """Return what is no vector in a vector's shape."""
    return {"metric": {}, "value": pair}


@contextmanager
def played(place: Path) -> Iterator[Stage]:
    """Play the story; it takes some 30 s."""
    with ExitStack() as stack:
        stack.callback(sweep, SLICE)
        engine = stack.enter_context(closing(Dockerd(cgroup_parent=f"/{SLICE}")))
        engine.start()
        marks = {f"{COMPOSE}.project": "shop", f"{COMPOSE}.service": "web"}
        service = Service(engine, LEAKY, limit=128, grace=0.2, labels=marks)
        cache = [f"--label={COMPOSE}.project=shop", f"--label={COMPOSE}.service=cache"]
        engine.load("anon", 40, "+", "shm", 10, options=["--name", STEADY, "--cpus", "1", *LIMITS, *cache])
        brimline = stack.enter_context(closing(watched(service, place, stack)))
        prometheus = stack.enter_context(Prometheus(brimline.url.removeprefix("http://")))
        prometheus.wait_for("brimline_container_memory_used_ratio")
        began = time.time()
        growing = ["--name", "loader", "--label", "brimline.start-period=2s", *LIMITS]
        engine.load("grow", 88, 20, options=growing, ready=False)  # it passes its levels, and nobody opted it in
        engine.cli("exec", "--detach", STEADY, "memload", "anon", 90)  # one too many: the kernel kills it
        with Traffic(service) as traffic:
            traffic.fill(0.82, cache=10)
            prometheus.wait_for('brimline_actions_total{action="cleanup"} > 0', 40)
            traffic.fill(0.88)
            prometheus.wait_for('brimline_action_timestamp_seconds{action="restart"}', 40)
            wait_until(lambda: time.time() > began + 20, "there is something to see", 30)
        values = everything(container=LEAKY, cgroup=SLICE, __rate_interval="5s")
        yield Stage(prometheus, began, time.time(), values)


def watched(service: Service, place: Path, stack: ExitStack) -> Sidecar:
    """Return a Brimline with everything switched on that the dashboards can show."""
    receiver = stack.enter_context(closing(Receiver(place)))
    settings = {
        "actions": {"settle": "1s"},
        "notify": {"webhooks": [{"url": receiver.url, "secret_file": str(receiver.secret)}]},
        "sources": {
            "docker": {"action_host": service.engine.url},
            "processes": [{"group": "leaky", "cmdline": f"leaky\\.py {service.port}", "limit": "1GiB"}],
        },
        "compat": {"cadvisor": True},
    }
    file = place / "brimline.yml"
    file.write_text(json.dumps(settings))
    flags = (f"--sources.docker.host={service.engine.url}", f"--sources.cgroups={SLICE}", "--interval=500ms")
    return Sidecar(f"--config.file={file}", *flags, quick_rules(place))
