"""Looks at everything again and again, with nothing that acts and nothing written down, for the verbs that show it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable, Mapping
from typing import Final

from brimline.app import App
from brimline.config import Loaded
from brimline.loading import Value
from brimline.view import View

_INTERVAL: Final = "interval"
_GLANCES: Final = 16  # in which an engine elsewhere may send its first samples
_GLANCE_SECONDS: Final = 0.25


def in_seconds(flags: Mapping[str, Value], default: str | None = None) -> dict[str, Value]:
    """Return the flags with `--interval 5` as 5s, which watch(1) and top(1) have taught everybody."""
    written = flags.get(_INTERVAL, default)
    if written is None:
        return dict(flags)
    bare = isinstance(written, str) and written.replace(".", "", 1).isdigit()
    return {**flags, _INTERVAL: f"{float(str(written)) * 1000:.0f}ms" if bare else written}


async def watch(loaded: Loaded, seen: Callable[[View], None], *, count: int | None = None) -> None:
    """Show every reading, one an interval, until so many are shown or it is cancelled."""
    app = App(loaded, lambda: loaded, os.environ)
    log = logging.getLogger("brimline")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what fails is in the view; a log line would tear the screen
    try:
        await app.first_look()
        view = app.tick()
        for _ in range(_GLANCES):
            if app.measured():
                break
            await asyncio.sleep(_GLANCE_SECONDS)
            view = app.tick()
        for number in itertools.count(1):
            seen(view)
            if number == count:
                return
            await asyncio.sleep(loaded.config.interval)
            view = app.tick()
    finally:
        log.setLevel(level)
        await app.close()
