"""What the half of Brimline that acts is tied to the rest by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from brimline.metrics.acted import Acted
from brimline.model import Clock, Subject, Target, Wake


@dataclass(frozen=True, slots=True)
class Ties:
    """What the hand needs of the rest."""

    clock: Clock
    environ: Mapping[str, str]
    wake: Wake
    acted: Acted
    targets: Callable[[], Sequence[Target]]
    pids: Callable[[str], tuple[int, ...]]  # of a process group
    alert_at: Callable[[Subject], float]
