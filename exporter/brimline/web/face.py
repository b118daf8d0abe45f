"""What the web asks of the engine; nothing here or above it reads the world."""

from __future__ import annotations

from typing import Protocol

from brimline.metrics.self import SelfMetrics
from brimline.view import View


class Face(Protocol):
    """The engine as the web sees it."""

    @property
    def view(self) -> View | None:
        """Return the last tick's view; None before the first."""
        ...

    @property
    def ready(self) -> bool:
        """Tell whether a tick has come after the first look at everything."""
        ...

    @property
    def self_metrics(self) -> SelfMetrics:
        """Return what Brimline counts about itself."""
        ...

    def fresh(self) -> bool:
        """Tell whether the loop still ticks: false once no tick came for three intervals, or the first one never."""
        ...

    async def reload(self) -> list[str]:
        """Read the configuration again; return what is wrong with it, and then keep the old one."""
        ...
