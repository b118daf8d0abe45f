"""The leaking service in a container of a dockerd, and its load: a client that goes on asking whatever happens."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from real.engine import Dockerd, python_here
from real.places import free_port, wait_until

MIB = 1024 * 1024
PROGRAM = Path(__file__).with_name("leaky.py")
PAUSE = 0.1  # between two requests
HEAVY = 4096  # KiB of the largest request


class Service:
    """One container; `options` are docker's. It is healthy when this returns, unless `health` is off."""

    def __init__(
        self,
        engine: Dockerd,
        name: str,
        *options: object,
        limit: int = 256,
        grace: float = 0.5,
        labels: Mapping[str, str],
        health: bool = True,
    ) -> None:
        self.engine, self.name, self.limit, self.port = engine, name, limit * MIB, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"brimline.restart": "true", "brimline.cleanup": f":{self.port}/cleanup", "brimline.start-period": "2s"}
        marks = [part for key, value in {**own, **labels}.items() for part in ("--label", f"{key}={value}")]
        look = ("--health-cmd", f"busybox wget -q -O /dev/null {self.url}/health", "--health-interval", "1s")
        bounds = ("--memory", f"{limit}m", "--memory-swap", f"{limit}m")
        self.id = engine.cli(
            *("run", "--detach", "--name", name, "--network", "host", *python_here(), *marks, *bounds, *options),
            *(look if health else ()),
            *(engine.busybox, sys.executable, "-I", "-S", PROGRAM, self.port, grace),
        )
        wait_until(lambda: self.ask() is not None, f"{name} answers", 60)
        if health:
            wait_until(self.healthy, f"{name} is healthy", 20)

    def ask(self, path: str = "/health", seconds: float = 2.0) -> dict[str, Any] | None:
        """Return its answer; None where there is none."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=seconds) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            return None

    def state(self) -> Mapping[str, Any]:
        """Return what the engine says of it."""
        found: Mapping[str, Any] = self.engine.inspect(self.id)["State"]
        return found

    def healthy(self) -> bool:
        """Tell whether the engine calls it healthy."""
        return bool(self.state()["Health"]["Status"] == "healthy")


class Traffic:
    """Asks ten times a second from the start to the end of a `with` block; each request leaks a little."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.answered = 0
        self.failed = 0
        self.last: dict[str, Any] = {}
        self._aim = 0.0  # share of the limit that is to be leaked soon
        self._cache = 0  # KiB that are still to go into its cache
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def fill(self, share: float, cache: int = 0, seconds: float = 60.0) -> float:
        """Let heavy requests come until it holds this share, `cache` MiB of it in its cache; return when it does."""
        self._cache, self._aim = cache * 1024, share
        wait_until(lambda: not self._aim, f"{self.service.name} holds {share:.0%}: {self.last}", seconds)
        return time.time()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(PAUSE):
            found = self.service.ask(f"/work?{self._load()}")
            if found is None:
                self.failed += 1
                continue
            self.answered += 1
            self.last = found
            if found["held"] >= self._aim * self.service.limit:
                self._aim = 0.0

    def _load(self) -> str:
        """Return what the next request takes."""
        if not self._aim:
            return "leak=1&cache=1"
        left = int(self._aim * self.service.limit - self.last.get("held", 0)) // 1024 + 1
        size = min(HEAVY, left, self._cache or HEAVY)
        if self._cache:
            self._cache -= size
            return f"cache={size}"
        return f"leak={size}"
