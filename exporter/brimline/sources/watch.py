"""The kernel's own alarms: one epoll, itself watched by the loop, in which every descriptor has its callback.

v1 registers eventfds through cgroup.event_control (root and a writable mount); v2 raises POLLPRI on memory.events.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from contextlib import ExitStack, suppress

from brimline.fds import FdBudget
from brimline.model import Poller


class Watch:
    """Descriptors and what to do when they signal. An epoll of our own, because asyncio asks for readability, which a
    cgroup file always has; POLLPRI alone says that it changed (kernfs_generic_poll).
    """  # noqa: D205 - one thought, two lines

    def __init__(self, poller: Poller, fds: FdBudget) -> None:
        self._poller = poller
        self._fds = fds
        self._ready: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll()
        poller.add(self._epoll.fileno(), self._signalled)

    def on_change(self, fd: int, ready: Callable[[], None]) -> bool:
        """Call `ready` whenever the kernel says that this open v2 file changed (reading it re-arms), where it can."""
        try:
            self._epoll.register(fd, select.EPOLLPRI)
        except PermissionError:  # a file system whose files cannot be polled: not the kernel's own cgroup2
            return False
        self._ready[fd] = ready
        return True

    def on_event(self, directory: str, file: str, argument: str, ready: Callable[[], None]) -> int | None:
        """Register a v1 event on `file`; return the eventfd, or None where the kernel or the mount refuses."""
        if not self._fds.acquire(1):
            return None
        try:
            event = _registered(directory, file, argument)
        except OSError:
            self._fds.release(1)
            return None
        self._epoll.register(event, select.EPOLLIN)
        self._ready[event] = ready
        return event

    def forget_change(self, fd: int) -> None:
        """Stop watching a file that its owner is about to close."""
        if self._ready.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def forget_event(self, event: int | None) -> None:
        """Close an eventfd, which unregisters it with the kernel."""
        if event is not None and self._ready.pop(event, None) is not None:
            os.close(event)
            self._fds.release(1)

    def later(self, seconds: float, ready: Callable[[], None]) -> None:
        """Call `ready` once after some seconds."""
        self._poller.later(seconds, ready)

    def close(self) -> None:
        """Stop watching everything."""
        self._poller.remove(self._epoll.fileno())
        self._epoll.close()

    def _signalled(self) -> None:
        for fd, mask in self._epoll.poll(0):
            ready = self._ready.get(fd)
            if ready is None:
                continue
            if mask & select.EPOLLIN:
                with suppress(BlockingIOError):
                    os.eventfd_read(fd)
            ready()


def _registered(directory: str, file: str, argument: str) -> int:
    """Return an eventfd that the kernel signals. Raises OSError."""
    with ExitStack() as opened:
        subject = os.open(f"{directory}/{file}", os.O_RDONLY | os.O_CLOEXEC)
        opened.callback(os.close, subject)
        control = os.open(f"{directory}/cgroup.event_control", os.O_WRONLY | os.O_CLOEXEC)
        opened.callback(os.close, control)
        event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            os.write(control, f"{event} {subject} {argument}".encode())
        except OSError:
            os.close(event)
            raise
        return event
