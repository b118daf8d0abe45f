"""What a tick costs in numbers that no noise moves: system calls and instructions, as differences of two runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOT_FILES = 4
CGROUPS = 50


class Counted:
    """Runs of the ticking program under a tool."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        paths = f"{ROOT / 'exporter'}:{ROOT / 'tests'}"
        self._environment = {"PYTHONPATH": paths, "PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": str(directory / "pyc")}
        self._runs = 0
        self.run("whole", 0)  # compiles what it imports

    def run(self, what: str, ticks: int, *tool: str) -> str:
        """Run it and return what the tool wrote."""
        self._runs += 1
        program = [sys.executable, "-S", str(Path(__file__).with_name("ticking.py"))]
        tree = self._directory / str(self._runs)
        command = [*tool, *program, what, str(tree), str(CGROUPS), str(ticks)]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def calls(self, ticks: int) -> Counter[str]:
        """Count its system calls by name."""
        table = self._directory / "calls"
        self.run("whole", ticks, _tool("strace"), "-f", "-c", "-U", "name,calls", "-o", str(table))
        rows = (line.split() for line in table.read_text().splitlines())
        return Counter(
            {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit() and row[0] != "total"}
        )

    def instructions(self, what: str, ticks: int) -> int:
        """Count its instructions in user mode."""
        said = self.run(what, ticks, _tool("valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null")
        found = re.search(r"Collected : (\d+)", said)
        assert found is not None, said
        return int(found[1])


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"no {name}: apt-get install {name}")
    return path


def test_a_hot_tick_is_one_pread_a_file_and_nothing_else(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    ten_ticks = counted.calls(11) - counted.calls(1)
    del ten_ticks["pwrite64"]  # the program's own, to change the files
    assert ten_ticks.pop("pread64") == 10 * CGROUPS * HOT_FILES
    assert ten_ticks.total() <= 10 * CGROUPS * 0.2, ten_ticks


@pytest.mark.parametrize(("what", "most"), [("two", 20_000), ("whole", 40_000)])
def test_a_hot_tick_takes_few_instructions(tmp_path: Path, what: str, most: int) -> None:
    counted = Counted(tmp_path)
    ten_ticks = counted.instructions(what, 12) - counted.instructions(what, 2)
    assert ten_ticks / 10 / CGROUPS <= most
