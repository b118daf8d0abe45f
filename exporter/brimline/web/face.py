"""What the web asks of the engine; nothing here or above it reads the world."""

from __future__ import annotations

from typing import Protocol

from brimline.metrics.self import SelfMetrics
from brimline.model import View


class Face(Protocol):
    """The engine as the web sees it."""

    @property
    def view(self) -> View | None:
        """Return the last tick's view; None before the first."""
        ...

    @property
    def ready(self) -> bool:
        """Tell whether there is something to serve."""
        ...

    @property
    def self_metrics(self) -> SelfMetrics:
        """Return what Brimline counts about itself."""
        ...

    def fresh(self) -> bool:
        """Tell whether the loop still ticks: false once the last tick is older than three intervals."""
        ...

    async def reload(self) -> list[str]:
        """Read the configuration again; return what is wrong with it, and then keep the old one."""
        ...
