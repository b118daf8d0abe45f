"""Where cgroups are on this machine: the directory of a process, of a container, of a glob.

It reads two files of /proc and the names in the trees, and never opens a controller's file.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import translate
from pathlib import Path
from typing import Final

from brimline.sources.cgroup_mounts import (
    USUAL_MOUNT,
    Trees,
    below,
    choose,
    join,
    parse_membership,
    parse_mountinfo,
    trim_to_container,
)

_CONTAINER_ID: Final = re.compile(r"[0-9a-f]{64}")
_MAX_DEPTH: Final = 10  # kubepods.slice/…/pod/container/… is 6; nested engines add a few


class Cgroupfs:
    """The cgroup trees of one host as seen through two roots."""

    def __init__(self, procfs: str = "/proc", cgroupfs: str = USUAL_MOUNT) -> None:
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

    def locate(self, pids: Mapping[str, int]) -> dict[str, dict[str, str]]:
        """Return controller -> directory of each container (id -> pid) that can be found for certain.

        First by its pid; a path that does not name the container is another's (a session scope, a pid of another
        name space) and is not believed. Then, from inside a private cgroup name space, by name in the mounted trees.
        """
        found = {container_id: self._by_pid(container_id, pid) for container_id, pid in pids.items()}
        lost = [container_id for container_id, directories in found.items() if "memory" not in directories]
        for controller, mount in self.trees.mounts.items() if lost and self.trees is not None else ():
            named = _named(mount.point)
            for container_id in lost:
                directory, pid = named.get(container_id), pids[container_id]
                if directory is not None and (not pid or holds(directory, pid)):
                    found[container_id][controller] = directory
        return {container_id: directories for container_id, directories in found.items() if "memory" in directories}

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

    def _by_pid(self, container_id: str, pid: int) -> dict[str, str]:
        paths = self._directories(self._membership(str(pid))) if pid else {}
        return {c: d for c, path in paths.items() if (d := trim_to_container(path, container_id)) and Path(d).is_dir()}

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


def _named(top: str) -> dict[str, str]:
    """Return container id -> directory of every cgroup below `top` that is named after one, the nearest."""
    found: dict[str, str] = {}
    for directory in walk(top):
        for container_id in _CONTAINER_ID.findall(posixpath.basename(directory)):
            found.setdefault(container_id, directory)
    return found


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
