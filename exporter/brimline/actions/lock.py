"""One action per container across several Brimlines of a host: a lock on its cgroup directory, which all of them see.

The kernel drops it with its holder. A restart removes the directory and makes another one: whoever comes then finds a
new StartedAt.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class LockedError(Exception):
    """Another one holds the lock."""


@contextmanager
def held(directories: Mapping[str, str]) -> Iterator[str]:
    """Hold the lock while the block runs; yield what is lost where there is none to be had, else nothing."""
    if not directories:
        yield "its cgroup cannot be seen from here: a second Brimline would not be kept out"
        return
    # All take the same one: memory's, which every Brimline reads, else the first by name.
    directory = directories.get("memory") or directories[min(directories)]
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        yield f"{directory} cannot be locked: {error.strerror}: a second Brimline would not be kept out"
        return
    try:
        yield _lock(fd, directory)
    finally:
        os.close(fd)


def _lock(fd: int, directory: str) -> str:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError(f"another Brimline holds the lock on {directory}") from None
    except OSError as error:
        return f"{directory} cannot be locked: {error.strerror}: a second Brimline would not be kept out"
    return ""
