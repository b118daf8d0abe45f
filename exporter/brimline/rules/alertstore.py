"""An AlertStore that forgets with the process. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from brimline.model import AlertKey, StoredAlert


class MemoryAlertStore:
    """What was saved last, by key."""

    def __init__(self) -> None:
        self._alerts: dict[AlertKey, StoredAlert] = {}

    def load(self) -> Sequence[StoredAlert]:
        """Return what was saved last."""
        return tuple(self._alerts.values())

    def save(self, alerts: Sequence[StoredAlert], over: Sequence[AlertKey]) -> None:
        """Keep these in the place of their older selves, and forget those that are over."""
        for key in over:
            self._alerts.pop(key, None)
        self._alerts.update((alert.key, alert) for alert in alerts)
