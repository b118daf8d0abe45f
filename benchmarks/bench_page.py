"""The front page of N subjects: what a tick's first view costs the server, the next ones, a search, and all of them.

CPU time of the whole process, from the request as it was parsed to the response as it will be sent; each view comes
with another tick. Usage: python benchmarks/bench_page.py [--subjects N] [--rounds N] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
from collections.abc import Mapping

from aiohttp.test_utils import make_mocked_request

from brimline.config import Config
from brimline.deeds import Entry
from brimline.journal.hours import Key
from brimline.journal.lines import Wanted
from brimline.journal.minutes import Trace
from brimline.members import Members
from brimline.metrics.self import SelfMetrics
from brimline.model import Column, Diagnosis, Kind, Now, Snapshot, SourceReport, Subject
from brimline.rules.terms import Levels, RuleSet
from brimline.sources.cgroup import FAMILIES, MEMORY_USED_RATIO
from brimline.view import View
from brimline.web.once import Once
from brimline.web.page.pages import Pages
from measuring import Line, Way, heading, interleaved, timed

AT = 1e9


class Past:
    """An hour of everybody, and an empty journal."""

    up, why = True, ""

    def __init__(self, subjects: tuple[Subject, ...]) -> None:
        minutes = tuple(range(int(AT // 60) - 60, int(AT // 60)))
        limit = (1 << 20,) * 60
        self._hour = {
            (str(s.kind), s.name, s.labels): Trace(
                minutes, tuple(int((1 << 19) * (1 + math.sin(n + m / 9) / 2)) for m in range(60)), limit
            )
            for n, s in enumerate(subjects)
        }

    def hour(self) -> Mapping[Key, Trace]:
        """Return the same hour again."""
        return self._hour

    def lines(self, _: Wanted) -> tuple[Entry, ...]:
        """Return nothing."""
        return ()


class Shown:
    """A Face whose view is another one each time it is asked for a next."""

    config, rules, ready = Config(), RuleSet((), Levels()), True

    def __init__(self, count: int) -> None:
        labels = ((f"service-{n}", f"project-{n % 40}", f"web-{n}") for n in range(count))
        self._subjects = tuple(Subject(Kind.CONTAINER, name[0], name, name[0]) for name in labels)
        self._diagnoses = {s: Diagnosis("ok", "It does not leak.") for s in self._subjects}
        self._numbers = itertools.count()
        self.self_metrics = SelfMetrics()
        self.past = Past(self._subjects)
        self.next_tick = asyncio.Event()
        self.view: View | None = None
        self.next()

    def next(self) -> None:
        """Tick."""
        turn, count = next(self._numbers), len(self._subjects)
        ratios = [(n * 37 + turn) % count / count for n in range(count)]
        columns = [
            Column(family[Kind.CONTAINER], self._subjects, ratios if family is MEMORY_USED_RATIO else [2.0**30] * count)
            for family in FAMILIES
        ]
        reports = (SourceReport("bench", tuple(columns)), SourceReport("derived", (), diagnoses=self._diagnoses))
        self.view = View(Snapshot(Now(AT, 1e3), reports), (), turn, 0.01, b"")

    def fresh(self) -> bool:
        """Say that the loop ticks."""
        return True

    async def members(self, _: Subject) -> Members | None:
        """Return nothing."""
        return None

    async def reload(self) -> list[str]:
        """Reload nothing."""
        return []


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    args = parser.parse_args()
    shown, once, loop = Shown(args.subjects), Once(), asyncio.new_event_loop()
    pages = Pages(shown, once, telemetry_path="/metrics", prefix="")

    def view(path: str, *, tick: bool) -> Way:
        request = make_mocked_request("GET", path, headers={"Accept-Encoding": "gzip"}, loop=loop)

        def look() -> None:
            if tick:
                shown.next()
            loop.run_until_complete(pages.front(request))

        return timed(look)

    ways: dict[str, Way] = {
        "first": view("/", tick=True),
        "again": view("/", tick=False),
        "search": view("/?q=web-9&sort=name", tick=False),
        "all": view("/?all=1", tick=True),
        "tick": timed(shown.next),
    }
    taken = interleaved(ways, rounds=3 if args.quick else args.rounds, pause=0.1)
    once.close()
    print(heading())
    for name, word in (
        ("first", "the first view of a tick"),
        ("again", "  the same page again"),
        ("search", "  a search"),
    ):
        cost = taken[name] - (taken["tick"] if name == "first" else 0)
        print(Line(f"{word}, {args.subjects} subjects", f"{cost:.1f} ms", "", "< 100 ms", cost < 100))
    every = taken["all"] - taken["tick"]
    print(Line("all of them on one page", f"{every:.1f} ms", "", "< 100 ms", every < 100))


if __name__ == "__main__":
    main()
