"""Who must be restarted after a container: services that ask for it in their compose file, and guests of its network.

Compose writes `depends_on` into a label: `db:service_healthy:true,cache:service_started:false`; the last word is
`restart`. A guest (`network_mode: container:ID`) keeps a network that is gone once its host has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from brimline.actions.containers import Listing

DEPENDS_ON: Final = "com.docker.compose.depends_on"
PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
_PARTS: Final = 3
_GUEST: Final = "container:"


def restarts_with(label: str) -> frozenset[str]:
    """Return the services whose restart the label asks to follow."""
    parts = [entry.strip().split(":") for entry in label.split(",")]
    return frozenset(p[0] for p in parts if len(p) == _PARTS and p[2].lower() == "true")


def followers(container_id: str, containers: Iterable[Listing]) -> list[Listing]:
    """Return the running containers that must follow this one, and theirs in turn, in the order of their restart."""
    known = list(containers)
    found = [c for c in known if c.id == container_id]
    for host in found:  # grows while it is walked
        found += [c for c in known if c.running and c not in found and _follows(c, host)]
    return found[1:]


def _follows(one: Listing, host: Listing) -> bool:
    if one.network_mode.startswith(_GUEST):
        named = one.network_mode.removeprefix(_GUEST)
        if named == host.name or (named and host.id.startswith(named)):
            return True
    project, service = host.labels.get(PROJECT), host.labels.get(SERVICE)
    if not project or not service or one.labels.get(PROJECT) != project:
        return False
    return service in restarts_with(one.labels.get(DEPENDS_ON, ""))
