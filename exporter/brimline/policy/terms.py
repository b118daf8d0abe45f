"""What policy is told: the configuration, who asks for what, and all it may know of the world. Values only. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from brimline.deeds import CLEANUP, RECYCLE, RESTART, Pause, Verdict, Whose
from brimline.labels import SWARM_SERVICE
from brimline.model import AlertKey, Container, Kind, Now, Subject

# All there are. Where several are asked for at once, the gravest is looked at first.
GRAVITY: Final = (RESTART, RECYCLE, CLEANUP)

_PERSONS: Final = ("cli", "api")
_ONEOFF: Final = "com.docker.compose.oneoff"  # "True" on what `docker compose run` starts
# `docker compose up` makes a container's successor as "<first 12 of the old id>_<name>" and renames it in the end.
SUCCESSOR: Final = re.compile(r"[0-9a-f]{12}_")
SUCCESSOR_LENGTH: Final = 13
HALTED: Final = frozenset({"paused", "restarting", "removing"})  # the engine calls these running too

Refusal = tuple[Verdict, str]  # and a sentence with its numbers


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window in local time; one that ends at or before its beginning goes on into the next day."""

    begins: int  # minutes after midnight
    ends: int
    days: frozenset[int] = frozenset(range(7))  # on which it begins; Monday is 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says about acting."""

    dry_run: bool = False
    allow: tuple[str, ...] = ()  # globs
    honor_autoheal: bool = False
    per_subject: int = 3  # restarts an hour
    per_service: int = 3
    per_host: int = 10
    quiet: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """One action that a firing alert, a person or another tool asks for."""

    subject: Subject
    action: str
    key: AlertKey | None = None  # None: no rule asks
    alertname: str = ""
    severity: str = ""
    episode: str = ""  # which firing of the alert; of a person's, which request
    caller: str = "rule"
    value: str = ""  # as people read it: "91.0 %"
    threshold: str = ""
    known: bool = True  # False: the alert's phase is the last one known
    dry_run: bool = False  # only asks what would be done

    @property
    def rule(self) -> str:
        """Return the rule's name; empty where no rule asks."""
        return self.key.rule if self.key is not None else ""

    @property
    def by_person(self) -> bool:
        """Tell whether somebody looks at it now, who knows why; Alertmanager's webhook is nobody."""
        return is_person(self.caller)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything policy may know in one tick."""

    now: Now
    wishes: tuple[Wish, ...] = ()
    containers: Mapping[Subject, Container] = field(default_factory=dict)  # as the engine tells of them now
    fresh: Collection[Subject] = frozenset()  # with a value in this very snapshot
    samples: Mapping[str, int] = field(default_factory=dict)  # uid -> seen since our start, the reload, its own start
    starting: Collection[str] = frozenset()  # uids in their start period
    busy: Mapping[Whose, str] = field(default_factory=dict)  # -> action in flight
    pauses: tuple[Pause, ...] = ()
    journal_up: bool = True
    protected: Mapping[Subject, str] = field(default_factory=dict)  # what we depend on -> why
    unconfigured: Mapping[tuple[str, Subject], str] = field(
        default_factory=dict
    )  # (action, subject) -> what is missing
    replicas: Mapping[str, Collection[str]] = field(default_factory=dict)  # service -> names seen in the last 10 min
    pressed: Mapping[Subject, float] = field(default_factory=dict)  # a rule that restarts is pending or firing -> ratio
    recreating: Collection[str] = frozenset()  # compose projects
    weekday: int = 0  # local; Monday is 0
    minute: int = 0  # local; after midnight


def is_person(caller: str) -> bool:
    """Tell whether a caller is a person."""
    return caller.partition(" ")[0] in _PERSONS


def service_of(subject: Subject, labels: Mapping[str, str]) -> str:
    """Return project/service, or the name of a Swarm service; "" for what belongs to none, as a one-off container."""
    if subject.kind is not Kind.CONTAINER or labels.get(_ONEOFF, "").lower() == "true":
        return ""
    _, project, service = subject.labels
    return f"{project}/{service}" if project and service else labels.get(SWARM_SERVICE, "")
