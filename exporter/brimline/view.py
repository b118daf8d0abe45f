"""What one tick leaves for every reader: immutable, swapped once a tick, so that nobody needs a lock."""

from __future__ import annotations

from dataclasses import dataclass

from brimline.deeds import Decision, Pause
from brimline.model import Alert, Snapshot, SourceStatus


@dataclass(frozen=True, slots=True)
class View:
    """What all readers see until the next tick: the snapshot, the sources' health and the rendered page."""

    snapshot: Snapshot
    sources: tuple[SourceStatus, ...]
    ticks: int
    tick_seconds: float
    page: bytes  # the data families in the Prometheus text format, without the self metrics
    alerts: tuple[Alert, ...] = ()  # pending and firing
    levels: tuple[float, float] = (0.80, 0.85)  # alert and restart, of subjects that have none of their own
    decisions: tuple[Decision, ...] = ()  # of every firing alert that asks for an action
    pauses: tuple[Pause, ...] = ()
    dry_run: bool = False  # everything is decided, nothing done
