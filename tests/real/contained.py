"""Brimline inside a container of a dockerd: this very Python and checkout, on the host's network so that it is read."""

from __future__ import annotations

import sys
import urllib.error
from collections.abc import Mapping, Sequence
from typing import Self

from real.engine import Dockerd, python_here
from real.places import alive, free_port, wait_until
from real.sidecar import Sidecar

PATIENCE = 90


class Contained(Sidecar):
    """A Brimline whose process a dockerd started; `before` is shell that runs in the container ahead of it.

    On another network than the host's it can be asked from within its container only.
    """

    def __init__(
        self,
        daemon: Dockerd,
        name: str,
        *flags: object,
        options: Sequence[object] = (),
        before: str = "",
        network: str = "host",
    ) -> None:
        self._daemon = daemon
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        run = [sys.executable, "-m", "brimline", "run", f"--web.listen-address=127.0.0.1:{port}", *map(str, flags)]
        self.container = daemon.cli(
            *("run", "--detach", "--name", name, "--network", network, *python_here(), *options),
            *(daemon.busybox, "sh", "-c", f'{before}\nexec "$0" "$@" 2>&1', *run),
        )
        self.pid = daemon.pid(self.container)

    def ready(self) -> Self:
        """Wait for its first tick."""
        try:
            wait_until(self._ticked, "Brimline's first tick in its container", PATIENCE)
        except (TimeoutError, RuntimeError) as error:
            raise RuntimeError(f"{error}\n{self.log()}") from error
        return self

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return status and body of a page; (0, "") while nobody listens."""
        try:
            return super().get(path, headers)
        except urllib.error.URLError:
            return 0, ""

    def log(self) -> str:
        """Return what it wrote."""
        return self._daemon.cli("logs", self.container)

    def close(self) -> None:
        """Remove its container."""
        self._daemon.cli("rm", "--force", self.container)

    def _ticked(self) -> bool:
        if not alive(self.pid):
            raise RuntimeError("the container ended")
        return self.get("/-/ready")[0] == 200
