"""How every benchmark measures and what it prints.

Ways that are compared run in turn, each after a pause (cold, as in production), in one run; CPU time; the median.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WARM = 2  # the first rounds count for nothing
Way = Callable[[], float]  # runs once and returns milliseconds


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity held against what it must be."""

    quantity: str
    ours: str
    against: str
    wanted: str
    stands: bool

    def __str__(self) -> str:
        """Return it as a row of the table."""
        word = "yes" if self.stands else "NO"
        return f"{self.quantity:52} | {self.ours:>12} | {self.against:>26} | {self.wanted:>18} | {word}"


def heading() -> str:
    """Return the head of the table."""
    names = f"{'quantity':52} | {'ours':>12} | {'against':>26} | {'wanted':>18} | stands"
    return f"{names}\n{'-' * len(names)}"


def timed(work: Callable[[], object]) -> Way:
    """Return a way that measures this process's CPU time, all threads included."""

    def run() -> float:
        began = time.process_time()
        work()
        return (time.process_time() - began) * 1000

    return run


def interleaved(
    ways: Mapping[str, Way], *, rounds: int, pause: float, before: Callable[[], object] = tuple
) -> dict[str, float]:
    """Run every way once a round, in turn, each after `before` and the pause; return the medians."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + WARM):
        for name, way in ways.items():
            before()
            time.sleep(pause)
            taken = way()
            if number >= WARM:
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


@contextmanager
def compiled(source: str) -> Iterator[Path]:
    """Yield the program made of a C file beside the benchmarks."""
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder, Path(source).stem)
        subprocess.run(["cc", "-O2", "-Wall", "-o", binary, HERE / source], check=True)
        yield binary


class Reference:
    """A C program that does one round for each line it is sent and answers with a line."""

    def __init__(self, *command: object) -> None:
        self._process = subprocess.Popen(list(map(str, command)), stdin=-1, stdout=-1, text=True, bufsize=1)
        if self._answer() != ["ready"]:
            raise SystemExit(f"{command[0]} did not start")

    def round(self) -> list[str]:
        """Do one round and return the words of its answer."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        self._process.stdin.write("\n")
        return self._answer()

    def milliseconds(self) -> float:
        """Do one round and return the CPU milliseconds it answers with."""
        return int(self.round()[0]) / 1e6

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()

    def _answer(self) -> list[str]:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        return self._process.stdout.readline().split()


def all_descriptors() -> None:
    """Allow as many descriptors as the hard limit does."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
