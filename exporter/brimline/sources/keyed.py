"""Reads `key value` files (memory.stat, memory.events, ...) by the positions learned from the last one."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

Values = tuple[int | None, ...]


class KeyedFile:
    """The wanted keys of one file format.

    The kernel prints the keys in a fixed order: their places are learned once and the names compared, 3 us where a
    loop over the lines takes 9.
    """

    def __init__(self, *wanted: bytes) -> None:
        self._wanted: Final = wanted
        self._names: list[bytes] = []
        self._numbers: Callable[[list[bytes]], Any] = itemgetter(0, 0)
        self._known = False
        self._places: tuple[int | None, ...] = (None,) * len(wanted)  # per wanted key its place among the numbers

    def values(self, data: bytes) -> Values:
        """Return the wanted keys' numbers in their order; None for a key that this kernel does not print.

        Raises ValueError where it is not a key and a number on each line.
        """
        parts = data.split()
        if len(parts) % 2:
            raise ValueError("a key without a number")
        names = parts[::2]
        if names != self._names:
            self._learn(names)
        numbers = tuple(map(int, self._numbers(parts))) if self._known else ()
        if len(numbers) == len(self._wanted) + 1:
            return numbers[1:]
        return tuple(None if place is None else numbers[place] for place in self._places)

    def _learn(self, names: list[bytes]) -> None:
        self._names = names
        at = {name: 2 * i + 1 for i, name in enumerate(names)}
        present = [name for name in self._wanted if name in at]
        self._known = bool(present)
        self._places = tuple(present.index(name) + 1 if name in at else None for name in self._wanted)
        if present:  # twice the first: itemgetter of one item gives no tuple
            self._numbers = itemgetter(at[present[0]], *(at[name] for name in present))
