"""Every action by name, written out: a new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from brimline.actions.base import Action, Sleep
from brimline.actions.cleanup import Cleanup
from brimline.actions.containers import Containers
from brimline.actions.cycle import StartPeriod
from brimline.actions.dependents import Directories, Guard
from brimline.actions.options import ActionsOptions
from brimline.actions.recycle import Recycle
from brimline.actions.restart import Restart
from brimline.actions.workers import Workers
from brimline.faults import Point
from brimline.httpclient import HttpClient
from brimline.model import Clock, Subject
from brimline.procfs import Procfs


@dataclass(frozen=True, slots=True)
class Parts:
    """What actions are made of."""

    containers: Containers
    http: HttpClient
    options: ActionsOptions
    start_period: StartPeriod  # of one container, in seconds
    clock: Clock
    sleep: Sleep
    point: Point
    guarded: Guard
    directories: Directories
    procfs: Procfs
    alert_at: Callable[[Subject], float]
    own_ports: Collection[int]  # on which Brimline listens


def _restart(parts: Parts) -> Action:
    return Restart(
        parts.containers,
        parts.http,
        parts.options.restart,
        start_period=parts.start_period,
        clock=parts.clock,
        sleep=parts.sleep,
        point=parts.point,
        guarded=parts.guarded,
        directories=parts.directories,
    )


def _cleanup(parts: Parts) -> Action:
    return Cleanup(
        parts.options,
        http=parts.http,
        workers=Workers(parts.procfs),
        alert_at=parts.alert_at,
        own_ports=parts.own_ports,
    )


def _recycle(parts: Parts) -> Action:
    return Recycle(parts.procfs, workers=Workers(parts.procfs))


ACTIONS: Final[Mapping[str, Callable[[Parts], Action]]] = MappingProxyType(
    {
        Restart.name: _restart,
        Cleanup.name: _cleanup,
        Recycle.name: _recycle,
    }
)


def build(parts: Parts) -> dict[str, Action]:
    """Make one of each."""
    return {name: make(parts) for name, make in ACTIONS.items()}
