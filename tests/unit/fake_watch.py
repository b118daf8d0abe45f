"""A watch that notes which v1 thresholds are set; the kernel's side is proved against the real one."""

from __future__ import annotations

from collections.abc import Callable

from brimline.fds import FdBudget
from brimline.sources.watch import Watch
from fakes import FakePoller


class RecordingWatch(Watch):
    """Notes events in the order they are set; a test signals them."""

    def __init__(self, *, refuse: bool = False) -> None:
        super().__init__(FakePoller(), FdBudget(100))
        self.refuse = refuse
        self.set: list[str] = []
        self._alive: dict[int, tuple[str, Callable[[], None]]] = {}

    @property
    def alive(self) -> list[str]:
        """Return the thresholds that are set now, in bytes."""
        return [argument for argument, _ in self._alive.values()]

    def on_event(self, directory: str, file: str, argument: str, ready: Callable[[], None]) -> int | None:
        del directory
        if self.refuse:
            return None
        if file != "memory.usage_in_bytes":
            return 0
        self.set.append(argument)
        self._alive[len(self.set)] = (argument, ready)
        return len(self.set)

    def forget_event(self, event: int | None) -> None:
        self._alive.pop(event or 0, None)

    def cross(self, argument: int) -> None:
        """Signal a threshold that is set."""
        (ready,) = [ready for at, ready in self._alive.values() if at == str(argument)]
        ready()
