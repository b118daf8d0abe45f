"""One wish with all that bears on it, as every check is handed it; and its tick, where the past is looked up. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from brimline.deeds import RESTART, Decision, Deed, Fate, Ledger, Whose, begun, whose
from brimline.model import Container, Subject
from brimline.policy.terms import SUCCESSOR, SUCCESSOR_LENGTH, Scene, Terms, Wish, service_of

HOUR: Final = 3600.0
_NO_LABELS: Final[Mapping[str, str]] = {}
_WOULD: Final = {
    "restart": "would be restarted",
    "recycle": "would have its largest worker recycled",
    "cleanup": "would be asked to free memory",
}


class Tick:
    """What all wishes of one tick are checked against. What is decided is added, so that the next wish sees it."""

    def __init__(self, scene: Scene, ledger: Ledger, terms: Terms) -> None:
        self.scene = scene
        self.terms = terms
        self.mono = scene.now.mono
        self.storm = False
        self.resumed = ledger.resumed
        self.busy = dict(scene.busy)
        self.restarts: list[Deed] = []  # of the last hour, as are the next
        self.by_service: dict[str, list[Deed]] = {}
        self._of: dict[Whose, list[Deed]] = {}
        self._counts: dict[str, int] = {}
        self._running: dict[str, list[Container]] | None = None
        for deed in sorted(ledger.deeds, key=attrgetter("began")):
            self._add(deed)

    def of(self, subject: Subject, action: str) -> list[Deed]:
        """Return what was done of this kind to one subject, oldest first."""
        return [deed for deed in self._of.get(whose(subject), ()) if deed.action == action]

    def begin(self, decision: Decision) -> None:
        """Count a decision of this very tick."""
        self._add(begun(decision))

    def case(self, wish: Wish) -> Case:
        """Return a wish as the checks are handed it."""
        container = self.scene.containers.get(wish.subject)
        labels = container.labels if container is not None else _NO_LABELS
        return Case(wish, self, container, labels, service_of(wish.subject, labels))

    def replicas(self, service: str) -> int:
        """Return how many replicas a service had in the last 10 min; a container and its successor are one."""
        if service not in self._counts:
            seen = self.scene.replicas.get(service, ())
            self._counts[service] = len({n[SUCCESSOR_LENGTH:] if SUCCESSOR.match(n) else n for n in seen})
        return self._counts[service]

    def running(self, service: str) -> list[Container]:
        """Return the containers of a service that run."""
        if self._running is None:
            self._running = {}
            for container in self.scene.containers.values():
                if container.running:
                    called = service_of(container.subject, container.labels)
                    self._running.setdefault(called, []).append(container)
        return self._running.get(service, [])

    def _add(self, deed: Deed) -> None:
        self._of.setdefault(whose(deed), []).append(deed)
        if deed.fate is Fate.INTENDED:
            self.busy.setdefault(whose(deed), deed.action)
        if deed.action == RESTART and self.mono - deed.began <= HOUR:
            self.restarts.append(deed)
            if deed.service:
                self.by_service.setdefault(deed.service, []).append(deed)


@dataclass(frozen=True, slots=True)
class Case:
    """One wish before the checks."""

    wish: Wish
    tick: Tick
    container: Container | None  # as its engine tells of it; None for other kinds, and where the engine is silent
    labels: Mapping[str, str]  # of the container
    service: str  # it belongs to; "" for none

    @property
    def scene(self) -> Scene:
        """Return everything that is known in this tick."""
        return self.tick.scene

    @property
    def name(self) -> str:
        """Return what it is called."""
        return self.wish.subject.name or str(self.wish.subject.kind)

    def done(self, action: str) -> Sequence[Deed]:
        """Return what was done of this kind to its subject, oldest first."""
        return self.tick.of(self.wish.subject, action)

    def cause(self) -> str:
        """Say who asks and why: `InferenceMemoryCritical at 91.0 %, level 85.0 %`."""
        wish = self.wish
        if not wish.alertname:
            return f"asked for by {wish.caller}"
        at = f" at {wish.value}" if wish.value else ""
        above = f", level {wish.threshold}" if wish.threshold else ""
        asked = "" if wish.caller == "rule" else f", asked for by {wish.caller}"
        return f"{wish.alertname}{at}{above}{asked}"

    def would(self) -> str:
        """Say what would have been done: `whisper would be restarted (InferenceMemoryCritical at 91.0 %)`."""
        return f"{self.name} {_WOULD.get(self.wish.action, f'would see {self.wish.action}')} ({self.cause()})"
