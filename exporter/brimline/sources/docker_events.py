"""Docker's events, and what an exit says about the OOM killer. Pure.

137 or SIGKILL alone is never an OOM, and State.OOMKilled alone is no news.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

FILTERS: Final[Mapping[str, list[str]]] = MappingProxyType(
    {
        "type": ["container"],
        # Health checks run as exec: without this filter each of them makes three events.
        "event": [
            "create",
            "pause",
            "unpause",
            "start",
            "die",
            "kill",
            "oom",
            "destroy",
            "rename",
            "update",
            "health_status",
        ],
    }
)
PODMAN_FILTERS: Final[Mapping[str, list[str]]] = MappingProxyType({"type": ["container"]})  # it calls some otherwise
_DOCKERS_NAMES: Final[Mapping[str, str]] = MappingProxyType({"died": "die", "remove": "destroy"})  # Podman: Docker
_EXIT_CODE: Final = re.compile(r"-?[0-9]{1,10}", re.ASCII)
SIGKILLED: Final = 137
NEAR: Final = 10.0  # seconds between the kernel's kill and Docker's `die`: freeing 100 GiB takes its time


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a container; `at` in epoch seconds of the engine's clock."""

    id: str
    action: str
    at: float
    key: tuple[int, str, str]  # the same event, when a replay brings it again
    attributes: Mapping[str, str]  # name, image and the container's labels
    health: str = ""

    @property
    def exit_code(self) -> int | None:
        """Return the exit code of a `die`."""
        text = self.attributes.get("exitCode", self.attributes.get("containerExitCode", ""))
        return int(text) if _EXIT_CODE.fullmatch(text) else None


def parse_event(answer: Mapping[str, object]) -> Event | None:
    """Read one line of /events; None: it is not about a container, or not readable as an event."""
    actor = answer.get("Actor")
    if answer.get("Type") != "container" or not isinstance(actor, dict):
        return None
    container_id, text, nanos = actor.get("ID"), answer.get("Action"), answer.get("timeNano")
    if not isinstance(container_id, str) or not isinstance(text, str) or not isinstance(nanos, int):
        return None
    if not 0 <= nanos < 1 << 63:
        return None
    action, _, detail = text.partition(":")
    raw = actor.get("Attributes")
    attributes = {str(k): str(v) for k, v in raw.items()} if isinstance(raw, dict) else {}
    health = detail.strip() or str(answer.get("HealthStatus") or "")  # the second is Podman's
    action = _DOCKERS_NAMES.get(action, action)
    return Event(container_id, action, nanos / 1e9, (nanos, container_id, text), attributes, health)


@dataclass(frozen=True, slots=True)
class Exit:
    """All that is known about a death when it is judged."""

    oom_killed: bool  # State.OOMKilled after the death
    exit_code: int | None
    died: float
    oom: float | None  # the last `oom` event of this incarnation
    kill: float | None  # the last `kill` event (docker kill, stop, restart) of this incarnation
    watched: bool  # the incarnation was seen from its start
    flag_before: bool | None  # State.OOMKilled when last seen before the death; None: never seen


def is_oom(death: Exit) -> bool:
    """Tell whether the main process died of the OOM killer, as far as Docker knows.

    Docker (20.10) leaves OOMKilled false while a worker is killed and PID 1 lives on, sets it at the next exit of any
    cause, and keeps it through `docker start`: the flag is news only beside an `oom` event just before the death, or,
    from an engine that sends none (Podman), after a whole life watched in which nobody sent a signal.
    """
    if death.exit_code != SIGKILLED:
        return False
    killed = death.kill is not None and _near(death.kill, death)
    if death.oom is not None:
        return _near(death.oom, death) and not (killed and death.kill is not None and death.kill >= death.oom)
    return death.oom_killed and death.watched and death.flag_before is False and not killed


def _near(moment: float, death: Exit) -> bool:
    return abs(death.died - moment) <= NEAR
