"""A live Brimline: `brimline run` as its users start it, on a free port, and its page read over HTTP."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

from real.places import wait_until

Answer = TypeVar("Answer")
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]
STORAGE = "--storage.path="


def _parse(page: str) -> Series:
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(page)
        for s in family.samples
    }


class Sidecar:
    """One running Brimline; its journal goes with it, unless a flag says where it is to stay."""

    _trust: ssl.SSLContext | None = None

    def __init__(
        self,
        *flags: object,
        environ: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        python: Sequence[str] = (sys.executable,),
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process
        chosen = [str(flag).removeprefix(STORAGE) for flag in flags if str(flag).startswith(STORAGE)]
        self._own = None if chosen else tempfile.TemporaryDirectory(prefix="brimline-journal-")
        self.storage = Path(chosen[-1] if self._own is None else self._own.name)
        run = [*python, "-m", "brimline", "run", "--web.listen-address=127.0.0.1:0"]
        self._process = subprocess.Popen(
            [*before, *run, f"{STORAGE}{self.storage}", *map(str, flags)],
            stderr=self._log,
            stdout=self._log,
            env={**os.environ, **(environ or {})},
        )
        self.pid = self._process.pid
        self._trust = trust
        self.url = ""
        try:
            wait_until(self._listens, "Brimline listens", 90)
            wait_until(lambda: self.get("/-/ready")[0] == 200, "Brimline's first tick", 90)
        except BaseException:
            self.close()
            raise

    def log(self) -> str:
        """Return what it wrote."""
        self._log.seek(0)
        return self._log.read()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return status and body of a page."""
        request = urllib.request.Request(f"{self.url}{path}", headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._trust) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def series(self) -> Series:
        """Return every sample of the page, by name and sorted labels."""
        return _parse(self.get("/metrics")[1])

    def find(self, name: str, **labels: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Return the samples of a metric that have these labels."""
        _, page = self.get("/metrics")
        # Parsing a whole page takes a second on an emulated machine.
        lines = [line for line in page.splitlines() if line.startswith(name)]
        wanted = set(labels.items())
        return {ls: v for (n, ls), v in _parse("\n".join([*lines, ""])).items() if n == name and wanted <= set(ls)}

    def value(self, name: str, **labels: str) -> float | None:
        """Return the one sample of a metric with these labels; None where there is none."""
        found = list(self.find(name, **labels).values())
        assert len(found) <= 1, found
        return found[0] if found else None

    def wait_for(self, what: Callable[[], Answer], why: str, seconds: float = 60) -> Answer:
        """Return the first true answer."""
        deadline = time.monotonic() + seconds
        while not (answer := what()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s: {why}\n{self.log()}")
            time.sleep(0.1)
        return answer

    def ticks(self) -> float:
        """Return how many ticks there were."""
        return sum(self.find("brimline_ticks_total").values())

    def next_ticks(self, count: int = 2) -> None:
        """Wait until so many further ticks were made."""
        seen = self.ticks()
        self.wait_for(lambda: self.ticks() >= seen + count, f"{count} more ticks")

    def files(self) -> list[str]:
        """Return what its descriptors lead to, sorted."""
        found = []
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found.append(str(link.readlink()))
        return sorted(found)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = 30) -> int:
        """Return its exit status."""
        return self._process.wait(seconds)

    def close(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        if self._own is not None:
            self._own.cleanup()

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"Brimline ended with {self._process.returncode}:\n{self.log()}")
        found = re.search(r"on (https?://127\.0\.0\.1:\d+)/", self.log())
        if found:
            self.url = found[1]
        return bool(found)
