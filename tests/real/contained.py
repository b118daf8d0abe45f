"""Brimline inside a container of a dockerd: this very Python and checkout, on the host's network so that it is read."""

from __future__ import annotations

import sys
import urllib.error
from collections.abc import Mapping, Sequence

from real.engine import Dockerd, python_here
from real.places import free_port, wait_until
from real.sidecar import Sidecar

PATIENCE = 90


class Contained(Sidecar):
    """A Brimline whose process a dockerd started; `before` is shell that runs in the container ahead of it."""

    def __init__(
        self, daemon: Dockerd, name: str, *flags: object, options: Sequence[object] = (), before: str = ""
    ) -> None:
        self._daemon = daemon
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        run = [sys.executable, "-m", "brimline", "run", f"--web.listen-address=127.0.0.1:{port}", *map(str, flags)]
        self.container = daemon.cli(
            *("run", "--detach", "--name", name, "--network", "host", *python_here(), *options),
            *(daemon.busybox, "sh", "-c", f'{before}\nexec "$0" "$@"', *run),
        )
        self.pid = daemon.pid(self.container)
        try:
            wait_until(self._ready, "Brimline's first tick in its container", PATIENCE)
        except (TimeoutError, RuntimeError) as error:
            log = self.log()
            self.close()
            raise RuntimeError(f"{error}\n{log}") from error

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return status and body of a page; (0, "") while nobody listens."""
        try:
            return super().get(path, headers)
        except urllib.error.URLError:
            return 0, ""

    def log(self) -> str:
        """Return what it wrote."""
        return self._daemon.both("logs", self.container)

    def close(self) -> None:
        """Remove its container."""
        self._daemon.cli("rm", "--force", self.container)

    def _ready(self) -> bool:
        if not self._daemon.inspect(self.container)["State"]["Running"]:
            raise RuntimeError("the container ended")
        return self.get("/-/ready")[0] == 200
