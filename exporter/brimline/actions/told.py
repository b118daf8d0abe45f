"""What was told already, over a restart of Brimline too: what fell between two processes is told by the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Told(Protocol):
    """Texts by key. Writing never waits; what cannot be written now is written later, or lost with the process."""

    def load(self) -> Mapping[str, str]:
        """Return what was saved last."""
        ...

    def save(self, changes: Mapping[str, str | None]) -> None:
        """Keep these in the place of their older selves; None: forget it."""
        ...
