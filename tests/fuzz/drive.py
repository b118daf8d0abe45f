"""Fuzzes one target with atheris: `drive.py NAME SECONDS CORPUS`; what is found new is kept in CORPUS.

An input that breaks something is written beside CORPUS as libFuzzer does, and the exit status is not 0.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2] / "exporter")]
with atheris.instrument_imports(include=["brimline"]):
    from targets import TARGETS


def main() -> None:
    name, seconds, *corpora = sys.argv[1:]
    options = [f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=1024", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *options, *corpora], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
