"""What a reader of the front page asks for: words to find, an order, all or only the first ones. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import urlencode

from brimline.standing import ORDER
from brimline.web.page.gathered import Gathered, Line

SHOWN: Final = 100  # subjects, unless all are asked for
_LONGEST: Final = 200  # characters of a search
_STATES: Final = tuple(map(str, ORDER))
_NEVER: Final = float("inf")

Order = Callable[[Gathered, Line], tuple[object, ...]]


def _by_state(gathered: Gathered, line: Line) -> tuple[object, ...]:
    state = _STATES.index(line.state) if line.state in _STATES else len(_STATES)
    return state, not gathered.fires(line.subject), -line.ratio, line.subject.name


def _by_name(_: Gathered, line: Line) -> tuple[object, ...]:
    return line.subject.name.lower(), line.subject.kind


def _by_used(_: Gathered, line: Line) -> tuple[object, ...]:
    return -line.ratio, line.subject.name


def _by_left(gathered: Gathered, line: Line) -> tuple[object, ...]:
    left = gathered.measures.get(line.subject, "memory_time_to_limit_seconds")
    return _NEVER if left is None else left, -line.ratio, line.subject.name


def _by_restarts(gathered: Gathered, line: Line) -> tuple[object, ...]:
    return -(gathered.measures.get(line.subject, "restarts_total") or 0.0), -line.ratio, line.subject.name


# name in the address -> how, and as what aria-sort calls that order
ORDERS: Final[Mapping[str, tuple[Order, str]]] = {
    "state": (_by_state, "descending"),
    "name": (_by_name, "ascending"),
    "used": (_by_used, "descending"),
    "left": (_by_left, "ascending"),
    "restarts": (_by_restarts, "descending"),
}


@dataclass(frozen=True, slots=True)
class Query:
    """One request's wishes; what is not known is left out, not refused."""

    words: str = ""
    sort: str = "state"
    backwards: bool = False
    everything: bool = False

    @classmethod
    def read(cls, words: str, sort: str, *, everything: bool) -> Query:
        """Read the parts of an address."""
        name = sort.removeprefix("-")
        known = name in ORDERS
        return cls(words.strip()[:_LONGEST], name if known else "state", known and sort.startswith("-"), everything)

    @property
    def order(self) -> str:
        """Return the order as the address holds it."""
        return f"-{self.sort}" if self.backwards else self.sort

    def choose(self, gathered: Gathered) -> Sequence[Line]:
        """Return the lines wanted, in their order."""
        wanted = self.words.lower().split()
        found = [line for line in gathered.lines if not wanted or _matches(gathered, line, wanted)]
        order, _ = ORDERS[self.sort]
        return sorted(found, key=lambda line: order(gathered, line), reverse=self.backwards)

    def turned(self, name: str) -> str:
        """Return what a press on a column's heading asks for: that order, or its reverse where it is in force."""
        return f"-{name}" if name == self.sort and not self.backwards else name

    def direction(self, name: str) -> str:
        """Return the attribute that says how the table is sorted; empty where it is not by this column."""
        if name != self.sort:
            return ""
        word = ORDERS[name][1]
        if self.backwards:
            word = "ascending" if word == "descending" else "descending"
        return f' aria-sort="{word}"'

    def address(self, **changes: str) -> str:
        """Return the address of the front page with these wishes changed, escaped."""
        wishes = {"q": self.words, "sort": "" if self.order == "state" else self.order, "all": "1" * self.everything}
        held = {name: value for name, value in {**wishes, **changes}.items() if value}
        return escape(f"?{urlencode(held)}") if held else "./"


def _matches(gathered: Gathered, line: Line, wanted: Sequence[str]) -> bool:
    trouble = gathered.measures.trouble(line.subject)
    said = [line.subject.kind, line.subject.name, *line.subject.labels, line.state, trouble.name if trouble else ""]
    said += [alert.alertname for alert in gathered.alerts(line.subject)]
    text = " ".join(said).lower()
    return all(word in text for word in wanted)
