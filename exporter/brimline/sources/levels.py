"""At which ratios a subject is spoken of: its own labels, else the first glob that names it, else the default. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from brimline.model import Kind, Subject


@dataclass(frozen=True, slots=True)
class Override:
    """Levels for the subjects a glob names; None leaves a level as it was."""

    glob: str
    alert_at: float | None
    restart_at: float | None


@dataclass(frozen=True, slots=True)
class LevelBook:
    """The default levels and the overrides, in the order they are written: the first that says something wins."""

    alert_at: float
    restart_at: float
    overrides: tuple[Override, ...] = ()

    def of(
        self, subject: Subject, alert_at: float | None = None, restart_at: float | None = None
    ) -> tuple[float, float]:
        """Return the subject's alert and restart levels; what its owner declared on itself comes first."""
        named = [o for o in self.overrides if any(fnmatchcase(name, o.glob) for name in names(subject))]
        alerts = (alert_at, *(o.alert_at for o in named), self.alert_at)
        restarts = (restart_at, *(o.restart_at for o in named), self.restart_at)
        return next(v for v in alerts if v is not None), next(v for v in restarts if v is not None)


def names(subject: Subject) -> tuple[str, ...]:
    """Return what a glob may call it: its name, and for a container of a project also project/service, project/name."""
    if subject.kind is not Kind.CONTAINER:
        return (subject.name,)
    name, project, service = subject.labels
    return (name, f"{project}/{service}", f"{project}/{name}") if project else (name,)
