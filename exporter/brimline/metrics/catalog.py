"""Every metric Brimline can serve, by name; each is a literal beside its reader and only listed here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from brimline.metrics import acted, cadvisor, self
from brimline.model import Metric
from brimline.policy import served as policy
from brimline.rules import derived, served
from brimline.sources import cgroup, docker, host, process

PARTS: Final[Mapping[str, tuple[Metric, ...]]] = MappingProxyType(
    {
        "containers and cgroups": (*cgroup.METRICS, *docker.METRICS, *derived.METRICS),
        "process groups": process.METRICS,
        "host": host.METRICS,
        "alerts": served.METRICS,
        "actions": (*policy.METRICS, *acted.METRICS),
        "Brimline itself": self.METRICS,
        "cAdvisor": cadvisor.METRICS,
    }
)


def by_name() -> Mapping[str, Metric]:
    """Return every metric by its name."""
    return {metric.name: metric for part in PARTS.values() for metric in part}
