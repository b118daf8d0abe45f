"""Which cgroup tree holds which controller, and where a cgroup's path lies in it: parsers and path arithmetic. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

USUAL_MOUNT: Final = "/sys/fs/cgroup"
_CONTROLLERS: Final = ("memory", "cpu", "cpuacct")
_V1: Final = frozenset(_CONTROLLERS)
_PRESSURE: Final = "pressure"
_ROOT, _POINT = 3, 4  # fields of mountinfo, proc(5)


@dataclass(frozen=True, slots=True)
class Mount:
    """One cgroup file system: `root` is the cgroup seen at `point`; `controllers` is empty for v2."""

    root: str
    point: str
    version: int
    controllers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trees:
    """For each controller its mount; `version` is that of the memory controller."""

    version: int
    mounts: Mapping[str, Mount]


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Return the cgroup mounts of a mountinfo, in its order (proc(5): fields, ` - `, then type, source, options)."""
    mounts = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if len(fields) <= _POINT:
            continue
        match tail[0]:
            case "cgroup":
                controllers = frozenset(tail[2].split(",")) & _V1 if len(tail) > 2 else frozenset()  # noqa: PLR2004 - field 3
                mounts.append(Mount(_unescape(fields[_ROOT]), _unescape(fields[_POINT]), 1, controllers))
            case "cgroup2":
                mounts.append(Mount(_unescape(fields[_ROOT]), _unescape(fields[_POINT]), 2, frozenset()))
    return tuple(mounts)


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), field)


def parse_membership(text: str) -> dict[str, str]:
    """Return controller -> path of a /proc/PID/cgroup; the v2 line is under the empty name."""
    paths = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:  # noqa: PLR2004 - id:controllers:path
            paths.update(dict.fromkeys(parts[1].split(","), parts[2]))
    return paths


def below(mounts: Iterable[Mount], prefix: str) -> tuple[Mount, ...]:
    """Return the mounts at or under `prefix`; where there are none, the usual ones as if they were mounted there."""
    every = tuple(mounts)
    inside = tuple(m for m in every if m.point == prefix or m.point.startswith(f"{prefix.rstrip('/')}/"))
    if inside:
        return inside
    return tuple(
        Mount(
            m.root, posixpath.normpath(f"{prefix}/{posixpath.relpath(m.point, USUAL_MOUNT)}"), m.version, m.controllers
        )
        for m in every
        if m.point == USUAL_MOUNT or m.point.startswith(f"{USUAL_MOUNT}/")
    )


def choose(mounts: Iterable[Mount], membership: Mapping[str, str], v2_controllers: frozenset[str]) -> Trees | None:
    """Decide per controller: v1 where /proc/self/cgroup has a v1 line for it, else v2 where the root offers it.

    On a hybrid host `is there a cgroup.controllers file` gives the wrong answer; PSI exists in v2 trees only, also
    beside a v1 memory controller.
    """
    every = tuple(mounts)
    v2 = next((m for m in every if m.version == 2), None)  # noqa: PLR2004 - the version
    chosen: dict[str, Mount] = {}
    for controller in _CONTROLLERS:
        v1 = next((m for m in every if controller in m.controllers), None)
        if v1 is not None and controller in membership:
            chosen[controller] = v1
        elif v2 is not None and (controller in v2_controllers or controller == "cpuacct"):
            chosen[controller] = v2
    if "memory" not in chosen:
        return None
    if v2 is not None:
        chosen[_PRESSURE] = v2
    return Trees(chosen["memory"].version, chosen)


def join(mount: Mount, path: str) -> str | None:
    """Return the directory of cgroup `path` under the mount; None where it lies outside or a name space hides it."""
    if ".." in path.split("/") or ".." in mount.root.split("/"):
        return None
    inside = posixpath.relpath(path, mount.root)
    if inside == ".." or inside.startswith("../"):
        return None
    return posixpath.normpath(posixpath.join(mount.point, inside))


def trim_to_container(directory: str, container_id: str) -> str | None:
    """Return the part of the directory up to the component that names the container (its main pid may sit deeper)."""
    parts = directory.split("/")
    for i, part in enumerate(parts):
        if container_id in part:
            return "/".join(parts[: i + 1])
    return None
