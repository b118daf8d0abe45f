"""Brimline as a guest in one container (Cloud Run and the like): no socket, no host mounts, so its own cgroup is all
there is to measure.
"""  # noqa: D205 - one sentence, two lines

from __future__ import annotations

from collections.abc import Mapping

from brimline.labels import sanitise
from brimline.model import Column, Kind, Now, SourceReport, Subject, Target
from brimline.procfs import Procfs
from brimline.sources.cgroup import START_TIME_SECONDS

_FIRST = 1  # the first process of a pid name space lives as long as its container


class AloneSource:
    """One target: the container this very process is in."""

    name = "alone"

    def __init__(
        self, directories: Mapping[str, str], procfs: Procfs, environ: Mapping[str, str], host: str, limit: int | None
    ) -> None:
        self._name = sanitise(environ.get("K_SERVICE") or environ.get("HOSTNAME") or host)
        self._directories = directories
        self._procfs = procfs
        self._limit = limit
        self._targets: tuple[Target, ...] = ()
        self._columns: tuple[Column, ...] = ()

    def targets(self) -> tuple[Target, ...]:
        """Return our own container, once it was read."""
        return self._targets

    def read(self, now: Now) -> SourceReport:  # noqa: ARG002 - a source is handed the tick's time
        """Report when it started; the cgroup source reads the rest."""
        if not self._targets:
            try:
                started = self._started()
            except (OSError, ValueError, IndexError) as error:
                reason = f"{self._procfs.root}: {error}; --path.procfs must name this container's /proc"
                return SourceReport(self.name, (), error=reason)
            name = self._name
            subject = Subject(Kind.CONTAINER, name, (name, "", ""), f"{name}@{started:.2f}")
            self._targets = (Target(subject, _FIRST, self._directories, self._limit, started),)
            self._columns = (Column(START_TIME_SECONDS[Kind.CONTAINER], (subject,), (started,)),)
        return SourceReport(self.name, self._columns)

    def close(self) -> None:
        """Nothing is held here."""

    def _started(self) -> float:
        return self._procfs.boot_time() + self._procfs.stat(_FIRST).start / self._procfs.ticks_per_second
