"""The one /proc parser: pure parsers from bytes, then one class that reads the files below a root it is given.

Nothing here takes a decision; a file that is missing, hidden or gone raises its OSError.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

_KTHREAD: Final = 0x00200000  # PF_KTHREAD, include/linux/sched.h
_LONGEST_CMDLINE: Final = 16_384  # a command line may hold megabytes; what names a service stands at its front
_READ: Final = 4096
_BOOT_TIME_SECONDS: Final = 15.0
_CLOCK_SET: Final = 2.0  # seconds by which the boot time must move to be believed: it wobbles by one as NTP steers

# proc_pid_stat(5), counted from the state, which follows the closing parenthesis of the name.
_STATE, _PPID, _FLAGS, _UTIME, _STIME, _START, _RSS, _STACK = 0, 1, 6, 11, 12, 19, 21, 25


@dataclass(frozen=True, slots=True)
class Stat:
    """A process's line in stat. `start` is in clock ticks since boot; `image` changes with every exec."""

    comm: bytes
    state: str
    ppid: int
    kernel: bool
    cpu_ticks: int
    start: int
    rss_pages: int
    image: tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Pressure:
    """A pressure file: shares of the last 10 s as ratios, totals in seconds; `full` is missing in old cpu files."""

    some_ratio: float
    some_seconds: float
    full_ratio: float | None
    full_seconds: float | None


def parse_statm(raw: bytes) -> int:
    """Return the resident pages of a statm line; 0 for a zombie or a kernel thread."""
    return int(raw.split(b" ", 2)[1])


def parse_stat(raw: bytes) -> Stat:
    """Read a stat line; the name may hold spaces, parentheses, newlines and any byte, so its last `)` ends it.

    `image` is the name and the stack's address, which exec draws anew; it reads 0 without ptrace rights (do_task_stat).
    """
    opening, closing = raw.index(b"("), raw.rindex(b")")
    comm = raw[opening + 1 : closing]
    fields = raw[closing + 2 :].split(b" ", _STACK + 1)
    return Stat(
        comm=comm,
        state=fields[_STATE].decode("ascii"),
        ppid=int(fields[_PPID]),
        kernel=bool(int(fields[_FLAGS]) & _KTHREAD),
        cpu_ticks=int(fields[_UTIME]) + int(fields[_STIME]),
        start=int(fields[_START]),
        rss_pages=int(fields[_RSS]),
        image=(comm, fields[_STACK]),
    )


def parse_cmdline(raw: bytes) -> tuple[str, ...]:
    """Return the arguments; a process that rewrote its title leaves padding behind, which is dropped."""
    text = raw.rstrip(b"\0 ").decode("utf-8", "surrogateescape")
    return tuple(text.split("\0")) if text else ()


def parse_cgroup(raw: bytes) -> tuple[str, ...]:
    """Return the different cgroup paths of a process, its memory controller's first, then the v2 one (cgroups(7))."""
    ranked = []
    for line in raw.decode("utf-8", "surrogateescape").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        rank = 0 if "memory" in controllers.split(",") else 2 if controllers else 1
        ranked.append((rank, path))
    return tuple(dict.fromkeys(path for _, path in sorted(ranked, key=lambda item: item[0]) if path))


def parse_nspid_depth(raw: bytes) -> int:
    """Return in how many pid name spaces the process of a status file is seen from this /proc; 1 is our own."""
    found = re.search(rb"^NSpid:([\t 0-9]*)$", raw, re.MULTILINE)
    return max(1, len(found[1].split())) if found else 1


def parse_caught(raw: bytes) -> int:
    """Return the signals for which the process of a status file has a handler: bit n - 1 stands for signal n."""
    found = re.search(rb"^SigCgt:\s*([0-9a-f]+)$", raw, re.MULTILINE)
    return int(found[1], 16) if found else 0


def catches(mask: int, number: int) -> bool:
    """Tell whether a mask of `parse_caught` holds a signal."""
    return bool(mask >> (number - 1) & 1)


def parse_switches(raw: bytes) -> int:
    """Return how often the process of a status file has gone to sleep by itself; 0 where it does not say."""
    found = re.search(rb"^voluntary_ctxt_switches:\s*(\d+)$", raw, re.MULTILINE)
    return int(found[1]) if found else 0


def parse_rollup(raw: bytes) -> int:
    """Return the proportional bytes of an smaps_rollup, its part in swap left out."""
    found = re.search(rb"^Pss:\s*(\d+) kB$", raw, re.MULTILINE)
    if found is None:
        raise ValueError("no line `Pss` in smaps_rollup")
    return int(found[1]) * 1024


def parse_syscall(raw: bytes) -> tuple[int, int] | None:
    """Return the number and the first argument of the call a process waits in; None while it runs (proc(5))."""
    number, *arguments = raw.split()
    if not arguments or number in {b"running", b"-1"}:
        return None
    return int(number), int(arguments[0], 16)


def parse_meminfo(raw: bytes, keys: Iterable[str]) -> dict[str, int]:
    """Return the wanted keys in bytes; a key this kernel lacks is not in the answer."""
    wanted = {key.encode() for key in keys}
    found = {}
    for line in raw.splitlines():
        key, colon, rest = line.partition(b":")
        if colon and key in wanted:
            found[key.decode()] = int(rest.split()[0]) * 1024  # `kB` there means 1024 bytes
    return found


def parse_vmstat(raw: bytes, key: str) -> int | None:
    """Return one whole line's number, None where it is not (or not wholly) in this text."""
    found = re.search(rb"^" + re.escape(key.encode()) + rb" (\d+)\n", raw, re.MULTILINE)
    return int(found[1]) if found else None


def parse_pressure(raw: bytes) -> Pressure:
    """Read `some avg10=1.50 avg60=.. avg300=.. total=12345` and `full ...`; totals are microseconds (psi.rst)."""
    lines = {}
    for line in raw.decode("ascii").splitlines():
        name, *pairs = line.split(" ")
        values = dict(pair.split("=", 1) for pair in pairs)
        lines[name] = (float(values["avg10"]) / 100, int(values["total"]) / 1e6)
    some, full = lines["some"], lines.get("full", (None, None))
    return Pressure(some_ratio=some[0], some_seconds=some[1], full_ratio=full[0], full_seconds=full[1])


def parse_boot_time(raw: bytes) -> int:
    """Return `btime` of /proc/stat: when the machine booted, in seconds since the epoch."""
    found = re.search(rb"^btime (\d+)$", raw, re.MULTILINE)
    if found is None:
        raise ValueError("no line `btime` in stat")
    return int(found[1])


class Procfs:
    """The files below one /proc."""

    def __init__(self, root: str = "/proc") -> None:
        self.root = root
        self.page_size = os.sysconf("SC_PAGE_SIZE")
        self.ticks_per_second = os.sysconf("SC_CLK_TCK")

    def listing(self) -> list[str]:
        """Return every name in the root, processes and others."""
        return os.listdir(self.root)  # noqa: PTH208 - Path.iterdir makes an object per process: 5 times the cost

    def path(self, *parts: str | int) -> str:
        """Return the path of a file below the root."""
        return "/".join((self.root, *map(str, parts)))

    def open_statm(self, pid: int) -> int:
        """Open a statm to be kept: the descriptor stays with this very process, and answers ESRCH when it is gone."""
        return os.open(f"{self.root}/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)

    def stat(self, pid: int) -> Stat:
        """Read a process's stat."""
        return parse_stat(self._read(pid, "stat"))

    def cmdline(self, pid: int) -> tuple[str, ...]:
        """Read a process's arguments. This takes its mmap lock and may hang while it is stuck at its limit."""
        return parse_cmdline(self._read(pid, "cmdline", _LONGEST_CMDLINE))

    def cgroup(self, pid: int) -> tuple[str, ...]:
        """Read the cgroup paths of a process."""
        return parse_cgroup(self._read(pid, "cgroup"))

    def nspid_depth(self, pid: int) -> int:
        """Read in how many pid name spaces a process is seen."""
        return parse_nspid_depth(self._read(pid, "status"))

    def status(self, pid: int) -> bytes:
        """Read a process's status; it takes no lock that a process at its limit may hold."""
        return self._read(pid, "status")

    def is_our_own(self) -> bool:
        """Tell whether a pid in here is what we would signal by that number; another pid name space's /proc is not."""
        return parse_nspid_depth(Path(self.root, "self/status").read_bytes()) == 1

    @cached_property
    def ours(self) -> bool:
        """Whether the numbers that cgroup files hold, which are of our pid name space, mean the same in here."""
        try:
            return self.is_our_own()
        except OSError:
            return True

    def pss(self, pid: int) -> int:
        """Read proportional bytes. This takes the process's mmap lock and may hang; PermissionError without ptrace."""
        return parse_rollup(self._read(pid, "smaps_rollup"))

    def rss(self, pid: int) -> int:
        """Read a process's resident bytes."""
        return parse_statm(self._read(pid, "statm")) * self.page_size

    def waits_in(self, pid: int) -> tuple[int, int] | None:
        """Read in which call its main thread waits, with its first argument; PermissionError without ptrace."""
        return parse_syscall(self._read(pid, "syscall"))

    def target(self, pid: int, fd: int) -> str:
        """Read what a descriptor of a process is: a path, or `pipe:[4711]`."""
        return os.readlink(f"{self.root}/{pid}/fd/{fd}")  # noqa: PTH115 - no path but a name of the kernel's

    def targets(self, pid: int) -> set[str]:
        """Read what all descriptors of a process are."""
        found = set()
        for fd in os.listdir(f"{self.root}/{pid}/fd"):  # noqa: PTH208 - names, not paths
            with suppress(FileNotFoundError):  # closed in the meantime
                found.add(self.target(pid, int(fd)))
        return found

    def owner(self, pid: int) -> int:
        """Return the effective user id (root for a process that may not be dumped, proc(5))."""
        return os.stat(f"{self.root}/{pid}").st_uid  # noqa: PTH116 - a Path per process costs more than the call

    def boot_time(self) -> int:
        """Read when the machine booted; it moves when the clock is set."""
        return parse_boot_time(Path(self.root, "stat").read_bytes())

    def boot_id(self) -> str:
        """Read the random name of this boot; empty where it is hidden."""
        try:
            return Path(self.root, "sys/kernel/random/boot_id").read_text("ascii").strip()
        except OSError:
            return ""

    def _read(self, pid: int, name: str, size: int = _READ) -> bytes:
        fd = os.open(f"{self.root}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, size)
        finally:
            os.close(fd)


class BootTime:
    """When the machine booted, read again now and then: it moves when the clock is set."""

    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs
        self._at = 0.0
        self._due = float("-inf")

    def at(self, mono: float) -> float:
        """Return it as of now. Raises OSError and ValueError."""
        if mono >= self._due:
            at = float(self._procfs.boot_time())
            self._due = mono + _BOOT_TIME_SECONDS
            if abs(at - self._at) > _CLOCK_SET:
                self._at = at
        return self._at
