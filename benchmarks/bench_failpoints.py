"""A real Brimline killed at every named point of an action and started again, on a real dockerd: what the world shows.

Each life has a container above its restart level, a stop timeout of 1 s and a receiver of its own.
Usage: python benchmarks/bench_failpoints.py [--rounds N] [--quick]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from brimline.faults import POINTS
from measuring import HERE, Line, heading

sys.path.insert(0, str(HERE.parent / "tests"))

from real.engine import Dockerd
from real.failpoints import Seen, live_all, lives


def lived(rounds: int) -> tuple[list[Seen], float]:
    """Return what became of each life, and how many seconds all of them took."""
    with closing(Dockerd(options=["--debug"])) as dockerd, tempfile.TemporaryDirectory() as place:
        dockerd.start()
        began = time.monotonic()
        return live_all(dockerd, Path(place), lives(rounds)), time.monotonic() - began


def lines(seen: Sequence[Seen]) -> list[Line]:
    """Return what was promised, and what is."""
    doubled = sum(one.restarts > 1 or one.incarnations > 2 for one in seen)
    lost = sum(bool(one.untold()) for one in seen)
    down = sum(not one.running for one in seen)
    other = sum(bool(one.faults()) for one in seen)
    died = sum(one.killed for one in seen)
    return [
        Line("lives that ended at their point", str(died), "", f"= {len(seen)}", died == len(seen)),
        Line("actions done twice", str(doubled), "", "= 0", doubled == 0),
        Line("lives that left something untold", str(lost), "", "= 0", lost == 0),
        Line("containers left down", str(down), "", "= 0", down == 0),
        Line("lives with any fault", str(other), "", "= 0", other == 0),
    ]


def main() -> None:
    """Print the table, and a row for each point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="one round")
    args = parser.parse_args()
    seen, seconds = lived(1 if args.quick else args.rounds)
    print(heading())
    for line in lines(seen):
        print(line)
    print(f"\n{len(seen)} lives in {seconds:.0f} s. By point: how long the longest took, and messages that came again")
    for point in POINTS:
        of = [one for one in seen if one.life.point == point]
        print(f"  {point:10} {max(one.seconds for one in of):5.1f} s  {sum(one.twice for one in of)}")
    for fault in [fault for one in seen for fault in one.faults()]:
        print(fault)


if __name__ == "__main__":
    main()
