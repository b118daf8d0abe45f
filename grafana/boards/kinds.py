"""What a dashboard of one subject is about: a container, or a cgroup that is none."""

from __future__ import annotations

from dataclasses import dataclass

from boards.promql import PLACE, SCOPE, of


@dataclass(frozen=True, slots=True)
class Kind:
    """What one dashboard is about."""

    name: str  # of its metrics and of its label
    uid: str
    title: str
    text: str
    scope: str

    def of(self, measure: str, *more: str) -> str:
        """Return the selector of a measure of the chosen one."""
        return of(f"brimline_{self.name}_{measure}", *more, scope=self.chosen)

    @property
    def chosen(self) -> str:
        """Return the matchers of the chosen one."""
        return f'{self.scope},{self.name}=~"${self.name}"'

    def level(self, name: str) -> str:
        """Return its level in force."""
        return self.of("memory_threshold_ratio", f'level="{name}"')


SERVICE = Kind(
    "container",
    "brimline-service",
    "Brimline / Service",
    "One container: what it holds, where its levels are, and what was done about it. Where hosts have containers of "
    "the same name, choose an instance too.",
    PLACE,
)
UNIT = Kind(
    "cgroup",
    "brimline-unit",
    "Brimline / Unit",
    "One cgroup that is no container, such as a systemd unit: what it holds and where its levels are. Empty without "
    "sources.cgroups.",
    SCOPE,
)
