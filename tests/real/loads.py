"""memload: a process that holds memory in a known way, here or in a container; compiled once into the cache."""

from __future__ import annotations

import subprocess
from pathlib import Path

from real.places import CACHE, MissingPartError

SOURCE = Path(__file__).with_name("memload.c")


def binary() -> Path:
    """Return the static binary, compiled again when its source changed."""
    target = CACHE / "memload"
    if target.exists() and target.stat().st_mtime >= SOURCE.stat().st_mtime:
        return target
    CACHE.mkdir(exist_ok=True)
    fresh = CACHE / f"memload.{id(target)}"
    command = ["gcc", "-std=c17", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", str(fresh), str(SOURCE)]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        raise MissingPartError("no gcc: apt-get install gcc libc6-dev") from None
    return fresh.rename(target)


class Load:
    """One running memload; `ready` blocks until it holds what it was asked for."""

    def __init__(self, *steps: object, before: str = "") -> None:
        script = f'{before}\nexec "$0" "$@"'
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", script, str(binary()), *map(str, steps)], stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def ready(self) -> list[str]:
        """Return the lines it said before `ready`; fail if it died on the way."""
        assert self._process.stdout is not None
        said: list[str] = []
        for line in self._process.stdout:
            if line == "ready\n":
                return said
            said.append(line.rstrip("\n"))
        raise RuntimeError(f"memload ended with {self._process.wait()} before it was ready")

    def wait(self, seconds: float = 30) -> int:
        """Return its exit status, negative for a signal."""
        return self._process.wait(seconds)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
