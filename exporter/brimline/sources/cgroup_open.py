"""One open cgroup: its hot files kept open and read every tick, the rest read now and then; files in, Facts out."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from brimline.fds import FdBudget
from brimline.procfs import Procfs, Stat
from brimline.sources.cgroup import Facts
from brimline.sources.cgroup_v2 import ReadFile
from brimline.sources.cgroupfs import walk

REMOVED: Final = frozenset({errno.ENODEV, errno.ENOENT})  # a kept descriptor of a removed cgroup answers ENODEV
_NO_MORE: Final = frozenset({errno.EMFILE, errno.ENFILE})
_LARGEST_FILE: Final = 16384  # memory.stat is below 2 KiB today; seq_file answers one pread with at most what fits


class Dialect(Protocol):
    """One version of the memory controller."""

    version: int
    hot: tuple[str, ...]
    events: str
    limit_hot: tuple[str, ...]

    def parse(self, name: str, data: bytes, facts: Facts) -> None:
        """Take in one hot file."""
        ...

    def read_limits(self, directory: str, read: ReadFile, facts: Facts) -> None:
        """Take in what bounds the cgroup."""
        ...

    def read_rest(self, directories: Mapping[str, str], read: ReadFile, facts: Facts) -> None:
        """Take in the files that are not read every tick."""
        ...

    def read_below(self, directory: str, read: ReadFile) -> Mapping[str, tuple[int, int]]:
        """Return by directory the kills and OOMs of levels below that are not in the cgroup's own counts."""
        ...

    def was_full(self, directory: str, read: ReadFile) -> bool:
        """Tell whether it has been at a limit whose hits the kernel does not count."""
        ...

    def read_oom_events(self, directory: str, read: ReadFile) -> int | None:
        """Return a number that rises when this very level is out of memory."""
        ...


class OpenCgroup:
    """The hot files of one cgroup. Beyond the descriptor budget each is opened, read and closed instead."""

    __slots__ = (
        "_below",
        "_blobs",
        "_dialect",
        "_fds",
        "_fetched",
        "_names",
        "_open",
        "_paths",
        "directories",
        "directory",
        "facts",
    )

    def __init__(self, directories: Mapping[str, str], dialect: Dialect, fds: FdBudget, *, only_bounds: bool) -> None:
        self.directories = directories
        self.directory = directories["memory"]
        self.facts = Facts()
        self._dialect = dialect
        wanted = dialect.limit_hot if only_bounds else dialect.hot
        self._names = tuple(n for n in wanted if n in wanted[:2] or _exists(f"{self.directory}/{n}"))
        self._paths = tuple(f"{self.directory}/{name}" for name in self._names)
        self._blobs: Sequence[bytes | None] = [None] * len(self._names)  # what the facts hold
        self._fetched: Sequence[bytes] = ()
        self._below: Mapping[str, tuple[int, int]] = {}
        self._fds = fds
        self._open: tuple[int, ...] = ()
        if fds.acquire(len(self._paths)):
            self._open = _open_all(self._paths, fds)

    def fetch(self) -> bool:
        """Read the hot files; tell whether any differs from what the facts hold. Raises OSError."""
        if self._open:
            blobs = [os.pread(fd, _LARGEST_FILE, 0) for fd in self._open]
        else:
            blobs = [slurp(path) for path in self._paths]
        if blobs == self._blobs:
            return False
        self._fetched = blobs
        return True

    def take_in(self) -> None:
        """Parse what was fetched and differs into the facts. Raises OSError."""
        for path, name, blob, before in zip(self._paths, self._names, self._fetched, self._blobs, strict=True):
            if blob != before:
                try:
                    self._dialect.parse(name, blob, self.facts)
                except ValueError as error:
                    raise _unread(error, path) from error
        self._blobs = self._fetched

    def read_rest(self, procfs: Procfs, boot_time: float) -> None:
        """Read everything else into the facts. A file that does not exist leaves its fact None. Raises OSError."""
        self.read_limits()
        try:
            self._dialect.read_rest(self.directories, read_file, self.facts)
        except (ValueError, KeyError) as error:
            raise _unread(error, self.directory) from error
        self._count_processes(procfs, boot_time)

    def read_limits(self) -> None:
        """Read what bounds it. Raises OSError."""
        try:
            self._dialect.read_limits(self.directory, read_file, self.facts)
        except ValueError as error:
            raise _unread(error, self.directory) from error

    def look_below(self) -> None:
        """Add what levels below counted since the last look. Raises OSError."""
        try:
            below = self._dialect.read_below(self.directory, read_file)
        except ValueError as error:
            raise _unread(error, self.directory) from error
        for place, (kills, ooms) in below.items():
            kills_before, ooms_before = self._below.get(place, (0, 0))
            self.facts.oom_kills_below += max(0, kills - kills_before)
            self.facts.ooms_below += max(0, ooms - ooms_before)
        self._below = below

    def holds(self, pid: int) -> bool:
        """Tell whether a process lives in it, as far as can be told: 0 stands for one of another pid name space."""
        try:
            pids = _pids(self.directory)
        except OSError:
            return True
        return pids is None or pid in pids or 0 in pids

    def was_full(self) -> bool:
        """Tell whether it has been at a limit whose hits the kernel does not count."""
        try:
            return self._dialect.was_full(self.directory, read_file)
        except ValueError as error:
            raise _unread(error, self.directory) from error

    def oom_events(self) -> int:
        """Return a number that rises when this very level is out of memory."""
        try:
            return self._dialect.read_oom_events(self.directory, read_file) or 0
        except ValueError as error:
            raise _unread(error, self.directory) from error

    @property
    def known(self) -> bool:
        """Whether its use was ever read."""
        return self._blobs[0] is not None

    def fd_of(self, name: str) -> int | None:
        """Return the kept descriptor of a hot file."""
        return self._open[self._names.index(name)] if self._open and name in self._names else None

    def close(self) -> None:
        """Give the descriptors back."""
        for fd in self._open:
            os.close(fd)
        self._fds.release(len(self._open))
        self._open = ()

    def _count_processes(self, procfs: Procfs, boot_time: float) -> None:
        facts, pids, ours = self.facts, _pids(self.directory), procfs.ours
        # From another pid name space v2 writes 0 for each process that is hidden (task_pid_vnr), v1 leaves it out
        # (pidlist_array_load): what v1 lists is no count then.
        whole = ours or self._dialect.version == 2  # noqa: PLR2004 - cgroup v2
        facts.processes = len(pids) if pids is not None and whole else None
        stats = [stat for pid in pids or () if ours and pid and (stat := _stat(procfs, pid))]
        facts.largest_process = max((s.rss_pages for s in stats), default=0) * procfs.page_size if stats else None
        oldest = min((s.start for s in stats), default=None)
        facts.started = None if oldest is None else boot_time + oldest / procfs.ticks_per_second


def _unread(error: Exception, path: str) -> OSError:
    """Return what a reader is told when a file holds something else than the kernel writes: it costs one cgroup."""
    return OSError(errno.EBADMSG, f"not in the kernel's format: {error}", path)


def _stat(procfs: Procfs, pid: int) -> Stat | None:
    """Return a process's line; None where it just ended or is hidden (and for pid 0: of another pid name space)."""
    try:
        return procfs.stat(pid)
    except (OSError, ValueError, IndexError):
        return None


def read_file(path: str) -> bytes | None:
    """Return a file's content; None where this kernel has no such file or the cgroup does not answer it."""
    try:
        return slurp(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:  # memory.pressure with psi=0, cgroup.procs of a threaded cgroup
            return None
        raise


def slurp(path: str) -> bytes:
    """Open, read and close."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, _LARGEST_FILE)
    finally:
        os.close(fd)


def _exists(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - a Path costs more than the call
    except OSError:
        return False
    return True


def _open_all(paths: Sequence[str], fds: FdBudget) -> tuple[int, ...]:
    """Return the descriptors; none where the process or the machine has no more of them."""
    opened: list[int] = []
    try:
        for path in paths:
            opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))  # noqa: PERF401 - what is open must be closed below
    except OSError as error:
        for fd in opened:
            os.close(fd)
        fds.release(len(paths))
        if error.errno in _NO_MORE:
            return ()
        raise
    return tuple(opened)


def _pids(directory: str) -> list[int] | None:
    """Return the pids in a cgroup and below it (systemd or podman inside a container use sub-cgroups)."""
    own = _procs(directory)
    if own is None or os.stat(directory).st_nlink == 2:  # noqa: PLR2004, PTH116 - `.` and its name: no sub-cgroup
        return own
    return own + [pid for below in walk(directory) for pid in _procs(below) or ()]


def _procs(directory: str) -> list[int] | None:
    try:
        with open(f"{directory}/cgroup.procs", "rb") as file:  # noqa: PTH123 - a Path costs more than the read
            return list(map(int, file.read().split()))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return None
        raise
