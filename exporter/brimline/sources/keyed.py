"""Reads `key value` files (memory.stat, memory.events, ...) by the positions learned from the last one."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

Values = tuple[int | None, ...]


class KeyedFile:
    """The wanted keys of one file format. The kernel prints the keys in a fixed order, so positions are learned once
    and the names there compared: 3 us where a loop over the lines takes 9.
    """  # noqa: D205 - one sentence, two lines

    def __init__(self, *wanted: bytes) -> None:
        self._wanted: Final = wanted
        self._names: Callable[[list[bytes]], Any] = itemgetter(0, 0)
        self._numbers: Callable[[list[bytes]], Any] = itemgetter(0, 0)
        self._expected: tuple[bytes, ...] = ()
        self._places: tuple[int | None, ...] = ()  # per wanted key its place among the numbers

    def values(self, data: bytes) -> Values:
        """Return the wanted keys' numbers in their order; None for a key that this kernel does not print."""
        parts = data.split()
        try:
            if self._names(parts) != self._expected:
                self._learn(parts)
            numbers = tuple(map(int, self._numbers(parts))) if self._expected else ()
        except IndexError:  # a shorter file than the last one
            self._learn(parts)
            numbers = tuple(map(int, self._numbers(parts))) if self._expected else ()
        if len(numbers) == len(self._wanted) + 1:
            return numbers[1:]
        return tuple(None if place is None else numbers[place] for place in self._places)

    def _learn(self, parts: list[bytes]) -> None:
        at = {name: i for i, name in enumerate(parts[:-1]) if i % 2 == 0}
        present = [name for name in self._wanted if name in at]
        self._places = tuple(present.index(name) + 1 if name in at else None for name in self._wanted)
        if not present:
            self._expected = ()
            return
        order = [present[0], *present]  # twice the first: itemgetter of one item gives no tuple
        self._names = itemgetter(*(at[name] for name in order))
        self._numbers = itemgetter(*(at[name] + 1 for name in order))
        self._expected = tuple(order)
