"""Mistakes inside one text, by their place in it; whoever knows where the text stands turns them into Problems."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from brimline.errors import BrimlineError


@dataclass(frozen=True, slots=True)
class Slip:
    """One mistake: its first character, how many are meant, and what to write instead."""

    start: int
    length: int
    message: str


class SlipError(BrimlineError):
    """A text that cannot be read, with all its slips."""

    def __init__(self, slips: Iterable[Slip]) -> None:
        self.slips = tuple(slips)
        super().__init__("; ".join(slip.message for slip in self.slips))
