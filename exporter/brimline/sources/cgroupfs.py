"""Where cgroups are: which tree holds which controller, and the directory of a process, a container or a glob.

Pure parsers and path arithmetic, then one class that reads the two /proc files; it never opens a controller's file.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path
from typing import Final

CONTROLLERS: Final = ("memory", "cpu", "cpuacct")
_V1: Final = frozenset(CONTROLLERS)
PRESSURE: Final = "pressure"
_USUAL_MOUNT: Final = "/sys/fs/cgroup"
_MAX_DEPTH: Final = 10  # kubepods.slice/…/pod/container/… is 6; nested engines add a few


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
        match tail[0]:
            case "cgroup":
                controllers = frozenset(tail[2].split(",")) & _V1 if len(tail) > 2 else frozenset()  # noqa: PLR2004 - field 3
                mounts.append(Mount(_unescape(fields[3]), _unescape(fields[4]), 1, controllers))
            case "cgroup2":
                mounts.append(Mount(_unescape(fields[3]), _unescape(fields[4]), 2, frozenset()))
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
            m.root, posixpath.normpath(f"{prefix}/{posixpath.relpath(m.point, _USUAL_MOUNT)}"), m.version, m.controllers
        )
        for m in every
        if m.point == _USUAL_MOUNT or m.point.startswith(f"{_USUAL_MOUNT}/")
    )


def choose(mounts: Iterable[Mount], membership: Mapping[str, str], v2_controllers: frozenset[str]) -> Trees | None:
    """Decide per controller: v1 where /proc/self/cgroup has a v1 line for it, else v2 where the root offers it.

    On a hybrid host `is there a cgroup.controllers file` gives the wrong answer; PSI exists in v2 trees only, also
    beside a v1 memory controller.
    """
    every = tuple(mounts)
    v2 = next((m for m in every if m.version == 2), None)  # noqa: PLR2004 - the version
    chosen: dict[str, Mount] = {}
    for controller in CONTROLLERS:
        v1 = next((m for m in every if controller in m.controllers), None)
        if v1 is not None and controller in membership:
            chosen[controller] = v1
        elif v2 is not None and (controller in v2_controllers or controller == "cpuacct"):
            chosen[controller] = v2
    if "memory" not in chosen:
        return None
    if v2 is not None:
        chosen[PRESSURE] = v2
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


class Cgroupfs:
    """The cgroup trees of one host as seen through two roots."""

    def __init__(self, procfs: str = "/proc", cgroupfs: str = _USUAL_MOUNT) -> None:
        self._procfs = Path(procfs)
        own = self._membership("self")
        mounts = below(parse_mountinfo(self._read(self._procfs / "self" / "mountinfo")), cgroupfs)
        v2 = next((m.point for m in mounts if m.version == 2), None)  # noqa: PLR2004 - the version
        offered = frozenset(self._read(Path(v2) / "cgroup.controllers").split()) if v2 else frozenset[str]()
        self.trees: Trees | None = choose(mounts, own, offered)

    def own(self) -> dict[str, str]:
        """Return controller -> directory of the cgroup that holds this very process."""
        return self._directories(self._membership("self"))

    def is_whole(self) -> bool:
        """Tell whether the top of the memory tree is the host's real root: a cgroup of its own would have a limit file.

        v1 has `release_agent`, and v2 lacks `memory.max`, in the root alone (cgroup_base_files, memory_files flags).
        """
        if self.trees is None:
            return False
        top = Path(self.trees.mounts["memory"].point)
        if self.trees.version == 1:
            return (top / "release_agent").exists()
        return not (top / "memory.max").exists()

    def locate(self, pid: int, container_id: str) -> dict[str, str]:
        """Return controller -> directory of a container, {} where it cannot be found for certain.

        First by its pid; a path that does not name the container is another's (a session scope, a pid of another
        name space) and is not believed. Then, from inside a private cgroup name space, by name in the mounted tree.
        """
        by_pid = self._directories(self._membership(str(pid))) if pid else {}
        found = {
            c: d for c, path in by_pid.items() if (d := trim_to_container(path, container_id)) and Path(d).is_dir()
        }
        if "memory" in found or self.trees is None:
            return found
        for controller, mount in self.trees.mounts.items():
            directory = next((d for d in walk(mount.point) if container_id in posixpath.basename(d)), None)
            if directory is not None and (not pid or holds(directory, pid)):
                found[controller] = directory
        return found if "memory" in found else {}

    def directory_of(self, pid: int) -> str | None:
        """Return the memory cgroup's directory of any process; None where it is hidden."""
        return self._directories(self._membership(str(pid))).get("memory")

    def expand(self, globs: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return path below the root -> directories of every cgroup that the globs name; a leading `!` excludes."""
        if self.trees is None:
            return {}
        wanted = [g for g in globs if not g.startswith("!")]
        refused = [re.compile(translate(g[1:].strip("/"))) for g in globs if g.startswith("!")]
        top = self.trees.mounts["memory"].point
        paths = sorted({p for g in wanted for p in _glob(top, g.strip("/"))})
        return {p: self.siblings(p) for p in paths if not any(r.match(p) for r in refused)}

    def siblings(self, path: str) -> dict[str, str]:
        """Return controller -> directory for one path below the trees' roots, where it exists."""
        assert self.trees is not None  # noqa: S101 - only called with paths out of the trees
        every = {c: posixpath.normpath(f"{m.point}/{path}") for c, m in self.trees.mounts.items()}
        return {c: d for c, d in every.items() if Path(d).is_dir()}

    def chain(self, directory: str) -> tuple[str, ...]:
        """Return the memory directories from this one up to, and without, the top of the tree."""
        assert self.trees is not None  # noqa: S101 - only called with directories out of the trees
        top = self.trees.mounts["memory"].point.rstrip("/")
        levels = []
        while directory.startswith(f"{top}/"):
            levels.append(directory)
            directory = posixpath.dirname(directory)
        if directory == top and not self.is_whole():
            levels.append(directory)  # the top is itself somebody's cgroup, with a limit of its own
        return tuple(levels)

    def path_of(self, directory: str) -> str:
        """Return a memory directory as a cgroup path, `/docker/<id>`."""
        assert self.trees is not None  # noqa: S101 - only called with directories out of the trees
        inside = posixpath.relpath(directory, self.trees.mounts["memory"].point)
        return "/" if inside == "." else f"/{inside}"

    def _directories(self, membership: Mapping[str, str]) -> dict[str, str]:
        if self.trees is None:
            return {}
        found = {}
        for controller, mount in self.trees.mounts.items():
            path = membership.get("" if mount.version == 2 else controller)  # noqa: PLR2004 - the version
            directory = join(mount, path) if path is not None else None
            if directory is not None:
                found[controller] = directory
        return found

    def _membership(self, pid: str) -> dict[str, str]:
        return parse_membership(self._read(self._procfs / pid / "cgroup"))

    @staticmethod
    def _read(path: Path) -> str:
        try:
            return path.read_text(errors="surrogateescape")
        except OSError:
            return ""


def walk(top: str) -> Iterator[str]:
    """Yield every directory below `top`, nearest first."""
    level = [top]
    for _ in range(_MAX_DEPTH):
        level = [e.path for directory in level for e in _subdirectories(directory)]
        yield from level


def holds(directory: str, pid: int) -> bool:
    """Tell whether the process sits in this cgroup or below it."""
    wanted = str(pid)
    for place in (directory, *walk(directory)):
        try:
            if wanted in Path(place, "cgroup.procs").read_text().split():
                return True
        except OSError:
            continue
    return False


def _glob(top: str, pattern: str) -> Iterator[str]:
    """Yield the paths below `top` that match, "" for `/`; `**` crosses levels. Path.glob would stat every file."""
    if not pattern:
        yield ""
        return
    level = [""]
    for part in pattern.split("/"):
        if part == "**":
            level += [posixpath.relpath(d, top) for base in level for d in walk(f"{top}/{base}")]
            continue
        matches = re.compile(translate(part)).match
        level = [
            f"{base}/{e.name}" if base else e.name
            for base in level
            for e in _subdirectories(f"{top}/{base}")
            if matches(e.name)
        ]
    yield from level


def _subdirectories(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return [e for e in entries if e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
