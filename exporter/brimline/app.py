"""The composition root: a configuration turned into objects and tasks, signals, and the reload that swaps them."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from brimline import logs
from brimline.config import Config, Loaded
from brimline.engine import Engine, SystemClock
from brimline.errors import BrimlineError
from brimline.metrics.cadvisor import Cadvisor
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import View
from brimline.sources.registry import Settings, Sources, build

_log: Final = logging.getLogger(__name__)
_FIRST_LISTING_SECONDS: Final = 10.0


class LoopPoller:
    """The running event loop as the sources see it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def add(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` whenever `fd` is readable."""
        self._loop.add_reader(fd, ready)

    def remove(self, fd: int) -> None:
        """Stop watching `fd`."""
        self._loop.remove_reader(fd)

    def later(self, seconds: float, ready: Callable[[], None]) -> None:
        """Call `ready` once after some seconds."""
        self._loop.call_later(seconds, ready)
