"""Tells systemd how we are (sd_notify): a datagram to the socket it names, or nothing where it names none."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import Final

_log: Final = logging.getLogger(__name__)
READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"
_KIND: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK  # a queue that is full must not hold up the loop


class Notice:
    """The way to the service manager that started this process.

    `period` is the time between two words to its watchdog, None where it waits for none. systemd advises half of its
    patience; a third forgives one word that is late.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # an abstract address, as systemd and shells write it
            self._address = f"\0{self._address[1:]}"
        self.period = _seconds(environ) if self._address else None

    def tell(self, state: str) -> None:
        """Send one state; that nobody hears it is no reason to fail."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, _KIND) as door:
                door.sendto(state.encode(), self._address)
        except OSError as error:
            _log.debug("systemd was not told %s: %s", state, error)


def _seconds(environ: Mapping[str, str]) -> float | None:
    """Return a third of the watchdog's patience, where it waits for this process."""
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not microseconds.isascii() or not microseconds.isdigit() or int(microseconds) == 0:
        return None
    if pid and pid != str(os.getpid()):  # it is inherited by whatever a service starts
        return None
    return int(microseconds) / 3_000_000
