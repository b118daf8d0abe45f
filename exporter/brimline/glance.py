"""A single look: everything is read once, by an application that lives no longer than that."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

from brimline.app import App
from brimline.config import Config, Loaded
from brimline.view import View

_GLANCE_SECONDS: Final = 0.25  # between the looks
_GLANCES: Final = 16


async def observe(config: Config, also: Callable[[App], None] | None = None) -> View:
    """Read everything once and return what was seen; an engine elsewhere gets a few moments to send its samples.

    `also` may ask for more while everything is still open.
    """
    loaded = Loaded(config.model_copy(update={"interval": _GLANCE_SECONDS}), {}, None)
    app = App(loaded, lambda: loaded, os.environ)
    try:
        await app.first_look()
        view = app.tick()
        for _ in range(_GLANCES):
            if app.measured():
                break
            await asyncio.sleep(_GLANCE_SECONDS)
            view = app.tick()
        if also is not None:
            also(app)
        return view
    finally:
        await app.close()
