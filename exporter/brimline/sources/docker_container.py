"""A container as Docker describes it: the parsers of its list and of an inspection, and the patterns. Pure.

Fields that are missing or of another type than expected count as missing: engines differ, and newer ones know more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

from brimline.errors import SourceError
from brimline.labels import sanitise
from brimline.model import Container, Kind, Subject
from brimline.units import parse_bytes

ENABLE: Final = "brimline.enable"
LIMIT: Final = "brimline.limit"
PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
MAX_INT: Final = 1 << 63  # JSON knows no limit, floats do
_NO: Final = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Listed:
    """What the list says of a container without inspecting it."""

    id: str
    name: str
    running: bool


def parse_listing(answer: Iterable[object]) -> tuple[Listed, ...]:
    """Read /containers/json?all=1."""
    listed = []
    for entry in answer:
        if not isinstance(entry, dict) or not _text(entry, "Id"):
            raise SourceError(f"listing containers: no container but {str(entry)[:80]!r}")
        names = entry.get("Names")
        # A linked container is listed under its links too (`/web/db`); its own name has one slash.
        own = [n for n in names if isinstance(n, str) and n.count("/") <= 1] if isinstance(names, list) else []
        name = own[0].removeprefix("/") if own else ""
        listed.append(Listed(_text(entry, "Id"), name, _text(entry, "State") in {"running", "paused"}))
    return tuple(listed)


def parse_inspection(answer: Mapping[str, object]) -> Container:
    """Read /containers/{id}/json."""
    container_id, state = _text(answer, "Id"), _mapping(answer, "State")
    if not container_id or not state:
        raise SourceError(f"inspecting a container: no Id or State in {str(answer)[:80]!r}")
    config, host = _mapping(answer, "Config"), _mapping(answer, "HostConfig")
    networks = [n for n in _mapping(_mapping(answer, "NetworkSettings"), "Networks").values() if isinstance(n, dict)]
    labels = {k: v for k, v in _mapping(config, "Labels").items() if isinstance(k, str) and isinstance(v, str)}
    name = _text(answer, "Name").removeprefix("/") or container_id[:12]
    # While it waits for its next start Docker says Running and Restarting both; there is no process then.
    running = state.get("Running") is True and state.get("Restarting") is not True
    started = epoch(_text(state, "StartedAt"))
    return Container(
        id=container_id,
        subject=subject(name, labels, f"{container_id}@{_text(state, 'StartedAt')}"),
        labels=labels,
        image=sanitise(_text(config, "Image")),
        image_id=sanitise(_text(answer, "Image")),
        runtime=sanitise(_text(host, "Runtime")),
        running=running,
        pid=_number(state, "Pid") or 0 if running else 0,
        started=started,
        exit_code=_number(state, "ExitCode") if started and not running else None,
        health=_text(_mapping(state, "Health") or _mapping(state, "Healthcheck"), "Status"),
        oom_killed=state.get("OOMKilled") is True,
        status=_text(state, "Status"),
        finished=epoch(_text(state, "FinishedAt")),
        stop_timeout=_number(config, "StopTimeout"),
        restart_policy=_text(_mapping(host, "RestartPolicy"), "Name"),
        auto_remove=host.get("AutoRemove") is True,
        network_mode=_text(host, "NetworkMode"),
        addresses=tuple([a for n in networks for a in (_text(n, "IPAddress"), _text(n, "GlobalIPv6Address")) if a]),
        aliases=tuple(dict.fromkeys([alias for n in networks for alias in _texts(n, "Aliases")])),
        ports=_published(_mapping(_mapping(answer, "NetworkSettings"), "Ports")),
        limit=max(_number(host, "Memory") or 0, 0),
        policy_restarts=_number(answer, "RestartCount") or 0,
    )


def _published(ports: Mapping[str, object]) -> tuple[int, ...]:
    """Return the host's ports out of `{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}`."""
    bindings = [b for found in ports.values() if isinstance(found, list) for b in found if isinstance(b, dict)]
    told = [_text(binding, "HostPort") for binding in bindings]
    return tuple(sorted({int(port) for port in told if port.isascii() and port.isdecimal()}))


def subject(name: str, labels: Mapping[str, str], uid: str) -> Subject:
    """Return the subject of a container with this name and these Docker labels."""
    values = (sanitise(name), sanitise(labels.get(PROJECT, "")), sanitise(labels.get(SERVICE, "")))
    return Subject(Kind.CONTAINER, values[0], values, uid)


def renamed(container: Container, name: str) -> Container:
    """Return the container under its new name."""
    return replace(container, subject=subject(name, container.labels, container.subject.uid))


def ended(container: Container, exit_code: int | None, at: float) -> Container:
    """Return the container as it is after it died."""
    return replace(container, running=False, pid=0, exit_code=exit_code, status="exited", finished=at)


def epoch(text: str) -> float:
    """Return an RFC 3339 time as epoch seconds; Docker's year 1 (never) and what is no time are 0.0."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return moment.timestamp() if moment.tzinfo is not None and moment.year > 1 else 0.0


def declared_limit(container: Container) -> int | None:
    """Return what the label brimline.limit says; a UnitError says what to write instead."""
    text = container.labels.get(LIMIT)
    return None if text is None else parse_bytes(text.strip())


@dataclass(frozen=True, slots=True)
class Selection:
    """Which containers are measured: an `include` pattern matches, no `exclude` does, and no label objects."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]

    def selects(self, container: Container) -> bool:
        """Decide by name, compose service, label and image."""
        if container.labels.get(ENABLE, "").strip().lower() in _NO:
            return False
        included = any(matches(pattern, container) for pattern in self.include)
        return included and not any(matches(pattern, container) for pattern in self.exclude)


def matches(pattern: str, container: Container) -> bool:
    """Match `name`, `project/service`, `label:key=value` or `image:name`, each with * ? [..]."""
    kind, _, glob = pattern.partition(":")
    if kind == "label" and glob:
        key, equals, value = glob.partition("=")
        return key in container.labels and (not equals or fnmatchcase(container.labels[key], value))
    if kind == "image" and glob:
        return fnmatchcase(container.image, glob)
    name, project, service = container.subject.labels
    return fnmatchcase(name, pattern) or (bool(project) and fnmatchcase(f"{project}/{service}", pattern))


def complaint(pattern: str) -> str | None:
    """Say what is wrong with a pattern and what to write; None: it is fine."""
    kind, colon, rest = pattern.partition(":")
    if not pattern.strip():
        return 'an empty pattern matches nothing; write "*" for all'
    if colon and (kind not in {"label", "image"} or not rest or rest.startswith("=")):
        return f'"{pattern}": write a container\'s name, "project/service", "label:key=value" or "image:name"'
    return None


def _text(mapping: Mapping[str, object], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _texts(mapping: Mapping[str, object], key: str) -> list[str]:
    value = mapping.get(key)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _number(mapping: Mapping[str, object], key: str) -> int | None:
    value = mapping.get(key)
    return value if isinstance(value, int) and abs(value) < MAX_INT else None


def _mapping(mapping: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}
