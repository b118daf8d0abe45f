"""One process held so that it cannot become another: what is signalled is what was looked at."""

from __future__ import annotations

import errno
import os
import select
import signal
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from brimline.procfs import Procfs

# Kernels before 5.3 have no pidfd, and seccomp profiles of older engines refuse it.
_NO_PIDFD: Final = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL})


class Held:
    """A process by its pidfd, or by pid and start time where there is none; look at it after it is held."""

    def __init__(self, procfs: Procfs, pid: int) -> None:
        self.pid = pid
        self._procfs = procfs
        self._fd = -1
        try:
            self._fd = os.pidfd_open(pid)
        except OSError as error:
            if error.errno not in _NO_PIDFD:
                raise
        try:
            self.start = procfs.stat(pid).start
        except (OSError, ValueError):
            self.close()
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has gone") from None

    def __enter__(self) -> Self:
        """Hold it."""
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        """Let go of it."""
        self.close()

    def send(self, number: int) -> None:
        """Signal it. Raises ProcessLookupError where it has ended, PermissionError where it may not be signalled."""
        if self._fd >= 0:
            signal.pidfd_send_signal(self._fd, number)
        elif self.ended():
            raise ProcessLookupError(errno.ESRCH, f"process {self.pid} has gone")
        else:
            os.kill(self.pid, number)

    def ended(self) -> bool:
        """Tell whether it has ended; a zombie has."""
        if self._fd >= 0:
            waiting = select.poll()
            waiting.register(self._fd, select.POLLIN)
            return bool(waiting.poll(0))
        with suppress(OSError, ValueError):
            stat = self._procfs.stat(self.pid)
            return stat.start != self.start or stat.state == "Z"
        return True

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
