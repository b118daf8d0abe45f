"""How many descriptors Brimline keeps open, and one file that is read again and again through one of them.

A kept descriptor costs 4-5 KB of kernel memory charged to us, and the hard limit may be 1,024: so there is a budget.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from threading import Lock
from typing import Final

RESERVED: Final = 128  # of the process's limit: connections of scrapers and to Docker, files opened, read and closed


def allowed(configured: int) -> int:
    """Return how many of the configured descriptors may be kept; raises the process's limit as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a sandbox may forbid it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return configured if soft == resource.RLIM_INFINITY else max(0, min(configured, soft - RESERVED))


class FdBudget:
    """Counts descriptors that are kept open; whoever is refused opens, reads and closes each time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._lock = Lock()

    @property
    def used(self) -> int:
        """Return how many are kept now."""
        return self._used

    def acquire(self, count: int = 1) -> bool:
        """Take room for `count` descriptors, all or none."""
        with self._lock:
            if self._used + count > self.limit:
                return False
            self._used += count
            return True

    def release(self, count: int = 1) -> None:
        """Give the room of `count` closed descriptors back."""
        with self._lock:
            if count > self._used:
                raise ValueError(f"{count} descriptors given back where {self._used} are kept; release each one once")
            self._used -= count


class KeptFile:
    """One file of the kernel's, read from its start by `pread` while the budget has room for its descriptor."""

    def __init__(self, path: str, budget: FdBudget) -> None:
        self.path = path
        self._budget = budget
        self._fd = -1

    def read(self, size: int = 8192, offset: int = 0) -> bytes:
        """Return what one read yields from `offset`; the OSError of a file that is missing or hidden passes through."""
        if self._fd >= 0:
            return os.pread(self._fd, size, offset)
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        if self._budget.acquire():
            self._fd = fd
            return os.pread(fd, size, offset)
        try:
            return os.pread(fd, size, offset)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Close the descriptor and give its room back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._budget.release()
