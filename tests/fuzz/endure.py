"""`make fuzz`: fuzzes the named targets (all), an hour each, two at a time; what is found new is kept for the next run.

`ARGS="--seconds 60 proc docker"`. Ends with the inputs that broke something, and exit status 1 if there is one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def endure(name: str, seconds: int) -> tuple[str, int]:
    """Fuzz one target; its log, its corpus and what broke it stand below .cache/fuzz/NAME."""
    place = ROOT / ".cache" / "fuzz" / name
    (place / "found").mkdir(parents=True, exist_ok=True)
    corpora = [str(place / "found"), str(HERE / "corpus" / name)]  # libFuzzer writes to the first
    command = [sys.executable, str(HERE / "drive.py"), name, str(seconds), *corpora]
    with (place / "log").open("w") as log:
        return name, subprocess.run(command, cwd=place, stderr=log, stdout=log, check=False).returncode


def main() -> int:
    names = sorted(place.name for place in (HERE / "corpus").iterdir())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("names", nargs="*", choices=[*names, []])
    asked = parser.parse_args()
    broken = 0
    with ThreadPoolExecutor(2) as pool:
        for name, status in pool.map(lambda name: endure(name, asked.seconds), asked.names or names):
            print(f"{name:<14} {'ok' if status == 0 else f'broken: see .cache/fuzz/{name}'}", flush=True)
            broken += status != 0
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
